// RefreshJob: one node's share of comparing the catalogs with their origins.
//
// What changed, vanished or came since the scan is invalidated on all nodes before the job is over, so that
// the next open, stat or listing anywhere asks the origin. Directories are the unit of work: node i compares
// each n-th of them, one listing in memory a thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "common/executor.hpp"
#include "stage/invalidator.hpp"
#include "stage/staged_dataset.hpp"

namespace forebay {

class RefreshJob : public std::enable_shared_from_this<RefreshJob> {
 public:
  // Against what was scanned, whatever was noticed before: the same, however the work is shared.
  struct Totals {
    std::uint64_t checked = 0;  // Names compared.
    std::uint64_t changed = 0;  // Of those, another version, mode, owner or kind.
    std::uint64_t gone = 0;     // A directory counts once, whatever was in it.
    std::uint64_t came = 0;
    std::uint64_t unreadable = 0;  // Could not be compared: the origin failed or refused.
    bool finished = false;
    Status status;  // A node that could not be told, or a stop.
  };
  struct Options {
    // Which entries, directories too; whole subtrees. Empty: all.
    std::function<bool(ObjectKey)> selects;
    // Besides, the names directly in these directories.
    std::function<bool(ObjectKey)> lists;
    std::uint32_t nodes = 1;
    std::uint32_t self = 0;
    std::uint32_t threads = 1;  // Of the executor, kept busy.
  };
  // Once, at the end; on a thread of the executor.
  using Done = std::function<void(const Totals&)>;

  // All outlive the job. `stop`, once true, ends it soon.
  static std::shared_ptr<RefreshJob> make(const StagedDatasets& datasets, Invalidator& invalidator,
                                          Executor& executor, const std::atomic<bool>& stop, Options options);

  // Once. Never blocks.
  void start(Done done);
  [[nodiscard]] Totals totals() const;

 private:
  // A directory to be listed, or one name whose directory is not.
  struct Unit {
    std::uint32_t dataset;
    std::uint32_t entry;
    bool alone;  // The entry's own attributes are compared here: no selected directory lists it.
  };
  struct Found;

  RefreshJob(const StagedDatasets& datasets, Invalidator& invalidator, Executor& executor,
             const std::atomic<bool>& stop, Options options);
  void work();
  bool next_unit(Unit* unit);
  bool selects(std::uint32_t dataset, std::uint32_t entry) const;
  void compare(const Unit& unit, Found* found);
  void compare_name(std::uint32_t dataset, std::uint32_t entry, const OriginName& now, Found* found);
  void look_at(std::uint32_t dataset, std::uint32_t entry, Found* found);
  void list(std::uint32_t dataset, std::uint32_t directory, Found* found);
  void gone(std::uint32_t dataset, std::uint32_t entry, Found* found);
  void settle(const Found& found);

  const StagedDatasets& datasets_;
  Invalidator& invalidator_;
  Executor& executor_;
  const std::atomic<bool>& stop_;
  const Options options_;
  Done done_;
  mutable std::mutex mutex_;
  std::uint32_t dataset_ = 0;
  std::uint32_t entry_ = 0;
  std::uint64_t units_ = 0;
  std::uint32_t working_ = 0;
  Totals totals_;
};

}  // namespace forebay
