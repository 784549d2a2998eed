#!/usr/bin/env python3
"""headers_test.py PROJECT: every header compiles alone; public headers do in C11 and C++11 too, without warnings.

A header that its own source file includes before all else was compiled alone by the build.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

PROJECT = pathlib.Path(sys.argv[1])
CC = os.environ.get("CC", "cc")
CXX = os.environ.get("CXX", "c++")
MPI = [flag for folder in os.environ.get("MPI_INCLUDES", "").split(":") if folder for flag in ("-isystem", folder)]
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def is_first_of_its_source(header):
    source = header.with_suffix(".cpp")
    first = re.search(r"^#include (.*)$", source.read_text(), re.MULTILINE) if source.exists() else None
    return first is not None and first[1] == f'"{header.relative_to(PROJECT / "src").as_posix()}"'


def checks():
    for header in sorted((PROJECT / "src").rglob("*.hpp")):
        if not is_first_of_its_source(header):
            yield header, [CXX, "-std=c++20", "-x", "c++"]
    public = sorted((PROJECT / "include").rglob("*.h")) + sorted((PROJECT / "include").rglob("*.hpp"))
    assert public, "there are no public headers"
    for header in public:
        yield header, [CXX, "-std=c++20", "-x", "c++"]
        if header.suffix == ".h":
            yield header, [CC, "-std=c11", "-x", "c"]
            yield header, [CXX, "-std=c++11", "-x", "c++"]


def compile_alone(check):
    header, compiler = check
    base = PROJECT / ("include" if (PROJECT / "include") in header.parents else "src")
    text = f'#include "{header.relative_to(base).as_posix()}"\n'
    command = [*compiler, *STRICT, f"-I{PROJECT / 'src'}", f"-I{PROJECT / 'include'}", *MPI, "-fsyntax-only", "-"]
    result = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return header, " ".join(compiler[:2]), result


def main():
    failed = total = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for header, compiler, result in pool.map(compile_alone, checks()):
            total += 1
            if result.returncode != 0:
                failed += 1
                print(f"{header.relative_to(PROJECT)} does not compile alone with {compiler}:\n{result.stderr}")
    print(f"{total} compilations, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
