#!/usr/bin/env python3
"""checkpoint_crash.py [--rounds N] [--first K] [--seed S] [--keep]: writers on simulated nodes record each act outside of the
system once it has returned; processes are killed (SIGKILL) at random moments, or in the Nth of some system call; then it is
recovered, and all that was recorded must be at the destination, byte for byte, as --fsync promised. See tests/README.md."""
import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import checkpoint_verdict
from checkpoint_lab import CheckpointLab, wait
from fault import NotInjected
from lab import Failure, is_gone
from nth_orders import DIES

# As nth_call_shim.c knows them: made by servers themselves.
SERVER_CALLS = ("open", "read", "pread", "write", "pwrite", "ftruncate", "rename", "sendmsg", "recvmsg", "accept", "unlink", "futimens",
                "fchmod", "fsync", "mkdir", "flock", "symlink")
WRITER_CALLS = ("openat", "write", "fsync", "fdatasync", "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir",
                "mkdirat", "flock", "close", "sendto")
VICTIMS = ("server", "server", "server", "servers", "mpirun", "run", "run", "writer", "writer+server", "all", "all", "all")


class Plan:
    """What a round does: the same for the same seed."""

    def __init__(self, seed, number):
        rng = random.Random(f"{seed} {number}")
        self.seed = f"{seed} {number}"
        self.nodes = rng.choice((2, 3, 3))
        self.fsync = rng.choice(("process", "process", "partner", "durable"))
        self.victim = rng.choice(VICTIMS)
        self.rank = rng.randrange(self.nodes)
        self.after_acts = rng.randrange(5, 150)
        self.jitter_s = rng.random() * 0.05
        self.call, self.nth = "", 0
        if self.victim in ("server", "writer") and rng.random() < 0.6:
            self.call = rng.choice(SERVER_CALLS if self.victim == "server" else WRITER_CALLS)
            self.nth = rng.randrange(1, 12)
        self.bandwidth = rng.choice(("", "", "1M", "4M"))
        self.wipe = self.fsync != "process" and self.victim == "all" and rng.random() < 0.7
        self.fewer = self.victim in ("run", "all") and not self.wipe and self.nodes > 2 and rng.random() < 0.4
        self.recovery = rng.choice(("run", "recover"))
        self.kills_in_recovery = [rng.random() * 2 for _ in range(rng.choice((0, 0, 0, 1, 2)))]

    def __str__(self):
        text = f"{self.nodes} nodes, fsync {self.fsync}: {self.victim}"
        text += f" {self.rank}" if self.victim in ("server", "writer+server") and not self.call else ""
        text += f" killed at {self.call} no. {self.nth}" if self.call else f" killed after {self.after_acts} acts"
        text += f", drain at {self.bandwidth}B/s" if self.bandwidth else ""
        if self.ends:
            text += f", node {self.rank} wiped" if self.wipe else ""
            text += ", first on fewer nodes" if self.fewer else ""
            text += f", recovery by {self.recovery}" + f", killed {len(self.kills_in_recovery)} times" * bool(self.kills_in_recovery)
        return text

    @property
    def ends(self):
        """Whether the run is over by it."""
        return self.victim in ("run", "all")


def kill_server_in_call(lab, plan):
    """Whichever server makes the Nth call from now on dies before it is made."""
    lab.orders.give(plan.call, plan.nth, 0, DIES)
    try:
        wait(f"a server makes its call of {plan.call}", lambda: lab.orders.orders.failed > 0, 5)
    except Failure:
        return False
    finally:
        lab.orders.orders.call = 0
    return True


def kill_writer_in_call(plan, pid):
    """By strace, whose signal comes before the call is made."""
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={plan.call}", "-e",
                               f"inject={plan.call}:signal=SIGKILL:when={plan.nth}", "-p", str(pid)],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait("the writer is killed", lambda: is_gone(pid), 5)
        return True
    except Failure:
        return False
    finally:
        tracer.kill()
        tracer.wait()


def strike(lab, plan):
    """What was done, for people."""
    goal = lab.act_count() + plan.after_acts
    if not plan.call:
        wait("writers write on", lambda: lab.act_count() >= goal or lab.run.poll() is not None, 60)
        time.sleep(plan.jitter_s)
    servers = lab.servers()
    one = [servers[plan.rank]] if plan.rank in servers else []
    victims = {"server": one, "servers": list(servers.values()), "mpirun": lab.launchers(), "run": [lab.run.pid],
               "writer": lab.writers(), "writer+server": lab.writers() + one, "all": None}[plan.victim]
    if victims is None:
        struck = lab.kill_all()
    elif not victims:
        raise NotInjected(f"there is no {plan.victim}")
    elif plan.call:
        by_call = (kill_server_in_call(lab, plan) if plan.victim == "server" else
                   kill_writer_in_call(plan, victims[0]))
        if by_call:
            return f"killed in {plan.call}"
        lab.kill(victims)
        return f"made no {plan.nth} calls of {plan.call}, killed"
    else:
        struck = lab.kill(victims)
    if not struck:
        raise NotInjected(f"no {plan.victim} was alive")
    return f"{struck} processes killed"


def play(lab, plan):
    options = ["--fsync", plan.fsync, *(["--drain-bandwidth", plan.bandwidth] if plan.bandwidth else [])]
    lab.start(plan.seed, options)
    said = strike(lab, plan)
    if plan.ends:
        lab.wait_until_gone()
    else:
        goal = lab.act_count() + 20
        wait("writers write on", lambda: not lab.writers() or lab.act_count() >= goal or lab.run.poll() is not None, 60)
        code = lab.end()
        if "writer" not in plan.victim and code not in (0, 4):
            raise Failure(f"run ended with {code}: {lab.said()}")
        lab.wait_until_gone()
        said += f", run ended with {code}"
    acts = lab.acts()
    errors = [act["text"] for act in acts if act["act"] == "error"]
    if errors:
        raise Failure(f"writers met errors: {errors}")
    if plan.fsync == "durable":
        found, _ = checkpoint_verdict.judge(acts, lab.destination, lambda paths, path: paths.synced[path])
        if found:
            raise Failure("before any recovery: " + "; ".join(found[:8]))
    if plan.ends or not said.endswith("with 0"):
        said += ", " + recover(lab, plan, acts)
    wiped = f"n{plan.rank}/" if plan.wipe else "none"
    found, count = checkpoint_verdict.judge(acts, lab.destination, lambda paths, path: (
        paths.synced if path.startswith(wiped) else paths.done)[path])
    found += [] if plan.wipe else checkpoint_verdict.left_behind(lab.destination)
    if found:
        raise Failure(f"{len(found)} of {count} paths: " + "; ".join(found[:8]))
    return f"{said}; {len(acts)} acts, {count} paths are right"


def recover(lab, plan, acts):
    if plan.wipe:
        # Only what was promised shows something.
        promised = sum(act.get("synced", False) for act in acts if act["node"] == f"n{plan.rank}")
        if promised == 0:
            raise NotInjected(f"no fsync of node {plan.rank} has promised anything")
        lab.wipe(plan.rank)
    for seconds in plan.kills_in_recovery:
        lab.recover(plan.recovery, kill_after_s=seconds)
    begin = time.monotonic()
    if plan.fewer:
        lab.recover(plan.recovery, plan.nodes - 1)
        absent = f"n{plan.nodes - 1}/"
        # Of the absent node's files those are sure that a partner, or the destination, had to have.
        found, _ = checkpoint_verdict.judge(acts, lab.destination, lambda paths, path: (
            paths.done[path] if not path.startswith(absent) else 0 if plan.fsync == "process" else paths.synced[path]))
        if found:
            raise Failure(f"on {plan.nodes - 1} nodes: " + "; ".join(found[:8]))
    code = lab.recover(plan.recovery)
    # A node that lost its buffer may have lost what was promised to nobody.
    if code != 0 and not (plan.wipe and code == 4):
        raise Failure(f"recovery ended with {code}: {lab.said()}")
    return f"recovered in {time.monotonic() - begin:.1f} s"


def play_all(options, work):
    failed = []
    for number in range(options.first, options.first + options.rounds):
        plan = Plan(options.seed, number)
        begin = time.monotonic()
        print(f"round {number}: {plan}", flush=True)
        lab = CheckpointLab(options.build, options.source, os.path.join(work, f"round{number}"), plan.nodes)
        try:
            print(f"   {play(lab, plan)} ({time.monotonic() - begin:.1f} s)", flush=True)
        except (Failure, NotInjected, OSError) as failure:
            failed.append(number)
            what = "nothing was injected: " if isinstance(failure, NotInjected) else ""
            print(f"   FAIL: {what}{failure}\n   said: {lab.said()}", flush=True)
        finally:
            lab.close()
        if not (options.keep and number in failed):
            shutil.rmtree(lab.work, ignore_errors=True)
    print(f"seed {options.seed}: {options.rounds} rounds, {len(failed)} failed {failed or ''}")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", default=str(int.from_bytes(os.urandom(4), "little")))
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    options.build, options.source = os.environ["FOREBAY_BUILD"], os.environ["FOREBAY_SOURCE"]
    work = tempfile.mkdtemp(prefix="forebay-crash.", dir=os.environ.get("TMPDIR", "/var/tmp"))
    print(f"seed {options.seed}, {work}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    code = 1
    try:
        code = play_all(options, work)
    finally:
        if not (options.keep and code):
            shutil.rmtree(work, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
