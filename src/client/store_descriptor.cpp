#include "client/store_descriptor.hpp"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "client/descriptor_path.hpp"
#include "client/system_call.hpp"

namespace forebay {
namespace {

// "forebay:", the dataset as a letter, the identity.
constexpr char kStem[] = "forebay:";
constexpr size_t kStemBytes = sizeof kStem - 1;
constexpr char kShown[] = "/memfd:";  // What /proc has in front of a memfd's name.
constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
static_assert(kDatasetsMax <= 26);

int open_for_writing(int fd) {
  char link[kDescriptorLinkBytes];
  write_descriptor_link(fd, link);
  return sys::openat(AT_FDCWD, link, O_WRONLY | O_CLOEXEC);
}

int replace(int by, int fd, int flags) {
  return static_cast<int>(sys::call(SYS_dup3, by, fd, flags & O_CLOEXEC));
}

int seal(int fd, const CatalogEntry& entry, int flags) {
  int failed = static_cast<int>(sys::call(SYS_ftruncate, fd, static_cast<long>(entry.size)));
  if (failed == 0) {
    failed = sys::fcntl(fd, F_ADD_SEALS, kSeals);
  }
  const sys::Descriptor writing(failed == 0 ? open_for_writing(fd) : -1);
  if (failed == 0) {
    failed =
        writing.valid() ? static_cast<int>(sys::call(SYS_fchmod, writing.get(), kStoreDescriptorMode)) : -EIO;
  }
  return failed == 0 ? replace(writing.get(), fd, flags) : failed;
}

}  // namespace

int make_store_descriptor(const MappedSession& session, Place place, int flags) {
  const CatalogEntry& entry = session.dataset_of(place).catalog.entry(session.state_entry(place));
  char name[kStemBytes + 1 + kIdentityTextBytes];
  memcpy(name, kStem, kStemBytes);
  name[kStemBytes] = static_cast<char>('a' + place.dataset);
  identity_to_text(identity_of(entry), name + kStemBytes + 1);
  const int fd =
      static_cast<int>(sys::call(SYS_memfd_create, sys::arg(name), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (fd < 0) {
    return fd == -EMFILE || fd == -ENFILE ? fd : -EIO;
  }
  const int sealed = seal(fd, entry, flags);
  if (sealed < 0) {
    sys::close(fd);
    return sealed;
  }
  if ((flags & O_NONBLOCK) != 0) {
    sys::fcntl(fd, F_SETFL, O_NONBLOCK);
  }
  return fd;
}

bool place_of_store_descriptor(const MappedSession& session, int fd, Place* place) {
  const int flags = sys::fcntl(fd, F_GETFL);
  char path[PATH_MAX];
  if (flags < 0 || (flags & (O_ACCMODE | O_PATH)) != O_WRONLY || sys::fcntl(fd, F_GET_SEALS) != kSeals ||
      read_descriptor_path(fd, path) <= 0 || strncmp(path, kShown, sizeof kShown - 1) != 0) {
    return false;
  }
  const char* name = path + sizeof kShown - 1;
  Identity identity;
  if (strncmp(name, kStem, kStemBytes) != 0 || name[kStemBytes] < 'a' ||
      static_cast<uint32_t>(name[kStemBytes] - 'a') >= session.dataset_count ||
      !identity_from_text(name + kStemBytes + 1, &identity)) {
    return false;
  }
  place->dataset = static_cast<uint32_t>(name[kStemBytes] - 'a');
  place->entry = session.dataset_of(*place).catalog.find_identity(identity);
  struct stat info;
  return place->entry != kNoEntry && !session.dataset_of(*place).origin_is_posix &&
         sys::fstat(fd, &info) == 0 && may_be_store_descriptor(info) &&
         static_cast<uint64_t>(info.st_size) == session.entry_of(*place).size;
}

}  // namespace forebay
