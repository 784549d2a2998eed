# hook_cost.sh [ROUNDS]: prints what the interposer costs calls that concern no mount: as ratios of times, and, with
# valgrind, in instructions a call, which are the same on a busy machine.
FOREBAY_BUILD=${FOREBAY_BUILD:?the build directory} FOREBAY_SOURCE=${FOREBAY_SOURCE:-$(dirname "$0")/../..}
. "$FOREBAY_SOURCE/tests/posix/tree.sh" || exit 1
make_tree "$WORK/tree"
mkdir -p "$WORK/elsewhere/some/way/down"
head -c 65536 /dev/urandom > "$WORK/elsewhere/some/way/down/file"
start_session cost "$WORK/tree" "$WORK/tree" --log off
cost() {
  ours "$@" "$FOREBAY_BUILD/tests/bench/hook_cost" "$WORK/elsewhere/some/way/down/file" "${arguments[@]}"
}
arguments=("${1:-2001}")
cost
# Instructions of the interposer in 200 calls and in 2,200: what the two differ by has no start of a program in it.
instructions_in_hooks() {
  arguments=("$1" "$2")
  cost valgrind --tool=callgrind --callgrind-out-file="$WORK/profile" >"$WORK/out" 2>&1 || { cat "$WORK/out" >&2; return 1; }
  # The profile names an object once, with a number, and then by its number.
  awk '/^c?ob=/ { number = $1; sub(/^c?ob=/, "", number); if (NF > 1) ours[number] = /libforebay_posix/ }
       /^ob=/ { here = ours[number] }
       /^calls=/ { getline; next }
       here && /^[0-9+*-]/ { sum += $NF }
       END { print sum + 0 }' "$WORK/profile"
}
if command -v valgrind >/dev/null; then
  for call in stat "stat, relative" lstat fstatat access "open + close" fstat "pread 4 KiB"; do
    few=$(instructions_in_hooks "$call" 200) && many=$(instructions_in_hooks "$call" 2200) &&
      printf '%-22s %4d instructions a call\n' "$call" $(((many - few) / 2000))
  done
fi
stop_session
finish
