"""A run with checkpoints on simulated nodes, whose processes may be killed, and which may be recovered."""
import os
import shutil
import signal
import subprocess
import sys
import time

from lab import Failure, is_gone, processes, read_proc, send
from nth_orders import OrdersFile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
import checkpoint_record as records

START_S, END_S = 120, 120


def wait(what, holds, seconds):
    begin = time.monotonic()
    while not holds():
        if time.monotonic() - begin > seconds:
            raise Failure(f"not in {seconds} s: {what}")
        time.sleep(0.01)
    return time.monotonic() - begin


class CheckpointLab:
    """Everything of one round is below `work`, which it makes."""

    def __init__(self, build, source, work, node_count, prefix=(), destination=None, buffer=None):
        self.build, self.source, self.work, self.node_count = build, source, work, node_count
        self.prefix = list(prefix)  # of each command: where other mounts are
        self.forebay = os.path.join(build, "src/cli/forebay")
        os.makedirs(work)
        self.destination = destination or os.path.join(work, "destination")
        self.buffer = buffer or os.path.join(work, "buffer")
        self.mount = os.path.join(work, "mount")
        self.record = os.path.join(work, "record")
        self.output = os.path.join(work, "output")
        self.stop_file = os.path.join(work, "stop")
        os.makedirs(self.destination, exist_ok=True)
        os.makedirs(self.buffer, exist_ok=True)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREBAY_")}
        cache = os.path.dirname(work)
        self.environment.update(XDG_CACHE_HOME=os.path.join(cache, "cache"), XDG_CONFIG_HOME=os.path.join(cache, "config"),
                                CHECKPOINT_MARK=work)
        # Servers have the shim that can kill them in a call.
        self.orders = OrdersFile(build, os.path.join(work, "orders"))
        self.environment.update(self.orders.variables)
        self.run = None

    def place_options(self, node_count):
        return ["--nodes", str(node_count), "--buffer", self.buffer, "--checkpoint", f"{self.destination}={self.mount}"]

    def spawn(self, argv):
        with open(self.output, "ab") as output:
            output.write(f"--- {' '.join(argv)}\n".encode())
            output.flush()
            return subprocess.Popen([*self.prefix, *argv], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                    env=self.environment, start_new_session=True)

    def writer(self, seed, *options):
        return ["/usr/bin/python3", "-B", os.path.join(self.source, "tests/faults/checkpoint_acts.py"), self.mount, self.record,
                "--seed", str(seed), "--stop", self.stop_file, *options]

    def start_idle(self, options=()):
        """A run whose command only waits for the end."""
        session_file, self.end_pipe = os.path.join(self.work, "session"), os.path.join(self.work, "end")
        os.mkfifo(self.end_pipe)
        command = ["sh", "-c", 'echo "$FOREBAY_SESSION" >"$0.new"; mv "$0.new" "$0"; cat "$1"', session_file, self.end_pipe]
        self.run = self.spawn([self.forebay, "run", *self.place_options(self.node_count), *options, "--", *command])
        wait("the command runs", lambda: os.path.exists(session_file) or self.run.poll() is not None, START_S)
        if self.run.poll() is not None:
            raise Failure(f"run ended with {self.run.returncode} at once: {self.said()}")
        with open(session_file, encoding="utf-8") as file:
            self.session = file.read().strip()

    def session_of(self, node):
        return self.session.rsplit(".", 1)[0] + f".{node}"

    def end_idle(self):
        with open(self.end_pipe, "w", encoding="utf-8"):
            pass
        wait("run ends", lambda: self.run.poll() is not None, END_S)
        return self.run.returncode

    def do(self, *argv, node=0, seconds=END_S):
        """A command in the session of a node; its exit code and what it printed."""
        done = subprocess.run([*self.prefix, self.forebay, "exec", "--require", "--session", self.session_of(node), "--", *argv],
                              env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=seconds, check=False)
        return done.returncode, done.stdout.decode(errors="replace")

    def drain(self, *words, seconds=END_S):
        """`forebay drain --wait`: its exit code and what it printed."""
        done = subprocess.run([*self.prefix, self.forebay, "drain", "--wait", "--session", self.session_of(0), *words],
                              env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=seconds, check=False)
        return done.returncode, done.stdout.decode(errors="replace")

    def start(self, seed, options=(), acts_per_s=40):
        self.run = self.spawn([self.forebay, "run", *self.place_options(self.node_count), "--per-node", *options, "--",
                               *self.writer(seed, "--rate", str(acts_per_s))])
        wait("writers write", lambda: len(self.acts()) > 3 * self.node_count or self.run.poll() is not None, START_S)
        if self.run.poll() is not None:
            raise Failure(f"run ended with {self.run.returncode} at once: {self.said()}")

    def said(self):
        with open(self.output, errors="replace", encoding="utf-8") as file:
            return file.read()[-3000:]

    def acts(self):
        return records.read(self.record) if os.path.exists(self.record) else []

    def act_count(self):
        try:
            with open(self.record, "rb") as file:
                return file.read().count(b"\n")
        except FileNotFoundError:
            return 0

    # Processes

    def marked(self):
        mark = f"CHECKPOINT_MARK={self.work}".encode()
        return [pid for pid in processes() if mark in read_proc(pid, "environ").split(b"\0") and not is_gone(pid)]

    def with_word(self, word):
        return [pid for pid in self.marked() if any(os.path.basename(entry) == word for entry in
                                                    read_proc(pid, "cmdline").split(b"\0")[:4])]

    def servers(self):
        found = {}
        for pid in self.with_word(b"serve"):
            for variable in read_proc(pid, "environ").split(b"\0"):
                if variable.startswith(b"OMPI_COMM_WORLD_RANK="):
                    found[int(variable.split(b"=")[1])] = pid
        return found

    def writers(self):
        return [pid for pid in self.with_word(b"checkpoint_acts.py") if
                os.path.basename(read_proc(pid, "cmdline").split(b"\0")[0]).startswith(b"python")]

    def launchers(self):
        return self.with_word(b"mpirun")

    def kill(self, pids):
        """SIGKILL; how many there were."""
        struck = 0
        for pid in pids:
            if not is_gone(pid):
                send(pid, signal.SIGKILL)
                struck += 1
        wait("killed processes are gone", lambda: all(is_gone(pid) for pid in pids), 20)
        return struck

    def kill_all(self):
        struck = 0
        while left := self.marked():
            struck += self.kill(left)
        if self.run is not None:
            self.run.wait()
        return struck

    def wait_until_gone(self):
        """After its run died."""
        self.run.wait()
        wait(f"all processes of the run are gone: {[read_proc(pid, 'cmdline') for pid in self.marked()]}",
             lambda: not self.marked(), END_S)

    def end(self):
        """Writers end; the run drains and ends. Its code."""
        with open(self.stop_file, "w", encoding="utf-8"):
            pass
        wait("run ends", lambda: self.run.poll() is not None, END_S)
        return self.run.returncode

    # Recovery

    def recover(self, how, node_count=None, kill_after_s=None):
        """By a run or by `drain --recover`; its exit code, None where it was killed before."""
        count = node_count or self.node_count
        if how == "run":
            argv = [self.forebay, "run", *self.place_options(count), "--", "true"]
        else:
            argv = [self.forebay, "drain", "--recover", *self.place_options(count)]
        process = self.spawn(argv)
        deadline = time.monotonic() + (kill_after_s or END_S)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if process.poll() is None:
            self.run = process
            self.kill_all()
            if kill_after_s is None:
                raise Failure(f"recovery by {how} does not end in {END_S} s: {self.said()}")
            return None
        return process.returncode

    def wipe(self, node):
        """All that a node's buffer had."""
        place = os.path.join(self.buffer, f"node{node}")
        if not os.path.isdir(place):
            raise Failure(f"node {node} has no buffer at {place}")
        shutil.rmtree(place)

    def close(self):
        self.kill_all()
