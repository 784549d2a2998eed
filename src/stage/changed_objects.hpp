// ChangedObjects: objects of stores that changed during the run, read anew as a whole (`changed-objects` is
// `reread`).
//
// Which version is read from then on is decided once for the whole job: by the owner of the object's first
// stripe, which looks at the store and tells all nodes before it answers. Each node that opens the object
// reads all of that version by itself, bound to it, and keeps it in its buffer beside what the catalog has,
// under an identity of its own (shared/changed_layout.hpp). A version that changed again is replaced in the
// same way; what is open keeps its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/log_limit.hpp"
#include "common/unique_fd.hpp"
#include "shared/changed_layout.hpp"
#include "stage/stager.hpp"

namespace forebay {

// Thread-safe.
class ChangedObjects final : public RequestHandler {
 public:
  struct Parts {
    const StagedDatasets& datasets;
    ObjectStore& store;
    PeerTransport& transport;
    Stager& stager;
    const std::vector<Stager::OriginExecutors>& origins;
    StageCounters& counters;
    std::string session_directory;  // empty: objects that changed are refused
  };
  struct Version {
    ChangedObject record{};
    std::string locator;
  };
  // On any thread; must not block. Codes: changed (it is gone, or changes while it is read, again and again),
  // and what the store or the keeper answers.
  using Found = std::function<void(const Result<Version>&)>;
  using Brought = std::function<void(Result<UniqueFd>)>;

  explicit ChangedObjects(const Parts& parts) : parts_(parts) {}

  // Whether `object` is one that is read anew: of a store, and no longer what the catalog says.
  [[nodiscard]] bool rereads(ObjectKey object) const;

  // Which version the job reads: it is in the session then. Never blocks.
  void find(ObjectKey object, Found found) { find_other_than(object, 0, std::move(found)); }
  // That version, whole. Never blocks. The number grows while bytes come.
  Stager::Progress bring(ObjectKey object, Brought brought);

  // PeerOp::changed.
  void on_request(NodeIndex from, std::span<const std::byte> request,
                  std::unique_ptr<Responder> responder) override;

 private:
  static constexpr int kVersionsMax = 3;  // tried for one open
  struct Bringing {
    ObjectKey object;
    int attempts_left = kVersionsMax;
    Stager::Progress progress = std::make_shared<std::atomic<std::uint64_t>>(0);
    std::vector<Brought> waiting;  // Under mutex_.
  };

  // `refused`: the version's half of an identity that the store no longer has, or 0.
  void find_other_than(ObjectKey object, std::uint64_t refused, Found found);
  [[nodiscard]] std::uint32_t keeper_of(ObjectKey object) const;
  Result<Version> known(ObjectKey object);
  Status note(ObjectKey object, const Version& version);
  // The keeper's part.
  void decide(ObjectKey object, std::uint64_t refused, Found found);
  Result<Version> look(ObjectKey object, std::uint64_t refused);
  void tell(ObjectKey object, const Version& version, const std::function<void()>& told);
  // The reader's.
  void read_some_version(const std::shared_ptr<Bringing>& bringing, std::uint64_t refused);
  Result<UniqueFd> read_version(const Bringing& bringing, const Version& version);
  Status land(const Bringing& bringing, const Version& version, OriginReader& reader, Landing& landing);
  Result<std::shared_ptr<Landing>> make_room(const ObjectShape& shape);
  void end(const std::shared_ptr<Bringing>& bringing, Result<UniqueFd> outcome);

  [[nodiscard]] const StagedDataset& dataset(ObjectKey object) const {
    return parts_.datasets[object.dataset];
  }
  [[nodiscard]] Executor& executor(ObjectKey object) const {
    return parts_.origins[object.dataset].wanted_now;
  }

  const Parts parts_;
  LogLimit log_;
  std::mutex mutex_;
  std::mutex files_;                                             // One is written at a time.
  std::map<std::uint64_t, std::vector<Found>> deciding_;         // By object.
  std::map<std::uint64_t, std::shared_ptr<Bringing>> bringing_;  // By object.
  std::vector<Identity> kept_;  // Copies in the buffer, which no eviction knows of: the first to go.
};

}  // namespace forebay
