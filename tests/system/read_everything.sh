#!/bin/bash
# read_everything.sh TREE OUT SCRATCH: reads TREE with many programs, and leaves in OUT what each of them said.
#
# Run on the origin and on a node, the two OUT directories are identical when the node reads what the origin holds. Output
# that follows the order of a directory listing is sorted; SCRATCH takes copies and is emptied.
set -uo pipefail

tree=$1
out=$2
scratch=$3
here=$(dirname "$(readlink -f "$0")")
python=/usr/bin/python3  # Debian's, which sees Debian's packages
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
mkdir -p "$out" "$scratch"

# record NAME CMD...: what CMD writes and its exit code.
record() {
  local name=$1 code=0 began=$EPOCHREALTIME
  shift
  ("$@") >"$out/$name.stdout" 2>"$out/$name.stderr" || code=$?
  echo "$code" >"$out/$name.exit"
  [ -z "${READ_TIMES:-}" ] || printf '%7.2f s %s\n' "$(echo "$EPOCHREALTIME $began" | awk '{ print $1 - $2 }')" "$name" >>"$READ_TIMES"
}

files() { find "$tree" -type f -print0 | sort -z; }
archive() { tar --sort=name --format=gnu -C "$1" -cf - . | md5sum; }

attributes() { find "$tree" -printf '%p %i %n %m %U %G %s %b %k %T@ %C@ %l %y %Y %D\0' | sort -z; }
stat_of_all() { find "$tree" -print0 | sort -z | xargs -0 stat --format='%n %d %i %h %f %u %g %s %b %B %o %y %z %w' --; }
checksums() { files | xargs -0 md5sum --; }

copy() {
  cp -a "$tree" "$scratch/cp" && diff -r --no-dereference "$tree" "$scratch/cp" && archive "$scratch/cp"
  rm -rf "$scratch/cp"
}
synchronise() {
  rsync -aH "$tree/" "$scratch/rsync/" && archive "$scratch/rsync"
  rsync -aHc --dry-run --delete --itemize-changes "$tree/" "$scratch/rsync/"
  rm -rf "$scratch/rsync"
}
search() {
  grep -rc include "$tree" | sort
  grep -rlZ 'Copyright' "$tree/usr" | sort -z
  grep -rn 'inner target' "$tree/made/links" | sort
}
usage() {
  # Which name of a file with several is counted depends on the order of listing: -l counts all.
  du -al "$tree" | sort
  du -s "$tree"
  du -s --apparent-size "$tree"
}
shell() {
  cd "$tree/made/links" || return
  wc -c <relative && cat absolute round_about of_a_link to_directory/inner/../file absolute_to_directory/file
  readlink -f relative absolute to_directory/inner/.. dangling loop
  realpath target/inner to_directory/file
  for name in *; do
    for check in -e -f -d -L -r -w -x -s; do
      if test "$check" "$name"; then echo "$check $name"; fi
    done
  done
  cd -P to_directory/inner && /bin/pwd && pwd -P && ls -A . .. && cat ../file
  cd "$tree/made/shapes/deep" && find . -name file -exec cat {} + | sort
  cd "$tree/made/sizes" || return
  cat no_such_file
  ls no_such_directory
  head -c 100 4097 | tail -c 10 | od -c
  tail -c 100 1048577 | md5sum
  dd if=sparse bs=4096 skip=1791 count=3 status=none | md5sum
  cmp 4095 4096
  gzip -c 4194305 | gzip -dc | md5sum
  sha256sum 4194304
  cd "$tree/made/names" && cat -- * 2>&1 | md5sum
}

# fio prints times: what counts is that every block it read carries the right checksum.
fio_reads() { # ENGINE OPTIONS...
  fio --name=read --filename="$tree/made/fio.dat" --readonly --bs=64k --ioengine="$1" --verify=md5 --verify_fatal=1 \
    --verify_state_save=0 --allow_file_create=0 --output="$scratch/fio.out" "${@:2}" || cat "$scratch/fio.out"
  grep -oE 'err= *[0-9]+|issued rwts: total=[0-9]+' "$scratch/fio.out"
}

record find attributes
record stat stat_of_all
record ls ls -AliR --time-style=full-iso "$tree"
record md5sum checksums
record tar archive "$tree"
record cp copy
record rsync synchronise
record grep search
record du usage
record shell shell
record python "$python" "$here/read_with_python.py" "$tree" "$scratch"
record h5py "$python" "$here/read_with_h5py.py" "$tree/made/data.h5"
record h5dump h5dump -d /chunked "$tree/made/data.h5"
record fio_psync fio_reads psync --rw=read
record fio_libaio fio_reads libaio --rw=randread --iodepth=16 --direct=1
record fio_io_uring fio_reads io_uring --rw=randread --iodepth=16
record fio_mmap fio_reads mmap --rw=read
# Python's tracker of semaphores warns when a spawned worker ends between removing its own and saying so, now and then, also
# without forebay.
record torch "$python" -W "ignore:resource_tracker:UserWarning" "$here/read_with_torch.py" "$tree/usr"
rm -rf "$scratch"
