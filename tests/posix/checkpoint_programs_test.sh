# Programs below a checkpoint mount leave the same tree as in a plain directory, byte for byte, and a mark in the journal for
# each file.
. "${FOREBAY_SOURCE:?}/tests/posix/checkpoint_tree.sh" || exit 1

mkdir -p "$WORK/source/dir/sub"
head -c 300000 /dev/urandom > "$WORK/source/large"
for i in 1 2 3 4 5 6 7 8; do echo "file $i" > "$WORK/source/dir/file$i"; done
ln "$WORK/source/dir/file1" "$WORK/source/dir/sub/hard"
ln -s ../large "$WORK/source/dir/link"
: > "$WORK/source/empty"
chmod 600 "$WORK/source/dir/file2"
touch -d '2012-03-04 05:06:07.89 UTC' "$WORK/source/dir/file3"
tar -C "$WORK/source" -cf "$WORK/archive.tar" .

cat > "$WORK/programs" << 'EOF'
set -e
cd "$1"
cp -a "$SOURCE" copied
cp copied/large again
mv copied/dir/file4 moved
mv copied/dir/sub renamed
mkdir extracted && tar -C extracted -xpf "$ARCHIVE"
rsync -a "$SOURCE/" synced/
rsync -a --delete extracted/dir/ synced/
rsync -a --inplace "$SOURCE/large" synced/large
dd if="$SOURCE/large" of=written bs=4096 conv=fsync status=none
dd if="$SOURCE/large" of=written bs=100 seek=20 count=5 conv=notrunc status=none
cat < "$SOURCE/large" | tee teed > piped
echo line > lines; echo more >> lines; sed -i s/line/other/ lines
sort -o lines lines
install -m 751 "$SOURCE/large" installed
ln installed linked; ln -s "$1/copied" symlinked
cp -r symlinked/dir through
tar -C copied -cf made.tar .
tar -tf made.tar | sort > made.list
rm -rf copied/dir/sub copied/dir/file5
find . -name 'file6' -delete
gzip -n < lines > lines.gz
python3 - << 'PY'
import os, pickle, shutil, sqlite3, tempfile, zipfile
with tempfile.NamedTemporaryFile("wb", dir=".", delete=False) as file:
    pickle.dump(list(range(1000)), file)
    file.flush()
    os.fsync(file.fileno())
os.replace(file.name, "state.pickle")
directory = os.open(".", os.O_RDONLY)
os.fsync(directory)
os.close(directory)
with zipfile.ZipFile("model.zip", "w") as archive:  # As torch.save writes.
    archive.writestr(zipfile.ZipInfo("data.pkl"), b"x" * 100000)
os.makedirs("epoch.tmp/shards")
for i in range(4):
    with open(f"epoch.tmp/shards/{i}", "wb") as file:
        file.write(bytes([i]) * 5000)
os.rename("epoch.tmp", "epoch-1")
with open("epoch-1/.metadata", "w") as file:
    file.write("last")
shutil.copytree("epoch-1", "epoch-2")
shutil.rmtree("epoch-1")
database = sqlite3.connect("data.sqlite")
database.execute("create table t (x)")
with database:
    database.executemany("insert into t values (?)", [(i,) for i in range(1000)])
database.execute("delete from t where x % 2")
database.commit()
database.close()
try:
    import numpy
    numpy.save("array.npy", numpy.arange(1000))
    mapped = numpy.lib.format.open_memmap("mapped.npy", mode="w+", dtype="i8", shape=(1000,))
    mapped[:] = 7
    mapped.flush()
    import h5py
    with h5py.File("data.h5", "w", track_order=True) as file:
        file["x"] = numpy.arange(1000)
    with h5py.File("data.h5", "a") as file:
        file["y"] = numpy.zeros(10)
except ImportError:
    pass
PY
EOF

# tree_of COMMAND...: what COMMAND finds in the working directory.
TREE='find . -mindepth 1 -printf "%P %y %m %n " \( -type d -printf "\n" -o -type l -printf "%l\n" -o -printf "%s\n" \) | sed "s,$PWD,ROOT,g" | sort; \
  find . -newermt 2013-01-01 -prune -o -type f -printf "%P %T@\n" | sort; \
  find . -type f ! -name made.tar ! -name "*.sqlite" ! -name "*.h5" -print0 | sort -z | xargs -0 sha256sum'

export SOURCE=$WORK/source ARCHIVE=$WORK/archive.tar
mkdir -p "$WORK/plain/mount"
bash "$WORK/programs" "$WORK/plain/mount" > "$WORK/said" 2>&1 || fail "the programs themselves: $(tail -3 "$WORK/said")"
(cd "$WORK/plain/mount" && bash -c "$TREE") > "$WORK/expected"
[ "$(wc -l < "$WORK/expected")" -gt 60 ] || fail "there is too little to compare"

start_checkpoint programs
ours bash "$WORK/programs" "$MOUNT" > "$WORK/said" 2>&1 || fail "the programs: $(tail -3 "$WORK/said")"
ours bash -c "cd $MOUNT && $TREE" > "$WORK/got"
cmp -s "$WORK/expected" "$WORK/got" || { fail "another tree"; diff "$WORK/expected" "$WORK/got" | head -20 >&2; }
[ ! -e "$MOUNT" ] || fail "something was made at the mount"
same "the database" 500 "$(ours sqlite3 "$MOUNT/data.sqlite" 'select count(*) from t')"

# Each file is marked under its name, or under that of a directory which came by rename.
journal > "$WORK/journal" || fail "the journal is damaged"
grep -q 'out of order' "$WORK/journal" && fail "the clock goes back"
(cd "$STORE/tree" && find . -mindepth 1 -printf '%P\n') > "$WORK/names"
while read -r name; do
  at=$name
  until grep -qF "<$at>" "$WORK/journal"; do
    case $at in */*) at=${at%/*} ;; *) at=; break ;; esac
  done
  case $at in "$name" | renamed) ;; *) fail "no mark for $name" ;; esac
done < "$WORK/names"
# What began has ended.
same "begun and not ended" "$(grep -c ' begin' "$WORK/journal")" "$(grep -cE ' (done|failed)' "$WORK/journal")"
stop_session
finish
