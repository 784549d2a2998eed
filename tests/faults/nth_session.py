"""What the loops over the Nth call share."""
import json
import os
import subprocess
import time

INSIDE = r'''
set -e
work=$1
echo "$FOREBAY_SESSION" >"$work/session.new"
mv "$work/session.new" "$work/session"
cat "$work/end"
'''


class Session:
    """A run of two nodes, held open."""

    def __init__(self, build, work, variables=None, arguments=()):
        self.forebay = os.path.join(build, "src/cli/forebay")
        self.work = work
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("FOREBAY_")}
        self.environment.update(XDG_CACHE_HOME=f"{work}/cache", XDG_CONFIG_HOME=f"{work}/config",
                                **(variables or {}))
        for name in ("end", "session"):
            if os.path.exists(f"{work}/{name}"):
                os.unlink(f"{work}/{name}")
        os.mkfifo(f"{work}/end")
        with open(f"{work}/output", "wb") as output:
            self.run = subprocess.Popen([self.forebay, "run", "--nodes", "2", "--stage", f"{work}/tree", "--buffer", f"{work}/buffer",
                                         "--prefetch", "wait", "--stripe", "4M", *arguments, "--", "sh", "-c", INSIDE, "sh", work],
                                        stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self.environment)
        deadline = time.monotonic() + 120
        while not os.path.exists(f"{work}/session"):
            if self.run.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"no session: {self.said()}")
            time.sleep(0.02)
        with open(f"{work}/session") as file:
            self.place = file.read().strip()

    def evict(self, path):
        return subprocess.run([self.forebay, "evict", "--session", self.place, path], env=self.environment, timeout=60,
                              check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def bring(self, path):
        """What prefetching it did: a dict, or None when there is no server."""
        done = subprocess.run([self.forebay, "prefetch", "--wait", "--json", "--session", self.place, path], env=self.environment,
                              timeout=60, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return json.loads(done.stdout) if done.stdout else None

    def in_session(self, argv, node=0):
        place = f"{self.place.rsplit('.', 1)[0]}.{node}"
        return [self.forebay, "exec", "--require", "--session", place, "--", *argv]

    def is_healthy(self):
        done = subprocess.run([self.forebay, "status", "--json", "--session", self.place], env=self.environment, timeout=30,
                              check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return done.returncode == 0 and [row["state"] for row in json.loads(done.stdout)["nodes"]] == ["serving"] * 2

    def said(self):
        with open(f"{self.work}/output", errors="replace") as file:
            return file.read()[-3000:]

    def end(self):
        with open(f"{self.work}/end", "w"):
            pass
        return self.run.wait(timeout=60)


def numbers(full, growth=2, all_up_to=None):
    """1, 2, 3, ..., behind all_up_to with some left out; or a few of each size."""
    number = 1
    while True:
        yield number
        if not full:
            number *= growth
        else:
            number += 1 if all_up_to is None or number < all_up_to else number // 8
