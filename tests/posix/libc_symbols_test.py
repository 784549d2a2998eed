#!/usr/bin/env python3
"""libc_symbols_test.py LIBRARY TABLE: every function of the libc that LIBRARY uses is wrapped or listed, and only those.

Functions for programs of old versions of glibc are told apart by their versions.
"""
import pathlib
import re
import subprocess
import sys

CLASSES = ("path", "descriptor", "other", "version")


def functions(library):
    """name -> its versions as nm writes them: name@@DEFAULT, name@OLD, or name alone."""
    said = subprocess.run(["nm", "-D", "--defined-only", "--with-symbol-versions", library], check=True,
                          capture_output=True, text=True).stdout
    found = {}
    for line in said.splitlines():
        *_, kind, symbol = line.split()
        if kind in "TWi" and "GLIBC_PRIVATE" not in symbol:
            found.setdefault(symbol.split("@")[0], set()).add(symbol)
    return found


def table(path):
    """class -> names, and what is wrong with the table."""
    listed = {name: [] for name in CLASSES}
    wrong = []
    now = None
    for line in pathlib.Path(path).read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        head = re.fullmatch(r"\[(\w+)\] (.+)", line)
        if head is None:
            listed[now] += line.split()
        elif head[1] in CLASSES:
            now = head[1]
        else:
            wrong.append(f"no class: {line}")
    names = [name for group in listed.values() for name in group]
    wrong += [f"listed twice: {name}" for name in sorted({name for name in names if names.count(name) > 1})]
    return listed, wrong


def main():
    library, path = sys.argv[1:]
    libc_path = re.search(r"libc\.so\.6 => (\S+)",
                          subprocess.run(["ldd", library], check=True, capture_output=True, text=True).stdout)[1]
    libc = functions(libc_path)
    wrapped = functions(library)
    listed, wrong = table(path)
    left = set(listed["path"] + listed["descriptor"] + listed["other"])

    wrong += [f"exported, and not of libc: {name}" for name in sorted(wrapped.keys() - libc.keys())]
    wrong += [f"neither wrapped nor listed: {name}" for name in sorted(libc.keys() - wrapped.keys() - left)]
    wrong += [f"wrapped and listed: {name}" for name in sorted(wrapped.keys() & left)]
    concerned = (wrapped.keys() | set(listed["path"])) & libc.keys()
    old = {symbol for name in concerned if any("@@" in symbol for symbol in libc[name])
           for symbol in libc[name] if "@@" not in symbol and "@" in symbol}
    wrong += [f"an old version that is not listed: {symbol}" for symbol in sorted(old - set(listed["version"]))]
    machine = subprocess.run(["uname", "-m"], check=True, capture_output=True, text=True).stdout.strip()
    if machine == "x86_64":  # Others' glibc has fewer names and began later.
        wrong += [f"listed, and not in libc: {name}" for name in sorted(left - libc.keys())]
        wrong += [f"listed, and no old version: {name}" for name in sorted(set(listed["version"]) - old)]
        own = {symbol for symbols in wrapped.values() for symbol in symbols if "@" in symbol}
        wrong += [f"a version that libc does not have: {symbol}"
                  for symbol in sorted(own - {symbol for symbols in libc.values() for symbol in symbols})]
    print("\n".join(wrong + [f"{len(libc)} functions, {len(wrapped)} wrapped, {len(left)} listed"]))
    return 1 if wrong or len(libc) < 1000 else 0


sys.exit(main())
