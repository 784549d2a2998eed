#!/usr/bin/env python3
"""run_pytest.py OUT FILE...: runs the files' tests with pytest and writes to OUT a line a test: its name and what came of it."""
import os
import sys

import pytest


class Recorder:
    def __init__(self, out):
        self.out = out

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            name = report.nodeid[report.nodeid.rfind("/") + 1:]
            self.out.write(f"{report.outcome} {report.when} {name}\n")
            self.out.flush()

    def pytest_collectreport(self, report):
        if report.failed:
            self.out.write(f"not collected {report.nodeid}\n")


def main():
    out_path, *arguments = sys.argv[1:]
    os.chdir(os.environ["TMPDIR"])
    with open(os.open(out_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), "w") as out:
        pytest.main(["-q", "-p", "no:cacheprovider", "--tb=short", *arguments], plugins=[Recorder(out)])
        out.write("end\n")


main()
