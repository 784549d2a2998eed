#include "server/session.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include <cstring>
#include <filesystem>
#include <utility>

#include "common/log.hpp"
#include "common/path_io.hpp"
#include "server/locked_directory.hpp"
#include "server/session_tree.hpp"

namespace forebay {

namespace {

Status copy_text(char (&into)[kMountBytesMax], const std::string& text) {
  if (text.size() >= sizeof into) {
    return Error{Code::bad_argument, text + " is too long (the session holds paths below 1 KiB)"};
  }
  std::memcpy(into, text.c_str(), text.size() + 1);
  return {};
}

}  // namespace

Result<Session> Session::create(const std::string& directory) {
  FOREBAY_ASSIGN(lock, make_locked_directory(directory));
  Session session;
  session.directory_ = directory;
  session.lock_ = std::move(lock);
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
  lock_.reset();
  // A `run` that was killed could not take away what it had made itself.
  sweep_left_over_directories(std::filesystem::path(directory_).parent_path().string());
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
  page.materialise_max_bytes = id.materialise_max_bytes;
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
