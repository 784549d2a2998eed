#include "client/partial_hints.hpp"

#include <sys/sysmacros.h>

#include "client/store_descriptor.hpp"
#include "client/system_call.hpp"

namespace forebay {

int partial_use = kPartialUnknown;

namespace {

// Word k speaks of descriptors k, k + kPartialHints, ...: of the one it names.
constexpr uint32_t kPartialHints = 1024;
constinit PartialHint hints[kPartialHints]{};

// Bit 63: a hint. Descriptor in bits 36..59, dataset in 32..35, entry in 0..31.
constexpr uint64_t kTag = 1ull << 63;
constexpr uint64_t kDescriptorMax = 1u << 24;
constexpr int kDescriptorShift = 36;
static_assert(kDatasetsMax <= 16);

constexpr int kOnlyPlainReading = O_ACCMODE | O_PATH | O_DIRECT;

bool is_of_store(const MappedSession& session, Place place) {
  return !session.dataset_of(place).origin_is_posix;
}

bool is_version(const MappedSession& session, Place place, const struct statx& info) {
  const CatalogEntry& entry = session.entry_of(place);
  const auto ns = [](const struct statx_timestamp& time) { return time.tv_sec * 1000000000 + time.tv_nsec; };
  return info.stx_ino == entry.inode && info.stx_size == entry.size && S_ISREG(info.stx_mode) &&
         ns(info.stx_mtime) == entry.mtime_ns && ns(info.stx_ctime) == entry.ctime_ns;
}

bool ask_kernel(int fd, bool of_store, struct statx* info) {
  const int flags = sys::fcntl(fd, F_GETFL);
  // AT_STATX_DONT_SYNC: what this node knows. A change made elsewhere is noticed as a page cache notices it.
  return flags >= 0 && (flags & kOnlyPlainReading) == (of_store ? O_WRONLY : O_RDONLY) &&
         sys::call(SYS_statx, fd, sys::arg(""), AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS,
                   sys::arg(info)) == 0;
}

uint64_t device_of(const struct statx& info) {
  return makedev(info.stx_dev_major, info.stx_dev_minor);
}

}  // namespace

void note_partial(const MappedSession& session, int fd, Place place) {
  struct statx info;
  const bool of_store = is_of_store(session, place);
  if (static_cast<uint64_t>(fd) >= kDescriptorMax || !ask_kernel(fd, of_store, &info) ||
      (!of_store && !is_version(session, place, info))) {
    return;
  }
  PartialHint& hint = hints[static_cast<uint32_t>(fd) % kPartialHints];
  __atomic_store_n(&hint.word, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&hint.device, device_of(info), __ATOMIC_RELAXED);
  __atomic_store_n(&hint.inode, info.stx_ino, __ATOMIC_RELAXED);
  uint64_t* const fields[] = {&hint.next_offset, &hint.run, &hint.asked, &hint.asked_ns,
                              &hint.quiet_until_ns};
  for (uint64_t* field : fields) {
    __atomic_store_n(field, 0, __ATOMIC_RELAXED);
  }
  __atomic_store_n(
      &hint.word,
      kTag | static_cast<uint64_t>(fd) << kDescriptorShift | uint64_t{place.dataset} << 32 | place.entry,
      __ATOMIC_RELEASE);
  __atomic_store_n(&partial_use, static_cast<int>(kPartialUsed), __ATOMIC_RELAXED);
}

bool is_partial_used() {
  int use = __atomic_load_n(&partial_use, __ATOMIC_RELAXED);
  if (use == kPartialUnknown) {
    const MappedSession* here = session();
    int found = kPartialNone;
    for (uint32_t k = 0; here != nullptr && k < here->dataset_count; ++k) {
      found = here->datasets[k].origin_is_posix ? found : static_cast<int>(kPartialUsed);
    }
    if (__atomic_compare_exchange_n(&partial_use, &use, found, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
      use = found;
    }
  }
  return use == kPartialUsed;
}

bool adopt_partial(int fd) {
  const MappedSession* here = session();
  Place place;
  if (here == nullptr || fd < 0 || !place_of_store_descriptor(*here, fd, &place)) {
    return false;
  }
  note_partial(*here, fd, place);
  return true;
}

PartialHint* partial_hint(const MappedSession& session, int fd, Place* place) {
  PartialHint& hint = hints[static_cast<uint32_t>(fd) % kPartialHints];
  uint64_t word = __atomic_load_n(&hint.word, __ATOMIC_ACQUIRE);
  if (fd < 0 || (word & ~0xfffffffffull) != (kTag | static_cast<uint64_t>(fd) << kDescriptorShift)) {
    return nullptr;
  }
  *place = Place{static_cast<uint32_t>(word >> 32 & 0xf), static_cast<uint32_t>(word)};
  struct statx info;
  const bool of_store = is_of_store(session, *place);
  if (ask_kernel(fd, of_store, &info) && device_of(info) == __atomic_load_n(&hint.device, __ATOMIC_RELAXED) &&
      (of_store ? info.stx_ino == __atomic_load_n(&hint.inode, __ATOMIC_RELAXED)
                : is_version(session, *place, info) && !session.left_to_origin(*place))) {
    return &hint;
  }
  __atomic_compare_exchange_n(&hint.word, &word, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return nullptr;
}

}  // namespace forebay
