#!/bin/bash
# What power_cut_fs loses and keeps, so that tests which use it can be believed. Needs root: its mounts end with it.
here=$(dirname "$(readlink -f "$0")")
[ "$(id -u)" = 0 ] || exec "$here/as_root.sh" bash "$0"
exec unshare --mount --propagation private -- /usr/bin/python3 -B "$here/power_cut_fs_test.py"
