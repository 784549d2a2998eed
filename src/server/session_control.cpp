#include "server/session_control.hpp"

#include <string.h>
#include <time.h>

#include "server/run_claim.hpp"

namespace forebay {

Result<MappedFile> open_control_page(const std::string& directory, MappedFile::Access access) {
  const std::string path = directory + "/control";
  FOREBAY_ASSIGN(file, MappedFile::open(path, access));
  if (file.size() != sizeof(ControlPage)) {
    return Error{Code::corrupt, path + " is no control page (its size is another)"};
  }
  const auto& page = *reinterpret_cast<const ControlPage*>(file.data());
  if (__atomic_load_n(&page.magic, __ATOMIC_ACQUIRE) != kControlMagic || page.version != kControlVersion ||
      page.bytes != sizeof(ControlPage) || page.dataset_count > kDatasetsMax ||
      page.checkpoint_count > kCheckpointsMax) {
    return Error{Code::corrupt, path + " was never finished, or is of another version"};
  }
  return file;
}

bool awaits_restart(const std::string& directory) {
  const auto file = open_control_page(directory, MappedFile::Access::read_only);
  if (!file.ok()) {
    return false;
  }
  const auto& page = *reinterpret_cast<const ControlPage*>(file->data());
  if (page.restartable == 0 ||
      __atomic_load_n(&page.phase, __ATOMIC_ACQUIRE) == static_cast<std::uint32_t>(SessionPhase::stopped)) {
    return false;
  }
  const std::size_t bytes = ::strnlen(page.run_claim, sizeof page.run_claim);
  if (bytes > 0) {
    return RunClaim::is_held(std::string(page.run_claim, bytes));
  }
  const std::uint64_t beat = __atomic_load_n(&page.heartbeat_ns, __ATOMIC_ACQUIRE);
  return monotonic_ns() < beat + kRestartGraceMs * 1'000'000;
}

std::uint64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace forebay
