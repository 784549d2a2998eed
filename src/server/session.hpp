// Session: makes, and in the end removes, what this node shares with its applications
// (shared/session_layout.hpp); or takes up what servers that died left of theirs.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "catalog/catalog.hpp"
#include "common/mapped_file.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "shared/session_layout.hpp"
#include "shared/state_layout.hpp"

namespace forebay {

class Session {
 public:
  // What a session must be of to be taken up.
  struct Expected {
    struct Dataset {
      std::string mount;
      std::string origin;  // its canonical name
    };
    struct Checkpoint {
      std::string mount;
      std::string destination;  // its canonical name
      bool destination_is_posix = false;
      FsyncMode fsync = FsyncMode::process;
      FullMode when_full = FullMode::wait;
    };
    std::vector<Dataset> datasets;
    std::uint64_t stripe_bytes;
    std::vector<Checkpoint> checkpoints{};
  };
  struct TakenUp;

  // Makes `directory` (it must not exist, or be left over) and its parent private, locks it and puts a
  // control page with the phase `starting` into it. Codes: permission (another user's, a link), unavailable
  // (another server lives there), no_space, io_error.
  static Result<Session> create(const std::string& directory);
  // Takes up `directory` as it is, in place: who has mapped its files goes on with them. Waits up to
  // `patience` for the server that held it to be gone, with all it held. Its phase stays what it was, and no
  // heartbeat is given before beat(). Codes: not_found (there is none that can be taken up: torn, in an
  // orderly end, of other datasets; what was there is gone), permission, unavailable (its server lives).
  static Result<TakenUp> take_up(const std::string& directory, const Expected& expected,
                                 std::chrono::milliseconds patience);

  Session() = default;
  Session(Session&& other) noexcept;
  Session& operator=(Session&& other) noexcept;
  // Removes the directory with all in it; clients that still map it keep what they mapped.
  ~Session();
  // Lets go of the directory without removing it: for the servers that are started next.
  void leave();

  [[nodiscard]] const std::string& directory() const noexcept { return directory_; }
  [[nodiscard]] std::string catalog_path(std::uint32_t dataset) const;
  [[nodiscard]] std::string socket_path() const { return directory_ + "/socket"; }

  // Makes the state table and the tree of directories of dataset `k`, whose catalog is in place; datasets
  // come in order. Codes: no_space, io_error.
  Result<StateView> add_dataset(std::uint32_t k, const Catalog& catalog, const std::string& mount,
                                bool origin_is_posix);

  // Before publish(). Code: bad_argument (too many, names that are too long).
  Status add_checkpoints(const std::vector<Expected::Checkpoint>& checkpoints) const;
  // Where this node's store of checkpoint `k` is; an empty path: programs go to the destination themselves.
  Status set_store(std::uint32_t k, const std::string& path, std::uint64_t device) const;

  // The state table of dataset `k` of a session that was taken up.
  [[nodiscard]] StateView state(std::uint32_t k) const { return StateView(states_[k].data()); }

  // Servers that die are started again; `run_claim` (server/run_claim.hpp) says whether that is still so,
  // where `run` is on this host, and is empty elsewhere.
  Status expect_restart(const std::string& run_claim) const;
  // Whether clients would find the buffer's objects where they look for them.
  [[nodiscard]] bool keeps_objects_in(const std::string& objects_directory, std::uint64_t device) const;

  // Fills in the rest of the control page, last its magic.
  struct Identification {
    std::uint32_t node;
    std::uint32_t node_count;
    std::string objects_directory;
    std::uint64_t buffer_device;
    std::uint64_t materialise_max_bytes;
    bool rereads_changed = false;
  };
  Status publish(const Identification& id);
  [[nodiscard]] bool published() const;

  [[nodiscard]] ControlPage& control() const;
  void set_phase(SessionPhase phase) const;
  void beat() const;

 private:
  std::string directory_;
  UniqueFd lock_;
  MappedFile control_;
  std::vector<MappedFile> states_;
};

struct Session::TakenUp {
  Session session;
  std::vector<std::unique_ptr<Catalog>> catalogs;  // Verified, by dataset.
};

}  // namespace forebay
