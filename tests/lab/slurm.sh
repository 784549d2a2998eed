#!/bin/bash
# slurm.sh: a real Slurm on the hosts of hosts.sh.
#
#   slurm.sh up N     munged and slurmctld on this machine, a slurmd on each of fb0 .. fb<N-1>; returns when all are idle
#   slurm.sh env      what a shell evaluates to use it: eval "$(slurm.sh env)"; then sbatch, srun, squeue as usual
#   slurm.sh down     ends the jobs, the daemons and the hosts
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
export FOREBAY_LAB=${FOREBAY_LAB:-/run/forebay-lab}
slurm=$FOREBAY_LAB/slurm
deadline_s=60

gone() { # PID: zombies are gone too
  ! grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/$1/status"
}

# Its state is thrown away: there is nothing that an orderly end would save.
end_daemon() { # PID_FILE
  local pid
  [ -s "$1" ] || return 0
  pid=$(cat "$1")
  kill -9 "$pid" 2>/dev/null || return 0
  until gone "$pid"; do sleep 0.02; done
}

nodes_in_state() { # STATES
  sinfo -h -N -t "$1" -o %N 2>/dev/null | sort -u | wc -l
}

write_configuration() { # COUNT
  local last=$(($1 - 1))
  cat > "$slurm/slurm.conf" <<END
ClusterName=forebay
SlurmctldHost=$(hostname -s)(10.78.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$slurm/munge/socket
SlurmctldPort=26817
SlurmdPort=26818
SlurmctldPidFile=$slurm/slurmctld.pid
SlurmdPidFile=$slurm/slurmd.%n.pid
SlurmctldLogFile=$slurm/slurmctld.log
SlurmdLogFile=$slurm/slurmd.%n.log
StateSaveLocation=$slurm/state
SlurmdSpoolDir=$slurm/spool/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,bf_interval=2,sched_interval=2,sched_min_interval=0
MpiDefault=pmix
SwitchType=switch/none
ReturnToService=2
KillWait=5
SlurmdTimeout=15
SlurmdParameters=config_overrides
NodeName=fb[0-$last] NodeAddr=10.78.0.[10-$((10 + last))] CPUs=4 RealMemory=4000 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES
END
  # The hosts share /tmp: PMIx must make its directories on something private to the host.
  echo "PMIxCliTmpDirBase=/dev/shm" > "$slurm/mpi.conf"
}

up() { # COUNT
  local number tick
  umask 022
  "$here/hosts.sh" up "$1"
  export SLURM_CONF=$slurm/slurm.conf
  # Without a configuration file sinfo would look for a controller for a minute.
  if [ -e "$SLURM_CONF" ] && [ "$(nodes_in_state idle,alloc,mix)" = "$1" ]; then return; fi
  mkdir -p "$slurm"/{state,spool,munge}
  chmod 700 "$slurm/munge"
  (umask 077; head -c 128 /dev/urandom > "$slurm/munge/key")
  write_configuration "$1"
  # slurmctld and slurmd reach the socket as root; munged insists on directories that only its owner writes.
  chmod 711 "$slurm/munge"
  munged --force --key-file="$slurm/munge/key" --socket="$slurm/munge/socket" --pid-file="$slurm/munge/pid" \
    --log-file="$slurm/munge/log" --seed-file="$slurm/munge/seed" --num-threads=2
  slurmctld -i -c -f "$SLURM_CONF"
  for ((number = 0; number < $1; number++)); do
    mkdir -p "$slurm/spool/fb$number"
    "$here/hosts.sh" exec "fb$number" slurmd -N "fb$number" -f "$SLURM_CONF"
  done
  for ((tick = 0; tick < deadline_s * 10; tick++)); do
    if [ "$(nodes_in_state idle)" = "$1" ]; then return; fi
    sleep 0.1
  done
  echo "slurm is not up after $deadline_s s:" >&2
  sinfo -N >&2
  tail -n 5 "$slurm"/*.log "$slurm/munge/log" >&2
  exit 1
}

down() {
  "$here/hosts.sh" down  # and with each host its slurmd and steps
  end_daemon "$slurm/slurmctld.pid"
  end_daemon "$slurm/munge/pid"
  rm -rf "$slurm"
  rmdir "$FOREBAY_LAB" 2>/dev/null || true
}

case ${1:-} in
  up) up "${2:-3}" ;;
  env) echo "export SLURM_CONF=$slurm/slurm.conf" ;;
  down) down ;;
  *)
    sed -n 2,7p "$0"
    exit 2
    ;;
esac
