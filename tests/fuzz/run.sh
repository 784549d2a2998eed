#!/bin/bash
# run.sh [SECONDS [TARGET...]]: builds the targets with libFuzzer, ASan and UBSan and runs each for SECONDS (30).
#
# What was found stays in build/fuzz/corpus/TARGET for the next time, and what ended a target in build/fuzz/findings. Prints a
# line a target: executions, edges covered, size of the corpus. Fails when something was found.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
seconds=${1:-30}
shift || true

tests/lab/install_packages.sh build test fuzz
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz -j"$(nproc)" --target fuzz_targets

programs=build/fuzz/tests/fuzz
if [ $# -gt 0 ]; then
  targets=("$@")
else
  targets=()
  for program in "$programs"/fuzz_*; do
    [ -x "$program" ] && [ -f "$program" ] && targets+=("${program##*/fuzz_}")
  done
fi
mkdir -p build/fuzz/findings
export UBSAN_OPTIONS=print_stacktrace=1
# A target's threads may hold memory when it ends: leaks are looked for after each input, not at the end.
export ASAN_OPTIONS=detect_stack_use_after_return=1:allocator_may_return_null=1
export OMP_NUM_THREADS=1
failed=()
for target in "${targets[@]}"; do
  corpus=build/fuzz/corpus/$target
  mkdir -p "$corpus"
  inputs=("$corpus")
  [ -d "tests/fuzz/inputs/$target" ] && inputs+=("tests/fuzz/inputs/$target")
  log=build/fuzz/findings/$target.log
  if ! FOREBAY_FUZZ_SEEDS=$corpus "$programs/fuzz_$target" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=4096 \
      -print_final_stats=1 -artifact_prefix="build/fuzz/findings/$target-" "${inputs[@]}" >"$log" 2>&1; then
    failed+=("$target")
    grep -m 3 -E 'ERROR|runtime error|broken invariant|Test unit written' "$log" || tail -n 5 "$log"
  fi
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  covered=$(grep -oE 'cov: [0-9]+' "$log" | tail -n 1 | cut -d' ' -f2 || true)
  printf '%-16s %10s executions %6s edges %6s inputs\n' "$target" "${runs:-?}" "${covered:-?}" "$(ls "$corpus" | wc -l)"
done
[ ${#failed[@]} -eq 0 ] || { echo "found something: ${failed[*]} (build/fuzz/findings)" >&2; exit 1; }
