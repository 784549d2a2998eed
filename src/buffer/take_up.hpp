// take_up: makes the index and the files of a buffer agree, when a store opens what an earlier run left.
//
// Afterwards every file in objects/ has all its offered stripes in the result, and nothing else is there:
// what was not recorded, is of another size, or does not match its checksum where that must be verified, is
// removed.
#pragma once

#include <cstdint>
#include <vector>

#include "buffer/buffer_directory.hpp"
#include "buffer/index_log.hpp"
#include "buffer/object_store.hpp"

namespace forebay {

struct Kept {
  std::vector<IndexEntry>
      entries;  // Sorted by object, then stripe; inode is 0 where the object is not whole.
  std::vector<std::uint64_t> part_inodes;  // Of the objects that are not whole, in the order of `entries`.
  std::uint64_t used_bytes = 0;
  bool index_is_stale =
      false;  // The index tells more, or other, than `entries`, so much that it is to be written anew.
  TakenUp report{};
};

// Reads directories, and where it must the data, on all cores. Codes: io_error, permission.
Result<Kept> take_up(const BufferDirectory& directory, LoadedIndex loaded);

// The entries as the index records them: with the inodes that Kept::entries leaves out.
std::vector<IndexEntry> entries_to_record(const Kept& kept);

}  // namespace forebay
