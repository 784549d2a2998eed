# The interposer is clean: it needs libc alone, runs nothing when it is loaded, exports functions of libc and nothing else,
# and no function of libc was forgotten.
set -u
LIBRARY=${FOREBAY_BUILD:?}/src/posix/libforebay_posix.so
HERE=${FOREBAY_SOURCE:?}/tests/posix
FAILURES=0
fail() { echo "FAILED: $*" >&2; FAILURES=$((FAILURES + 1)); }

[ "$(readelf -d "$LIBRARY" | grep -c NEEDED)" = 1 ] && readelf -d "$LIBRARY" | grep -q 'NEEDED.*\[libc\.so\.6\]' ||
  fail "needs more than libc: $(readelf -d "$LIBRARY" | grep NEEDED)"
readelf -d "$LIBRARY" | grep -q TEXTREL && fail "text relocations"
# One function at load: the compiler's own frame_dummy, which registers nothing in a library without exceptions.
readelf -d "$LIBRARY" | grep -q 'INIT_ARRAYSZ) *8 ' || fail "a load-time constructor"
nm "$LIBRARY" | grep -E '_GLOBAL__sub_I|__cxa_guard|__cxa_throw|__gxx_personality|_ZTI' && fail "C++ runtime inside"
nm -D --undefined-only "$LIBRARY" | awk '{print $2}' | grep -E '^_Z|^__cxa_(throw|guard|atexit)|^_Unwind' &&
  fail "C++ runtime needed"
readelf -lW "$LIBRARY" | grep -q ' TLS ' && fail "thread-local storage: a program may load us late"

# Every function of libc is wrapped, or listed with the reason why not.
python3 "$HERE/libc_symbols_test.py" "$LIBRARY" "$HERE/libc_symbols.txt" || fail "not all of libc is accounted for"
[ "$FAILURES" = 0 ]
