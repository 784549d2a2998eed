"""What a fault is: it draws what it will do from the round's numbers when it is made, does it, and shows that it was done."""
from lab import Failure, is_gone


class NotInjected(Exception):
    """Nothing happened: the round shows nothing."""


class Fault:
    group = ""
    alone = False  # not together with others in a round
    single = True  # the only one of its round
    ends_run = False
    restarts = False  # servers are started again
    stages_again = False  # by itself, whatever comes then
    recovery_s = None  # where it waited for that itself
    may_pass_through = False  # so much is broken that run may go on without servers

    def __init__(self, rng, lab):
        self.rng = rng
        self.what = type(self).__name__
        self.draw(lab)

    def draw(self, lab):
        pass

    def inject(self, lab):
        raise NotImplementedError

    def undo(self, lab):
        """What has to be put right for the system to be healthy again."""

    def after(self, lab):
        """Checks once the system is healthy."""

    def expect_gone(self, lab, pid):
        try:
            lab.wait(f"process {pid} is gone", lambda: is_gone(pid), 20)
        except Failure as failure:
            raise NotInjected(str(failure)) from None
