#!/usr/bin/env python3
"""harness.py: seeded faults under readers that compare everything. See run.sh."""
import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback

from fault import NotInjected
from lab import Failure, Hosts, Lab
from plan import plan
from truth import reset_longest

RECOVERY_S = 120
RESTARTS_MAX = 4  # of one run


def bucket_ns(bucket):
    return (8 + bucket % 8) << (bucket // 8 - 3) if bucket >= 24 else bucket


def text_of(ns):
    return f"{ns / 1e9:.2f} s" if ns >= 1e9 else f"{ns / 1e6:.1f} ms" if ns >= 1e6 else f"{ns / 1e3:.1f} us"


class Delays:
    """Of single calls of readers."""

    def __init__(self):
        self.counts = [0] * 320
        self.longest_ns = 0

    def add(self, before, after, longest_ns):
        for bucket, (old, new) in enumerate(zip(before, after)):
            self.counts[bucket] += new - old
        self.longest_ns = max(self.longest_ns, longest_ns)

    def merge(self, other):
        self.add(Delays().counts, other.counts, other.longest_ns)

    def quantile_ns(self, fraction):
        left = sum(self.counts) * fraction
        for bucket, count in enumerate(self.counts):
            left -= count
            if left <= 0 < count:
                return bucket_ns(bucket)
        return 0

    def as_json(self):
        return {"calls": sum(self.counts), "p50_ns": self.quantile_ns(0.5), "p99_ns": self.quantile_ns(0.99),
                "longest_ns": self.longest_ns}

    def up_to(self):
        """How many calls took up to 1 us, 10 us, ..., by what is written above the column."""
        limits = [(text_of(10 ** exponent), 10 ** exponent) for exponent in range(3, 9)]
        limits += [("0.5 s", 5e8), ("1 s", 1e9), ("2 s", 2e9), ("2.5 s", 2.5e9), ("more", float("inf"))]
        found = dict.fromkeys((text for text, _ in limits), 0)
        for bucket, count in enumerate(self.counts):
            found[next(text for text, limit in limits if bucket_ns(bucket) <= limit)] += count
        return found

    def __str__(self):
        return (f"{sum(self.counts)} calls, p50 {text_of(self.quantile_ns(0.5))}, p99 {text_of(self.quantile_ns(0.99))}, "
                f"longest {text_of(self.longest_ns)}")


class Round:
    def __init__(self, number, faults):
        self.number = number
        self.faults = faults
        self.delays = Delays()
        self.recovery_s = None
        self.staged_again = None
        self.failures = []
        self.note = ""
        self.seen = 0  # differences before it

    @property
    def group(self):
        return "+".join(sorted({fault.group for fault in self.faults}))

    def as_json(self):
        return {"round": self.number, "group": self.group, "faults": [fault.what for fault in self.faults],
                "delays": self.delays.as_json(), "recovery_s": self.recovery_s, "staged_again_bytes": self.staged_again,
                "note": self.note, "failures": self.failures}


def origin_bytes(status):
    return sum(row.get("origin_bytes_read", 0) for row in status["nodes"]) if status else 0


def recover(lab, faults, before):
    """Waits for health, and says what became of it."""
    restarts = any(fault.restarts for fault in faults)
    tolerated = any(fault.may_pass_through for fault in faults)

    def holds():
        return lab.is_healthy(before if restarts else frozenset()) or (lab.passed_through() and not lab.servers())
    lab.wait("servers serve again", holds, RECOVERY_S)
    if lab.passed_through() and not lab.servers():
        if not tolerated:
            raise Failure(f"run gave up: {lab.said()}")
        return "passed through"
    return ""


def play(lab, this):
    """One round; raises Failure or NotInjected."""
    this.seen = len(lab.differences())
    before = frozenset(lab.servers().values())
    bytes_before = origin_bytes(lab.status())
    records = {node: lab.record(node) for node in lab.readers}
    for node in lab.readers:
        reset_longest(lab.record_path(node))
    run_before = lab.run_number
    try:
        inject_and_recover(lab, this, before, bytes_before)
    finally:
        for node, old in records.items():
            new = lab.record(node, run_before)
            this.delays.add(old.delays, new.delays, new.longest_ns)
        for run_number in range(run_before + 1, lab.run_number + 1):
            for node in lab.readers:
                new = lab.record(node, run_number)
                this.delays.add(Delays().counts, new.delays, new.longest_ns)


def inject_and_recover(lab, this, before, bytes_before):
    begin = time.monotonic()
    try:
        for fault in this.faults:
            fault.inject(lab)
        if lab.run is not None:
            lab.look_everywhere(looks=20)
            if not any(fault.alone for fault in this.faults):
                this.note = recover(lab, this.faults, before)
                this.recovery_s = round(time.monotonic() - begin, 2)
    finally:
        undone = time.monotonic()
        for fault in this.faults:
            fault.undo(lab)
    if lab.run is not None:
        if this.recovery_s is None:
            this.note = recover(lab, this.faults, before)
            this.recovery_s = this.faults[0].recovery_s or round(time.monotonic() - undone, 2)
        for fault in this.faults:
            fault.after(lab)
        lab.look_everywhere(looks=100)
        after = lab.status()
        if after is not None and not any(fault.stages_again for fault in this.faults):
            same = frozenset(lab.servers().values()) == before
            this.staged_again = origin_bytes(after) - (bytes_before if same else 0)


def show(this):
    print(f"round {this.number}: {'; '.join(fault.what for fault in this.faults)}")
    parts = [str(this.delays)]
    if this.recovery_s is not None:
        parts.append(f"healthy after {this.recovery_s} s")
    if this.staged_again is not None:
        parts.append(f"{this.staged_again} bytes staged again")
    if this.note:
        parts.append(this.note)
    print("   " + ", ".join(parts), flush=True)
    for failure in this.failures:
        print(f"   FAIL: {failure}", flush=True)


def play_all(lab, options):
    rounds = []
    for number in range(options.first, options.first + options.rounds):
        faults, anew, cold = plan(options.seed, number, lab, options.only)
        this = Round(number, faults)
        rounds.append(this)
        try:
            # Restarts in a row wait longer each time: hours in a night, which show nothing new.
            if lab.run is not None and (anew or lab.passed_through() or lab.restarts() > RESTARTS_MAX):
                lab.end()
            if lab.run is None:
                lab.start(cold)
                lab.wait("servers serve", lambda: lab.is_healthy(), RECOVERY_S)
                lab.look_everywhere(looks=100)
            play(lab, this)
        except NotInjected as nothing:
            this.failures.append(f"nothing was injected: {nothing}")
        except (Failure, OSError) as failure:
            this.failures.append(f"{failure}" if isinstance(failure, Failure) else traceback.format_exc())
        differences = lab.differences()[this.seen:]
        this.failures += differences[:8] + ([f"and {len(differences) - 8} more"] if len(differences) > 8 else [])
        if this.failures:
            this.failures.append(f"run said: {lab.said()}")
            this.failures.append(f"servers counted: {lab.counted()}")
            lab.give_up()
        show(this)
    try:
        lab.end()
    except Failure as failure:
        rounds[-1].failures.append(f"{failure}")
        print(f"FAIL: {failure}")
    return rounds


def summarise(rounds, options):
    groups = {}
    for this in rounds:
        groups.setdefault(this.group, []).append(this)
    print(f"\n{'faults':24} {'rounds':>6} {'calls':>9} {'p50':>9} {'p99':>9} {'longest':>9} {'recovery':>9} {'staged again':>13}")
    for group, members in sorted(groups.items()):
        delays = Delays()
        for this in members:
            delays.merge(this.delays)
        recovery = max((this.recovery_s for this in members if this.recovery_s is not None), default=0)
        staged = max((this.staged_again for this in members if this.staged_again is not None), default=0)
        print(f"{group:24} {len(members):6} {sum(delays.counts):9} {text_of(delays.quantile_ns(0.5)):>9} "
              f"{text_of(delays.quantile_ns(0.99)):>9} {text_of(delays.longest_ns):>9} {recovery:>7} s {staged:13}")
    all_delays = Delays()
    for this in rounds:
        all_delays.merge(this.delays)
    print("calls by how long they took:", ", ".join(f"up to {text}: {count}" for text, count in all_delays.up_to().items()))
    failed = [this.number for this in rounds if this.failures]
    print(f"seed {options.seed}: {len(rounds)} rounds, {len(failed)} failed {failed if failed else ''}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"seed": options.seed, "nodes": options.nodes, "calls_up_to": all_delays.up_to(),
                       "rounds": [this.as_json() for this in rounds]}, file,
                      indent=1)
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", default=str(int.from_bytes(os.urandom(4), "little")))
    parser.add_argument("--nodes", choices=("simulated", "hosts"), default="simulated")
    parser.add_argument("--only")
    parser.add_argument("--json")
    parser.add_argument("--run-option", action="append", default=[])
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    options.build = os.environ["FOREBAY_BUILD"]
    options.source = os.environ["FOREBAY_SOURCE"]
    work = tempfile.mkdtemp(prefix="forebay-faults.", dir=os.environ.get("TMPDIR", "/var/tmp"))
    print(f"seed {options.seed}, {options.nodes} nodes, {work}", flush=True)
    lab = None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        lab = Hosts(options, work, 3) if options.nodes == "hosts" else Lab(options, work, 4)
        code = summarise(play_all(lab, options), options)
    finally:
        if lab is not None:
            lab.close()
        if not options.keep:
            shutil.rmtree(work, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
