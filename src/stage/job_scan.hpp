// Scanning an origin by all nodes of a job together.
//
// Node 0 coordinates: it keeps the directories still to be listed and hands them out in batches, a few in
// flight with each node, itself included, so that nobody lists a directory another has listed. What a failing
// peer was handed, the coordinator lists itself.
#pragma once

#include <cstdint>
#include <functional>

#include "catalog/catalog_builder.hpp"
#include "catalog/name_list.hpp"
#include "common/executor.hpp"
#include "common/ids.hpp"
#include "common/result.hpp"
#include "origin/origin.hpp"
#include "transport/peer_transport.hpp"

namespace forebay {

struct ScanTotals {
  std::uint64_t names = 0;  // Objects, links and directories.
  std::uint64_t directories = 0;
  std::uint64_t bytes = 0;  // Of regular files, each name counted.
  std::uint64_t unlisted =
      0;  // Directories that could not be listed: left to the origin, each with a line in the log.
};

struct JobScan {
  Origin& origin;
  DatasetIndex dataset;
  Executor& executor;  // Lists this node's part.
  PeerTransport* transport =
      nullptr;  // nullptr: this node scans alone. Else every other node has a ScanService.
  // Only these names are wanted; nullptr: all. What is on the way to none of them is not listed.
  const NameList* only = nullptr;
  // Called on the calling thread several times a second; returning false cancels the scan. May be empty.
  std::function<bool(const ScanTotals&)> progress;
};

// Fills `builder` with all of the origin: root, listings, file systems. Blocks; not on the transport's
// thread. Codes: those of Origin::root_attributes(), cancelled, corrupt (a peer's answer is malformed: peers
// of another version).
Result<ScanTotals> scan_origin(const JobScan& scan, CatalogBuilder& builder);

}  // namespace forebay
