#!/bin/bash
# hosts.sh: several "hosts" on one machine, for tests between hosts.
#
#   hosts.sh up N                start fb0 .. fb<N-1> (those that run already are kept)
#   hosts.sh exec HOST CMD...    run CMD on a host, in the present directory
#   hosts.sh bytes HOST          bytes HOST has received and sent on its network: "RX TX"
#   hosts.sh rsh HOST CMDLINE    the same as exec, called as mpirun calls ssh (plm_rsh_agent)
#   hosts.sh freeze HOST         as when it hangs or its network fails: no packet leaves it, nothing runs on it
#   hosts.sh thaw HOST           it goes on where it was
#   hosts.sh off HOST            as when its power fails: no packet leaves it, then its processes, its memory and its network
#                                are gone; its disk stays ("up" starts it again)
#   hosts.sh down                end every process of every host, remove all
#
# A host has its own network, UTS, IPC and mount namespaces: a name, an address (10.78.0.10 + number) on the bridge
# fbbr0, a private /dev/shm, and $FOREBAY_LAB/local, which is another directory on each host. The other file systems are
# shared, as home and the parallel file system are on a cluster. One process a host holds its namespaces.
# Needs root (as_root.sh).
set -euo pipefail

lab=${FOREBAY_LAB:-/run/forebay-lab}
bridge=fbbr0
network=10.78.0

host_names() {
  local file
  for file in "$lab"/hosts/*.pid; do
    [ -e "$file" ] && basename "$file" .pid
  done
  return 0
}

holder_of() {
  cat "$lab/hosts/$1.pid" 2>/dev/null || { echo "no host \"$1\" (hosts.sh up starts them)" >&2; exit 1; }
}

start_host() { # NUMBER
  local number=$1 host=fb$1 holder
  if [ -e "$lab/hosts/$host.pid" ] && kill -0 "$(cat "$lab/hosts/$host.pid")" 2>/dev/null; then
    return
  fi
  mkdir -p "$lab/storage/$host"
  rm -f "$lab/hosts/$host.ready" "$lab/hosts/$host.silent"
  setsid unshare --net --uts --ipc --mount --propagation private -- /bin/sh -ec "
    hostname $host
    mount -t tmpfs -o size=4g,mode=1777 tmpfs /dev/shm
    mount --bind '$lab/storage/$host' '$lab/local'
    mount --bind '$lab/hosts/etc_hosts' /etc/hosts
    ip link set lo up
    : > '$lab/hosts/$host.ready'
    exec sleep infinity" </dev/null >"$lab/hosts/$host.log" 2>&1 &
  holder=$!
  until [ -e "$lab/hosts/$host.ready" ]; do
    kill -0 $holder 2>/dev/null || { echo "host $host did not start: $(cat "$lab/hosts/$host.log")" >&2; exit 1; }
    sleep 0.01
  done
  echo $holder > "$lab/hosts/$host.pid"
  ip link add "fbve$number" type veth peer name eth0 netns "$(holder_of "$host")"
  ip link set "fbve$number" master $bridge up
  nsenter -t "$(holder_of "$host")" -n -- sh -ec "
    ip addr add $network.$((10 + number))/24 dev eth0
    ip link set eth0 up
    ip route add default via $network.1"
}

up() { # COUNT
  local number
  mkdir -p "$lab/hosts" "$lab/local" "$lab/storage"
  {
    echo "127.0.0.1 localhost"
    echo "$network.1 $(hostname -s)"
    for ((number = 0; number < $1; number++)); do echo "$network.$((10 + number)) fb$number"; done
  } > "$lab/hosts/etc_hosts"
  ip link show $bridge >/dev/null 2>&1 || ip link add $bridge type bridge
  ip addr replace $network.1/24 dev $bridge
  ip link set $bridge up
  ip link set lo up
  for ((number = 0; number < $1; number++)); do start_host $number; done
}

# Every process in the host's network namespace, and none but these, without the holder.
processes_of() { # HOST
  local holder network_of_host process
  holder=$(holder_of "$1")
  network_of_host=$(readlink "/proc/$holder/ns/net") || return 0
  for process in /proc/[0-9]*; do
    if [ "$(readlink "$process/ns/net" 2>/dev/null)" = "$network_of_host" ] && [ "${process#/proc/}" != "$holder" ]; then
      echo "${process#/proc/}"
    fi
  done
}

signal_host() { # SIGNAL HOST
  processes_of "$2" | xargs -r kill "-$1" 2>/dev/null || true
}

# The holder last.
kill_host() { # HOST
  while [ -n "$(processes_of "$1")" ]; do
    signal_host KILL "$1"
    sleep 0.02
  done
  kill -9 "$(holder_of "$1")"
}

off() { # HOST
  : > "$lab/hosts/$1.silent"
  ip link set "fbve${1#fb}" down
  kill_host "$1"
  ip link del "fbve${1#fb}" 2>/dev/null || true
  rm -f "$lab/hosts/$1.pid"
}

down() {
  local host
  for host in $(host_names); do
    kill_host "$host"
    ip link del "fbve${host#fb}" 2>/dev/null || true
  done
  ip link del $bridge 2>/dev/null || true
  rm -rf "${lab:?}/hosts" "$lab/storage"
  rmdir "$lab/local" "$lab" 2>/dev/null || true
}

on_host() { # HOST CMD...
  local holder
  holder=$(holder_of "$1")
  exec nsenter -t "$holder" -n -u -i -m --wd="$PWD" -- "${@:2}"
}

verb=${1:-}
shift || true
case $verb in
  up) up "${1:-3}" ;;
  down) down ;;
  freeze)
    : > "$lab/hosts/$1.silent"
    ip link set "fbve${1#fb}" down
    signal_host STOP "$1"
    ;;
  thaw)
    signal_host CONT "$1"
    ip link set "fbve${1#fb}" up
    rm -f "$lab/hosts/$1.silent"
    ;;
  off) off "$1" ;;
  exec) on_host "$@" ;;
  rsh)
    while [ "${1#-}" != "$1" ]; do shift; done  # options meant for ssh
    [ ! -e "$lab/hosts/$1.silent" ] || exec sleep infinity  # nobody answers
    on_host "$1" /bin/sh -c "${*:2}"
    ;;
  bytes) nsenter -t "$(holder_of "$1")" -n -- cat /proc/net/dev | awk '$1 == "eth0:" { print $2, $10 }' ;;
  *)
    sed -n 2,19p "$0"
    exit 2
    ;;
esac
