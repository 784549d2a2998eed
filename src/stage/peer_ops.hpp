// What one server asks of another: every request begins with a PeerOp, two bytes, little endian.
#pragma once

#include <cstdint>

namespace forebay {

enum class PeerOp : std::uint16_t {
  scan_batch = 1,     // ScanService: list these directories (stage/job_scan.hpp)
  scan_pull = 2,      // ScanService: the next piece of an answer that did not fit
  catalog_chunk = 3,  // CatalogService: a piece of the finished catalog (stage/catalog_exchange.hpp)
};

}  // namespace forebay
