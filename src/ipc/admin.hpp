// What the verbs ask a node's server, as JSON in `admin` messages (shared/messages.hpp). Any server answers
// for the whole job: it asks its peers. Paths are those applications use (below a mount); a path may be a
// glob (fnmatch with
// `*` not matching `/`, `**` matching it) or a directory (all below it). Bytes that are not UTF-8 are written
// %XX, a percent sign %25.
//
//   {"op":"status"}  ->
//   {"nodes":[{"node","name","state","pid","objects_present","bytes_present","owned_bytes",
//                        "owned_present_bytes","capacity_bytes","used_bytes","hits":{"local","peer","origin"},
//                        "origin_bytes_read","peer_bytes","peer_bytes_served","errors","left_to_origin"}],
//                        "dataset_objects","dataset_bytes","origin_bytes_read","peer_bytes","hits":{...},"errors"}
//   {"op":"check","paths":[...],"verify":bool}
//                    ->
//                    {"objects","bytes","present_objects","present_bytes","corrupt":[path...],"left_to_origin"}
//                       present = in its owner's buffer
//   {"op":"prefetch","paths":[...],"wait":bool,"verify":bool,"dry_run":bool,"bandwidth":bytes/s}
//                    -> {"objects","bytes","already_bytes","fetched_bytes","errors"}     paths empty:
//                    everything
//   {"op":"locate","path":p}
//                    -> {"path","origin","size","version","hash","stripes":[{"number","bytes","owner",
//                        "checksum","present":[node name...]}]}
//   {"op":"evict","paths":[...]} -> {"objects","bytes"}      from every node, owners included
//   {"op":"refresh","paths":[...]}  -> {"id","finished","checked","changed","gone","new","unreadable"}
//                       the catalogs compared with their origins; paths empty: everything. Answered about every
//                       second: where `finished` is false, ask again with the same paths and "id"
//   {"op":"checkpoints"} -> {"checkpoints":[{"path","files","bytes","state","reason","age_s","mount","destination"}]}
//                       by directory: what is not durable, and what was made durable lately. `state` of the
//                       file that is farthest from it: writing, closed, replicated, draining, durable, failed
//                       (tried again), lost
//   {"op":"drain","paths":[...],"wait":bool,"deadline_s":n,"receipt":bool}
//                    -> {"id","finished","files","bytes","durable_files","durable_bytes","left","waiting","failed",
//                        "reason","not_durable":[{"path","state","reason"}]}
//                       what is at and below the paths (empty: everything) is brought to its destination without
//                       settling time. `left` is not durable, `waiting` of it has no writer; 100 names at most.
//                       Answered about every second: where `finished` is false, ask again with the same question
//                       and "id". `deadline_s` (may be missing): what is left of it. `wait` false: answered at once
// An Error is a `failed` reply with its text.
#pragma once

#include <string>
#include <string_view>

namespace forebay {

// Lossless text for any bytes (see above), and back.
std::string json_text_of_bytes(std::string_view bytes);
std::string bytes_of_json_text(std::string_view text);

}  // namespace forebay
