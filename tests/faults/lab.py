"""The run under test: servers on simulated nodes or on hosts, a reader on each node, and what is known of their health."""
import json
import os
import shutil
import signal
import subprocess
import time
import zlib

import truth as truths

HANG_S = 60
BUFFER_BYTES = 96 << 20
CAPACITY = "40M"  # of a node: its share, and some of the others', so that replicas come and go
PARTIAL_BYTES = 10 << 20  # a quarter of it: larger objects are opened in partial mode


class Failure(Exception):
    pass


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def read_proc(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def state_of(pid):
    """One letter; empty when it is gone."""
    text = read_proc(pid, "stat")
    return text[text.rfind(b")") + 2:][:1].decode()


def is_gone(pid):
    return state_of(pid) in ("", "Z", "X")


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class Lab:
    """Simulated nodes. Hosts differ in how a node is reached."""
    simulated = True

    def __init__(self, options, work, node_count):
        self.options = options
        self.work = work
        self.nodes = list(range(node_count))
        self.forebay = os.path.join(options.build, "src/cli/forebay")
        self.reader = os.path.join(options.build, "tests/faults/fault_reader")
        self.failures = []
        self.readers = {}  # node: Popen
        self.run = None
        self.run_number = 0
        self.session = None
        self.dead_nodes = set()
        self.steady_servers = []
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREBAY_")}
        self.environment.update(XDG_CACHE_HOME=os.path.join(work, "cache"), XDG_CONFIG_HOME=os.path.join(work, "config"),
                                FAULT_MARK=work, **self.mpi_variables())
        self.make_places()
        origin = os.path.join(work, "data/origin")
        self.steady_behind = os.path.join(work, "data/behind")
        steady = os.path.join(work, "data/steady")
        for place in (origin, self.steady_behind, steady):
            os.makedirs(place)
        self.steady = steady
        self.start_steady()
        self.truth = truths.Truth(work, options.seed, origin, steady)

    # Places and hosts

    def mpi_variables(self):
        return {}

    def make_places(self):
        for node in self.nodes:
            place = os.path.join(self.work, "buffer", f"node{node}")
            os.makedirs(place)
            self.mount_buffer(place)

    def mount_buffer(self, place):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={BUFFER_BYTES},mode=0700", "buffer", place], check=True)

    def buffer_place(self, node):
        """Where node's buffer is mounted, seen from here."""
        return os.path.join(self.work, "buffer", f"node{node}")

    def buffer_of(self, node):
        return os.path.join(self.buffer_place(node), str(os.getuid()))

    def place_options(self):
        return ["--nodes", str(len(self.nodes)), "--buffer", os.path.join(self.work, "buffer")]

    def on_node(self, _node, argv):
        return argv

    def in_mounts_of(self, _node, argv):
        """argv where node's buffer is mounted."""
        return argv

    def session_of(self, node):
        return self.session.rsplit(".", 1)[0] + f".{node}"

    def sessions_left(self):
        name = os.path.basename(self.session).split(".")[0]
        place = f"/dev/shm/forebay-{os.getuid()}"
        return [name_there for name_there in (os.listdir(place) if os.path.isdir(place) else [])
                if name_there.startswith(name)]

    def live_nodes(self):
        return [node for node in self.nodes if node not in self.dead_nodes]

    # The origin that can hang and fail: a FUSE file system over a plain directory.

    def start_steady(self):
        for place in self.steady_places():
            self.steady_servers.append(subprocess.Popen(
                [*place, "bindfs", "-f", "-o", "attr_timeout=0,entry_timeout=0,noforget", self.steady_behind, self.steady],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            self.wait("the FUSE origin is mounted", lambda: subprocess.run([*place, "mountpoint", "-q", self.steady],
                                                                          check=False).returncode == 0, 20)

    def steady_places(self):
        """How to run a command where the steady origin is mounted, for each such place."""
        return [[]]

    def kill_steady(self):
        for server in self.steady_servers:
            send(server.pid, signal.SIGKILL)
        for server in self.steady_servers:
            server.wait()
        self.steady_servers = []

    def unmount_steady(self):
        for place in self.steady_places():
            subprocess.run([*place, "umount", "-l", self.steady], check=False, stderr=subprocess.DEVNULL)

    # Waiting

    def wait(self, what, holds, seconds):
        """Polls; a reader that hangs, or the deadline, is a Failure. Returns the seconds it took."""
        begin = time.monotonic()
        while not holds():
            self.check_readers()
            if time.monotonic() - begin > seconds:
                raise Failure(f"not in {seconds} s: {what}")
            time.sleep(0.02)
        return time.monotonic() - begin

    def check_readers(self):
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        for node, reader in self.readers.items():
            since = self.record(node).call_since_ns
            if since and now - since > HANG_S * 10 ** 9:
                where = read_proc(reader.pid, "wchan").decode()
                raise Failure(f"the reader of node {node} hangs in one call for {HANG_S} s (pid {reader.pid}, {where})")
            code = reader.poll()
            if code not in (None, 0, 1):
                raise Failure(f"the reader of node {node} ended with {code}")

    # The run

    def start(self, cold, early=None):
        """Starts servers and readers. `early()` is called as soon as the launcher was started."""
        assert self.run is None
        for node in self.live_nodes():
            if cold:
                shutil.rmtree(self.buffer_of(node), ignore_errors=True)
        self.run_number += 1
        self.truth.describe_anew()
        self.session = None
        place = os.path.join(self.work, f"run{self.run_number}")
        os.mkdir(place)
        self.report = os.path.join(place, "report.json")
        self.output = os.path.join(place, "output")
        session_file = os.path.join(place, "session")
        self.end_pipe = os.path.join(place, "end")
        os.mkfifo(self.end_pipe)
        command = ["sh", "-c", 'echo "$FOREBAY_SESSION" >"$0.new"; mv "$0.new" "$0"; cat "$1"', session_file, self.end_pipe]
        argv = [self.forebay, "run", *self.place_options(), "--stage", self.truth.origin, "--stage", self.truth.steady,
                "--capacity", CAPACITY, "--floor", "1M", "--stripe", "4M", "--prefetch", "background", "--server-timeout",
                "5", "--report", self.report, *self.options.run_option, "--", *command]
        with open(self.output, "wb") as output:
            self.run = subprocess.Popen(self.on_node(0, argv), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                        env=self.environment, start_new_session=True)
        if early is not None:
            early()
        self.wait("the command runs", lambda: os.path.exists(session_file) or self.run.poll() is not None, 120)
        if self.run.poll() is not None:
            raise Failure(f"run ended with {self.run.returncode} before its command started: {self.said()}")
        with open(session_file) as file:
            self.session = file.read().strip()
        for node in self.live_nodes():
            self.start_reader(node)

    def said(self):
        with open(self.output, errors="replace") as file:
            return file.read()[-2000:]

    def restarts(self):
        """How often this run started its servers again, or tried."""
        with open(self.output, errors="replace") as file:
            said = file.read()
        return said.count("servers restarted after") + said.count("could not be started again")

    def passed_through(self):
        """Whether run said that it goes on without servers."""
        return "command goes on" in self.said() or "runs without forebay" in self.said()

    def reader_command(self, node, name, looks=0, object_number=-1, pause=2000):
        place = os.path.join(self.work, f"run{self.run_number}")
        argv = [self.reader, "--table", self.truth.table_path, "--manifest", self.truth.manifest_path, "--truth",
                self.truth.copies, "--record", os.path.join(place, f"record.{name}"), "--log",
                os.path.join(place, "differences"), "--seed", str(zlib.crc32(f"{self.options.seed} {self.run_number} {name}".encode())),
                "--looks", str(looks), "--object", str(object_number), "--pause", str(pause)]
        if self.session:
            argv = [self.forebay, "exec", "--require", "--session", self.session_of(node), "--", *argv]
        return self.on_node(node, argv)

    def start_reader(self, node):
        self.readers[node] = subprocess.Popen(self.reader_command(node, f"{node}"), env=self.environment,
                                              stdin=subprocess.DEVNULL)
        self.wait(f"the reader of node {node} looks", lambda: self.record(node).looks > 0 or
                  self.readers[node].poll() is not None, 60)

    def record(self, node, run_number=None):
        """Of this run, or of an earlier one."""
        return self.record_named(f"{node}", run_number)

    def record_named(self, name, run_number=None):
        path = os.path.join(self.work, f"run{run_number or self.run_number}", f"record.{name}")
        try:
            return truths.Record(path)
        except FileNotFoundError:
            return truths.Record("/dev/null")

    def record_path(self, node):
        return os.path.join(self.work, f"run{self.run_number}", f"record.{node}")

    def differences(self):
        try:
            with open(os.path.join(self.work, f"run{self.run_number}", "differences"), errors="replace") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def look_everywhere(self, looks=40, seconds=120):
        """Every reader looks so many times more."""
        nodes = [node for node in self.readers if self.readers[node].poll() is None]
        goals = {node: self.record(node).looks + looks for node in nodes}
        self.wait(f"{looks} more looks by each reader", lambda: all(
            self.record(node).looks >= goal or self.readers[node].poll() is not None for node, goal in goals.items()), seconds)

    # Servers

    def servers(self):
        """{rank: pid} of those alive."""
        return dict(self.all_servers())

    def all_servers(self):
        found = []
        for pid in self.with_words(b"serve"):
            for variable in read_proc(pid, "environ").split(b"\0"):
                if variable.startswith(b"OMPI_COMM_WORLD_RANK="):
                    found.append((int(variable.split(b"=")[1]), pid))
        return found

    def with_words(self, word):
        """Live processes of this run's launch with this word in their command line."""
        origin = self.truth.origin.encode()
        return [pid for pid in processes() if not is_gone(pid) and
                (line := read_proc(pid, "cmdline")).find(origin) >= 0 and b"--supervised" in (words := line.split(b"\0")) and
                any(os.path.basename(entry) == word for entry in words[:2])]

    def launcher(self):
        """The pid of mpirun, or None."""
        return next(iter(self.with_words(b"mpirun")), None)

    def descriptors(self, pid):
        try:
            return len(os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            return 0

    def run_pid(self):
        return self.run.pid

    def status(self):
        """The servers' answer, or None."""
        try:
            done = subprocess.run(self.on_node(0, [self.forebay, "status", "--json", "--session", self.session_of(0)]),
                                  env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30,
                                  check=False)
            return json.loads(done.stdout) if done.returncode == 0 else None
        except (subprocess.TimeoutExpired, ValueError):
            return None

    def counted(self):
        """What each server says of opens and of what went wrong, for people."""
        words = ("name", "does_not_fit", "left_to_origin", "errors", "failures", "hits", "bypassed", "damaged", "evicted_objects")
        return [{word: row.get(word) for word in words} for row in (self.status() or {"nodes": []})["nodes"]]

    def is_healthy(self, but_not=frozenset()):
        """All live nodes serve, by processes that are none of `but_not`."""
        servers = set(self.servers().values())
        if len(servers) < len(self.live_nodes()) or servers & but_not or any(state_of(pid) in "Tt" for pid in servers):
            return False
        status = self.status()
        return (status is not None and
                sum(row.get("state") == "serving" for row in status["nodes"]) >= len(self.live_nodes()))

    def verb(self, node, *words, seconds=60):
        """A verb of forebay in the session; its exit code and output."""
        done = subprocess.run(self.on_node(node, [self.forebay, words[0], "--session", self.session_of(node), *words[1:]]),
                              env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds,
                              check=False)
        return done.returncode, done.stdout.decode(errors="replace")

    # The end

    def stop_readers(self):
        self.truth.header.stop = 1
        for node, reader in self.readers.items():
            try:
                code = reader.wait(timeout=HANG_S)
            except subprocess.TimeoutExpired:
                send(reader.pid, signal.SIGKILL)
                reader.wait()
                raise Failure(f"the reader of node {node} did not end") from None
            if code not in (0, 1):
                raise Failure(f"the reader of node {node} ended with {code}")
        self.readers = {}

    def let_command_end(self):
        """Opening without waiting: after SIGKILL of everything nobody reads."""
        try:
            os.close(os.open(self.end_pipe, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            pass

    def end(self, expect_code=0):
        """Ends readers, command and servers, and looks for what is left."""
        if self.run is None:
            return
        self.stop_readers()
        self.let_command_end()
        self.wait("run ends", lambda: self.run.poll() is not None, 60)
        code = self.run.returncode
        if expect_code is not None and code != expect_code:
            raise Failure(f"run ended with {code} instead of {expect_code}: {self.said()}")
        self.expect_nothing_left()
        self.run = None

    def marked(self):
        """Processes of the run under test, but for those the harness itself started."""
        mark = f"FAULT_MARK={self.work}".encode()
        return [pid for pid in processes() if mark in read_proc(pid, "environ").split(b"\0") and not is_gone(pid)]

    def expect_nothing_left(self):
        self.wait("all processes of the run are gone", lambda: not self.marked(), 30)
        if self.session:
            self.wait(f"nothing is left in /dev/shm: {self.sessions_left()}", lambda: not self.sessions_left(), 30)

    def give_up(self):
        """After a failure: everything ends, whatever it takes."""
        for pid in self.marked():
            send(pid, signal.SIGKILL)
        if self.run is not None:
            self.run.wait()
        for reader in self.readers.values():
            reader.wait()
        self.readers = {}
        self.run = None
        self.dead_nodes = set()
        for name in self.sessions_left() if self.session else []:
            shutil.rmtree(os.path.join(f"/dev/shm/forebay-{os.getuid()}", name), ignore_errors=True)

    def close(self):
        self.give_up()
        self.kill_steady()
        self.unmount_steady()
        for node in self.nodes:
            subprocess.run(["umount", "-l", self.buffer_place(node)], check=False, stderr=subprocess.DEVNULL)


class Hosts(Lab):
    """Three hosts of namespaces: other networks, names, memory and disks."""
    simulated = False

    def __init__(self, options, work, node_count):
        self.script = os.path.join(options.source, "tests/lab/hosts.sh")
        self.lab_place = os.path.join(work, "lab")
        os.environ["FOREBAY_LAB"] = self.lab_place
        super().__init__(options, work, node_count)

    def mpi_variables(self):
        return {"OMPI_MCA_plm_rsh_agent": f"{self.script} rsh", "FOREBAY_LAB": self.lab_place}

    def make_places(self):
        subprocess.run([self.script, "up", str(len(self.nodes))], check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(self.work, "hostfile"), "w") as file:
            file.writelines(f"fb{node}\n" for node in self.nodes)
        for node in self.nodes:
            subprocess.run(self.in_mounts_of(node, ["mount", "-t", "tmpfs", "-o", f"size={BUFFER_BYTES},mode=0700", "buffer",
                                                    f"{self.lab_place}/local"]), check=True)

    def steady_places(self):
        return [[]] + [self.in_mounts_of(node, []) for node in self.nodes]

    def holder(self, node):
        with open(os.path.join(self.lab_place, "hosts", f"fb{node}.pid")) as file:
            return int(file.read())

    def buffer_place(self, node):
        return f"/proc/{self.holder(node)}/root{self.lab_place}/local"

    def buffer_of(self, node):
        return os.path.join(self.buffer_place(node), "buffer", str(os.getuid()))

    def place_options(self):
        return ["--hostfile", os.path.join(self.work, "hostfile"), "--buffer", f"{self.lab_place}/local/buffer"]

    def on_node(self, node, argv):
        return [self.script, "exec", f"fb{node}", *argv]

    def in_mounts_of(self, node, argv):
        return ["nsenter", "-t", str(self.holder(node)), "-m", "--", *argv]

    def session_of(self, _node):
        return self.session

    def sessions_left(self):
        name = os.path.basename(self.session).split(".")[0]
        left = []
        for node in self.live_nodes():
            place = f"/proc/{self.holder(node)}/root/dev/shm/forebay-{os.getuid()}"
            left += [entry for entry in (os.listdir(place) if os.path.isdir(place) else []) if entry.startswith(name)]
        return left

    def network_processes(self, node):
        network = os.readlink(f"/proc/{self.holder(node)}/ns/net")
        found = []
        for pid in processes():
            try:
                if os.readlink(f"/proc/{pid}/ns/net") == network and pid != self.holder(node):
                    found.append(pid)
            except OSError:
                pass
        return found

    def servers(self):
        """But for those on hosts that are lost."""
        lost = {pid for node in self.dead_nodes for pid in self.network_processes(node)}
        return {rank: pid for rank, pid in self.all_servers() if pid not in lost}

    def close(self):
        self.give_up()
        self.kill_steady()
        self.unmount_steady()
        subprocess.run([self.script, "down"], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
