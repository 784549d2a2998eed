# The interposer is clean: it needs libc alone, runs nothing when it is loaded, exports what it wraps and nothing else,
# and no call of libc that takes a path or lists a directory was forgotten.
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

exported=$(nm -D --defined-only "$LIBRARY" | awk '{print $3}' | LC_ALL=C sort)
hooks=$(cat "$FOREBAY_SOURCE"/src/posix/*_hooks.cpp)
wrapped=$({
  sed -nE 's/^FOREBAY_[A-Z0-9_]*HOOK[A-Z0-9_]*\((int, |ssize_t, |char\*, |long, |void, |DIR\*, |FILE\*, |struct dirent(64)?\*, )?([a-z_0-9]+).*/\3/p' <<< "$hooks"
  sed -nE 's/^FOREBAY_STATFS_HOOK\([a-z0-9]+, ([a-z0-9]+),.*/\1/p' <<< "$hooks"
} | LC_ALL=C sort -u)
[ "$exported" = "$wrapped" ] || fail "exports what it does not wrap, or the other way: $(diff <(echo "$exported") <(echo "$wrapped"))"

# libc's calls by name: whatever smells of files is wrapped, or listed with the reason why not.
libc=$(ldd "$LIBRARY" | awk '$1 == "libc.so.6" {print $3}')
smell='open|stat|access|dir|link|path|glob|ftw|fts|chmod|chown|utime|trunc|mk|xattr|creat|nod|exec|inotify|fanotify|handle'
smell="$smell|mount|rename|remove|cwd|getwd|root|swapo|acct|canonicalize|spawn|uselib|tmpnam|tempnam|ftok|getdents|quotactl"
candidates=$(nm -D --defined-only "$libc" | grep -v GLIBC_PRIVATE | awk '$2 ~ /^[TWi]$/ {print $3}' | sed 's/@.*//' |
  grep -E "$smell" | LC_ALL=C sort -u)
left=$(sed -e '/^#/d' -e '/^$/d' "$HERE/left_to_libc.txt")
forgotten=
unused=$(awk '{print $1}' <<< "$left")
while read -r name; do
  grep -qxF "$name" <<< "$exported" && continue
  matched=
  while read -r pattern _; do
    # shellcheck disable=SC2254
    case $name in $pattern) matched=$pattern && break ;; esac
  done <<< "$left"
  if [ -n "$matched" ]; then
    unused=$(grep -vxF -e "$matched" <<< "$unused")
  else
    forgotten="$forgotten $name"
  fi
done <<< "$candidates"
[ -z "$forgotten" ] || fail "neither wrapped nor listed in left_to_libc.txt:$forgotten"
[ -z "$unused" ] || fail "listed in left_to_libc.txt for nothing:" $unused
[ "$FAILURES" = 0 ]
