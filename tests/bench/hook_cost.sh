# hook_cost.sh [ROUNDS]: prints what the interposer costs calls that concern no mount, as ratios of medians.
FOREBAY_BUILD=${FOREBAY_BUILD:?the build directory} FOREBAY_SOURCE=${FOREBAY_SOURCE:-$(dirname "$0")/../..}
. "$FOREBAY_SOURCE/tests/posix/tree.sh" || exit 1
make_tree "$WORK/tree"
mkdir -p "$WORK/elsewhere/some/way/down"
head -c 65536 /dev/urandom > "$WORK/elsewhere/some/way/down/file"
start_session cost "$WORK/tree" "$WORK/tree" --log off
ours "$FOREBAY_BUILD/tests/bench/hook_cost" "$WORK/elsewhere/some/way/down/file" "${1:-2001}"
stop_session
finish
