// ResidentObjects: keeps an object from being removed while somebody brings it in, and the other way round.
//
// Also the one place that takes an object out of the buffer: first out of the state table, so that no client
// opens it any more, then off the disk, where open descriptors and mappings stay good.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "stage/staged_dataset.hpp"

namespace forebay {

// Thread-safe. Holds memory only for objects that are being brought in or removed.
class ResidentObjects {
 public:
  ResidentObjects(const StagedDatasets& datasets, ObjectStore& store, std::uint32_t self)
      : datasets_(datasets), store_(store), self_(self) {}

  // True: the caller uses the object until leave(). False: it is being removed, and `when_removed` runs
  // later, on the thread that removed it; it must not block. Never blocks.
  bool enter(ObjectKey object, std::function<void()> when_removed);
  void leave(ObjectKey object);

  // Takes the object out of this node's buffer. False when it is in use or being removed already. Blocks on
  // local I/O.
  bool remove(ObjectKey object);

  // Whether this node owns a stripe of it.
  [[nodiscard]] bool owned_here(ObjectKey object) const;
  // Bytes of it that are present here.
  [[nodiscard]] std::uint64_t bytes_here(ObjectKey object) const;

 private:
  struct Use {
    std::uint32_t users = 0;
    bool removing = false;
    std::vector<std::function<void()>> when_removed;
  };

  const StagedDatasets& datasets_;
  ObjectStore& store_;
  const std::uint32_t self_;
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, Use> uses_;
};

}  // namespace forebay
