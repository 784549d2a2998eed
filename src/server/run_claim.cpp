#include "server/run_claim.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <utility>

#include "common/log.hpp"
#include "server/locked_directory.hpp"
#include "server/session_tree.hpp"

namespace forebay {

Result<RunClaim> RunClaim::make(const std::string& session_root) {
  std::string path = path_of(session_root);
  FOREBAY_ASSIGN(lock, make_locked_directory(path));
  return RunClaim(std::move(path), std::move(lock));
}

RunClaim::RunClaim(RunClaim&& other) noexcept
    : path_(std::exchange(other.path_, {})), lock_(std::move(other.lock_)) {}

RunClaim::~RunClaim() {
  if (path_.empty()) {
    return;
  }
  if (const auto removed = remove_deep_tree(path_); !removed.ok()) {
    log_warning("{}", removed.error().text);
  }
}

bool RunClaim::is_held(const std::string& path) {
  const UniqueFd fd(::open((path + "/lock").c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  return fd.valid() && ::flock(fd.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

}  // namespace forebay
