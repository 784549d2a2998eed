// PrefetchJob: stages what this node owns before anybody asks, in the catalog's order.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "stage/stager.hpp"

namespace forebay {

class PrefetchJob : public std::enable_shared_from_this<PrefetchJob> {
 public:
  struct Options {
    // Which objects; empty: all.
    std::function<bool(ObjectKey)> selects;
    // What is present is compared with its checksum, and staged again where it differs.
    bool verify = false;
    // Counts only.
    bool dry_run = false;
    // Chunks on their way at a time, all stripes together (a small object counts as one).
    std::uint32_t chunks_in_flight_max = 16;
  };
  struct Totals {
    std::uint64_t objects = 0;  // whose first stripe this node owns, selected
    std::uint64_t bytes = 0;    // of stripes this node owns, selected
    std::uint64_t already_bytes = 0;
    std::uint64_t fetched_bytes = 0;
    std::uint64_t done_objects = 0;  // of `objects`, as stripe 0 became present or was there
    std::uint64_t failed_stripes = 0;
    std::uint64_t corrupt_stripes = 0;
    bool finished = false;
  };
  using Done = std::function<void(const Totals&)>;

  static std::shared_ptr<PrefetchJob> make(const StagedDatasets& datasets, Stager& stager,
                                           DamageControl& damage, Executor& executor, std::uint32_t self,
                                           Options options);

  // `counted` (may be empty) runs once it is known what there is to do, `done` in the end; each once, on a
  // thread of the executor or one that stages.
  void start(Done counted, Done done);
  [[nodiscard]] Totals totals() const;

 private:
  PrefetchJob(const StagedDatasets& datasets, Stager& stager, DamageControl& damage, Executor& executor,
              std::uint32_t self, Options options);
  struct Next {
    StripeRef ref;
    std::uint64_t bytes;
    bool present;
  };
  void count_all();
  void pump();
  bool find_next(Next* next);
  void verify(const Next& next);
  void bring(const Next& next);
  void stripe_over(const Next& next, const Status& status, bool fetched);
  [[nodiscard]] static std::uint32_t weight(const Next& next);

  const StagedDatasets& datasets_;
  Stager& stager_;
  DamageControl& damage_;
  Executor& executor_;
  const std::uint32_t self_;
  const Options options_;
  Done counted_;
  Done done_;

  mutable std::mutex mutex_;  // Guards what follows.
  Totals totals_;
  std::uint32_t dataset_ = 0;
  std::uint32_t entry_ = 0;
  std::uint32_t number_ = 0;
  std::uint32_t chunks_in_flight_ = 0;
  bool pumping_ = false;
};

}  // namespace forebay
