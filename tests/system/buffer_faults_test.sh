#!/bin/bash
# Buffers that are damaged, removed and shared while they are in use: every read gives the right bytes, the damage is counted, put
# aside and staged again.
here=$(dirname "$(readlink -f "$0")")
source "$here/lib.sh"

tree=$work/tree
buffer=$work/buffer
uid=$(id -u)
mkdir "$tree"
for number in $(seq 120); do head -c $((number * 977 + 1)) /dev/urandom >"$tree/$number"; done
head -c 9M /dev/urandom >"$tree/large"
export tree work

# On each node: does what it is told by files, one phase after the other: reads all, or what is listed, or runs a command once.
cat >"$work/phases.sh" <<'END'
phase=0
touch "$work/ready.$FOREBAY_NODE"
while [ ! -e "$work/stop" ]; do
  if [ ! -e "$work/phase.$phase" ]; then
    sleep 0.05
    continue
  fi
  if [ -e "$work/list.$phase.$FOREBAY_NODE" ]; then
    xargs md5sum <"$work/list.$phase.$FOREBAY_NODE" >"$work/sums.$phase.$FOREBAY_NODE"
  elif [ -e "$work/command.$phase.$FOREBAY_NODE" ]; then
    sh "$work/command.$phase.$FOREBAY_NODE" >"$work/said.$phase.$FOREBAY_NODE" 2>&1
    echo $? >"$work/code.$phase.$FOREBAY_NODE"
  else
    find "$tree" -type f -print0 | sort -z | xargs -0 md5sum >"$work/sums.$phase.$FOREBAY_NODE"
  fi
  touch "$work/done.$phase.$FOREBAY_NODE"
  phase=$((phase + 1))
done
END

phase=0
run_phase() {
  touch "$work/phase.$phase"
  wait_until 120 all_exist "$work/done.$phase.0" "$work/done.$phase.1"
  phase=$((phase + 1))
}
read_all() { # WHAT
  local number=$phase node
  run_phase
  for node in 0 1; do expect_same "$1: node $node reads the right bytes" "$work/expected" "$work/sums.$number.$node"; done
}

# The objects in a node's buffer, one a line.
objects_of() { find "$buffer/node$1/$uid/objects" -type f ! -name '*.part' | sort; }
# The name below $tree whose bytes a buffer's file has.
name_of() { awk -v sum="$(md5sum <"$1" | cut -d ' ' -f 1)" '$1 == sum { print $2; exit }' "$work/expected"; }
# As a device does it: nothing but the bytes is different.
flip() {
  local times
  times=$(stat -c %Y "$1")
  chmod 600 "$1"
  printf '\xff\x00\xff\x00' | dd of="$1" bs=1 seek=50 conv=notrunc status=none
  touch -d "@$times" "$1"
  chmod 1400 "$1"
}

find "$tree" -type f -print0 | sort -z | xargs -0 md5sum >"$work/expected"

section "start"
"$forebay" run --nodes 2 --per-node --prefetch wait --buffer "$buffer" --report "$work/report.json" --stage "$tree" -- \
  sh "$work/phases.sh" >"$work/run.output" 2>&1 &
run=$!
wait_until 120 all_exist "$work/ready.0" "$work/ready.1"

section "bytes that changed in the owner's buffer, unseen"
# Nobody has read anything yet: what is here is owned here.
objects_of 0 | sed -n '1,8p' >"$work/flipped"
while read -r file; do
  name_of "$file" >>"$work/list.$phase.1"
  flip "$file"
done <"$work/flipped"
echo "$tree/large" >"$work/list.$phase.0"
number=$phase
run_phase
grep -Ff "$work/list.$number.1" "$work/expected" | sort >"$work/expected.flipped"
sort "$work/sums.$number.1" >"$work/sums.flipped"
expect_that "some were flipped" [ "$(wc -l <"$work/list.$number.1")" = 8 ]
xargs -n 1 basename <"$work/list.$number.1" | while read -r name; do
  grep -q " $tree/$name\$" "$work/sums.flipped" || echo "$name"
done >"$work/unread"
expect_equal "all of them were read" "" "$(cat "$work/unread")"
expect_equal "a peer gets no wrong byte" "" "$(comm -13 "$work/expected.flipped" "$work/sums.flipped")"
expect_that "they were put aside" [ "$(find "$buffer/node0/$uid/quarantine" -type f | wc -l)" -ge 1 ]
read_all "afterwards"

section "files written, cut, replaced, removed"
files=()
for node in 0 1; do mapfile -t -O ${#files[@]} files < <(objects_of $node | tail -n 40); done
for index in "${!files[@]}"; do
  file=${files[index]}
  case $((index % 8)) in
    0) chmod 600 "$file" && printf 'damage' | dd of="$file" conv=notrunc status=none && chmod 1400 "$file" ;;
    1) chmod 600 "$file" && truncate -s -1 "$file" && chmod 1400 "$file" ;;
    2) chmod 600 "$file" && echo more >>"$file" && chmod 1400 "$file" ;;
    3) mv "$file" "${files[index - 3]}" ;;
    4) ln -sf /etc/passwd "$file" ;;
    5) rm "$file" && mkdir "$file" ;;
    6) rm "$file" ;;
    7) touch "$file" ;;
  esac
done
read_all "after all kinds of damage"
read_all "and again"

section "replicas flipped, and a verification"
objects_of 1 | tail -n 5 >"$work/flipped"
while read -r file; do flip "$file"; done <"$work/flipped"
echo "'$forebay' check --verify '$tree'" >"$work/command.$phase.0"
echo true >"$work/command.$phase.1"
number=$phase
run_phase
expect_equal "check says that something is corrupt" 1 "$(cat "$work/code.$number.0")"
expect_equal "check finds each of them" 5 "$(grep -c '^corrupt: ' "$work/said.$number.0")"
read_all "after the verification"

section "a buffer is removed"
rm -rf "${buffer:?}/node1/$uid/objects/"[0-7]* "${buffer:?}/node0/$uid"
read_all "without buffers"
read_all "with new ones"
expect_that "the removed directory was made anew" [ -d "$buffer/node0/$uid/objects" ]
expect_that "and filled" [ "$(objects_of 0 | wc -l)" -ge 1 ]

section "a second run on the same buffers"
# shellcheck disable=SC2016
expect_exit "the second run" 0 "$forebay" run --nodes 2 --per-node --prefetch wait --buffer "$buffer" --stage "$tree" -- \
  sh -c 'find "$tree" -type f -print0 | sort -z | xargs -0 md5sum >"$work/second.$FOREBAY_NODE"
    ls "$0" >"$work/slots.$FOREBAY_NODE"' "$buffer/node0"
for node in 0 1; do expect_same "the second run's node $node reads the right bytes" "$work/expected" "$work/second.$node"; done
expect_that "it had slots of its own" grep -qx "$uid.2" "$work/slots.0"
expect_equal "they are gone with it" "" "$(find "$buffer" -maxdepth 2 -name "$uid.*")"
read_all "the first run goes on"

section "the end"
touch "$work/stop"
code=0
wait $run || code=$?
expect_equal "the run ends well" 0 $code
expect_report "what was damaged was counted by the servers" "$work/report.json" 'r["damaged"] >= 40'
expect_report "and by the clients that met it" "$work/report.json" 'r["damaged_opens"] >= 10'
expect_that "it was said" grep -q 'damaged in the buffer' "$work/run.output"
[ $failures = 0 ] || tail -n 40 "$work/run.output" >&2
