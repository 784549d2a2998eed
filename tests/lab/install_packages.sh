#!/bin/bash
# install_packages.sh bench|build|example|fuzz|test ...: installs the Debian 12 packages that these groups need.
#
#   bench    what tests/bench/store_bench.py adds: other clients of stores
#   build    what compiling and running forebay takes
#   example  what examples/quickstart adds
#   fuzz     what tests/fuzz/run.sh adds: a compiler with libFuzzer
#   test     what the tests add: real programs to run on a staged dataset, a Slurm, an S3 server, network tools
#
# Does nothing, and needs neither root nor a network, where all of them are there.
set -euo pipefail

declare -A group=(
  [build]="g++ cmake ninja-build ccache pkg-config libopenmpi-dev openmpi-bin libcli11-dev libfmt-dev libspdlog-dev
           nlohmann-json3-dev libxxhash-dev libhdf5-dev libcurl4-openssl-dev libssl-dev libpugixml-dev
           zlib1g-dev"
  [bench]="rclone s3fs fuse3"
  [example]="python3"
  [fuzz]="clang libclang-rt-14-dev libomp-dev"
  [test]="libboost-test-dev openssl rsync fio strace bindfs libfuse3-dev fuse3 iproute2 procps hdf5-tools python3 python3-h5py python3-numpy
          python3-torch munge slurm-wlm busybox-static libjemalloc2 libtcmalloc-minimal4 libfaketime faketime
          radosgw ceph-mon ceph-osd ceph-common curl nginx-light
          libpython3.11-testsuite python3-pytest python3-tables"
)

missing=()
for name in "$@"; do
  for package in ${group[$name]:?unknown group \"$name\" (bench, build, example, fuzz and test are known)}; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
  done
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "packages are missing (${missing[*]}): run as root or install sudo" >&2; exit 1; }
  as_root=(sudo)
fi
echo "installing ${#missing[@]} packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
