"""read_with_h5py.py FILE: every dataset, whole and in pieces, and the attributes."""
import hashlib
import sys

import h5py
import numpy


def main():
    with h5py.File(sys.argv[1], "r") as file:
        names = []
        file.visit(names.append)
        for name in names:
            item = file[name]
            print(name, dict(item.attrs))
            if isinstance(item, h5py.Dataset):
                content = item[()]
                text = repr(content.tolist()).encode() if content.dtype == object else numpy.ascontiguousarray(content).tobytes()
                print(item.shape, item.dtype, hashlib.md5(text).hexdigest())
        print(file["chunked"][::37, 5:300:11].sum(), file["group/link"][100:110, 0].tolist(), file["plain"][999, 499])


main()
