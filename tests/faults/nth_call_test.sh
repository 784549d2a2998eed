#!/bin/bash
# The Nth call fails, in a reading process and in servers; with --full (a night's work) for every N, and in servers that start.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
/usr/bin/python3 -B "$here/nth_client.py" "$@"
exec /usr/bin/python3 -B "$here/nth_server.py" "$@"
