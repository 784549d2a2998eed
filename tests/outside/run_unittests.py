#!/usr/bin/env python3
"""run_unittests.py OUT MODULE...: runs the modules' own tests and writes to OUT a line a test: its name and what came of it."""
import importlib
import os
import sys
import unittest


class Recorder(unittest.TestResult):
    def __init__(self, out):
        super().__init__()
        self.out = out

    def say(self, test, what, why=None):
        self.out.write(f"{what} {test.id() if hasattr(test, 'id') else test}\n")
        self.out.flush()
        if why is not None:
            print(f"{what} {test.id() if hasattr(test, 'id') else test}\n{why}", file=sys.stderr)

    def addSuccess(self, test):
        self.say(test, "ok")

    def addError(self, test, err):
        super().addError(test, err)
        self.say(test, "error", self.errors[-1][1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say(test, "failed", self.failures[-1][1])

    def addSkip(self, test, reason):
        self.say(test, "skipped")

    def addExpectedFailure(self, test, err):
        self.say(test, "failed as expected")

    def addUnexpectedSuccess(self, test):
        self.say(test, "ok unexpectedly")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.say(subtest, "failed", self._exc_info_to_string(err, subtest))


def main():
    out_path, *modules = sys.argv[1:]
    # As CPython's own runner: tests make their files here.
    os.chdir(os.environ["TMPDIR"])
    loader = unittest.TestLoader()
    with open(os.open(out_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), "w") as out:
        for name in modules:
            # The module must be the staged one: where it comes from is told, too.
            module = importlib.import_module(name)
            out.write(f"module {name} staged {module.__file__.startswith(os.environ['STAGED'])}\n")
            suite = loader.loadTestsFromModule(module)
            suite.run(Recorder(out))
            out.write(f"end of {name}\n")


main()
