#!/usr/bin/python3
"""Reads from a peer through the exchange, against bare MPI_Rget under the same MPI settings.

peer_read.py BUILD [--settings shm,ucx-lo,tcp-lo] [--rounds 5] [--json]

Both are run in turn, each on two ranks of its own; medians of the rounds are compared.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def run(build, setting, mode):
    command = ["bash", HERE.parent / "mpi_run.sh", build / "tests/transport/mpi_setting_arguments", setting, "2",
               build / "tests/bench/peer_read", mode]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60)
    if done.returncode != 0:
        sys.exit(f"peer_read {mode} under {setting} ended with {done.returncode}")
    return json.loads(done.stdout)


def measure(build, setting, rounds):
    bare, ours = [], []
    for _ in range(rounds):
        bare.append(run(build, setting, "bare"))
        ours.append(run(build, setting, "forebay"))
    idle = statistics.median(run(build, setting, "idle")["cpu_percent"] for _ in range(min(rounds, 3)))

    def median(results, key):
        return statistics.median(result[key] for result in results)

    row = {"setting": setting, "rounds": rounds}
    for key in ("gib_s", "p50_4k_us"):
        row["bare_" + key] = median(bare, key)
        row["forebay_" + key] = median(ours, key)
        row["ratio_" + key] = row["forebay_" + key] / row["bare_" + key]
    row["idle_cpu_percent"] = idle
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--settings", default="shm,ucx-lo,tcp-lo")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [measure(options.build.resolve(), setting, options.rounds) for setting in options.settings.split(",")]
    if options.json:
        print(json.dumps({"cores": os.cpu_count(), "peer_read": rows}))
        return
    print(f"{'setting':12} {'4 MiB x 8: bare':>16} {'forebay':>9} {'ratio':>6} {'4 KiB p50: bare':>16} {'forebay':>9} "
          f"{'ratio':>6} {'idle CPU':>9}")
    for row in rows:
        print(f"{row['setting']:12} {row['bare_gib_s']:10.2f} GiB/s {row['forebay_gib_s']:9.2f} {row['ratio_gib_s']:6.2f} "
              f"{row['bare_p50_4k_us']:13.1f} us {row['forebay_p50_4k_us']:9.1f} {row['ratio_p50_4k_us']:6.2f} "
              f"{row['idle_cpu_percent']:7.2f} %")


if __name__ == "__main__":
    main()
