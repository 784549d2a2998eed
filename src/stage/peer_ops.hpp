// What one server asks of another: every request begins with a PeerOp, two bytes, little endian.
#pragma once

#include <cstdint>

namespace forebay {

enum class PeerOp : std::uint16_t {
  scan_batch = 1,     // ScanService: list these directories (stage/job_scan.hpp)
  scan_pull = 2,      // ScanService: the next piece of an answer that did not fit
  catalog_chunk = 3,  // CatalogService: a piece of the finished catalog (stage/catalog_exchange.hpp)
  read_chunk = 16,    // PeerService: a chunk of a stripe that is present (stage/peer_messages.hpp)
  invalidate = 17,    // Invalidator: InvalidateItem[], no longer to be served
  kept_stripes = 18,  // PeerService: which stripes the node has, a bit each (stage/peer_messages.hpp)
  stage_stripe = 19,  // PeerService: make a stripe present that the node owns (stage/peer_messages.hpp)
  rendezvous = 24,    // Rendezvous: wait for all nodes, exchange what each says (server/rendezvous.hpp)
  admin = 25,         // AdminService: JSON, a node's part of a verb's question
  bypassed = 27,      // BypassUnion: which entries are bypassed on the node (server/bypass_union.hpp)
  alive = 28,         // Watch: are you there? (server/watch.hpp)
  silent = 29,        // Watch: to node 0: a node is not
  throttled = 30,     // ThrottleNews: a store said to slow down (server/throttle_news.hpp)
  changed = 31,       // ChangedObjects: which version of an object is read anew (stage/peer_messages.hpp)
  checkpoint_names = 40,      // CheckpointService: names that changed on the node (server/checkpoint_messages.hpp)
  checkpoint_published = 41,  // CheckpointService: marks of the node that are durable now
  read_checkpoint = 42,       // CheckpointService: a chunk of a file of the node's tree, or of a copy it keeps
  keep_copy = 43,             // CheckpointService: to a partner: keep this file, which you read from me
  drop_copy = 44,             // CheckpointService: to a partner: it is durable
  stop = 26,          // Server: stop serving (to node 0: make everybody stop)
};

}  // namespace forebay
