// What the harness tells readers, and what readers tell the harness, in files that both map.
//
// The harness is the only writer of the table. It changes an object of the origin in this order: write the
// truth <object>.<version>, describe the version, store `highest`, change the origin; and after a refresh
// store `lowest`. So whatever a reader sees of an object is one of the versions between the `lowest` it
// loaded before it looked and the `highest` it loads afterwards.
#pragma once

#include <cstdint>

namespace forebay::faults {

inline constexpr std::uint32_t kVersions = 12;
inline constexpr std::uint32_t kDelayBuckets = 320;  // 8 an octave of nanoseconds

struct Version {
  std::uint64_t exists;
  std::uint64_t bytes;
  std::uint64_t mode;
  std::uint64_t links;
  std::uint64_t owner;
  std::uint64_t group;
  std::uint64_t inode;
  std::int64_t mtime_ns;
  std::int64_t ctime_ns;  // 0: not known
};

struct Object {
  std::uint32_t lowest;
  std::uint32_t highest;
  std::uint32_t origin_flux;  // Odd while the origin's file is changed in place. Changed since: no verdict on
                              // what was read there.
  std::uint32_t buffer_flux;  // The same of the files in buffers, under descriptors that are open already.
  std::uint32_t may_fail;     // 1: the origin is away or fails, and this object may have to be read there.
  std::uint32_t reserved;
  Version versions[kVersions];
};

struct Table {
  std::uint32_t stop;
  std::uint32_t objects;
  std::uint32_t names_may_fail;  // 1: the same of listings, links, and names.
  std::uint32_t lets_go;         // 1: no descriptor of the origin is kept: it may hang, as without forebay.
  Object object[1];
};

// Of one reader.
struct Record {
  std::uint64_t looks;     // objects and names looked at
  std::uint64_t failures;  // differences and errors that the origin would not have shown
  std::uint64_t unjudged;  // looks without a verdict, because of flux
  std::uint64_t errors_of_origin;
  std::uint64_t call_since_ns;  // CLOCK_MONOTONIC; 0: no call is under way
  std::uint64_t longest_ns;     // Reset by the harness.
  std::uint64_t
      descriptors;  // open at the end, less those the reader keeps on purpose and those of its start
  std::uint64_t delays[kDelayBuckets];  // of single calls
};

}  // namespace forebay::faults
