// How the finished catalog gets from the node that built it to all others.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "catalog/catalog.hpp"
#include "common/ids.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "transport/peer_transport.hpp"

namespace forebay {

// Hands out catalogs. Thread-safe.
class CatalogService {
 public:
  // From now on `dataset`'s catalog, a finished file at `path`, is handed out. Codes: not_found, permission,
  // io_error.
  Status publish(DatasetIndex dataset, const std::string& path);

  // Answers catalog_chunk; not_found for a dataset that was not published. Does not block.
  void handle(std::span<const std::byte> request, std::unique_ptr<Responder> responder);

 private:
  struct Published {
    std::string path;
    UniqueFd fd;
    std::uint64_t file_bytes;
  };
  std::mutex mutex_;
  std::map<std::uint32_t, std::shared_ptr<const Published>> published_;
};

// Brings `dataset`'s catalog from node `from` to the local `path` (must not exist; nothing is left there on
// an error) and verifies it. Several chunks in flight; chunks that did not arrive well are asked for again.
// Blocks; not on the transport's thread. Codes: those of fetch() and CatalogBuilder::write(), not_found
// (`from` has none), corrupt.
Result<Catalog> fetch_catalog(PeerTransport& transport, NodeIndex from, DatasetIndex dataset,
                              const std::string& path);

}  // namespace forebay
