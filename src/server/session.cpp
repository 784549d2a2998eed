#include "server/session.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include <cstring>
#include <filesystem>
#include <utility>

#include "common/log.hpp"
#include "common/path_io.hpp"
#include "server/session_tree.hpp"

namespace forebay {

namespace {

// The lock of the session at `directory`, or an invalid descriptor while a server holds it. `made`: create
// the file.
UniqueFd lock_session(const std::string& directory, int flags) {
  UniqueFd fd(::open((directory + "/lock").c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0600));
  if (fd.valid() && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    fd.reset();
  }
  return fd;
}

void remove_if_left_over(const std::string& directory) {
  struct stat info {};
  if (::lstat(directory.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != ::geteuid()) {
    return;
  }
  const UniqueFd lock = lock_session(directory, 0);
  // Between mkdir and the lock there is a moment: a session without a lock file is not touched until it is
  // old.
  constexpr time_t kUnlockedGraceSeconds = 60;
  const bool unlocked = !lock.valid() && ::access((directory + "/lock").c_str(), F_OK) != 0;
  if (!lock.valid() && !(unlocked && ::time(nullptr) - info.st_mtime > kUnlockedGraceSeconds)) {
    return;
  }
  if (const auto removed = remove_deep_tree(directory); !removed.ok()) {
    log_warning("{}", removed.error().text);
  }
}

Status copy_text(char (&into)[kMountBytesMax], const std::string& text) {
  if (text.size() >= sizeof into) {
    return Error{Code::bad_argument, text + " is too long (the session holds paths below 1 KiB)"};
  }
  std::memcpy(into, text.c_str(), text.size() + 1);
  return {};
}

}  // namespace

void sweep_left_over_sessions(const std::string& root) {
  std::error_code failed;
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(root, failed)) {
    found.push_back(entry.path().string());
  }
  for (const auto& directory : found) {
    remove_if_left_over(directory);
  }
}

Result<Session> Session::create(const std::string& directory) {
  const std::string parent = std::filesystem::path(directory).parent_path().string();
  FOREBAY_TRY(make_private_directory(parent));
  sweep_left_over_sessions(parent);
  if (::mkdir(directory.c_str(), 0700) != 0) {
    if (errno == EEXIST) {
      return Error{Code::unavailable,
                   directory + " is in use (another server holds it) choose another session"};
    }
    return error_from_errno("cannot create " + directory);
  }
  Session session;
  session.directory_ = directory;
  session.lock_ = lock_session(directory, O_CREAT | O_EXCL);
  if (!session.lock_.valid()) {
    return error_from_errno("cannot lock " + directory);
  }
  FOREBAY_ASSIGN(control, MappedFile::create(directory + "/control", sizeof(ControlPage)));
  session.control_ = std::move(control);
  return session;
}

Session::Session(Session&& other) noexcept
    : directory_(std::exchange(other.directory_, {})),
      lock_(std::move(other.lock_)),
      control_(std::move(other.control_)),
      states_(std::move(other.states_)) {}

Session& Session::operator=(Session&& other) noexcept {
  std::swap(directory_, other.directory_);
  std::swap(lock_, other.lock_);
  std::swap(control_, other.control_);
  std::swap(states_, other.states_);
  return *this;
}

Session::~Session() {
  if (directory_.empty()) {
    return;
  }
  if (const auto removed = remove_deep_tree(directory_); !removed.ok()) {
    log_warning("{}", removed.error().text);
  }
}

std::string Session::catalog_path(std::uint32_t dataset) const {
  return directory_ + "/catalog." + std::to_string(dataset);
}

ControlPage& Session::control() const {
  return *reinterpret_cast<ControlPage*>(control_.data());
}

Result<StateView> Session::add_dataset(std::uint32_t k, const Catalog& catalog, const std::string& mount,
                                       bool origin_is_posix) {
  ControlPage& page = control();
  if (k >= kDatasetsMax || k != page.dataset_count) {
    return Error{Code::bad_argument, "too many datasets (a session holds 16)"};
  }
  FOREBAY_TRY(copy_text(page.datasets[k].mount, mount));
  FOREBAY_TRY(copy_text(page.datasets[k].origin, catalog.origin_name()));
  page.datasets[k].origin_is_posix = origin_is_posix ? 1 : 0;

  const CatalogHeader& header = catalog.view().header();
  FOREBAY_ASSIGN(file, MappedFile::create(directory_ + "/state." + std::to_string(k),
                                          StateView::file_bytes(header.entry_count, header.stripe_count)));
  StateView::format(file.data(), header.entry_count, header.stripe_count);
  const StateView state(file.data());
  states_.push_back(std::move(file));
  FOREBAY_TRY(make_session_tree(directory_ + "/tree." + std::to_string(k), catalog.view(), state));
  page.dataset_count = k + 1;
  return state;
}

Status Session::publish(const Identification& id) {
  struct stat info {};
  if (::stat(directory_.c_str(), &info) != 0) {
    return error_from_errno("cannot stat " + directory_);
  }
  ControlPage& page = control();
  page.version = kControlVersion;
  page.bytes = sizeof(ControlPage);
  page.node = id.node;
  page.node_count = id.node_count;
  page.server_pid = static_cast<std::uint32_t>(::getpid());
  page.buffer_device = id.buffer_device;
  page.tree_device = info.st_dev;
  FOREBAY_TRY(copy_text(page.objects_directory, id.objects_directory));
  beat();
  __atomic_store_n(&page.magic, kControlMagic, __ATOMIC_RELEASE);
  return {};
}

void Session::set_phase(SessionPhase phase) const {
  __atomic_store_n(&control().phase, static_cast<std::uint32_t>(phase), __ATOMIC_RELEASE);
}

void Session::beat() const {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  __atomic_store_n(
      &control().heartbeat_ns,
      static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec),
      __ATOMIC_RELEASE);
}

}  // namespace forebay
