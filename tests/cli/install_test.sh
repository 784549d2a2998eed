# An installed prefix works from any place, also after it was moved, and find_package(forebay) finds it.
. "$(dirname "$0")/lib.sh"

cmake --install "$FOREBAY_BUILD" --prefix "$scratch/first" > "$scratch/log" 2>&1 || { cat "$scratch/log" >&2; fail "install"; }
mv "$scratch/first" "$scratch/moved here"
prefix="$scratch/moved here"
cd /
expect 0 "version" "$prefix/bin/forebay" version
library=$(find "$prefix" -name libforebay_posix.so)
[ -n "$library" ] || fail "no interposer"
[ -n "$(find "$prefix" -name 'forebay.sbatch')" ] || fail "no job script"

mkdir "$scratch/set"
head -c 100000 /dev/urandom > "$scratch/set/a"
expect 0 "run from the prefix" "$prefix/bin/forebay" run --nodes 2 --prefetch wait --report "$scratch/r.json" \
  --stage "$scratch/set=/forebay-test-mount" -- cmp /forebay-test-mount/a "$scratch/set/a"

mkdir "$scratch/consumer"
cat > "$scratch/consumer/CMakeLists.txt" << 'EOS'
cmake_minimum_required(VERSION 3.20)
project(consumer LANGUAGES C)
find_package(forebay 0.1 REQUIRED)
add_executable(consumer consumer.c)
target_link_libraries(consumer PRIVATE forebay::client)
if(NOT EXISTS ${FOREBAY_INTERPOSER})
  message(FATAL_ERROR "no interposer at ${FOREBAY_INTERPOSER}")
endif()
EOS
cp "$FOREBAY_SOURCE/tests/cli/consumer.c" "$scratch/consumer/consumer.c"
(cmake -S "$scratch/consumer" -B "$scratch/consumer/build" -DCMAKE_PREFIX_PATH="$prefix" &&
  cmake --build "$scratch/consumer/build" && "$scratch/consumer/build/consumer") > "$scratch/log" 2>&1 ||
  { cat "$scratch/log" >&2; fail "a consumer of the package"; }
finish
