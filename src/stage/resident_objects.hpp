// ResidentObjects: keeps an object or stripe from being removed while somebody brings it in, and the other
// way round.
//
// Also the one place that takes objects and stripes out of the buffer: first out of the state table, so that
// no client opens or reads them any more, then off the disk. Open descriptors and mappings of whole files
// stay good, for these are unlinked; clients that read a stripe while it goes notice by its word.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "stage/generation_pace.hpp"
#include "stage/staged_dataset.hpp"

namespace forebay {

// Thread-safe. Holds memory only for objects that are being brought in or removed.
class ResidentObjects {
 public:
  ResidentObjects(const StagedDatasets& datasets, ObjectStore& store, std::uint32_t self)
      : datasets_(datasets), store_(store), self_(self) {}

  // True: the caller brings this stripe in until leave(). False: it or its object is being removed, and
  // `when_removed` runs later, on the thread that removed it; it must not block. Never blocks.
  bool enter(StripeRef stripe, std::function<void()> when_removed);
  void leave(StripeRef stripe);

  // The same for the whole object: until release(), nothing of it is removed.
  bool hold(ObjectKey object, std::function<void()> when_removed);
  void release(ObjectKey object);

  // Takes the object out of this node's buffer; a damaged one into quarantine. False when it is in use or being removed
  // already. Blocks on local I/O.
  enum class Why { not_needed, damaged };
  bool remove(ObjectKey object, Why why = Why::not_needed);
  // Takes one stripe, not owned here, of an object that is not whole out of this node's buffer. False when it
  // is not there, owned, on its way or held, or could not be removed. Blocks on local I/O.
  bool remove_stripe(StripeRef stripe);

  // Whether this node owns a stripe of it.
  [[nodiscard]] bool owned_here(ObjectKey object) const;
  // Bytes of it that are present here.
  [[nodiscard]] std::uint64_t bytes_here(ObjectKey object) const;

 private:
  struct Use {
    std::uint32_t holders = 0;
    bool removing = false;              // the object
    std::vector<std::uint32_t> coming;  // numbers of stripes
    std::vector<std::uint32_t> going;   // the same
    std::vector<std::function<void()>> when_removed;
    [[nodiscard]] bool idle() const { return holders == 0 && !removing && coming.empty() && going.empty(); }
  };
  using Waiters = std::vector<std::function<void()>>;

  void drop_if_idle(ObjectKey object);  // mutex_ held
  bool begin_removal(StripeRef stripe);

  const StagedDatasets& datasets_;
  ObjectStore& store_;
  const std::uint32_t self_;
  GenerationPace pace_;
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, Use> uses_;
};

}  // namespace forebay
