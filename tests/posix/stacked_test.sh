# Beside other libraries that programs are started with: allocators that open files while they start, libfaketime, which
# wraps stat, another interposer in both orders, and a program under AddressSanitizer.
. "${FOREBAY_SOURCE:?}/tests/posix/tree.sh" || exit 1
HERE=$FOREBAY_BUILD/tests/posix
mkdir "$WORK/home"
make_tree "$WORK/home/tree"
T=$WORK/home/tree
rm "$T/fifo"  # The origin's, as all special files are.
chmod 755 "$T/closed"
chmod 644 "$T/unreadable"
mkdir "$T/many"
for i in $(seq 200); do echo "file $i" > "$T/many/$i"; done

# What real programs say of the tree.
programs() {
  "$@" find "$T" -printf '%p %s %m %i %T@ %l\n' | sort
  "$@" ls -lRA "$T"  # Not "..": this test writes there.
  "$@" bash -c 'md5sum "$0/plain" "$0"/dir/* "$0"/many/*' "$T" 2>&1
  "$@" tar -cf - -C "$T" --sort=name . | md5sum
  "$@" cat "$T/link" "$T/chain" "$T/nope" 2>&1
  "$@" stat "$T/plain" "$T/dir"
  "$@" python3 -c '
import glob, os, sys, threading, subprocess
root = sys.argv[1]
print(sorted(os.listdir(root)), os.stat(root + "/plain"), os.path.realpath(root + "/chain"))
print(sorted(glob.glob(root + "/dir/*")), sorted((at, sorted(dirs), sorted(files)) for at, dirs, files in os.walk(root)))
said = {}
def read(k):
    said[k] = [open(f"{root}/many/{i}").read() for i in range(1, 201)]
threads = [threading.Thread(target=read, args=(k,)) for k in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
print(said[0] == said[7], said[0][:3])
os.chdir(root + "/dir")
print(os.getcwd(), open("inner").read(), subprocess.run(["cat", "sub/deep"], capture_output=True).stdout)
child = os.fork()
if child == 0:
    os.closerange(3, 10000)
    os.environ.clear()
    print(open("inner").read(), os.stat("../plain").st_size, flush=True)
    os._exit(0)
print(os.waitpid(child, 0)[1])
' "$T"
}
sanitized() { "$@" "$HERE/stacked_asan" "$T" 2>&1; }

# with NAME LIBRARIES [FAKETIME]: the same programs, with these preloaded. An allocator and AddressSanitizer exclude each
# other.
with() {
  local name=$1 all=(env LD_PRELOAD="$2" FOREBAY_SESSION="$SESSION" FOREBAY_TEST_OTHER="$WORK/other.log" FAKETIME="${3:-}"
    ASAN_OPTIONS=verify_asan_link_order=0)
  programs "${all[@]}" > "$WORK/got" 2>&1
  case $name in *malloc) ;; *) sanitized "${all[@]}" >> "$WORK/got" ;; esac
  case $name in *malloc) grep -av '^asan:' "$WORK/expected" ;; *) cat "$WORK/expected" ;; esac > "$WORK/wanted"
  cmp -s "$WORK/wanted" "$WORK/got" || {
    fail "$name"
    diff -a "$WORK/wanted" "$WORK/got" | cut -c1-300 | head -10 >&2
  }
}
library() {
  local found
  found=$(ldconfig -p | awk -v name="$1" '$1 == name {print $NF; exit}')
  [ -n "$found" ] || found=$(find /usr/lib -name "$1" -print -quit)
  [ -n "$found" ] || { echo "$1 is missing" >&2; exit 1; }
  echo "$found"
}

JEMALLOC=$(library libjemalloc.so.2) || exit 1
TCMALLOC=$(library libtcmalloc_minimal.so.4) || exit 1
FAKETIME_LIBRARY=$(library libfaketime.so.1) || exit 1
OTHER=$HERE/libother_interposer.so
{ programs env; sanitized env ASAN_OPTIONS=verify_asan_link_order=0; } > "$WORK/expected" 2>&1
grep -aq '^asan: 200 names, 1692 bytes' "$WORK/expected" || fail "the sanitized program itself"
[ "$(wc -l < "$WORK/expected")" -gt 650 ] || fail "the programs say too little"

start_session stacked "$T" "$T" --log off
mv "$T" "$WORK/away"
mkdir "$T"  # Whatever is not answered here is missing.
with "alone" "$INTERPOSER"
with "before jemalloc" "$INTERPOSER:$JEMALLOC"
with "behind jemalloc" "$JEMALLOC:$INTERPOSER"
with "before tcmalloc" "$INTERPOSER:$TCMALLOC"
with "behind tcmalloc" "$TCMALLOC:$INTERPOSER"
with "before another interposer" "$INTERPOSER:$OTHER"
[ -s "$WORK/other.log" ] || fail "the other interposer behind us saw nothing"
: > "$WORK/other.log"
with "behind another interposer" "$OTHER:$INTERPOSER"
grep -q "open $T/plain" "$WORK/other.log" || fail "the other interposer before us did not see opens below the mount"
rmdir "$T" || fail "something was made at the origin"
mv "$WORK/away" "$T"

# libfaketime alone changes what the programs say, of every file.
by_faketime=(env LD_PRELOAD="$FAKETIME_LIBRARY" FAKETIME="-3d" ASAN_OPTIONS=verify_asan_link_order=0)
{ programs "${by_faketime[@]}"; sanitized "${by_faketime[@]}"; } > "$WORK/expected" 2>&1
mv "$T" "$WORK/away"
mkdir "$T"
with "behind libfaketime" "$FAKETIME_LIBRARY:$INTERPOSER" "-3d"
rmdir "$T"
mv "$WORK/away" "$T"
stop_session
finish
