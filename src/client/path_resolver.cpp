#include "client/path_resolver.hpp"

#include <errno.h>
#include <string.h>

#include "client/caller_memory.hpp"
#include "client/changed_object.hpp"
#include "client/checkpoint_path.hpp"
#include "client/checkpoint_walk.hpp"
#include "client/descriptor_hints.hpp"
#include "client/descriptor_link.hpp"
#include "client/descriptor_path.hpp"
#include "client/path_filter.hpp"
#include "client/permission.hpp"
#include "client/working_directory.hpp"

namespace forebay {
namespace {

bool is_dots(const char* name, size_t bytes) {
  return bytes == 2 && name[0] == '.' && name[1] == '.';
}

bool has_dot_dot(const char* path) {
  for (const char* at = path; (at = strstr(at, "..")) != nullptr; at += 2) {
    if ((at == path || at[-1] == '/') && (at[2] == '\0' || at[2] == '/')) {
      return true;
    }
  }
  return false;
}

size_t component_bytes(const char* text) {
  size_t bytes = 0;
  while (text[bytes] != '\0' && text[bytes] != '/') {
    ++bytes;
  }
  return bytes;
}

const char* skip_slashes(const char* text) {
  while (*text == '/') {
    ++text;
  }
  return text;
}

struct MountMatch {
  const MountName* mount = nullptr;
  const char* rest = nullptr;  // without leading slash
  bool found() const { return rest != nullptr; }
};

MountMatch match_regular(const MappedSession& session, const char* path) {
  MountMatch match;
  uint32_t longest = 0;
  for (uint32_t i = 0; i < session.mount_count; ++i) {
    const MountName& mount = session.mounts[i];
    if (mount.bytes > longest && strncmp(path, mount.text, mount.bytes) == 0) {
      const char* rest = path + mount.bytes;
      if (*rest == '\0' || *rest == '/') {
        match = {&mount, *rest == '/' ? rest + 1 : rest};
        longest = mount.bytes;
      }
    }
  }
  return match;
}

// The directory `prefix` with every symlink resolved, in place. False when it cannot be opened.
bool make_physical(char prefix[PATH_MAX], size_t* bytes) {
  prefix[*bytes] = '\0';
  const sys::Descriptor fd(
      sys::openat(AT_FDCWD, *bytes == 0 ? "/" : prefix, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) {
    return false;
  }
  const size_t got = read_descriptor_path(fd.get(), prefix);
  if (got == 0 || prefix[0] != '/') {
    return false;
  }
  *bytes = got == 1 ? 0 : got;  // "/" is kept as "".
  return true;
}

enum class DotDot { lexical, physical };

// An absolute path with `//`, `.` or `..` before it reaches a mount. `..` by text alone would be wrong behind
// a symlink, so a path that by its text reaches a mount is looked at again with the real directories.
MountMatch match_irregular(const MappedSession& session, const char* path, DotDot how) {
  char prefix[PATH_MAX];
  size_t bytes = 0;
  bool saw_dot_dot = false;
  MountMatch match;
  for (const char* at = skip_slashes(path); *at != '\0'; at = skip_slashes(at)) {
    const size_t part = component_bytes(at);
    if (is_dots(at, part)) {
      if (match.found()) {
        break;
      }
      saw_dot_dot = true;
      if (how == DotDot::physical && !make_physical(prefix, &bytes)) {
        return {};
      }
      while (bytes > 0 && prefix[--bytes] != '/') {
      }
    } else if (!(part == 1 && at[0] == '.')) {
      if (bytes + part + 2 > sizeof prefix) {
        break;
      }
      prefix[bytes++] = '/';
      memcpy(prefix + bytes, at, part);
      bytes += part;
      prefix[bytes] = '\0';
      const MountMatch here = match_regular(session, prefix);
      if (here.found() && *here.rest == '\0') {
        match = {here.mount, at + part};
      } else if (match.found() && !session.nested_mounts) {
        break;
      }
    }
    at += part;
  }
  if (match.found()) {
    if (saw_dot_dot && how == DotDot::lexical) {
      return match_irregular(session, path, DotDot::physical);
    }
    match.rest = skip_slashes(match.rest);
  }
  return match;
}

MountMatch match_mount(const MappedSession& session, const char* path, bool* irregular) {
  *irregular = regular_bytes(path) < 0;
  return *irregular ? match_irregular(session, path, DotDot::lexical) : match_regular(session, path);
}

// One resolution on its way.
class Walk {
 public:
  Walk(const MappedSession& session, Follow follow, AsWhom whom, Resolution* into)
      : session_(session), follow_(follow), whom_(whom), into_(into) {}

  // `path` is the caller's, or in text_.
  Outcome absolute(const char* path);
  Outcome relative(Place from, const char* rest);
  Outcome relative_to_text(const char* directory, const char* rest);

 private:
  Outcome fail(int error) { return fail(error, error); }
  Outcome fail(int error, int change_error) {
    into_->error = error;
    into_->change_error = change_error;
    return into_->outcome = Outcome::failed;
  }
  Outcome settle(Place place);
  Outcome leave_to_origin(Place holder, uint32_t entry, const char* rest);
  bool through_descriptor(const char* path, Outcome* outcome);
  bool direct(Place root, const char* rest, Outcome* outcome);
  bool is_origins(Place place) const;
  Outcome settle_without_origin(Place place);
  bool may_search_above(Place place) const;
  Outcome components(Place at, const char* rest);
  const MountName* mount_at(Place directory, const char* name, size_t bytes) const;
  Outcome in_checkpoint(uint32_t checkpoint, const char* rest);
  bool has_parent(uint32_t dataset) const;
  bool above_root(uint32_t dataset, const char* rest);
  bool put_in_front(const char* text, size_t bytes, const char* rest) {
    return forebay::put_in_front(text_, text, bytes, rest);
  }

  const MappedSession& session_;
  const Follow follow_;
  const AsWhom whom_;
  Resolution* const into_;
  int links_ = 0;
  char text_[kWalkTextBytes];
};

Outcome Walk::settle(Place place) {
  into_->dataset = place.dataset;
  into_->entry = place.entry;
  into_->directory = place.entry == 0 ? kNoEntry : session_.entry_of(place).parent;
  if (!is_origins(place)) {
    return into_->outcome = Outcome::entry;
  }
  if (!session_.dataset_of(place).origin_is_posix) {
    return settle_without_origin(place);
  }
  const int error = origin_path(session_, place, &into_->path);
  return error != 0 ? fail(error) : into_->outcome = Outcome::origin;
}

// Whether the origin has to say what `place` is now. A directory of a store stays what it was: nobody could
// list it otherwise, and what is in it is judged by itself.
bool Walk::is_origins(Place place) const {
  const CatalogEntry& entry = session_.entry_of(place);
  return session_.left_to_origin(place) &&
         (session_.dataset_of(place).origin_is_posix || !CatalogView::is_directory(entry) ||
          (entry.flags & kEntryLeftToOrigin) != 0);
}

// Of a store, which alone could say what `place` is now.
Outcome Walk::settle_without_origin(Place place) {
  if ((session_.entry_of(place).flags & kEntryLeftToOrigin) != 0) {
    return fail(EIO);
  }
  ChangedObject now;
  return is_changed(session_, place) && find_changed(session_, place, &now) ? into_->outcome = Outcome::entry
                                                                            : fail(ESTALE);
}

// `rest` begins with the name of what the origin has to judge, in directory `holder`.
Outcome Walk::leave_to_origin(Place holder, uint32_t entry, const char* rest) {
  const bool is_last = *skip_slashes(rest + component_bytes(rest)) == '\0';
  if (!session_.dataset_of(holder).origin_is_posix) {
    if (entry == kNoEntry) {
      return fail(ENOENT, is_last ? EROFS : ENOENT);
    }
    into_->dataset = holder.dataset;
    into_->entry = entry;
    into_->directory = holder.entry;
    return is_last ? settle_without_origin({holder.dataset, entry}) : fail(EIO);
  }
  into_->dataset = holder.dataset;
  into_->entry = is_last ? entry : kNoEntry;
  into_->directory = is_last ? holder.entry : kNoEntry;
  const int error = origin_path_below(session_, holder, rest, &into_->path);
  return error != 0 ? fail(error) : into_->outcome = Outcome::origin;
}

bool Walk::may_search_above(Place place) const {
  for (Place at = place; at.entry != 0;) {
    at.entry = session_.entry_of(at).parent;
    if (!may_search(session_, at, whom_)) {
      return false;
    }
  }
  return true;
}

// The usual case: a path of names only, found by one hash. False when it needs the walk.
bool Walk::direct(Place root, const char* rest, Outcome* outcome) {
  const uint32_t found = session_.dataset_of(root).catalog.find(rest, strlen(rest));
  if (found == kNoEntry) {
    return false;
  }
  const Place place = {root.dataset, found};
  if (CatalogView::is_symlink(session_.entry_of(place)) && follow_ == Follow::yes) {
    return false;
  }
  *outcome = may_search_above(place) ? settle(place) : fail(EACCES);
  return true;
}

// Whether anything holds the mount. One that exists nowhere is its own parent, as `/` is.
bool Walk::has_parent(uint32_t dataset) const {
  const MappedDataset& of = session_.datasets[dataset];
  char parent[kMountBytesMax];
  const auto bytes = static_cast<size_t>(strrchr(of.mount, '/') - of.mount);
  memcpy(parent, of.mount, bytes);
  parent[bytes] = '\0';
  return session_.nested_mounts || bytes == 0 || sys::faccessat(AT_FDCWD, parent, F_OK) == 0;
}

// `..` of the root: the directory that holds the mount. `rest` is empty or begins with a slash.
bool Walk::above_root(uint32_t dataset, const char* rest) {
  const MappedDataset& from = session_.datasets[dataset];
  const char* slash = strrchr(from.mount, '/');
  const auto bytes = static_cast<size_t>(slash - from.mount);
  return put_in_front(from.mount, bytes, bytes == 0 && *rest == '\0' ? "/" : rest);
}

// The mount that is this name in `directory`, if there is one: it hides what the catalog has there.
const MountName* Walk::mount_at(Place directory, const char* name, size_t bytes) const {
  PathText path;
  const ssize_t holder = mount_path(session_, directory, path.text, sizeof path.text);
  if (holder < 0 || static_cast<size_t>(holder) + 1 + bytes > sizeof path.text) {
    return nullptr;
  }
  path.text[holder] = '/';
  memcpy(path.text + holder + 1, name, bytes);
  const size_t whole = static_cast<size_t>(holder) + 1 + bytes;
  for (uint32_t i = 0; i < session_.mount_count; ++i) {
    if (session_.mounts[i].bytes == whole && memcmp(session_.mounts[i].text, path.text, whole) == 0) {
      return &session_.mounts[i];
    }
  }
  return nullptr;
}

Outcome Walk::in_checkpoint(uint32_t checkpoint, const char* rest) {
  if (!put_in_front("", 0, rest)) {
    return fail(ENAMETOOLONG);
  }
  return walk_checkpoint(session_, checkpoint, follow_, text_, &links_, into_) ? into_->outcome
                                                                               : absolute(text_);
}

Outcome Walk::components(Place at, const char* rest) {
  while (true) {
    const char* name = skip_slashes(rest);
    if (*name == '\0') {
      return settle(at);
    }
    if (!may_search(session_, at, whom_)) {
      return fail(EACCES);
    }
    const size_t bytes = component_bytes(name);
    rest = name + bytes;
    if (bytes == 1 && name[0] == '.') {
      continue;
    }
    if (is_dots(name, bytes)) {
      if (at.entry == 0 && !has_parent(at.dataset)) {
        continue;
      }
      if (at.entry == 0) {
        return above_root(at.dataset, rest) ? absolute(text_) : fail(ENAMETOOLONG);
      }
      at.entry = session_.entry_of(at).parent;
      continue;
    }
    if (const MountName* mount = session_.nested_mounts ? mount_at(at, name, bytes) : nullptr;
        mount != nullptr) {
      if (mount->checkpoint != kNoMount) {
        return in_checkpoint(mount->checkpoint, rest);
      }
      at = {mount->dataset, 0};
      continue;
    }
    const uint32_t child = session_.dataset_of(at).catalog.find_child(at.entry, name, bytes);
    if (child == kNoEntry) {
      if (bytes > NAME_MAX) {
        return fail(ENAMETOOLONG);
      }
      return leave_to_origin(at, kNoEntry, name);
    }
    const Place next = {at.dataset, child};
    const CatalogEntry& entry = session_.entry_of(next);
    const bool last = *rest == '\0';
    if (CatalogView::is_directory(entry)) {
      // A bypassed directory still leads to children that are not.
      if ((entry.flags & kEntryLeftToOrigin) != 0 && *skip_slashes(rest) != '\0') {
        return leave_to_origin(at, child, name);
      }
      at = next;
      continue;
    }
    if (is_origins(next)) {
      return leave_to_origin(at, child, name);
    }
    if (CatalogView::is_symlink(entry) && (!last || follow_ == Follow::yes)) {
      if (++links_ > kLinksMax) {
        return fail(ELOOP);
      }
      const char* target = session_.dataset_of(next).catalog.link_target(entry);
      const bool is_absolute = entry.size > 0 && target[0] == '/';
      if (!put_in_front(target, entry.size, rest)) {
        return fail(ENAMETOOLONG);
      }
      if (is_absolute) {
        return absolute(text_);
      }
      rest = text_;
      continue;
    }
    return last ? settle(next) : fail(ENOTDIR);
  }
}

// Through /proc to something of ours. False when it is not, or the link itself is meant.
bool Walk::through_descriptor(const char* path, Outcome* outcome) {
  const DescriptorLink link = parse_descriptor_link(path);
  if (!link.found || (*link.rest == '\0' && follow_ == Follow::no)) {
    return false;
  }
  if (link.fd == AT_FDCWD) {
    char here[PATH_MAX];
    const RegionOfPath region = region_of_working_directory(session_, here);
    if (region.region == Region::textual) {
      *outcome = relative_to_text(here, link.rest);
      return *outcome != Outcome::libc;
    }
    if (region.region != Region::inside) {
      return false;
    }
    *outcome = relative(region.place, link.rest);
    return true;
  }
  struct stat info;
  if (sys::fstat(link.fd, &info) != 0) {
    return false;
  }
  TreeFile file;
  if (find_tree_file(session_, link.fd, &file) && file.named) {
    *outcome = put_in_front(file.text, strlen(file.text), link.rest) ? absolute(text_) : fail(ENAMETOOLONG);
    return true;
  }
  const Described described = describe(session_, link.fd, info);
  if (described.kind == DescriptorKind::foreign ||
      (described.kind == DescriptorKind::object && *link.rest != '\0')) {
    return false;
  }
  *outcome = described.kind == DescriptorKind::object ? settle(described.place)
                                                      : relative(described.place, link.rest);
  return true;
}

Outcome Walk::absolute(const char* path) {
  Outcome outcome;
  if (through_descriptor(path, &outcome)) {
    return outcome;
  }
  bool irregular = false;
  const MountMatch match = match_mount(session_, path, &irregular);
  if (!match.found()) {
    if (path != text_) {
      return into_->outcome = Outcome::libc;
    }
    const size_t bytes = strlen(path);
    if (bytes >= PATH_MAX) {
      return fail(ENAMETOOLONG);
    }
    memcpy(into_->path.text, path, bytes + 1);
    return into_->outcome = Outcome::elsewhere;
  }
  if (path != text_ && strnlen(path, PATH_MAX) == PATH_MAX) {
    return fail(ENAMETOOLONG);
  }
  if (match.mount->checkpoint != kNoMount) {
    return in_checkpoint(match.mount->checkpoint, match.rest);
  }
  const Place root = {match.mount->dataset, 0};
  if (!irregular && *match.rest != '\0' && direct(root, match.rest, &outcome)) {
    return outcome;
  }
  return components(root, match.rest);
}

Outcome Walk::relative_to_text(const char* directory, const char* rest) {
  bool irregular = false;
  if (!put_in_front("/", 1, rest) || !put_in_front(directory, strlen(directory), text_) ||
      !match_mount(session_, text_, &irregular).found()) {
    return into_->outcome = Outcome::libc;
  }
  return absolute(text_);
}

Outcome Walk::relative(Place from, const char* rest) {
  if (!session_.nested_mounts) {
    return components(from, rest);
  }
  PathText here;
  if (mount_path(session_, from, here.text, sizeof here.text) < 0 || !put_in_front("/", 1, rest) ||
      !put_in_front(here.text, strlen(here.text), text_)) {
    return components(from, rest);
  }
  return absolute(text_);
}

}  // namespace

Outcome resolve(const MappedSession& session, int directory, const char* path, Follow follow,
                Resolution* into, AsWhom whom) {
  if (path == nullptr || !is_readable(path) || *path == '\0' || session.mount_count == 0 ||
      session.is_rerooted() || is_plainly_elsewhere(session, path)) {
    return into->outcome = Outcome::libc;
  }
  Walk walk(session, follow, whom, into);
  if (*path == '/') {
    return walk.absolute(path);
  }
  char here[PATH_MAX];
  const RegionOfPath region = directory == AT_FDCWD ? region_of_working_directory(session, here)
                                                    : region_of_descriptor(session, directory, here);
  if (region.region != Region::unrelated && strnlen(path, PATH_MAX) == PATH_MAX) {
    into->error = into->change_error = ENAMETOOLONG;
    return into->outcome = Outcome::failed;
  }
  switch (region.region) {
    case Region::inside:
      return walk.relative(region.place, path);
    case Region::textual:
      return walk.relative_to_text(here, path);
    case Region::unrelated:
      break;
  }
  if (has_dot_dot(path)) {
    const bool known = directory == AT_FDCWD ? sys::getcwd(here, sizeof here) > 0 && here[0] == '/'
                                             : read_descriptor_path(directory, here) > 0 && here[0] == '/';
    if (known) {
      return walk.relative_to_text(here, path);
    }
  }
  return into->outcome = Outcome::libc;
}

}  // namespace forebay
