// Bytes of an index, for targets that judge its records by what they say.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>

#include "buffer/index_log.hpp"

namespace forebay::fuzz {

// With the checks of the header and of each record put right; as if of this boot or of another one.
inline std::string with_checks(std::string index, bool same_boot) {
  if (index.size() < sizeof(IndexHeader)) {
    return index;
  }
  IndexHeader header{};
  std::memcpy(&header, index.data(), sizeof header);
  static const std::string kThisBoot = boot_id();
  const std::string boot = same_boot ? kThisBoot : "another boot";
  header.boot_id.fill('\0');
  std::memcpy(header.boot_id.data(), boot.data(), boot.size());
  header.check = checksum_bytes(&header, offsetof(IndexHeader, check));
  std::memcpy(index.data(), &header, sizeof header);
  std::size_t at = sizeof header;
  for (std::uint64_t number = 0; at + sizeof(IndexRecord) <= index.size();
       ++number, at += sizeof(IndexRecord)) {
    IndexRecord record{};
    std::memcpy(&record, index.data() + at, sizeof record);
    record.check = hash_bytes(&record.entry, sizeof record.entry, header.salt + number);
    std::memcpy(index.data() + at, &record, sizeof record);
  }
  return index;
}

}  // namespace forebay::fuzz
