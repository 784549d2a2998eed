// ScanService: a node's part in scanning an origin: it lists the directories it is handed.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/executor.hpp"
#include "origin/origin.hpp"
#include "transport/peer_transport.hpp"

namespace forebay {

struct BatchListing {
  std::vector<std::byte> encoded;  // catalog/listing_codec.hpp
  std::uint32_t listed = 0;        // The first so many of the directories.
};

// Lists `directories` one after the other, the first in any case, until one of them made the batch long: so
// that an answer comes well before its requester gives up, and what is left can go to another node. A
// directory that cannot be listed is encoded as such and logged. Blocks. `stop`, once true, ends it early.
BatchListing list_batch(Origin& origin, std::span<const std::string> directories,
                        const std::atomic<bool>& stop);

class ScanService {
 public:
  // `origins` by DatasetIndex. Both outlive the service, and the executor runs no task of it after they are
  // gone.
  ScanService(Executor& executor, std::vector<Origin*> origins);
  ~ScanService();

  // Answers scan_batch and scan_pull. Does not block; from any thread.
  void handle(std::span<const std::byte> request, std::unique_ptr<Responder> responder);

 private:
  struct Pending;
  void on_batch(std::span<const std::byte> request, std::shared_ptr<Responder> responder);
  void on_pull(std::span<const std::byte> request, Responder& responder);

  Executor& executor_;
  std::vector<Origin*> origins_;
  std::shared_ptr<Pending> pending_;  // Shared with what runs on the executor.
};

}  // namespace forebay
