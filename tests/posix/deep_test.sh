# Directories deeper than any path is long work as they do without the interposer: walked by descriptors, as a working
# directory, staged and left to the origin alike.
. "${FOREBAY_SOURCE:?}/tests/posix/tree.sh" || exit 1

cat > "$WORK/make.py" << 'PY'
import os, sys
os.mkdir(sys.argv[1])
here = os.open(sys.argv[1], os.O_RDONLY)
for level in range(150):
    with open(os.open(f"file{level}", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=here), "w") as file:
        file.write(f"at level {level}\n")
    name = f"{level}-" + "d" * 60
    os.mkdir(name, dir_fd=here)
    below = os.open(name, os.O_RDONLY, dir_fd=here)
    os.close(here)
    here = below
PY
cat > "$WORK/walk.py" << 'PY'
import os, sys
total = []
def text(info):
    return f"{info.st_ino} {info.st_mode:o} {info.st_size} {info.st_mtime_ns}"
os.chdir(sys.argv[1])
while True:
    names = sorted(os.listdir("."))
    for name in names:
        if name.startswith("file"):
            print(name, text(os.stat(name)), open(name).read().strip())
    print(names, text(os.stat(".")), text(os.stat("..")) if total else "", os.getcwd()[len(os.environ["ROOT"]):][-80:])
    below = [name for name in names if not name.startswith("file")]
    if not below:
        break
    total.append(below[0])
    if len(total) % 2:
        os.chdir(below[0])
    else:
        fd = os.open(below[0], os.O_RDONLY | os.O_DIRECTORY)
        assert sorted(os.listdir(fd))
        os.fchdir(fd)
        os.close(fd)
for level in range(len(total)):
    os.chdir("..")
print(text(os.stat(".")))
PY
sed -i 's/^        assert sorted(os.listdir(fd))$/        os.listdir(fd)/' "$WORK/walk.py"
python3 "$WORK/make.py" "$WORK/tree"
walks() {
  ROOT=$WORK/tree "$@" python3 "$WORK/walk.py" "$WORK/tree"
  "$@" find "$WORK/tree" -printf '%s %i %m %T@ %d\n' 2>&1 | sort
  "$@" du -sb "$WORK/tree"
  "$@" grep -rhc level "$WORK/tree" | sort | uniq -c
}
walks env > "$WORK/expected" || fail "the walk itself"
[ "$(wc -l < "$WORK/expected")" -gt 500 ] || fail "the walk is too short"

start_session deep "$WORK/tree" "$WORK/tree" --absent '*' --log off
walks ours > "$WORK/got" || fail "walk of what is not here yet"
cmp -s "$WORK/expected" "$WORK/got" || { fail "not here yet"; diff "$WORK/expected" "$WORK/got" | cut -c1-200 | head -6 >&2; }
mv "$WORK/tree" "$WORK/away"
walks ours > "$WORK/got" || fail "walk with the origin away"
cmp -s "$WORK/expected" "$WORK/got" || { fail "origin away"; diff "$WORK/expected" "$WORK/got" | cut -c1-200 | head -6 >&2; }
mv "$WORK/away" "$WORK/tree"
stop_session

start_session none "$WORK/tree" "$WORK/tree" --absent '*' --log off --behave none
walks ours > "$WORK/got" || fail "walk at the origin"
cmp -s "$WORK/expected" "$WORK/got" || { fail "at the origin"; diff "$WORK/expected" "$WORK/got" | cut -c1-200 | head -6 >&2; }
ours rm -r "$WORK/tree" || fail "rm -r"
[ ! -e "$WORK/tree" ] || fail "rm -r left something"
stop_session
finish
