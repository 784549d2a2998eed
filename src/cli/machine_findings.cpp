#include <fcntl.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "cli/child_process.hpp"
#include "cli/finding.hpp"
#include "cli/interposer.hpp"
#include "cli/session_finder.hpp"
#include "common/path_io.hpp"
#include "common/size_text.hpp"

namespace forebay {
namespace {

struct FileSystemKind {
  std::uint32_t type;  // statfs f_type, from linux/magic.h and the file systems' own sources
  const char* name;
  bool shared;
};
constexpr std::array<FileSystemKind, 13> kFileSystems = {{{0xef53, "ext4", false},
                                                          {0x58465342, "xfs", false},
                                                          {0x9123683e, "btrfs", false},
                                                          {0x2fc12fc1, "zfs", false},
                                                          {0x01021994, "tmpfs", false},
                                                          {0x794c7630, "overlayfs", false},
                                                          {0x0bd00bd0, "Lustre", true},
                                                          {0x6969, "NFS", true},
                                                          {0x47504653, "GPFS", true},
                                                          {0x19830326, "BeeGFS", true},
                                                          {0x00c36400, "CephFS", true},
                                                          {0xff534d42, "CIFS", true},
                                                          {0x65735546, "FUSE", true}}};

// The nearest existing directory: the buffer itself is made by the servers.
std::string existing_part(std::string path) {
  while (path.size() > 1 && ::access(path.c_str(), F_OK) != 0) {
    path.erase(std::max<std::size_t>(path.rfind('/'), 1));
  }
  return path;
}

Finding examine_buffer(const std::string& buffer) {
  const auto place = existing_part(buffer);
  struct statfs info {};
  if (::statfs(place.c_str(), &info) != 0) {
    return {"buffer", FindingVerdict::fail, error_from_errno("cannot look at " + place).text,
            "give --buffer another directory"};
  }
  if (::access(place.c_str(), W_OK | X_OK) != 0) {
    return {"buffer", FindingVerdict::fail, fmt::format("{} is not writable", place),
            "give --buffer a directory of your own"};
  }
  const auto type = static_cast<std::uint32_t>(info.f_type);
  const FileSystemKind* kind = nullptr;
  for (const auto& one : kFileSystems) {
    kind = one.type == type ? &one : kind;
  }
  const auto free_bytes =
      static_cast<std::uint64_t>(info.f_bavail) * static_cast<std::uint64_t>(info.f_bsize);
  const auto found =
      fmt::format("{} on {}, {} free", buffer, kind == nullptr ? fmt::format("type {:#x}", type) : kind->name,
                  format_size(free_bytes));
  if (kind != nullptr && kind->shared) {
    return {"buffer", FindingVerdict::fail, found,
            "the buffer must be a local disk: give --buffer a directory on one"};
  }
  if (type == 0x01021994) {
    return {"buffer", FindingVerdict::warn, found,
            "a tmpfs buffer takes memory from the job; a local disk does not"};
  }
  constexpr std::uint64_t kUsefulBytes = 1ull << 30;
  return free_bytes < kUsefulBytes ? Finding{"buffer", FindingVerdict::warn, found,
                                             "free some space, or give --buffer another directory"}
                                   : Finding{"buffer", FindingVerdict::ok, found, ""};
}

std::string limit_text(rlim_t limit) {
  return limit == RLIM_INFINITY ? "unlimited" : std::to_string(limit);
}

Finding examine_descriptors() {
  constexpr rlim_t kEnough = 4096;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const auto found =
      fmt::format("{} open files (hard limit {})", limit_text(limit.rlim_cur), limit_text(limit.rlim_max));
  return limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < kEnough
             ? Finding{"nofile", FindingVerdict::warn, found, fmt::format("raise it: ulimit -n {}", kEnough)}
             : Finding{"nofile", FindingVerdict::ok, found, ""};
}

Finding examine_locked_memory() {
  constexpr rlim_t kEnough = 64u << 20;
  rlimit limit{};
  ::getrlimit(RLIMIT_MEMLOCK, &limit);
  const auto found = limit.rlim_cur == RLIM_INFINITY
                         ? std::string("unlimited locked memory")
                         : fmt::format("{} of locked memory", format_size(limit.rlim_cur));
  return limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < kEnough
             ? Finding{"memlock", FindingVerdict::warn, found, "InfiniBand needs more: ulimit -l unlimited"}
             : Finding{"memlock", FindingVerdict::ok, found, ""};
}

Finding examine_shared_memory() {
  constexpr std::uint64_t kEnough = 256u << 20;
  struct statfs info {};
  if (::statfs("/dev/shm", &info) != 0) {
    return {"/dev/shm", FindingVerdict::fail, error_from_errno("cannot look at /dev/shm").text,
            "mount a tmpfs there"};
  }
  if (auto made = make_private_directory(sessions_directory()); !made.ok()) {
    return {"/dev/shm", FindingVerdict::fail, made.error().text,
            "sessions live there: make it writable, or remove what is in the way"};
  }
  const auto free_bytes =
      static_cast<std::uint64_t>(info.f_bavail) * static_cast<std::uint64_t>(info.f_bsize);
  const auto found = format_size(free_bytes) + " free";
  return free_bytes < kEnough ? Finding{"/dev/shm", FindingVerdict::warn, found,
                                        "catalogs need about 160 bytes an object there (docker: --shm-size)"}
                              : Finding{"/dev/shm", FindingVerdict::ok, found, ""};
}

// Runs `cat FILE` with the interposer and compares.
Finding examine_preload() {
  const auto interposer = find_interposer();
  if (!interposer.ok()) {
    return {"preload", FindingVerdict::fail, interposer.error().text, "install forebay again"};
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return {"preload", FindingVerdict::fail, error_from_errno("cannot make a pipe").text, ""};
  }
  UniqueFd out(ends[0]);
  UniqueFd in(ends[1]);
  auto environment = own_environment();
  leave_session(environment);
  set_variable(environment, "LD_PRELOAD", interposer.value());
  const auto child = start_child(
      ChildOptions{.argv = {"cat", "/proc/self/maps"}, .environment = environment, .output = in.get()});
  in.reset();
  if (!child.ok()) {
    return {"preload", FindingVerdict::fail, child.error().text, ""};
  }
  std::string text;
  std::array<char, 4096> piece;
  for (ssize_t got = 0; (got = ::read(out.get(), piece.data(), piece.size())) != 0;) {
    if (got > 0) {
      text.append(piece.data(), static_cast<std::size_t>(got));
    } else if (errno != EINTR) {
      break;
    }
  }
  int status = 0;
  while (::waitpid(child.value(), &status, 0) < 0 && errno == EINTR) {
  }
  const bool loaded = text.find("libforebay_posix.so") != std::string::npos;
  return status == 0 && loaded
             ? Finding{"preload", FindingVerdict::ok, interposer.value() + " loads and reads", ""}
             : Finding{
                   "preload", FindingVerdict::fail,
                   fmt::format("{} does not load (exit code {})", interposer.value(), exit_code_of(status)),
                   "is the prefix mounted noexec, or built for another system?"};
}

Finding examine_slurm() {
  const char* job = std::getenv("SLURM_JOB_ID");
  if (job == nullptr) {
    return {"slurm", FindingVerdict::ok, "not in an allocation: --nodes simulates, --hostfile uses mpirun",
            ""};
  }
  const char* nodes = std::getenv("SLURM_JOB_NUM_NODES");
  return {"slurm", FindingVerdict::ok,
          fmt::format("job {}, {} nodes: srun --overlap", job, nodes == nullptr ? "?" : nodes), ""};
}

}  // namespace

const char* verdict_name(FindingVerdict verdict) noexcept {
  return verdict == FindingVerdict::ok ? "ok" : verdict == FindingVerdict::warn ? "warn" : "fail";
}

std::vector<Finding> examine_machine(const Settings& settings) {
  return {examine_buffer(settings.buffer), examine_shared_memory(), examine_descriptors(),
          examine_locked_memory(),         examine_preload(),       examine_slurm()};
}

}  // namespace forebay
