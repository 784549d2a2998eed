#include "client/mapped_session.hpp"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "client/checkpoint_placeholder.hpp"
#include "client/descriptor_hints.hpp"
#include "client/each_call.hpp"
#include "client/system_call.hpp"
#include "client/working_directory.hpp"

namespace forebay {

// The one global: hooks are called by a program that hands them no context.
FOREBAY_EACH_CALL constinit MappedSession* current_session = nullptr;
namespace {
constinit WorkingDirectoryCache unrelated{
    WorkingDirectoryCache::kUnrelated << WorkingDirectoryCache::kTagShift, 0, 0};
}
constinit MappedSession no_session{};

namespace {

struct Mapping {
  void* data = nullptr;
  size_t bytes = 0;
  void drop() {
    if (data != nullptr) {
      sys::munmap(data, bytes);
    }
    data = nullptr;
  }
};

// What one attempt has mapped, so that all of it goes if the attempt fails.
struct Attempt {
  Mapping session;
  Mapping control;
  Mapping catalogs[kDatasetsMax];
  Mapping states[kDatasetsMax];
  Mapping hints;
  Mapping identities;
  Mapping working_directory;

  void drop() {
    session.drop();
    control.drop();
    hints.drop();
    identities.drop();
    working_directory.drop();
    for (uint32_t k = 0; k < kDatasetsMax; ++k) {
      catalogs[k].drop();
      states[k].drop();
    }
  }
};

bool map_file(int directory, const char* name, bool writable, Mapping* into) {
  const sys::Descriptor fd(
      sys::openat(directory, name, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  struct stat info;
  if (!fd.valid() || sys::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode) ||
      info.st_uid != sys::geteuid() || info.st_size <= 0) {
    return false;
  }
  into->bytes = static_cast<size_t>(info.st_size);
  into->data = sys::mmap(into->bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd.get());
  return into->data != nullptr;
}

bool map_memory(size_t bytes, Mapping* into) {
  into->bytes = bytes;
  into->data = sys::mmap(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  return into->data != nullptr;
}

// "catalog" and 3 make "catalog.3".
void numbered_name(const char* stem, uint32_t number, char into[32]) {
  size_t at = strlen(stem);
  memcpy(into, stem, at);
  into[at++] = '.';
  if (number >= 10) {
    into[at++] = static_cast<char>('0' + number / 10);
  }
  into[at++] = static_cast<char>('0' + number % 10);
  into[at] = '\0';
}

bool valid_path(const char* text, bool absolute) {
  const size_t bytes = strnlen(text, kMountBytesMax);
  return bytes > 1 && bytes < kMountBytesMax && (!absolute || text[0] == '/');
}

bool valid_control(const ControlPage* control, size_t bytes) {
  if (bytes < sizeof(ControlPage) || __atomic_load_n(&control->magic, __ATOMIC_ACQUIRE) != kControlMagic ||
      control->version != kControlVersion || control->bytes != sizeof(ControlPage) ||
      control->dataset_count > kDatasetsMax || control->checkpoint_count > kCheckpointsMax ||
      (control->dataset_count != 0 && !valid_path(control->objects_directory, true))) {
    return false;
  }
  const auto phase = static_cast<SessionPhase>(__atomic_load_n(&control->phase, __ATOMIC_ACQUIRE));
  return phase == SessionPhase::serving || phase == SessionPhase::stopped;
}

bool map_dataset(int directory, MappedSession* session, uint32_t k, Attempt* attempt) {
  const DatasetRecord& record = session->control->datasets[k];
  if (!valid_path(record.mount, true) || !valid_path(record.origin, record.origin_is_posix != 0)) {
    return false;
  }
  char name[32];
  numbered_name("catalog", k, name);
  Mapping& catalog = attempt->catalogs[k];
  if (!map_file(directory, name, false, &catalog) || !valid_catalog(catalog.data, catalog.bytes)) {
    return false;
  }
  numbered_name("state", k, name);
  Mapping& state = attempt->states[k];
  if (!map_file(directory, name, true, &state) || !StateView::valid(state.data, state.bytes)) {
    return false;
  }
  MappedDataset& dataset = session->datasets[k];
  dataset.catalog = CatalogView(catalog.data);
  dataset.state = StateView(state.data);
  dataset.mount = record.mount;
  dataset.mount_bytes = static_cast<uint32_t>(strlen(record.mount));
  dataset.origin = record.origin;
  dataset.origin_bytes = static_cast<uint32_t>(strlen(record.origin));
  dataset.origin_is_posix = record.origin_is_posix != 0;
  return dataset.state.header().entry_count == dataset.catalog.header().entry_count &&
         dataset.state.header().stripe_count == dataset.catalog.header().stripe_count;
}

bool map_checkpoint(MappedSession* session, uint32_t k) {
  constexpr char kTree[] = "/tree";
  CheckpointRecord& record = session->control->checkpoints[k];
  if (!valid_path(record.mount, true) || !valid_path(record.destination, record.destination_is_posix != 0) ||
      (record.store[0] != '\0' && !valid_path(record.store, true))) {
    return false;
  }
  MappedCheckpoint& checkpoint = session->checkpoints[k];
  checkpoint.record = &record;
  checkpoint.mount_bytes = static_cast<uint32_t>(strlen(record.mount));
  checkpoint.destination_bytes = static_cast<uint32_t>(strlen(record.destination));
  checkpoint.has_store = record.store[0] != '\0';
  checkpoint.destination_is_posix = record.destination_is_posix != 0;
  const size_t store_bytes = strlen(record.store);
  memcpy(checkpoint.tree, record.store, store_bytes);
  memcpy(checkpoint.tree + store_bytes, kTree, sizeof kTree);
  checkpoint.tree_bytes = static_cast<uint32_t>(store_bytes + sizeof kTree - 1);
  return true;
}

void add_mount(MappedSession* session, const char* text, uint32_t bytes, uint32_t dataset,
               uint32_t checkpoint) {
  for (uint32_t i = 0; i < session->mount_count; ++i) {
    if (session->mounts[i].bytes == bytes && memcmp(session->mounts[i].text, text, bytes) == 0) {
      return;
    }
  }
  session->mounts[session->mount_count++] = {text, bytes, text[bytes - 1], dataset, checkpoint};
}

// Mounts before other names, so that a mount that is another's other name is the mount.
void name_mounts(MappedSession* session) {
  for (uint32_t k = 0; k < session->dataset_count; ++k) {
    add_mount(session, session->datasets[k].mount, session->datasets[k].mount_bytes, k, kNoMount);
  }
  for (uint32_t k = 0; k < session->checkpoint_count; ++k) {
    const MappedCheckpoint& checkpoint = session->checkpoints[k];
    add_mount(session, checkpoint.record->mount, checkpoint.mount_bytes, kNoMount, k);
  }
  for (uint32_t k = 0; k < session->checkpoint_count; ++k) {
    const MappedCheckpoint& checkpoint = session->checkpoints[k];
    if (checkpoint.has_store) {
      add_mount(session, checkpoint.tree, checkpoint.tree_bytes, kNoMount, k);
    }
    if (checkpoint.has_store && checkpoint.destination_is_posix) {
      add_mount(session, checkpoint.record->destination, checkpoint.destination_bytes, kNoMount, k);
    }
  }
}

bool is_below(const char* path, size_t bytes, const char* above, size_t above_bytes) {
  return bytes > above_bytes && path[above_bytes] == '/' && memcmp(path, above, above_bytes) == 0;
}

void compare_datasets(MappedSession* session) {
  for (uint32_t a = 0; a < session->dataset_count; ++a) {
    for (uint32_t b = 0; b < session->dataset_count; ++b) {
      const MappedDataset& outer = session->datasets[a];
      const MappedDataset& inner = session->datasets[b];
      if (a != b && (is_below(inner.origin, inner.origin_bytes, outer.origin, outer.origin_bytes) ||
                     strcmp(inner.origin, outer.origin) == 0)) {
        session->shared_origins = true;
      }
    }
  }
}

void compare_mounts(MappedSession* session) {
  for (uint32_t a = 0; a < session->mount_count; ++a) {
    for (uint32_t b = 0; b < session->mount_count; ++b) {
      const MountName& outer = session->mounts[a];
      const MountName& inner = session->mounts[b];
      session->nested_mounts =
          session->nested_mounts || is_below(inner.text, inner.bytes, outer.text, outer.bytes);
    }
  }
}

bool fill(const char* path, Attempt* attempt) {
  const size_t path_bytes = strlen(path);
  if (path[0] != '/' || path_bytes >= kSessionPathBytesMax ||
      !map_memory(sizeof(MappedSession), &attempt->session)) {
    return false;
  }
  const sys::Descriptor directory(sys::openat(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info;
  if (!directory.valid() || sys::fstat(directory.get(), &info) != 0 || info.st_uid != sys::geteuid() ||
      (info.st_mode & 07777) != 0700) {
    return false;
  }
  if (!map_file(directory.get(), "control", true, &attempt->control) ||
      !valid_control(static_cast<ControlPage*>(attempt->control.data), attempt->control.bytes)) {
    return false;
  }
  auto* session = static_cast<MappedSession*>(attempt->session.data);
  session->control = static_cast<ControlPage*>(attempt->control.data);
  memcpy(session->directory, path, path_bytes + 1);
  session->directory_bytes = static_cast<uint32_t>(path_bytes);
  session->dataset_count = session->control->dataset_count;
  for (uint32_t k = 0; k < session->dataset_count; ++k) {
    if (!map_dataset(directory.get(), session, k, attempt)) {
      return false;
    }
  }
  session->checkpoint_count = session->control->checkpoint_count;
  for (uint32_t k = 0; k < session->checkpoint_count; ++k) {
    if (!map_checkpoint(session, k)) {
      return false;
    }
  }
  name_mounts(session);
  compare_datasets(session);
  compare_mounts(session);
  if (session->checkpoint_count != 0 && !map_memory(sizeof(KeptIdentities), &attempt->identities)) {
    return false;
  }
  session->identities = static_cast<KeptIdentities*>(attempt->identities.data);
  if (!map_memory(sizeof(DescriptorHints), &attempt->hints) ||
      !map_memory(sizeof(WorkingDirectoryCache), &attempt->working_directory)) {
    return false;
  }
  session->hints = static_cast<DescriptorHints*>(attempt->hints.data);
  session->working_directory = static_cast<WorkingDirectoryCache*>(attempt->working_directory.data);
  // A forked child finds zeroes, which is "unknown"; a vfork child shares the page (working_directory.cpp).
  session->remembers_working_directory =
      sys::madvise(session->working_directory, sizeof(WorkingDirectoryCache), MADV_WIPEONFORK) == 0;
  return true;
}

// Two threads may attach at once: one of them publishes, the other drops what it mapped.
MappedSession* publish(MappedSession* found, Attempt* attempt) {
  MappedSession* expected = nullptr;
  if (!__atomic_compare_exchange_n(&current_session, &expected, found, false, __ATOMIC_ACQ_REL,
                                   __ATOMIC_ACQUIRE)) {
    attempt->drop();
    return expected;
  }
  return found;
}

MappedSession* attach(const char* path) {
  Attempt attempt;
  if (path == nullptr || !fill(path, &attempt)) {
    attempt.drop();
    __atomic_store_n(&no_session.working_directory, &unrelated, __ATOMIC_RELAXED);
    return publish(&no_session, &attempt);
  }
  return publish(static_cast<MappedSession*>(attempt.session.data), &attempt);
}

const char* variable(const char* name, size_t name_bytes) {
  for (char** at = environ; *at != nullptr; ++at) {
    if (strncmp(*at, name, name_bytes) == 0 && (*at)[name_bytes] == '=') {
      return *at + name_bytes + 1;
    }
  }
  return nullptr;
}

// The same from the environment that the program was started with: it may have cleared its own, and still be
// in a directory that stands for one of the origin's.
bool initial_variable(const char* name, size_t name_bytes, char into[kSessionPathBytesMax]) {
  const sys::Descriptor fd(sys::openat(AT_FDCWD, "/proc/self/environ", O_RDONLY | O_CLOEXEC));
  char text[1024];
  size_t matched = 0;  // of name and "="; name_bytes + 1: inside the value
  size_t taken = 0;
  bool at_start = true;
  ssize_t bytes;
  while (fd.valid() && (bytes = sys::call(SYS_read, fd.get(), sys::arg(text), sizeof text)) > 0) {
    for (ssize_t i = 0; i < bytes; ++i) {
      if (matched == name_bytes + 1) {
        into[taken++] = text[i];
        if (text[i] == '\0' || taken == kSessionPathBytesMax) {
          return text[i] == '\0';
        }
      } else if (text[i] == '\0') {
        at_start = true;
        matched = 0;
      } else if (at_start && text[i] == (matched == name_bytes ? '=' : name[matched])) {
        ++matched;
      } else {
        at_start = false;
      }
    }
  }
  return false;
}

MappedSession* attach_by_environment() {
  constexpr size_t kNameBytes = sizeof kSessionVariable - 1;
  const char* path = variable(kSessionVariable, kNameBytes);
  char initial[kSessionPathBytesMax];
  if (path == nullptr && initial_variable(kSessionVariable, kNameBytes, initial)) {
    path = initial;
  }
  return attach(path);
}

}  // namespace

ClientCounters& MappedSession::counters() const {
  // errno's address tells threads apart without a system call.
  const auto thread = reinterpret_cast<uintptr_t>(&errno);
  return control->counters[(thread >> 12) % kCounterShards];
}

const MappedSession* first_session() {
  if (environ == nullptr) {
    return nullptr;  // Called before libc has set itself up: ask again later.
  }
  const MappedSession* known = attach_by_environment();
  return known == &no_session ? nullptr : known;
}

void note_new_root() {
  MappedSession* known = __atomic_load_n(&current_session, __ATOMIC_ACQUIRE);
  if (known != nullptr) {
    __atomic_store_n(&known->rerooted, 1, __ATOMIC_RELAXED);
  }
}

const MappedSession* attach_session(const char* directory) {
  MappedSession* known = __atomic_load_n(&current_session, __ATOMIC_ACQUIRE);
  if (known == &no_session) {
    __atomic_compare_exchange_n(&current_session, &known, static_cast<MappedSession*>(nullptr), false,
                                __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    known = nullptr;
  }
  if (known == nullptr) {
    known = attach(directory);
  }
  return known == &no_session ? nullptr : known;
}

}  // namespace forebay
