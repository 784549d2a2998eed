// Receipts: what was drained, beside it, so that anybody can see later whether it is still that.
//
// `forebay-receipt.json` in a checkpoint's directory:
//   {"format":"forebay-receipt-1","checksum":"xxh3-64","made_ns":...,
//    "files":[{"name":"below/the/directory","bytes":...,"xxh3":"16 hex digits","mtime_ns":...,
//              "published_ns":...}, ...]}
// Times are nanoseconds since 1970; published_ns is 0 where this run did not publish the file. A name that is
// no UTF-8 is in "name_hex" instead.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "drain/destination.hpp"

namespace forebay {

inline constexpr const char* kReceiptName = "forebay-receipt.json";

struct PublishedFile {
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::uint64_t sum = 0;  // XXH3-64
  std::uint64_t published_ns = 0;
};

// Writes the receipt of all files at and below the directory, as a whole and durably, in place of an earlier
// one. `known`: what is known of a file by its path at the destination (Drainer::published_file); others are
// read. Blocks. Codes: not_found (no such directory), changed (a file changed meanwhile), and the
// destination's.
struct ReceiptTotals {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};
Result<ReceiptTotals> write_receipt(
    Destination& destination, const std::string& directory, const std::string& tag,
    const std::function<std::optional<PublishedFile>(const std::string& path)>& known);

struct ReceiptDifference {
  std::string name;  // below the directory
  std::string
      what;  // "is missing", "has 10 bytes and not 12", "has other bytes (...)", "cannot be read: ..."
};
struct ReceiptCheck {
  ReceiptTotals totals;  // of the receipt
  std::vector<ReceiptDifference> differences;
};
// Reads all files of the directory's receipt. Names that are not in it do not matter. Codes: not_found (no
// receipt), corrupt (no receipt that can be read), and the destination's.
Result<ReceiptCheck> verify_receipt(Destination& destination, const std::string& directory);

}  // namespace forebay
