#!/usr/bin/env python3
"""names_test.py PROJECT: no two types of src have one name, wherever they are.

Two types of one name in one program are no error to compiler or linker, which take either's functions for both.
"""
import collections
import pathlib
import re
import sys

NAMESPACE = re.compile(r"(?:inline )?namespace ?([\w:]*) ?\{")
TYPE = re.compile(r"(?:template <.*> )?(?:struct|class|enum class|enum|union)(?: alignas\(.*?\))? ([\w:]+)(?: final)?(?: : .*)? \{")


def types(path):
    """(name with its namespaces, line) of each that has linkage."""
    spaces = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if opened := NAMESPACE.match(line):
            spaces.append(opened.group(1))
        elif line.startswith("}  // namespace"):
            spaces.pop()
        elif (found := TYPE.match(line)) and "" not in spaces:
            yield "::".join(spaces + [found.group(1)]), number


def main():
    project = pathlib.Path(sys.argv[1])
    places = collections.defaultdict(list)
    for path in sorted((project / "src").rglob("*.[ch]pp")):
        for name, number in types(path):
            places[name].append(f"{path.relative_to(project)}:{number}")
    twice = [f"{name} is defined at {' and '.join(at)}" for name, at in places.items() if len(at) > 1]
    print("\n".join(twice + [f"{len(places)} types, {len(twice)} violations"]))
    return 1 if twice or len(places) < 100 else 0


sys.exit(main())
