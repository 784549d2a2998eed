#!/usr/bin/env python3
"""layers_test.py PROJECT: includes point down the layers only, and libraries stay in their place.

The table is that of src/README.md. A module may include itself, modules of lower layers, and of its own layer those
named in SAME_LAYER.
"""
import pathlib
import re
import sys

LAYERS = [
    {"common", "shared"},
    {"config", "placement", "s3", "web"},
    {"catalog", "origin", "buffer", "transport"},
    {"stage", "drain", "ipc", "client"},
    {"server", "cli", "posix"},
]
SAME_LAYER = {
    ("common", "shared"),
    ("catalog", "origin"),
    ("s3", "web"),
    ("cli", "server"),
}
# Modules that live in other people's processes: libc, the compiler's freestanding headers, and what is shared.
LIBC_ONLY = {
    "shared": {"shared"},
    "client": {"shared", "client", "forebay"},
    "posix": {"shared", "client", "posix", "forebay"},
}
FREESTANDING = {"atomic", "bit", "concepts", "cstdarg", "cstddef", "cstdint", "limits", "new", "type_traits", "utility"}
MPI_PLACES = ("transport/mpi/", "server/")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def layer_of(module):
    return next((number for number, modules in enumerate(LAYERS) if module in modules), None)


def may_include(module, other):
    if module == other or (module, other) in SAME_LAYER or other == "forebay":
        return True
    return layer_of(other) is not None and layer_of(other) < layer_of(module)


def violations_of(path, name):
    module = name.split("/")[0]
    if layer_of(module) is None:
        yield f"module {module} is in no layer"
        return
    for bracket, header in INCLUDE.findall(path.read_text()):
        other = header.split("/")[0]
        if header == "mpi.h" and not name.startswith(MPI_PLACES):
            yield "sees <mpi.h>, which only src/transport/mpi and src/server may"
        if bracket == '"':
            if "/" not in header:
                yield f'includes "{header}" without its module'
            elif not may_include(module, other):
                yield f'includes "{header}", which is not below it'
        if module in LIBC_ONLY:
            if bracket == '"' and other not in LIBC_ONLY[module]:
                yield f'includes "{header}", and {module} may use only {", ".join(sorted(LIBC_ONLY[module]))}'
            if bracket == "<" and not header.endswith(".h") and header not in FREESTANDING:
                yield f"includes <{header}>, and {module} may use only libc"


def main():
    source = pathlib.Path(sys.argv[1]) / "src"
    files = sorted(path for path in source.rglob("*") if path.suffix in {".hpp", ".cpp", ".h", ".c"})
    assert files, f"no sources under {source}"
    found = [(path, text) for path in files for text in violations_of(path, path.relative_to(source).as_posix())]
    for path, text in found:
        print(f"src/{path.relative_to(source)}: {text}")
    print(f"{len(files)} files, {len(found)} violations")
    return 1 if found else 0


sys.exit(main())
