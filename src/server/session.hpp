// Session: makes, and in the end removes, what this node shares with its applications
// (shared/session_layout.hpp).
#pragma once

#include <cstdint>
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
  // Makes `directory` (it must not exist, or be left over) and its parent private, locks it and puts a
  // control page with the phase `starting` into it. Codes: permission (another user's, a link), unavailable
  // (another server lives there), no_space, io_error.
  static Result<Session> create(const std::string& directory);

  Session() = default;
  Session(Session&& other) noexcept;
  Session& operator=(Session&& other) noexcept;
  // Removes the directory with all in it; clients that still map it keep what they mapped.
  ~Session();

  [[nodiscard]] const std::string& directory() const noexcept { return directory_; }
  [[nodiscard]] std::string catalog_path(std::uint32_t dataset) const;
  [[nodiscard]] std::string socket_path() const { return directory_ + "/socket"; }

  // Makes the state table and the tree of directories of dataset `k`, whose catalog is in place; datasets
  // come in order. Codes: no_space, io_error.
  Result<StateView> add_dataset(std::uint32_t k, const Catalog& catalog, const std::string& mount,
                                bool origin_is_posix);

  // Fills in the rest of the control page, last its magic.
  struct Identification {
    std::uint32_t node;
    std::uint32_t node_count;
    std::string objects_directory;
    std::uint64_t buffer_device;
    std::uint64_t materialise_max_bytes;
  };
  Status publish(const Identification& id);

  [[nodiscard]] ControlPage& control() const;
  void set_phase(SessionPhase phase) const;
  void beat() const;

 private:
  std::string directory_;
  UniqueFd lock_;
  MappedFile control_;
  std::vector<MappedFile> states_;
};

}  // namespace forebay
