#!/usr/bin/python3
"""Staging from an S3 server against rclone copy and a bare libcurl loop, and second reads against s3fs and rclone mount.

    tests/bench/store_bench.py BUILD_DIR [--only staging,reads,memory] [--rounds N] [--small N] [--large N] [--connections N]
                               [--scratch DIR] [--json]

Starts a real S3 server (tests/lab/s3.sh), which shares the processors with everything else. All fetch the same objects with as many
connections, in turn; medians of the rounds. "staging" is forebay's own time from its servers being ready to everything being there;
"whole" is the whole command, MPI job and all. The libcurl loop checks nothing and repeats nothing: it is what the server and libcurl
leave. CPU seconds are the client's. "memory" is what one server has of its own, at most, while it stages a million objects from a
web server. Nothing here passes or fails. Needs rclone and s3fs (installs them), and FUSE.
"""
import argparse
import contextlib
import json
import os
import pathlib
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
LAB = HERE.parent / "lab"
sys.path.insert(0, str(HERE.parent / "s3"))
LARGE_BYTES = 64 << 20
# Who begins at once has the memory of the files that were just removed; some seconds later a virtual machine's host has to give it anew.
SETTLE_S = 3


def start_store(work):
    for name in [name for name in os.environ if name.startswith(("AWS_", "RCLONE_"))]:
        del os.environ[name]
    os.environ.update(FOREBAY_LAB=f"{work}/lab", S3_PORT=str(20000 + os.getpid() % 10000), S3_BYTES=str(12 << 30),
                      HOME=str(work), AWS_EC2_METADATA_DISABLED="true")
    subprocess.run([LAB / "s3.sh", "up"], check=True)
    said = subprocess.run([LAB / "s3.sh", "env"], check=True, stdout=subprocess.PIPE, text=True).stdout
    os.environ.update(word.split("=", 1) for word in said.split()[1:])
    with open(f"{work}/rclone.conf", "w", encoding="utf-8") as file:
        file.write(f"[store]\ntype = s3\nprovider = Ceph\nendpoint = {os.environ['AWS_ENDPOINT_URL']}\nregion = us-east-1\n"
                   f"access_key_id = {os.environ['AWS_ACCESS_KEY_ID']}\nsecret_access_key = {os.environ['AWS_SECRET_ACCESS_KEY']}\n")
    os.environ["RCLONE_CONFIG"] = f"{work}/rclone.conf"


def fill(arguments):
    """{set: (keys, bytes)}"""
    from fill_bucket import put  # pylint: disable=import-outside-toplevel
    rng = random.Random(4)
    block = rng.randbytes(LARGE_BYTES)
    sizes = [int(4096 * 25 ** rng.random()) for _ in range(arguments.small)]  # 4 KiB to 100 KiB, as many in each octave
    put("/bench")
    todo = [(f"small/{number // 1000:03d}/{number:06d}", size) for number, size in enumerate(sizes)]
    todo += [(f"large/{number:03d}", LARGE_BYTES) for number in range(arguments.large)]
    todo.reverse()

    def work():
        with contextlib.suppress(IndexError):
            while True:
                key, size = todo.pop()
                start = (size * 7919) % (LARGE_BYTES - size + 1)
                put(f"/bench/{key}", block[start:start + size])
    whole = list(todo)
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {name: ([key for key, _ in whole if key.startswith(name)], sum(size for key, size in whole if key.startswith(name)))
            for name in ("small", "large")}


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(command, **options):
    """(seconds, CPU seconds, standard output)"""
    cpu, begin = cpu_seconds(), time.monotonic()
    done = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, **options)
    return time.monotonic() - begin, cpu_seconds() - cpu, done.stdout.decode()


class Clients:
    def __init__(self, arguments, work):
        self.arguments, self.work = arguments, work
        self.forebay_program = f"{arguments.build}/src/cli/forebay"

    def fresh(self):
        target = f"{self.work}/target"
        shutil.rmtree(target, ignore_errors=True)
        os.mkdir(target)
        time.sleep(SETTLE_S)
        return target

    def forebay(self, name, _keys):
        target = self.fresh()
        seconds, cpu, _ = run([self.forebay_program, "run", "--quiet", "--stage", f"s3://bench/{name}=/bench", "--buffer", target,
                               "--origin-connections", self.arguments.connections, "--prefetch", "wait", "--report",
                               f"{target}/report", "--", "true"])
        with open(f"{target}/report", encoding="utf-8") as file:
            report = json.load(file)
        return {"whole": seconds, "staging": report["staging_s"], "cpu": cpu}

    def rclone(self, name, _keys):
        seconds, cpu, _ = run(["rclone", "copy", f"store:bench/{name}", self.fresh(), "--transfers", self.arguments.connections,
                               "--checkers", self.arguments.connections, "--fast-list", "--s3-disable-checksum"])
        return {"whole": seconds, "staging": seconds, "cpu": cpu}

    def rclone_default(self, name, _keys):
        seconds, cpu, _ = run(["rclone", "copy", f"store:bench/{name}", self.fresh()])
        return {"whole": seconds, "staging": seconds, "cpu": cpu}

    def libcurl(self, _name, keys):
        with open(f"{self.work}/keys", "w", encoding="utf-8") as file:
            file.writelines(f"{key}\n" for key in keys)
        seconds, cpu, said = run([f"{self.arguments.build}/tests/bench/curl_loop", f"{os.environ['AWS_ENDPOINT_URL']}/bench",
                                  f"{self.work}/keys", self.fresh(), self.arguments.connections])
        return {"whole": seconds, "staging": float(said), "cpu": cpu}


def staging(arguments, work, sets):
    clients = Clients(arguments, work)
    rows = []
    for name, (keys, byte_count) in sets.items():
        if not keys:
            continue
        ways = {"forebay": clients.forebay, f"rclone copy, {arguments.connections} transfers": clients.rclone,
                "rclone copy, as it comes": clients.rclone_default, "bare libcurl loop": clients.libcurl}
        taken = {way: [] for way in ways}
        for number in range(arguments.rounds + 1):  # the first warms up
            for way, fetch in ways.items():
                result = fetch(name, keys)
                if number > 0:
                    taken[way].append(result)
        shutil.rmtree(f"{work}/target")
        median = {way: {key: statistics.median(one[key] for one in results) for key in results[0]} for way, results in taken.items()}
        ours = median["forebay"]
        for way, theirs in median.items():
            rows.append({"what": f"{len(keys)} objects, {byte_count >> 20} MiB: {way}", "objects_per_s": len(keys) / theirs["staging"],
                         "MiB_per_s": byte_count / 2 ** 20 / theirs["staging"], "cpu_s_per_GiB": theirs["cpu"] / byte_count * 2 ** 30,
                         "staging_ratio": theirs["staging"] / ours["staging"], "whole_ratio": theirs["whole"] / ours["whole"]})
    return rows


@contextlib.contextmanager
def mounted(command, mount):
    os.makedirs(mount)
    subprocess.run(list(map(str, command)), check=True)
    try:
        deadline = time.monotonic() + 30
        while not os.path.ismount(mount):
            if time.monotonic() > deadline:
                sys.exit(f"{command[0]} does not mount")
            time.sleep(0.05)
        yield mount
    finally:
        subprocess.run(["fusermount", "-u", mount], check=True)


def read_small(arguments, directory):
    """Microseconds for open+fstat+read+close of a file, the median of its second reads and later ones."""
    seconds = [float(run([f"{arguments.build}/tests/bench/file_bench", "small", directory, 1])[2])
               for _ in range(arguments.rounds + 1)]
    return statistics.median(seconds[1:])


def second_reads(arguments, work):
    credentials = f"{work}/s3fs-credentials"
    with open(os.open(credentials, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(f"{os.environ['AWS_ACCESS_KEY_ID']}:{os.environ['AWS_SECRET_ACCESS_KEY']}")
    out = f"{work}/second"
    run([f"{arguments.build}/src/cli/forebay", "run", "--quiet", "--stage", "s3://bench/small=/forebay-bench", "--buffer",
         f"{work}/buffer", "--prefetch", "wait", "--", sys.executable, __file__, arguments.build, "--rounds", arguments.rounds,
         "--inside", "/forebay-bench", out])
    with open(out, encoding="utf-8") as file:
        taken = {"forebay": json.load(file)}
    with mounted(["s3fs", "bench:/small", f"{work}/s3fs", "-o", f"url={os.environ['AWS_ENDPOINT_URL']}", "-o", "use_path_request_style",
                  "-o", f"passwd_file={credentials}", "-o", f"use_cache={work}/s3fs-cache"], f"{work}/s3fs") as mount:
        taken["s3fs with its cache"] = read_small(arguments, mount)
    with mounted(["rclone", "mount", "store:bench/small", f"{work}/rclone", "--daemon", "--vfs-cache-mode", "full", "--cache-dir",
                  f"{work}/rclone-cache", "--dir-cache-time", "1h"], f"{work}/rclone") as mount:
        taken["rclone mount with its cache"] = read_small(arguments, mount)
    return [{"what": f"open+fstat+read+close, second and later reads: {way}", "us": us, "ratio": us / taken["forebay"]}
            for way, us in taken.items()]


def stage_and_watch(arguments, out):
    """Runs inside `forebay run`: the most anonymous memory the server had, in MiB, before and while it stages all."""
    forebay = f"{arguments.build}/src/cli/forebay"
    status = json.loads(subprocess.run([forebay, "status", "--json"], check=True, stdout=subprocess.PIPE).stdout)
    (pid,) = [node["pid"] for node in status["nodes"]]

    def anonymous():
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("RssAnon")) / 1024
    before = most = anonymous()
    begin = time.monotonic()
    with subprocess.Popen([forebay, "prefetch", "--wait"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as staging_all:
        while staging_all.poll() is None:
            most = max(most, anonymous())
            time.sleep(0.1)
    if staging_all.returncode != 0:
        sys.exit("prefetch failed")
    with open(out, "w", encoding="utf-8") as file:
        json.dump({"before": before, "most": most, "seconds": time.monotonic() - begin}, file)


def memory(arguments, work):
    data = tempfile.mkdtemp(prefix="forebay-million-", dir="/dev/shm")
    web = HERE.parent / "lab/web.sh"
    os.environ.update(FOREBAY_LAB=f"{work}/lab", WEB_PORT=str(10000 + os.getpid() % 5000 * 2))
    try:
        for number in range(1_000_000):
            if number % 1000 == 0:
                os.mkdir(f"{data}/{number // 1000:03d}")
            with open(f"{data}/{number // 1000:03d}/{number:06d}", "wb", buffering=0) as file:
                file.write(b"%099d\n" % number)
        subprocess.run([web, "up", data], check=True)
        try:
            url = subprocess.run([web, "url"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
            run([f"{arguments.build}/src/cli/forebay", "run", "--quiet", "--stage", f"{url}/json/=/forebay-million", "--buffer",
                 f"{data}.buffer", "--origin-connections", arguments.connections, "--prefetch", "off", "--", sys.executable, __file__,
                 arguments.build, "--watch", f"{work}/watched"])
        finally:
            subprocess.run([web, "down"], check=True)
        with open(f"{work}/watched", encoding="utf-8") as file:
            watched = json.load(file)
    finally:
        shutil.rmtree(data)
        shutil.rmtree(f"{data}.buffer", ignore_errors=True)
    return [{"what": "a server's own memory, a million objects listed, before staging", "MiB": watched["before"]},
            {"what": "the same at most while it stages them", "MiB": watched["most"], "objects_per_s": 1e6 / watched["seconds"]}]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--only", default="staging,reads,memory")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--small", type=int, default=10_000, help="objects of 4 KiB to 100 KiB")
    parser.add_argument("--large", type=int, default=16, help="objects of 64 MiB")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--scratch", default="/var/tmp")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--watch", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.build = os.path.abspath(arguments.build)
    if arguments.inside:
        with open(arguments.inside[1], "w", encoding="utf-8") as file:
            json.dump(read_small(arguments, arguments.inside[0]), file)
        return
    if arguments.watch:
        stage_and_watch(arguments, arguments.watch)
        return
    subprocess.run([LAB / "install_packages.sh", "build", "test", "bench"], check=True)
    only = arguments.only.split(",")
    work = tempfile.mkdtemp(prefix="forebay-store-bench-", dir=arguments.scratch)
    rows = []
    try:
        if "memory" in only:
            rows += memory(arguments, work)
        if "staging" in only or "reads" in only:
            start_store(work)
            sets = fill(arguments)
            rows += staging(arguments, work, sets) if "staging" in only else []
            rows += second_reads(arguments, work) if "reads" in only else []
    finally:
        if os.path.exists(f"{work}/lab/s3"):
            subprocess.run([LAB / "s3.sh", "down"], check=False)
        shutil.rmtree(work)
    if arguments.json:
        json.dump(rows, sys.stdout, indent=1)
        print()
        return
    for row in rows:
        print(f"{row['what']:78}" + "  ".join(f"{key} {value:.4g}" for key, value in row.items() if key != "what"))


if __name__ == "__main__":
    main()
