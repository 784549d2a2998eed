#!/usr/bin/env python3
"""Ratios of forebay against the plain file system and the copy tools, side by side in one run.

    tests/bench/bench.py BUILD_DIR [--only read,stage,idle,memory] [--rounds N] [--scratch DIR] [--json]

Each figure is the median of interleaved rounds: plain, staged, plain, staged, ... "plain" is the same program on the
same files without the interposer. A ratio above 1 means forebay is better. Nothing here passes or fails.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

SMALL_FILES, SMALL_BYTES = 20_000, 4096
LARGE_BYTES = 1 << 30


def measure(build, env, *arguments):
    """One number that file_bench prints."""
    done = subprocess.run([f"{build}/tests/bench/file_bench", *map(str, arguments)], env=env, check=True,
                          stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def plain_environment():
    return {name: value for name, value in os.environ.items()
            if name != "LD_PRELOAD" and not name.startswith("FOREBAY_")}


def make_dataset(directory):
    block = os.urandom(1 << 20)
    for index in range(SMALL_FILES):
        folder = f"{directory}/small/{index // 1000:02d}"
        if index % 1000 == 0:
            os.makedirs(folder)
        with open(f"{folder}/{index:06d}.bin", "wb") as file:
            start = index % (len(block) - SMALL_BYTES)
            file.write(block[start:start + SMALL_BYTES])
    with open(f"{directory}/large.bin", "wb") as file:
        for _ in range(LARGE_BYTES // len(block)):
            file.write(block)


def interleaved(rounds, plain, staged):
    """Medians of both, taken in turn after one warm-up each."""
    plain(), staged()
    pairs = [(plain(), staged()) for _ in range(rounds)]
    return statistics.median(p for p, _ in pairs), statistics.median(s for _, s in pairs)


def bench_reads(arguments, data, mount):
    """Runs inside `forebay run`: the dataset is staged whole."""
    with_forebay, without = dict(os.environ), plain_environment()
    cases = [("sequential 256 KiB reads, 1 GiB", "sequential", "large.bin", n, "GiB/s", 2 ** -30) for n in (1, 2, 4, 8)]
    cases += [("random 4 KiB reads", "random", "large.bin", n, "k/s", 1e-3) for n in (1, 2, 4, 8)]
    cases += [("open+fstat+read+close, 4 KiB files", "small", "small", 1, "us", 1),
              ("lstat by path", "stat", "small", 1, "us", 1),
              ("directory walk with fstatat", "walk", "small", 1, "k names/s", 1e-3)]
    rows = []
    for what, kind, name, threads, unit, scale in cases:
        plain, staged = interleaved(
            arguments.rounds,
            lambda: measure(arguments.build, without, kind, f"{data}/{name}", threads),
            lambda: measure(arguments.build, with_forebay, kind, f"{mount}/{name}", threads))
        ratio = plain / staged if unit == "us" else staged / plain
        rows.append({"what": f"{what}, {threads} thread{'s' if threads > 1 else ''}", "plain": plain * scale,
                     "forebay": staged * scale, "unit": unit, "ratio": ratio})
    return rows


def forebay(arguments, *rest, **options):
    return subprocess.run([f"{arguments.build}/src/cli/forebay", *rest], check=True, **options)


def reads(arguments, scratch, data):
    mount = "/forebay-bench"
    out = f"{scratch}/reads.json"
    forebay(arguments, "run", "--quiet", "--stage", f"{data}={mount}", "--buffer", f"{scratch}/buffer", "--prefetch", "wait",
            "--", sys.executable, __file__, arguments.build, "--rounds", str(arguments.rounds), "--inside", data, mount, out)
    with open(out, encoding="utf-8") as file:
        return json.load(file)


def staging(arguments, scratch, data):
    """Whole commands: forebay's time holds starting and stopping an MPI job."""
    def timed(command):
        start = time.monotonic()
        command()
        return time.monotonic() - start

    def copy(*command):
        target = f"{scratch}/copy"
        seconds = timed(lambda: subprocess.run([*command, f"{data}/", target], check=True))
        shutil.rmtree(target)
        return seconds

    staging_s = []

    def stage(nodes):
        buffer, report = f"{scratch}/stage-buffer", f"{scratch}/stage.json"
        seconds = timed(lambda: forebay(arguments, "run", "--quiet", "--nodes", str(nodes), "--stage", data, "--buffer", buffer,
                                        "--prefetch", "wait", "--report", report, "--", "true"))
        shutil.rmtree(buffer)
        with open(report, encoding="utf-8") as file:
            staging_s.append(json.load(file).get("staging_s"))
        return seconds

    files = SMALL_FILES + 1
    rows = []
    for nodes in (1, 2):
        for name, command in (("cp -r", ("cp", "-r")), ("rsync -a", ("rsync", "-a"))):
            staging_s.clear()
            plain, staged = interleaved(arguments.rounds, lambda: copy(*command), lambda: stage(nodes))
            rows.append({"what": f"stage {files} files, {nodes} node(s), whole command against {name}",
                         "plain": files / plain, "forebay": files / staged, "unit": "files/s", "ratio": plain / staged})
            if all(seconds for seconds in staging_s):
                seconds = statistics.median(staging_s)
                rows.append({"what": f"stage {files} files, {nodes} node(s), staging alone against {name}",
                             "plain": files / plain, "forebay": files / seconds, "unit": "files/s", "ratio": plain / seconds})
    return rows


def inside_servers(arguments, scratch, data, nodes, inspect):
    """Runs `inspect` (a --inspect kind) on the servers' pids while they serve `data`; returns its rows."""
    out = f"{scratch}/{inspect}.json"
    forebay(arguments, "run", "--quiet", "--nodes", str(nodes), "--stage", data, "--buffer", f"{scratch}/buffer-{inspect}",
            "--prefetch", "off", "--", sys.executable, __file__, arguments.build, "--inspect", inspect, out)
    with open(out, encoding="utf-8") as file:
        return json.load(file)


def server_pids(arguments):
    done = forebay(arguments, "status", "--json", stdout=subprocess.PIPE, text=True)
    return [node["pid"] for node in json.loads(done.stdout)["nodes"]]


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def inspect_idle(arguments):
    seconds = 10.0
    pids = server_pids(arguments)
    before = {pid: cpu_seconds(pid) for pid in pids}
    start = time.monotonic()
    time.sleep(seconds)  # What is measured is that nothing happens.
    elapsed = time.monotonic() - start
    return [{"what": f"idle CPU of server {index} of {len(pids)}", "plain": 3.0,
             "forebay": 100 * (cpu_seconds(pid) - before[pid]) / elapsed, "unit": "% of a core (goal: below 3)",
             "ratio": None} for index, pid in enumerate(pids)]


def inspect_memory(arguments):
    (pid,) = server_pids(arguments)
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        fields = {line.split(":")[0]: line.split(":")[1] for line in file if ":" in line}
    session = os.environ["FOREBAY_SESSION"]
    mapped = sum(os.path.getsize(f"{session}/{name}") for name in os.listdir(session)
                 if name.startswith(("catalog.", "state.")))
    return {"private": int(fields["Anonymous"].split()[0]) / 1024, "mapped": mapped / 2 ** 20}


def memory(arguments, scratch):
    """What a million objects add to a server that serves one."""
    data = tempfile.mkdtemp(prefix="forebay-million-", dir="/dev/shm")

    def make(folder, count):
        os.mkdir(f"{data}/{folder:04d}")
        for index in range(count):
            os.close(os.open(f"{data}/{folder:04d}/sample-{index:07d}.jpg", os.O_CREAT | os.O_WRONLY))

    try:
        make(0, 1)
        fixed = inside_servers(arguments, scratch, data, 1, "memory")
        for folder in range(1, 1001):
            make(folder, 1000)
        whole = inside_servers(arguments, scratch, data, 1, "memory")
    finally:
        shutil.rmtree(data)
    return [{"what": f"{kind}, a million objects{extra}", "plain": limit, "forebay": whole[kind] - fixed[kind],
             "unit": f"MiB (goal: at most {limit:.0f})", "ratio": None}
            for kind, limit, extra in (("mapped", 160.0, ""), ("private", 32.0, f" (besides {fixed['private']:.0f} MiB)"))]


def stopping(arguments, scratch, data):
    """From the end of the command to the end of `forebay run`: four servers report, stop and are gone."""
    seconds = []
    for _ in range(arguments.rounds):
        report = f"{scratch}/stop.json"
        start = time.monotonic()
        forebay(arguments, "run", "--quiet", "--nodes", "4", "--stage", data, "--buffer", f"{scratch}/buffer-idle",
                "--prefetch", "off", "--report", report, "--", "true")
        elapsed = time.monotonic() - start
        with open(report, encoding="utf-8") as file:
            seconds.append(elapsed - json.load(file)["elapsed_s"])
    return [{"what": "four servers stop after the command ended", "plain": 2.0, "forebay": statistics.median(seconds),
             "unit": "s (goal: at most 2)", "ratio": None}]


def print_table(rows):
    print(f"{'':64}{'plain/limit':>13}{'forebay':>11}{'ratio':>8}")
    for row in rows:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        print(f"{row['what']:64}{row['plain']:13.4g}{row['forebay']:11.4g}{ratio:>8}  {row['unit']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--only", default="read,stage,idle,memory")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scratch", default="/var/tmp", help="a directory on the disk to measure")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--inside", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--inspect", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.build = os.path.abspath(arguments.build)

    if arguments.inside or arguments.inspect:
        if arguments.inside:
            data, mount, out = arguments.inside
            rows = bench_reads(arguments, data, mount)
        else:
            kind, out = arguments.inspect
            rows = {"idle": inspect_idle, "memory": inspect_memory}[kind](arguments)
        with open(out, "w", encoding="utf-8") as file:
            json.dump(rows, file)
        return

    chosen = arguments.only.split(",")
    scratch = tempfile.mkdtemp(prefix="forebay-bench-", dir=arguments.scratch)
    rows = []
    try:
        data = f"{scratch}/data"
        os.mkdir(data)
        if {"read", "stage", "idle"} & set(chosen):
            make_dataset(data)
        if "read" in chosen:
            rows += reads(arguments, scratch, data)
        if "stage" in chosen:
            rows += staging(arguments, scratch, data)
        if "idle" in chosen:
            rows += inside_servers(arguments, scratch, data, 4, "idle") + stopping(arguments, scratch, data)
        if "memory" in chosen:
            rows += memory(arguments, scratch)
    finally:
        shutil.rmtree(scratch)
    if arguments.json:
        json.dump(rows, sys.stdout, indent=1)
        print()
    else:
        print_table(rows)


if __name__ == "__main__":
    main()
