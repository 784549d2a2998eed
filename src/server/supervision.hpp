// What `forebay run` and the servers say to each other: JSON, a line each, over the standard input and output
// of rank 0's `forebay serve` (mpirun and srun carry both, from whatever host).
//
// run -> rank 0 (stdin). End of file means that run is gone: the servers stop, as after "stop".
//   {"command":"stop"}                 stop serving; a "report" event follows, then all servers exit 0
//   {"command":"report"}               a "report" event follows; serving goes on
//   {"command":"names","names":[...]}  names of a stage list (bytes as ipc/admin.hpp writes them), some at a
//   time
//   {"command":"names_end"}            these were all
//   {"command":"drain","id":k,"newest_first":bool,"deadline_s":n}   of all nodes: bring what checkpoints have
//   changed to its destination, without settling time and limit of bandwidth; "drained" with this id follows.
//   deadline_s (a number; may be missing: none): then "drained" follows whatever is left. A later drain takes
//   the place of one before.
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
//   {"event":"drain", "pending_files":n, "pending_bytes":n, "durable_files":n, "durable_bytes":n, "failed":n,
//    "reason":"..."}   every second while anything of any node is not durable; `reason` of one that failed
//   {"event":"drained", "id":k, "left":n, "not_durable":[{"path","state","reason"}]}   nothing is left but
//   what programs have open (and what is counted here), or the deadline is over. The list has at most
//   kNotDurableNamesMax names; paths as ipc/admin.hpp writes them, below the mount
//   {"event":"report", ...}            the report's fields but elapsed_s and command_exit
//   (server/node_report.hpp)
//   {"event":"failed", "code":"no_space", "text":"..."}   the servers cannot start or go on; they exit
//   non-zero. With the code "unavailable" another start may help
#pragma once

#include <cstddef>

namespace forebay {

inline constexpr int kProgressEveryMs = 1000;
inline constexpr int kAliveEveryMs = 1000;
// How often it is looked whether a drain is over.
inline constexpr int kDrainLookEveryMs = 100;
inline constexpr std::size_t kNotDurableNamesMax = 100;
// A server that has checkpoints and gets SIGTERM from whoever launched it waits so long for "drain" before it
// ends as it is: when a job is cancelled, servers and `run` get SIGTERM at once, and then draining goes on
// until "stop", the end of the input or SIGKILL.
inline constexpr int kDrainAfterSignalMs = 1500;

}  // namespace forebay
