#include "client/checkpoint_placeholder.hpp"

#include <string.h>

#include "client/system_call.hpp"
#include "shared/hashing.hpp"

namespace forebay {
namespace {

constexpr int64_t kNsPerSecond = 1000000000;

int64_t changed_ns(const struct stat& info) {
  return info.st_ctim.tv_sec * kNsPerSecond + info.st_ctim.tv_nsec;
}

struct timespec time_of(int64_t ns) {
  int64_t seconds = ns / kNsPerSecond;
  int64_t rest = ns % kNsPerSecond;
  if (rest < 0) {
    rest += kNsPerSecond;
    --seconds;
  }
  return {seconds, rest};
}

KeptIdentity* slot_of(const MappedSession& session, const struct stat& info) {
  const uint64_t words[2] = {info.st_dev, info.st_ino};
  return &session.identities->slots[hash_bytes(words, sizeof words, 0) % kIdentities];
}

}  // namespace

bool read_placeholder(const char* tree_path, FoundPlaceholder* into) {
  const sys::Descriptor fd(sys::openat(AT_FDCWD, tree_path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  struct stat info;
  if (!fd.valid() || sys::fstat(fd.get(), &info) != 0 || !is_placeholder_mode(info.st_mode)) {
    return false;
  }
  const ssize_t got = sys::call(SYS_pread64, fd.get(), sys::arg(into), sizeof *into, 0);
  if (got < static_cast<ssize_t>(sizeof into->record) || into->record.magic != kPlaceholderMagic) {
    return false;
  }
  const size_t bytes = sizeof into->record + into->record.path_bytes;
  if (into->record.path_bytes >= sizeof into->path || static_cast<size_t>(got) < bytes ||
      into->record.checksum != placeholder_checksum(into, bytes)) {
    return false;
  }
  into->path[into->record.path_bytes] = '\0';
  return true;
}

void show_placeholder(const PlaceholderRecord& record, struct stat* into) {
  into->st_mode = record.mode;
  into->st_uid = record.uid;
  into->st_gid = record.gid;
  into->st_size = static_cast<off_t>(record.size);
  into->st_blocks = static_cast<blkcnt_t>((record.size + 511) / 512);
  into->st_mtim = time_of(record.mtime_ns);
  into->st_atim = into->st_mtim;
  into->st_ctim = into->st_mtim;
}

void keep_identity(const MappedSession& session, const struct stat& told, const struct stat& real) {
  KeptIdentity* slot = slot_of(session, real);
  uint32_t version = __atomic_load_n(&slot->version, __ATOMIC_RELAXED);
  if ((version & 1) != 0 || !__atomic_compare_exchange_n(&slot->version, &version, version + 1, false,
                                                         __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
    return;  // Another thread is at it: one of the two is forgotten.
  }
  slot->real = {real.st_dev, real.st_ino, changed_ns(real)};
  slot->told = {told.st_dev, told.st_ino, changed_ns(told)};
  slot->used = 1;
  __atomic_store_n(&slot->version, version + 2, __ATOMIC_RELEASE);
  __atomic_store_n(&session.identities->any, 1, __ATOMIC_RELAXED);
}

void restore_identity(const MappedSession& session, struct stat* into) {
  if (session.identities == nullptr || __atomic_load_n(&session.identities->any, __ATOMIC_RELAXED) == 0) {
    return;
  }
  const KeptIdentity* slot = slot_of(session, *into);
  const uint32_t before = __atomic_load_n(&slot->version, __ATOMIC_ACQUIRE);
  const KeptIdentity kept = *slot;
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  if ((before & 1) != 0 || __atomic_load_n(&slot->version, __ATOMIC_RELAXED) != before || kept.used == 0 ||
      kept.real.device != into->st_dev || kept.real.inode != into->st_ino) {
    return;
  }
  into->st_dev = kept.told.device;
  into->st_ino = kept.told.inode;
  if (changed_ns(*into) == kept.real.changed_ns) {
    into->st_ctim = time_of(kept.told.changed_ns);
  }
}

}  // namespace forebay
