// RunClaim: how a `forebay run` is known to live, on its own host.
//
// `run` holds a directory beside the sessions of its servers. While it does, their sessions are not left over
// even when no server holds them: servers that died are started again and take them up. The kernel lets go of
// it however `run` ends.
#pragma once

#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace forebay {

class RunClaim {
 public:
  // `session_root`: ServeOptions::session_root of its servers, which are started later. Codes: as
  // make_locked_directory().
  static Result<RunClaim> make(const std::string& session_root);
  RunClaim(RunClaim&& other) noexcept;
  RunClaim& operator=(RunClaim&&) = delete;
  // Removes it; after the sessions.
  ~RunClaim();

  // Where it is.
  static std::string path_of(const std::string& session_root) { return session_root + ".run"; }
  // Whether a living `run` holds the claim at `path`. False also when there is none.
  static bool is_held(const std::string& path);

 private:
  RunClaim(std::string path, UniqueFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  std::string path_;
  UniqueFd lock_;
};

}  // namespace forebay
