"""Changes at the origin, and origins that fail."""
import os
import random
import signal

from fault import Fault, NotInjected
from lab import PARTIAL_BYTES, Failure, send, state_of


class Changes(Fault):
    """Files change at the origin, then `refresh`: until then either version is right, afterwards the newest alone."""
    group = "origin"
    ways = ("replace", "truncate", "touch", "chmod", "remove", "create")

    def draw(self, lab):
        self.pick = random.Random(self.rng.random())
        self.changes = [self.rng.choice(self.ways) for _ in range(self.rng.randrange(1, 9))]
        self.named = self.rng.random() < 0.5
        self.what = "changes at the origin: " + " ".join(self.changes) + (", refreshed by name" if self.named else ", refreshed")

    def inject(self, lab):
        self.changed = []
        for way in self.changes:
            number = lab.truth.create(self.pick) if way == "create" else None
            if number is None:
                number = self.pick.choice(lab.truth.candidates())
                # After many rounds there is nothing left to be created.
                getattr(lab.truth, "replace" if way == "create" else way)(number, self.pick)
            self.changed.append(number)

    def after(self, lab):
        names = [lab.truth.paths[number] for number in self.changed] if self.named else []
        code, said = lab.verb(0, "refresh", *names)
        if code != 0:
            raise Failure(f"refresh: exit code {code}: {said}")
        lab.truth.settle(self.changed)


def stage_all(lab, root, expected):
    """Without the origin nobody can bring again what rounds before had damaged, and nobody has looked at."""
    code, said = lab.verb(0, "prefetch", "--wait", "--verify", root)
    if code not in expected:
        raise Failure(f"prefetch --verify: exit code {code}: {said}")


class OriginAway(Fault):
    """Renamed away: what is staged is read on, what changed fails as without forebay."""
    group = "origin"
    alone = True

    def draw(self, lab):
        self.what = "the origin renamed away and back"

    def inject(self, lab):
        stage_all(lab, lab.truth.origin, (0, 4))  # 4: files that changed
        for row in lab.truth.rows:
            # What changed, and what is opened in partial mode, has a descriptor of the origin.
            row.may_fail = int(row.highest > 0 or not row.versions[0].exists or row.versions[0].bytes > PARTIAL_BYTES)
        lab.truth.header.names_may_fail = 1
        os.rename(lab.truth.origin, lab.truth.origin + ".away")
        if os.path.exists(lab.truth.origin):
            raise NotInjected("the origin is there")
        lab.look_everywhere(looks=300)

    def undo(self, lab):
        os.rename(lab.truth.origin + ".away", lab.truth.origin)

    def after(self, lab):
        for row in lab.truth.rows:
            row.may_fail = 0
        lab.truth.header.names_may_fail = 0


class OriginHangs(Fault):
    """The file server of the steady dataset is stopped: all of it is staged, so nobody notices.

    But for those who opened something at the origin in a round before, when servers were away."""
    group = "origin"
    alone = True

    def draw(self, lab):
        self.what = "the steady origin hangs"

    def let_go(self, lab):
        stage_all(lab, lab.truth.steady, (0,))
        lab.truth.header.lets_go = 1
        lab.look_everywhere(looks=2)  # The last one that began before is over.

    def inject(self, lab):
        self.let_go(lab)
        for server in lab.steady_servers:
            send(server.pid, signal.SIGSTOP)
        lab.wait("file servers are stopped", lambda: all(state_of(server.pid) == "T" for server in lab.steady_servers), 20)
        lab.look_everywhere(looks=300)

    def undo(self, lab):
        for server in lab.steady_servers:
            send(server.pid, signal.SIGCONT)
        lab.truth.header.lets_go = 0


class OriginGone(OriginHangs):
    """The same killed: its files answer ENOTCONN, or ENOENT once it is unmounted."""

    def draw(self, lab):
        self.unmount = self.rng.random() < 0.5
        self.what = "the steady origin's file server killed" + (" and unmounted" if self.unmount else "")

    def inject(self, lab):
        self.let_go(lab)
        lab.kill_steady()
        if self.unmount:
            lab.unmount_steady()
        try:
            os.stat(lab.truth.paths[lab.truth.first_new - 1])
            raise NotInjected("the steady origin answers")
        except OSError:
            pass
        lab.look_everywhere(looks=300)

    def undo(self, lab):
        lab.unmount_steady()
        lab.start_steady()
        lab.truth.header.lets_go = 0
