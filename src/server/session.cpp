#include "server/session.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cstring>
#include <filesystem>
#include <utility>

#include "common/log.hpp"
#include "common/path_io.hpp"
#include "server/locked_directory.hpp"
#include "server/session_control.hpp"
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

bool same_text(const char (&there)[kMountBytesMax], const std::string& text) {
  return text.size() < sizeof there && std::memcmp(there, text.c_str(), text.size() + 1) == 0;
}

// The lock of a process that dies is free a moment before the last of what it held is.
void wait_until_gone(pid_t process, std::chrono::milliseconds patience) {
  const UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
  if (fd.valid() && process != ::getpid()) {
    pollfd waiting{fd.get(), POLLIN, 0};
    ::poll(&waiting, 1, static_cast<int>(patience.count()));
  }
}

SessionPhase phase_of(const ControlPage& page) {
  return static_cast<SessionPhase>(__atomic_load_n(&page.phase, __ATOMIC_ACQUIRE));
}

Error not_ours(const std::string& what) {
  return Error{Code::corrupt, what};
}

bool same_checkpoints(const ControlPage& page, const Session::Expected& expected) {
  if (page.checkpoint_count != expected.checkpoints.size()) {
    return false;
  }
  for (std::uint32_t k = 0; k < page.checkpoint_count; ++k) {
    if (!same_text(page.checkpoints[k].mount, expected.checkpoints[k].mount) ||
        !same_text(page.checkpoints[k].destination, expected.checkpoints[k].destination)) {
      return false;
    }
  }
  return true;
}

// The catalog and the state table of one dataset, if its files are of one piece and what is expected.
Result<std::pair<std::unique_ptr<Catalog>, MappedFile>> load_dataset(const std::string& directory,
                                                                     std::uint32_t k, const ControlPage& page,
                                                                     const Session::Expected& expected) {
  const auto& dataset = expected.datasets[k];
  const DatasetRecord& record = page.datasets[k];
  const std::string number = std::to_string(k);
  FOREBAY_ASSIGN(catalog, Catalog::load(directory + "/catalog." + number));
  if (!same_text(record.mount, dataset.mount) || !same_text(record.origin, dataset.origin) ||
      catalog.origin_name() != dataset.origin) {
    return not_ours(directory + " is of another dataset");
  }
  const CatalogHeader& header = catalog.view().header();
  if (header.stripe_bytes != expected.stripe_bytes) {
    return not_ours(directory + " is of another stripe size");
  }
  const std::string path = directory + "/state." + number;
  FOREBAY_ASSIGN(file, MappedFile::open(path, MappedFile::Access::read_write));
  if (!StateView::valid(file.data(), file.size())) {
    return not_ours(path + " is no state table");
  }
  const StateView state(file.data());
  struct stat tree {};
  if (state.header().entry_count != header.entry_count ||
      state.header().stripe_count != header.stripe_count ||
      ::stat((directory + "/tree." + number).c_str(), &tree) != 0 || state.buffer_inode(0) != tree.st_ino) {
    return not_ours(path + " is not the catalog's");
  }
  return std::pair{std::make_unique<Catalog>(std::move(catalog)), std::move(file)};
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

Result<Session::TakenUp> Session::take_up(const std::string& directory, const Expected& expected,
                                          std::chrono::milliseconds patience) {
  FOREBAY_ASSIGN(lock, take_over_locked_directory(directory, patience));
  TakenUp taken;
  // From here on what cannot be used is removed with `taken`.
  taken.session.directory_ = directory;
  taken.session.lock_ = std::move(lock);
  const auto useless = [&](const Error& why) {
    log_warning("the session that was left cannot be taken up: {}", why.text);
    if (taken.session.control_.data() != nullptr) {
      taken.session.set_phase(SessionPhase::stopped);
    }
    return Error{Code::not_found, why.text};
  };
  auto control = open_control_page(directory, MappedFile::Access::read_write);
  if (!control.ok()) {
    return useless(control.error());
  }
  taken.session.control_ = std::move(control).value();
  const ControlPage& page = taken.session.control();
  if (phase_of(page) == SessionPhase::stopped) {
    return useless(not_ours(directory + " had come to its end"));
  }
  if (page.dataset_count != expected.datasets.size()) {
    return useless(not_ours(directory + " is of other datasets"));
  }
  if (!same_checkpoints(page, expected)) {
    return useless(not_ours(directory + " is of other checkpoints"));
  }
  wait_until_gone(static_cast<pid_t>(page.server_pid), patience);
  for (std::uint32_t k = 0; k < page.dataset_count; ++k) {
    auto loaded = load_dataset(directory, k, page, expected);
    if (!loaded.ok()) {
      return useless(loaded.error());
    }
    taken.catalogs.push_back(std::move(loaded->first));
    taken.session.states_.push_back(std::move(loaded->second));
  }
  // Nobody listens there. Until somebody does, clients are told so at once.
  if (::unlink(taken.session.socket_path().c_str()) != 0 && errno != ENOENT) {
    return useless(error_from_errno("cannot remove " + taken.session.socket_path()));
  }
  return taken;
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

void Session::leave() {
  directory_.clear();
  lock_.reset();
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

Status Session::add_checkpoints(const std::vector<Expected::Checkpoint>& checkpoints) const {
  ControlPage& page = control();
  if (checkpoints.size() > kCheckpointsMax) {
    return Error{Code::bad_argument, "too many checkpoint mounts (a session holds 8)"};
  }
  for (std::uint32_t k = 0; k < checkpoints.size(); ++k) {
    CheckpointRecord& record = page.checkpoints[k];
    FOREBAY_TRY(copy_text(record.mount, checkpoints[k].mount));
    FOREBAY_TRY(copy_text(record.destination, checkpoints[k].destination));
    record.destination_is_posix = checkpoints[k].destination_is_posix ? 1 : 0;
    record.fsync = static_cast<std::uint32_t>(checkpoints[k].fsync);
    record.when_full = static_cast<std::uint32_t>(checkpoints[k].when_full);
  }
  page.checkpoint_count = static_cast<std::uint32_t>(checkpoints.size());
  return {};
}

Status Session::set_store(std::uint32_t k, const std::string& path, std::uint64_t device) const {
  CheckpointRecord& record = control().checkpoints[k];
  if (!published()) {
    FOREBAY_TRY(copy_text(record.store, path));
    record.device = device;
  } else if (path.empty()) {
    __atomic_store_n(&record.store[0], '\0', __ATOMIC_RELEASE);
  } else if (!same_text(record.store, path) || record.device != device) {
    return Error{Code::unavailable, path + " is not where the session's programs look for it"};
  }
  return {};
}

Status Session::expect_restart(const std::string& run_claim) const {
  ControlPage& page = control();
  FOREBAY_TRY(copy_text(page.run_claim, run_claim));
  page.restartable = 1;
  return {};
}

bool Session::keeps_objects_in(const std::string& objects_directory, std::uint64_t device) const {
  return same_text(control().objects_directory, objects_directory) && control().buffer_device == device;
}

bool Session::published() const {
  return control_.data() != nullptr && __atomic_load_n(&control().magic, __ATOMIC_ACQUIRE) == kControlMagic;
}

Status Session::publish(const Identification& id) {
  ControlPage& page = control();
  page.node = id.node;
  page.node_count = id.node_count;
  page.server_pid = static_cast<std::uint32_t>(::getpid());
  __atomic_store_n(&page.rereads_changed, id.rereads_changed ? 1U : 0U, __ATOMIC_RELAXED);
  __atomic_store_n(&page.materialise_max_bytes, id.materialise_max_bytes, __ATOMIC_RELAXED);
  if (published()) {
    __atomic_fetch_add(&page.generation, 1, __ATOMIC_RELEASE);
    return {};
  }
  struct stat info {};
  if (::stat(directory_.c_str(), &info) != 0) {
    return error_from_errno("cannot stat " + directory_);
  }
  page.version = kControlVersion;
  page.bytes = sizeof(ControlPage);
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
  __atomic_store_n(&control().heartbeat_ns, monotonic_ns(), __ATOMIC_RELEASE);
}

}  // namespace forebay
