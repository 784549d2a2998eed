#!/bin/bash
# run.sh [ctest arguments]: dependencies, build and all tests, complete on a fresh Debian 12.
# Run it as root, or as a user who may use sudo. Ends with ctest's summary; fails when a test does.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

tests/lab/install_packages.sh build test
cmake --preset release
cmake --build --preset release -j"$(nproc)"
# Two at a time at most: many tests start several processes themselves. Those that need the machine for themselves say so.
ctest --preset release -j2 "$@"
