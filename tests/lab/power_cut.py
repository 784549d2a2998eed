"""A mounted power_cut_fs (power_cut_fs/power_cut_fs.cpp), as tests in Python use it."""
import os
import signal
import socket
import subprocess
import time


class PowerCutFs:
    """Mounted at `mount` from its making until stop(); `tree` shows what is below."""

    def __init__(self, build, place, prefix=()):
        """`prefix`: how to run a command where the mount is to be."""
        self.place = place
        self.prefix = list(prefix)
        self.program = os.path.join(build, "tests/lab/power_cut_fs")
        self.backing = os.path.join(place, "backing")
        self.tree = os.path.join(self.backing, "tree")
        self.mount = os.path.join(place, "mount")
        self.control = os.path.join(place, "control")
        os.makedirs(self.tree, exist_ok=True)
        os.makedirs(self.mount, exist_ok=True)
        self.server = None
        self.start()

    def start(self):
        self.server = subprocess.Popen([*self.prefix, self.program, self.backing, self.mount, self.control],
                                       stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while subprocess.run([*self.prefix, "mountpoint", "-q", self.mount], check=False).returncode != 0:
            if self.server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"power_cut_fs does not serve at {self.mount}")
            time.sleep(0.02)

    def order(self, *words):
        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # The path may be longer than an address can be.
        here = os.open(self.place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            link.connect(f"/proc/self/fd/{here}/control")
            link.send(" ".join(map(str, words)).encode())
            answer = link.recv(4096).decode()
        finally:
            os.close(here)
            link.close()
        if not answer or answer.startswith("error"):
            raise RuntimeError(f"{words}: {answer}")
        return answer

    def fail(self, call, nth, error, times=1, pattern="*"):
        self.order("fail", call, nth, error, times, pattern)

    def failed(self):
        """How many calls failed since `well`."""
        return int(self.order("counts").split()[1])

    def cut(self, seed=0):
        return self.order("cut", seed)

    def stop(self):
        """Whoever still uses it keeps it until then."""
        if self.server is None:
            return
        subprocess.run([*self.prefix, "umount", "-l", self.mount], check=False, stderr=subprocess.DEVNULL)
        try:
            self.server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.server.send_signal(signal.SIGKILL)
            self.server.wait()
        self.server = None

    def cut_and_return(self, seed=0):
        """The power fails and comes back: the mount shows what survived. Its users must be gone."""
        said = self.cut(seed)
        self.stop()
        self.start()
        return said
