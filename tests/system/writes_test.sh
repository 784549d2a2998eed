#!/bin/bash
# What one node writes, creates, renames or removes below a mount goes to the origin, and every node sees it at once.
here=$(dirname "$(readlink -f "$0")")
source "$here/lib.sh"

nodes=3
mkdir -p "$work/tree/directory/below" "$work/tree/leaves" "$work/flags" "$work/seen"
for name in append truncate replace rename remove mode directory/file directory/below/file leaves/file; do
  echo "first $name" >"$work/tree/$name"
done
ln -s append "$work/tree/link"

cat >"$work/on_node.sh" <<'END'
#!/bin/bash
# Every step: node 0 acts, then every node says what it sees.
set -uo pipefail
work=$1
nodes=$2
cd "$work/tree" || exit 1
step=0

meet() { # NAME: waits until every node has come here
  local deadline=$((SECONDS + 60)) node
  : >"$work/flags/$1.$FOREBAY_NODE"
  for ((node = 0; node < nodes; node++)); do
    until [ -e "$work/flags/$1.$node" ]; do
      if [ $SECONDS -ge $deadline ]; then
        echo "node $FOREBAY_NODE waits in vain for node $node at $1" >&2
        exit 1
      fi
      sleep 0.02
    done
  done
}

look() {
  # The size of a directory is the file system's own affair.
  find "$work/tree" \( -type d -printf '%P %y %m\n' \) -o -printf '%P %y %m %s %l\n' | sort
  find "$work/tree" -type f -print0 | sort -z | xargs -0 cat
}

# Every node has seen everything before anything changes.
look >"$work/seen/start.$FOREBAY_NODE"
meet start
while read -r action; do
  step=$((step + 1))
  if [ "$FOREBAY_NODE" = 0 ]; then eval "$action"; fi
  meet acted$step
  look >"$work/seen/$step.$FOREBAY_NODE" 2>&1
  meet seen$step
done <<'ACTIONS'
echo second >>append
: >truncate
echo "new content" >new; mv new replace
mv rename renamed
rm remove
chmod 600 mode
echo created >created
mkdir made made/below && echo deep >made/below/file
mv directory moved
echo back >directory
rm -r leaves
ln -sfn replace link
ln append hard
/usr/bin/python3 -c 'import os; f = os.open("append", os.O_RDWR); os.pwrite(f, b"SECOND", 0); os.ftruncate(f, 8); os.close(f)'
cp -a moved copied
touch -d '2001-02-03 04:05:06' mode
ACTIONS
echo $step >"$work/steps.$FOREBAY_NODE"
END

section "writing on node 0 of $nodes"
cp -a "$work/tree" "$work/reference"
expect_exit "the command's exit code" 0 "$forebay" run --nodes $nodes --per-node --prefetch wait --buffer "$work/buffer" \
  --report "$work/report.json" --stage "$work/tree" -- bash "$work/on_node.sh" "$work" $nodes

section "comparing"
# The same actions without forebay, on a copy, give the expected view after each step.
mkdir -p "$work/plain/flags" "$work/plain/seen"
mv "$work/reference" "$work/plain/tree"
FOREBAY_NODE=0 bash "$work/on_node.sh" "$work/plain" 1
steps=$(cat "$work/plain/steps.0")
expect_that "there are steps" [ "$steps" -ge 16 ]
for ((node = 0; node < nodes; node++)); do
  for step in start $(seq "$steps"); do
    expect_same "node $node sees step $step" "$work/plain/seen/$step.0" "$work/seen/$step.$node"
  done
done
expect_same "the origin has it all" "$work/plain/tree" "$work/tree"
