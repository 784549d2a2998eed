# What system/checkpoint_programs and system/checkpoint_hosts share; sourced. Programs write checkpoints on three nodes, an
# observer looks at the destination all the time, and in the end all is there.
# shellcheck shell=bash disable=SC2154

destination=$work/destination

# Files of earlier jobs.
prepare_destination() {
  local earlier=$work/earlier name
  mkdir -p "$earlier/deep/er" "$work/flags" "$destination"
  for name in append replace remove move deep/file deep/er/file; do
    head -c 100000 /dev/urandom >"$earlier/$name"
  done
  cp -a "$earlier" "$destination/"
  "$python" -B "$here/checkpoint_record.py" "$work/record" "$destination/earlier"
}

# write_observed MOUNT CMD...: CMD is forebay run up to `--`.
write_observed() {
  local mount=$1 node code=0 pointers=() observer
  shift
  for node in 0 1 2; do pointers+=("whole/$node/latest" "whole/$node/latest-link"); done
  "$python" -B "$here/checkpoint_observer.py" "$destination" "$work/seen" "$work/observed" "${pointers[@]}" &
  observer=$!
  section "writing"
  CHECKPOINT_EARLIER=$work/earlier "$@" -- "$python" -B "$here/checkpoint_writer.py" "$mount" "$work/plain" "$work/record" \
    "$work/flags" 3 >"$work/output" 2>&1 || code=$?
  [ $code = 0 ] || fail "the run's exit code is $code" "$(tail -n 60 "$work/output")"
  : >"$work/observed"
  wait $observer || fail "the observer failed"
  section "judging"
  cat "$work/output"
  "$python" -B "$here/checkpoint_judge.py" --plain "$work/plain.0" --plain "$work/plain.1" --plain "$work/plain.2" \
    "$work/record" "$destination" "$work/seen" || fail "the destination is not right"
}
