#include "client/permission.hpp"

#include <linux/capability.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "client/place_path.hpp"
#include "client/system_call.hpp"

namespace forebay {
namespace {

// Linux allows no more groups than this.
constexpr int kGroupsMax = 65536;

bool in_groups(gid_t wanted) {
  gid_t some[64];
  int count = sys::getgroups(64, some);
  if (count >= 0) {
    for (int i = 0; i < count; ++i) {
      if (some[i] == wanted) {
        return true;
      }
    }
    return false;
  }
  const size_t bytes = kGroupsMax * sizeof(gid_t);
  auto* all = static_cast<gid_t*>(sys::mmap(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1));
  if (all == nullptr) {
    return false;
  }
  count = sys::getgroups(kGroupsMax, all);
  bool found = false;
  for (int i = 0; i < count && !found; ++i) {
    found = all[i] == wanted;
  }
  sys::munmap(all, bytes);
  return found;
}

// Whether the thread has one of the capabilities in `wanted` (bits). The kernel judges access() by what it
// may make effective if its real user is root, and by none at all otherwise.
bool has_capability(uint32_t wanted, AsWhom whom, uid_t user) {
  if (whom == AsWhom::real && user != 0) {
    return false;
  }
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
  if (sys::call(SYS_capget, sys::arg(&header), sys::arg(data)) != 0) {
    return false;
  }
  return ((whom == AsWhom::real ? data[0].permitted : data[0].effective) & wanted) != 0;
}

// What the owner's, group's or others' bits refuse, and a capability allows all the same.
bool is_privileged(uint32_t mode, int wanted, AsWhom whom, uid_t user) {
  constexpr uint32_t kOverride = 1u << CAP_DAC_OVERRIDE;
  constexpr uint32_t kReadSearch = 1u << CAP_DAC_READ_SEARCH;
  const bool nobody_executes = (wanted & X_OK) != 0 && !S_ISDIR(mode) && (mode & 0111) == 0;
  if (nobody_executes) {
    return false;
  }
  const bool only_reads = wanted == R_OK || (S_ISDIR(mode) && (wanted & W_OK) == 0);
  return has_capability(only_reads ? kOverride | kReadSearch : kOverride, whom, user);
}

}  // namespace

Verdict judge(const MappedSession& session, Place place, int wanted, AsWhom whom) {
  const CatalogEntry& entry = session.entry_of(place);
  const unsigned for_everyone = entry.mode & entry.mode >> 3 & entry.mode >> 6 & 7u;
  if ((static_cast<unsigned>(wanted) & ~for_everyone) == 0 && (entry.flags & kEntryHasXattrs) == 0) {
    return Verdict::allowed;  // The usual case needs no system call.
  }
  const uid_t user = whom == AsWhom::effective ? sys::filesystem_user() : sys::getuid();
  const CatalogOwner& owner = session.dataset_of(place).catalog.owner(entry);
  unsigned bits = entry.mode;
  if (owner.uid == user) {
    bits = entry.mode >> 6;
  } else if ((entry.flags & kEntryHasXattrs) != 0) {
    return is_privileged(entry.mode, wanted, whom, user) ? Verdict::allowed : Verdict::ask_origin;
  } else if (owner.gid == (whom == AsWhom::effective ? sys::filesystem_group() : sys::getgid()) ||
             in_groups(owner.gid)) {
    bits = entry.mode >> 3;
  }
  const bool allowed = (static_cast<unsigned>(wanted) & ~bits & 7) == 0;
  return allowed || is_privileged(entry.mode, wanted, whom, user) ? Verdict::allowed : Verdict::refused;
}

bool judge_mode(uint32_t mode, uid_t owner, gid_t group, int wanted, AsWhom whom) {
  const uid_t user = whom == AsWhom::effective ? sys::filesystem_user() : sys::getuid();
  unsigned bits = mode;
  if (owner == user) {
    bits = mode >> 6;
  } else if (group == (whom == AsWhom::effective ? sys::filesystem_group() : sys::getgid()) ||
             in_groups(group)) {
    bits = mode >> 3;
  }
  return (static_cast<unsigned>(wanted) & ~bits & 7) == 0 || is_privileged(mode, wanted, whom, user);
}

bool may_search(const MappedSession& session, Place place, AsWhom whom) {
  const Verdict verdict = judge(session, place, X_OK, whom);
  // What changed since the scan may be open to more: to fewer, and all below it is the origin's to judge.
  if (verdict == Verdict::allowed || (verdict == Verdict::refused && !session.left_to_origin(place))) {
    return verdict == Verdict::allowed;
  }
  PathText path;
  return origin_path(session, place, &path) == 0 && sys::faccessat(AT_FDCWD, path.text, X_OK) == 0;
}

bool owns(const MappedSession& session, Place place) {
  const uid_t user = sys::filesystem_user();
  return session.dataset_of(place).catalog.owner(session.entry_of(place)).uid == user ||
         has_capability(1u << CAP_FOWNER, AsWhom::effective, user);
}

bool is_read_only(const MappedSession& session, Place place) {
  const auto& catalog = session.dataset_of(place).catalog;
  return (catalog.file_system(session.entry_of(place)).flags & ST_RDONLY) != 0;
}

}  // namespace forebay
