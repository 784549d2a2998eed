#!/usr/bin/env python3
"""checkpoint_power.py [--rounds N] [--first K] [--seed S] [--keep] [--full | --brief] [--only cuts|calls]: power cuts under destinations
and buffers, and the Nth call of each kind failing there, while checkpoints are written and drained. Runs in mounts of its own,
and in boots of its own: each cut of a buffer gives the machine another boot id. See tests/README.md."""
import argparse
import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lab"))
import checkpoint_verdict
from checkpoint_lab import CheckpointLab, wait
from fault import NotInjected
from lab import Failure
from power_cut import PowerCutFs

BOOT_ID = "/proc/sys/kernel/random/boot_id"


class Boots:
    """Processes here read another boot id after each next()."""

    def __init__(self, work):
        self.path = os.path.join(work, "boot_id")
        self.next()
        subprocess.run(["mount", "--bind", self.path, BOOT_ID], check=True)

    def next(self):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(f"{uuid.uuid4()}\n")

    def close(self):
        subprocess.run(["umount", BOOT_ID], check=False)


class CutPlan:
    def __init__(self, seed, number):
        rng = random.Random(f"power {seed} {number}")
        self.seed = f"{seed} {number}"
        self.where = ("destination", "node's buffer", "destination", "all buffers")[number % 4]
        self.fsync = {"destination": rng.choice(("process", "durable")), "node's buffer": rng.choice(("partner", "durable")),
                      "all buffers": rng.choice(("process", "durable"))}[self.where]
        self.nodes = 2
        self.after_acts = rng.randrange(20, 150)
        self.jitter_s = rng.random() * 0.1
        self.survivors = rng.choice((0, rng.randrange(1, 1000)))
        self.recovery = rng.choice(("run", "recover"))

    def __str__(self):
        return (f"{self.where}, fsync {self.fsync}, cut after {self.after_acts} acts, " +
                ("nothing else survives" if self.survivors == 0 else f"some else survives ({self.survivors})") +
                f", recovery by {self.recovery}")


class Reporter(threading.Thread):
    """Asks again and again for all to be durable, and remembers how many acts were done before an answer that said yes."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        self.lab, self.sure_acts, self.answers, self.over = lab, 0, 0, False

    def run(self):
        while not self.over:
            count = len(self.lab.acts())
            try:
                code, _ = self.lab.drain("--deadline", "30", seconds=60)
            except subprocess.TimeoutExpired:
                continue
            if code == 0:
                self.sure_acts = count
                self.answers += 1
            time.sleep(0.02)


def make_lab(options, work, plan):
    """The laboratory of a round, and the file system that will be cut."""
    os.makedirs(work)
    fs = PowerCutFs(options.build, os.path.join(work, "fs"))
    place = os.path.join(work, "lab")
    if plan.where == "destination":
        lab = CheckpointLab(options.build, options.source, place, plan.nodes, destination=os.path.join(fs.mount, "destination"))
    elif plan.where == "all buffers":
        lab = CheckpointLab(options.build, options.source, place, plan.nodes, buffer=os.path.join(fs.mount, "buffer"))
    else:
        lab = CheckpointLab(options.build, options.source, place, plan.nodes)
        os.makedirs(os.path.join(lab.buffer, "node0"))
        subprocess.run(["mount", "--bind", fs.mount, os.path.join(lab.buffer, "node0")], check=True)
    for path in (lab.destination, lab.buffer):
        subprocess.run(["sync", os.path.dirname(path)], check=True)
    return lab, fs


def play_cut(options, work, plan, boots):
    lab, fs = make_lab(options, work, plan)
    bound = os.path.join(lab.buffer, "node0") if plan.where == "node's buffer" else None
    try:
        lab.start_idle(["--fsync", plan.fsync])
        writers = [threading.Thread(target=lambda node=node: lab.do(*lab.writer(
            plan.seed, "--rate", "60", "--below", f"n{node}"), node=node), daemon=True) for node in range(plan.nodes)]
        reporter = Reporter(lab)
        for thread in [*writers, reporter]:
            thread.start()
        wait("writers write, and it is drained", lambda: lab.act_count() > plan.after_acts and reporter.answers > 0, 120)
        time.sleep(plan.jitter_s)
        said = fs.cut(plan.survivors)
        sure = reporter.sure_acts
        reporter.over = True
        lab.kill_all()
        for thread in [*writers, reporter]:
            thread.join(90)
        # Writers whose power did not fail went on until now; the others met errors.
        acts = lab.acts()
        before = [act for act in acts if act["act"] not in ("error", "refused")]
        reported = checkpoint_verdict.Paths(before[:sure]).done

        def promised(paths, path):
            return max(reported.get(path, 0), paths.synced[path] if plan.fsync == "durable" else 0)
        place = lab.destination.replace(fs.mount, fs.tree)
        found, count = checkpoint_verdict.judge(before, place, promised)
        if found:
            raise Failure(f"after the cut {len(found)} of {count} paths: " + "; ".join(found[:8]))
        if bound:
            subprocess.run(["umount", "-l", bound], check=True)
        fs.stop()
        fs.start()
        if bound:
            subprocess.run(["mount", "--bind", fs.mount, bound], check=True)
        if plan.where != "destination":
            boots.next()
        code = lab.recover(plan.recovery)

        def kept(paths, path):
            if plan.where == "destination" or (plan.where == "node's buffer" and not path.startswith("n0/")):
                return paths.done[path]
            return max(promised(paths, path), paths.synced[path] if plan.fsync != "process" else 0)
        found, count = checkpoint_verdict.judge(before, lab.destination, kept)
        if found:
            raise Failure(f"after recovery (exit code {code}) {len(found)} of {count} paths: " + "; ".join(found[:8]))
        if code != 0 and not (code == 4 and plan.where != "destination"):
            raise Failure(f"recovery ended with {code}: {lab.said()}")
        return f"{said}; {len(acts)} acts, {sure} reported durable, {count} paths are right, recovery ended with {code}"
    except Failure as failure:
        raise Failure(f"{failure}\n   said: {lab.said()}") from None
    finally:
        lab.close()
        if bound:
            subprocess.run(["umount", "-l", bound], check=False, stderr=subprocess.DEVNULL)
        fs.stop()


# The Nth call that fails

CALLS = ("fsync", "rename", "write", "fsyncdir", "create", "mkdir", "unlink", "setattr", "open", "rmdir")
ERRORS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ESTALE)


def numbers(options):
    """1, 2, 3, ... or, where time is short, 1, 2, 3, 5, 9, 17, ...; or one alone."""
    number = 1
    while not options.brief:
        yield number
        number = number + 1 if options.full or number < 3 else 2 * number - 1
    yield 2


def play_calls(options, work):
    """One run; each of its rounds writes the same in a new directory, while the Nth call fails at the destination."""
    os.makedirs(work)
    fs = PowerCutFs(options.build, os.path.join(work, "fs"))
    lab = CheckpointLab(options.build, options.source, os.path.join(work, "lab"), 2,
                        destination=os.path.join(fs.mount, "destination"))
    failed, rounds = [], 0
    try:
        lab.start_idle()
        for call in CALLS if options.full else CALLS[:6]:
            injected_ever = False
            for number in numbers(options):
                rounds += 1
                error = ERRORS[rounds % len(ERRORS)]
                begin, name = len(lab.acts()), f"{call}{number}"
                fs.order("well")
                fs.fail(call, number, error)
                code, said = lab.do(*lab.writer("calls", "--below", name, "--acts", "25"), node=rounds % 2)
                drained, list_ = lab.drain("--deadline", "60")
                injected = fs.failed()
                fs.order("well")
                found, _ = checkpoint_verdict.judge(lab.acts()[begin:], lab.destination)
                found += checkpoint_verdict.left_behind(os.path.join(lab.destination, name))
                if code != 0 or drained != 0 or found:
                    failed.append(name)
                    print(f"{call} no. {number} failed with {errno.errorcode[error]}: writer ended with {code}, drain with "
                          f"{drained}: {found[:5]} {said[-500:]} {list_[-1000:]}", flush=True)
                if injected == 0:
                    break
                injected_ever = True
            print(f"destination: {call} failed at each of 1 to {number - 1}" if injected_ever and not options.brief else
                  f"destination: {call} no. {number} failed" if injected_ever else f"no {call} was made", flush=True)
            if not injected_ever and call in ("fsync", "rename", "write", "fsyncdir"):
                failed.append(f"no {call}")
        failed += play_for_good(lab, fs)
        code = lab.end_idle()
        if code != 0:
            failed.append(f"run ended with {code}")
    except Failure as failure:
        failed.append(f"{failure}: {lab.said()}")
    finally:
        lab.close()
        fs.stop()
    print(f"{rounds} rounds with a call that fails, {len(failed)} failed {failed or ''}", flush=True)
    return len(failed)


def play_for_good(lab, fs):
    """A destination that fails until it is well again: said, kept, nothing half there, and drained then."""
    failed = []
    for call in ("fsync", "write", "rename"):
        begin, name = len(lab.acts()), f"good-{call}"
        fs.order("well")
        fs.fail(call, 1, errno.ENOSPC, -1)
        lab.do(*lab.writer("calls", "--below", name, "--acts", "15"))
        code, said = lab.drain("--deadline", "3")
        acts = lab.acts()[begin:]
        found, _ = checkpoint_verdict.judge(acts, lab.destination, lambda paths, path: 0)
        if code != 4 or "o space left" not in said or found:
            failed.append(f"{call} fails for good: drain ended with {code} and said {said[-600:]!r}; {found[:5]}")
        fs.order("well")
        code, said = lab.drain("--deadline", "90")
        found, _ = checkpoint_verdict.judge(acts, lab.destination)
        if code != 0 or found:
            failed.append(f"{call} is well again: drain ended with {code}: {said[-600:]!r}; {found[:5]}")
    print(f"a destination that fails for good, and is well again: {len(failed)} failed", flush=True)
    return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", default=str(int.from_bytes(os.urandom(4), "little")))
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--brief", action="store_true")
    parser.add_argument("--only", choices=("cuts", "calls"))
    options = parser.parse_args()
    options.build, options.source = os.environ["FOREBAY_BUILD"], os.environ["FOREBAY_SOURCE"]
    work = tempfile.mkdtemp(prefix="forebay-power.", dir=os.environ.get("TMPDIR", "/var/tmp"))
    print(f"seed {options.seed}, {work}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    failed = 0
    boots = Boots(work)
    try:
        for number in range(options.first, options.first + options.rounds) if options.only != "calls" else ():
            plan = CutPlan(options.seed, number)
            print(f"round {number}: {plan}", flush=True)
            begin = time.monotonic()
            try:
                said = play_cut(options, os.path.join(work, f"cut{number}"), plan, boots)
                print(f"   {said} ({time.monotonic() - begin:.1f} s)", flush=True)
            except (Failure, NotInjected, OSError, RuntimeError) as failure:
                failed += 1
                print(f"   FAIL: {failure}", flush=True)
        if options.only != "cuts":
            failed += play_calls(options, os.path.join(work, "calls"))
        print(f"seed {options.seed}: {failed} failed")
    finally:
        boots.close()
        if not (options.keep and failed):
            shutil.rmtree(work, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
