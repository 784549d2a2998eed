# Other people's tests give the same results, test by test, with the interposer below a staged mount as without it: they are
# read from the mount, run in it, and keep their files there.
#
#   suites_test.sh            a part, in less than a minute
#   suites_test.sh full       all of them: CPython's tests of files and processes, numpy's, h5py's and PyTables' tests of I/O
. "${FOREBAY_SOURCE:?}/tests/posix/tree.sh" || exit 1
HERE=$FOREBAY_SOURCE/tests/outside
MODE=${1:-part}
PACKAGES=/usr/lib/python3/dist-packages
PYTHON=/usr/bin/python3  # Debian's, which its packages belong to.
LIBRARY=$($PYTHON -c 'import os; print(os.path.dirname(os.__file__))')

CPYTHON_PART="test_posixpath test_fileio test_glob test_genericpath test_filecmp test_dbm_dumb test_linecache test_fileinput
  test_stat test_tempfile test_pathlib test_shutil test_fcntl test_netrc test_mailcap"
CPYTHON="$CPYTHON_PART test_os test_posix test_mmap test_tarfile test_zipfile test_io test_file test_largefile test_bz2
  test_gzip test_lzma test_import test_pkgutil test_zipimport test_py_compile test_runpy test_subprocess test_popen test_dbm
  test_shelve test_mailbox test_zipapp test_select test_selectors test_cmd_line_script test_configparser test_fork1 test_wait3
  test_wait4 test_site test_socketserver"
NUMPY_PART="test__datasource.py test_loadtxt.py"
NUMPY="test__datasource.py test_loadtxt.py test_io.py test_format.py"
H5PY_PART="test_h5f.py test_file_image.py"
H5PY="test_file.py test_file2.py test_file_image.py test_h5f.py test_group.py test_dataset.py test_dataset_swmr.py test_vds
  test_attrs.py test_slicing.py test_filters.py test_objects.py"
TABLES_PART="test_aux test_array"
TABLES="test_array test_attributes test_backcompat test_basics test_carray test_create test_do_undo test_earray test_hdf5compat
  test_links test_nestedtypes test_tree test_vlarray test_tables"

# make_suites DIR: the packages, as they are installed, and a place to work.
make_suites() {
  mkdir -p "$1/lib" "$1/tmp"
  cp -a "$LIBRARY/test" "$1/lib/"
  for package in numpy h5py tables; do cp -a "$PACKAGES/$package" "$1/lib/"; done
}

# existing MODULE...: those of them that this Python has.
existing() {
  for module in "$@"; do
    [ ! -e "$LIBRARY/test/$module.py" ] && [ ! -e "$LIBRARY/test/$module" ] || echo "test.$module"
  done | sort -u
}
below() { local at=$1 name; shift; for name in "$@"; do echo "$at/$name"; done; }

# run_suites OUT DIR COMMAND...: all suites, their packages in DIR.
run_suites() {
  local out=$1 t=$2
  shift 2
  mkdir "$out"
  chmod 777 "$out"
  local run=("$@" env PYTHONPATH="$t/lib" PYTHONDONTWRITEBYTECODE=1 TMPDIR="$t/tmp" STAGED="$t" HOME="$t/tmp" OMP_NUM_THREADS=1)
  # shellcheck disable=SC2086
  case $MODE in
    full)
      "${run[@]}" timeout 1500 "$PYTHON" -X utf8 "$HERE/run_unittests.py" "$out/cpython" $(existing $CPYTHON)
      "${run[@]}" timeout 600 "$PYTHON" "$HERE/run_pytest.py" "$out/numpy" $(below "$t/lib/numpy/lib/tests" $NUMPY)
      "${run[@]}" timeout 600 "$PYTHON" "$HERE/run_pytest.py" "$out/h5py" $(below "$(h5py_tests "$t")" $H5PY)
      "${run[@]}" timeout 1500 "$PYTHON" "$HERE/run_unittests.py" "$out/tables" $(for m in $TABLES; do echo "tables.tests.$m"; done)
      ;;
    *)
      "${run[@]}" timeout 300 "$PYTHON" -X utf8 "$HERE/run_unittests.py" "$out/cpython" $(existing $CPYTHON_PART)
      "${run[@]}" timeout 300 "$PYTHON" "$HERE/run_pytest.py" "$out/numpy" $(below "$t/lib/numpy/lib/tests" $NUMPY_PART)
      "${run[@]}" timeout 300 "$PYTHON" "$HERE/run_pytest.py" "$out/h5py" $(below "$(h5py_tests "$t")" $H5PY_PART)
      "${run[@]}" timeout 300 "$PYTHON" "$HERE/run_unittests.py" "$out/tables" $(for m in $TABLES_PART; do echo "tables.tests.$m"; done)
      ;;
  esac > "$out/said" 2>&1 < /dev/null
}
h5py_tests() {
  local at
  for at in "$1"/lib/h5py/_debian_h5py_serial/tests "$1"/lib/h5py/tests; do
    [ ! -d "$at" ] || { echo "$at"; return; }
  done
}

T=$WORK/tree
make_suites "$T"
chmod -R go+rX "$T"
run_suites "$WORK/plain" "$T" env
rm -rf "$T/tmp"
mkdir "$T/tmp"
start_session suites "$T" "$T" --log off
FOREBAY_SESSION=$SESSION run_suites "$WORK/ours" "$T" env LD_PRELOAD="$INTERPOSER" FOREBAY_SESSION="$SESSION"

total=0
for suite in cpython numpy h5py tables; do
  count=$(grep -c . "$WORK/plain/$suite")
  total=$((total + count))
  echo "$suite: $count results, $(grep -cE '^(ok|passed)' "$WORK/plain/$suite") of them good"
  grep -q '^end' "$WORK/plain/$suite" || fail "$suite did not end"
  ! grep -q 'staged False' "$WORK/ours/$suite" || fail "$suite was not read from the mount"
  cmp -s "$WORK/plain/$suite" "$WORK/ours/$suite" || {
    fail "$suite: other results with the interposer (< without, > with)"
    diff "$WORK/plain/$suite" "$WORK/ours/$suite" >&2
  }
done
[ "$FAILURES" = 0 ] || [ -z "${KEEP:-}" ] || cp -r "$WORK/plain" "$WORK/ours" "$KEEP"
[ "$total" -gt 300 ] || fail "only $total results"
kill -0 "$SERVER_PROCESS" || fail "the server ended"
stop_session
finish
