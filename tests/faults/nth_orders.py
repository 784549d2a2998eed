"""Orders to nth_call_shim.c, which is preloaded into servers."""
import ctypes
import mmap
import os

# As numbered there.
NUMBERS = {"open": 1, "read": 2, "pread": 3, "write": 4, "pwrite": 5, "ftruncate": 6, "fallocate": 7, "rename": 8, "mmap": 9,
           "sendmsg": 10, "recvmsg": 11, "accept": 12, "unlink": 13, "futimens": 14, "fchmod": 15, "connect": 16, "fsync": 17,
           "mkdir": 18, "flock": 19, "symlink": 20}
DIES = 1 << 16  # as an error: the process is killed


class Orders(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("call", "first", "persistent", "error", "counted", "failed")]


class OrdersFile:
    def __init__(self, build, path):
        with open(path, "wb") as file:
            file.truncate(mmap.PAGESIZE)
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)
        self.orders = Orders.from_buffer(self.map)
        self.variables = {"LD_PRELOAD": os.path.join(build, "tests/faults/libnth_call_shim.so"), "FOREBAY_FAULT_CALLS": path}

    def give(self, call, first, persistent, error):
        self.orders.call = 0
        self.orders.first, self.orders.persistent, self.orders.error = first, persistent, error
        self.orders.counted = self.orders.failed = 0
        self.orders.call = NUMBERS[call]
