#!/usr/bin/env python3
"""restart_dataset.py DIRECTORY COPY FILES: a dataset of so many small files, the same in each run, and the copy that
restart_reader.py compares with."""

import os
import random
import shutil
import sys

directory, copy, files = sys.argv[1], sys.argv[2], int(sys.argv[3])
random.seed(7)
os.mkdir(directory)
for number in range(files):
    with open(f"{directory}/{number}", "wb") as stream:
        stream.write(random.randbytes(random.choice([100, 5000, 60000])))
shutil.copytree(directory, copy)
