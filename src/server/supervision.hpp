// What `forebay run` and the servers say to each other: JSON, a line each, over the standard input and output
// of rank 0's `forebay serve` (mpirun and srun carry both, from whatever host).
//
// run -> rank 0 (stdin). End of file means that run is gone: the servers stop, as after "stop".
//   {"command":"stop"}                 stop serving; a "report" event follows, then all servers exit 0
//   {"command":"report"}               a "report" event follows; serving goes on
//   {"command":"names","names":[...]}  names of a stage list (bytes as ipc/admin.hpp writes them), some at a
//   time
//   {"command":"names_end"}            these were all
// rank 0 -> run (stdout); everything else servers say goes to stderr.
//   {"event":"plan", "fits":bool, "dataset_objects":n, "dataset_bytes":n, "unassigned_bytes":n,
//    "nodes":[{"node":0,"name":"n0","capacity_bytes":n,"assigned_bytes":n}]}           after the scan
//   {"event":"ready", "nodes":[{"node":0,"name":"n0","host":"h","session":"/dev/shm/..."}]}   every node
//   serves
//   {"event":"alive"}                  every kAliveEveryMs, from MPI's start on: rank 0 lives. Whatever it
//   says counts as well. A rank 0 that says nothing for longer than the setting server-timeout is killed with
//   all others and started again
//   {"event":"silent", "node":k, "name":"n2"}   node k gave no sign of life for longer than server-timeout,
//   as its peers find: the same follows
//   {"event":"progress", "bytes":n, "bytes_total":n, "objects":n, "objects_total":n}   while staging, every
//   second
//   {"event":"staged", "bytes":n, "bytes_total":n, "fetched_bytes":n, "objects":n, "failed_stripes":n,
//    "left_to_origin":n, "errors":n}   all owners have what they own
//   {"event":"report", ...}            the report's fields but elapsed_s and command_exit
//   (server/node_report.hpp)
//   {"event":"failed", "code":"no_space", "text":"..."}   the servers cannot start or go on; they exit
//   non-zero. With the code "unavailable" another start may help
#pragma once

namespace forebay {

inline constexpr int kProgressEveryMs = 1000;
inline constexpr int kAliveEveryMs = 1000;

}  // namespace forebay
