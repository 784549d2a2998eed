# A write below a mount goes to the origin, is seen at once, and the server is told what became stale.
. "${FOREBAY_SOURCE:?}/tests/posix/tree.sh" || exit 1

# changed NAME EXPECTED-REQUESTS CMD...: runs CMD in a fresh tree at another mount than the origin's path; afterwards the
# mount must show what the origin has, and the server must have been told.
changed() {
  local name=$1 expected=$2
  shift 2
  local origin=$WORK/$name.d/origin mount=$WORK/$name.d/mount
  mkdir "$WORK/$name.d"
  make_tree "$origin"
  start_session "$name" "$origin" "$mount"
  ours bash -c "cd / && $*" mount "$mount" > "$WORK/out" 2>&1 || fail "$name: $(cat "$WORK/out")"
  [ ! -e "$mount" ] || fail "$name: something was made at the mount"
  requests
  [ "$ASKED" = "$expected" ] || fail "$name: the server was told '$ASKED'"
  # Names, sizes, modes, times, links and contents.
  (cd "$origin" && find . -mindepth 1 -printf '%p %s %m %n %i %T@ %l\n' | sort) > "$WORK/expected"
  ours find "$mount" -mindepth 1 -printf './%P %s %m %n %i %T@ %l\n' | sort > "$WORK/got"
  cmp -s "$WORK/expected" "$WORK/got" || { fail "$name: listing"; diff "$WORK/expected" "$WORK/got" | head -5 >&2; }
  (cd "$origin" && find . -type f -print0 | sort -z | xargs -0 cat) > "$WORK/expected"
  ours bash -c "cd $mount && find . -type f -print0 | sort -z | xargs -0 cat" > "$WORK/got"
  cmp -s "$WORK/expected" "$WORK/got" || fail "$name: contents"
  stop_session
}

inv() { printf 'invalidate %s\n' "$@" | sort; }

# `hard` is the first name of the object that `plain` also names, and speaks for both.
changed overwrite "$(inv 'hard entry')" 'echo longer than before > $1/plain; grep -q longer $1/hard'
changed append "$(inv 'dir/inner entry')" 'cd $1/dir && echo more >> inner'
changed create "$(inv 'dir entry')" 'echo x > $1/dir/new; cat $1/dir/new; ls $1/dir | grep -q new'
changed create_in_new "$(inv ' entry')" 'mkdir -p $1/a/b/c; echo x > $1/a/b/c/d; cat $1/a/b/c/d'
changed mkdir_there "" 'mkdir -p $1/dir/sub; ! mkdir $1/dir'
changed remove "$(inv ' entry' 'hard entry')" 'rm $1/plain; ! cat $1/plain 2> /dev/null; cat $1/hard'
changed remove_tree "$(inv ' entry' 'dir entry' 'dir/inner entry' 'dir/sub entry' 'dir/sub/deep entry')" \
  'rm -r $1/dir; ! ls $1/dir 2> /dev/null'
changed move "$(inv ' entry' 'dir entry' 'dir/inner entry')" 'mv $1/dir/inner $1/moved; cat $1/moved; ! cat $1/dir/inner 2> /dev/null'
changed move_directory "$(inv ' entry' 'dir subtree' 'emptydir entry')" 'mv $1/dir $1/emptydir/; cat $1/emptydir/dir/sub/deep; ! ls $1/dir/sub 2> /dev/null'
changed replace "$(inv ' entry' 'hard entry')" 'echo fresh > $1/tmp; mv $1/tmp $1/plain; grep -q fresh $1/plain'
changed link "$(inv 'dir entry' 'hard entry')" 'ln $1/plain $1/dir/again; cat $1/dir/again'
changed symlink "$(inv 'dir entry')" 'ln -s inner $1/dir/to; cat $1/dir/to'
changed mode "$(inv 'hard entry')" 'chmod 640 $1/plain'
changed times "$(inv 'dir/inner entry')" 'touch -d 2011-01-01 $1/dir/inner'
changed directory_times "$(inv 'dir entry')" 'touch -d 2011-01-01 $1/dir'
changed truncate "$(inv 'hard entry')" 'truncate -s 3 $1/plain'
changed temporary "$(inv 'dir entry')" 'f=$(mktemp $1/dir/t.XXXXXX) && echo x > $f && cat $f'
changed by_descriptor "$(inv 'dir entry' 'dir/inner entry')" \
  'python3 -c "
import os, sys
d = os.open(sys.argv[1] + \"/dir\", os.O_RDONLY)
f = os.open(\"inner\", os.O_RDONLY, dir_fd=d)
os.fchmod(f, 0o600); os.fchmod(d, 0o700)
assert os.fstat(f).st_mode & 0o777 == 0o600
os.utime(f, ns=(1, 2))
os.mkdir(\"made\", dir_fd=d); os.rename(\"made\", \"moved\", src_dir_fd=d, dst_dir_fd=d)
assert sorted(os.listdir(d)) == [\"inner\", \"moved\", \"sub\"], os.listdir(d)
" $1'
changed stdio "$(inv 'hard entry')" 'python3 -c "
import ctypes, sys
libc = ctypes.CDLL(None); libc.fopen.restype = ctypes.c_void_p
f = libc.fopen((sys.argv[1] + \"/plain\").encode(), b\"a\")
libc.fputs(b\"more\", ctypes.c_void_p(f)); libc.fclose(ctypes.c_void_p(f))
" $1'
finish
