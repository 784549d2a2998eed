// Calls of FUSE, done on the tree below, and noted in what is durable.
#include <dirent.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "lab/power_cut_fs/machine.hpp"

namespace power_cut {
namespace {

Machine& machine_of(fuse_req_t request) {
  return *static_cast<Machine*>(fuse_req_userdata(request));
}

Node& node_of(Machine& machine, fuse_ino_t ino) {
  return ino == FUSE_ROOT_ID ? machine.tree.root() : *reinterpret_cast<Node*>(ino);
}

std::string proc_path(int fd) {
  return "/proc/self/fd/" + std::to_string(fd);
}

// One call: it has power and is let through, or is answered already.
class Call {
 public:
  Call(fuse_req_t request, const char* name, const std::string& about)
      : machine(machine_of(request)), lock_(machine.power), request_(request) {
    const int error = machine.off ? EIO : machine.troubles.met(name, about);
    passes_ = error == 0;
    if (!passes_) {
      fuse_reply_err(request, error);
    }
  }
  explicit operator bool() const { return passes_; }
  void answer(int result) { fuse_reply_err(request_, result == 0 ? 0 : errno); }

  Machine& machine;

 private:
  std::shared_lock<std::shared_mutex> lock_;
  fuse_req_t request_;
  bool passes_ = false;
};

constexpr double kSeconds = 3600;  // nobody else changes BACKING

// The entry of a name that is there; its errno otherwise.
int entry_of(Machine& machine, Node& parent, const char* name, fuse_entry_param& entry,
             Node** into = nullptr) {
  const int fd = ::openat(parent.fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) {
    return errno;
  }
  entry = {};
  ::fstat(fd, &entry.attr);
  Node& node = machine.tree.take(fd, name);
  ++node.lookups;
  entry.ino = reinterpret_cast<fuse_ino_t>(&node);
  entry.generation = node.id;
  entry.attr_timeout = entry.entry_timeout = kSeconds;
  if (into != nullptr) {
    *into = &node;
  }
  return 0;
}

void do_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  Call call(request, "lookup", name);
  if (!call) {
    return;
  }
  const std::lock_guard lock(call.machine.tree.names());
  fuse_entry_param entry{};
  const int error = entry_of(call.machine, node_of(call.machine, parent), name, entry);
  error != 0 ? fuse_reply_err(request, error) : fuse_reply_entry(request, &entry);
}

void do_forget(fuse_req_t request, fuse_ino_t ino, std::uint64_t lookups) {
  Machine& machine = machine_of(request);
  {
    const std::lock_guard lock(machine.tree.names());
    machine.tree.forget(node_of(machine, ino), lookups);
  }
  fuse_reply_none(request);
}

void do_getattr(fuse_req_t request, fuse_ino_t ino, fuse_file_info*) {
  Call call(request, "getattr", "");
  struct stat info {};
  if (!call) {
    return;
  }
  ::fstat(node_of(call.machine, ino).fd, &info) == 0 ? fuse_reply_attr(request, &info, kSeconds)
                                                     : fuse_reply_err(request, errno);
}

void do_setattr(fuse_req_t request, fuse_ino_t ino, struct stat* wish, int what, fuse_file_info*) {
  Node& node = node_of(machine_of(request), ino);
  Call call(request, "setattr", node.last_name);
  if (!call) {
    return;
  }
  const std::string path = proc_path(node.fd);
  int result = 0;
  if (S_ISLNK(node.made.st_mode)) {  // cannot be named that way
    what &= ~(FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME);
  }
  if ((what & FUSE_SET_ATTR_MODE) != 0) {
    result = ::chmod(path.c_str(), wish->st_mode);
  }
  if (result == 0 && (what & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) != 0) {
    result = ::fchownat(node.fd, "", (what & FUSE_SET_ATTR_UID) != 0 ? wish->st_uid : static_cast<uid_t>(-1),
                        (what & FUSE_SET_ATTR_GID) != 0 ? wish->st_gid : static_cast<gid_t>(-1),
                        AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
  }
  if (result == 0 && (what & FUSE_SET_ATTR_SIZE) != 0) {
    call.machine.tree.touch(node);
    result = ::truncate(path.c_str(), wish->st_size);
    call.machine.tree.cut_to(node, wish->st_size);
  }
  if (result == 0 && (what & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)) != 0) {
    timespec times[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
    if ((what & FUSE_SET_ATTR_ATIME) != 0) {
      times[0] = (what & FUSE_SET_ATTR_ATIME_NOW) != 0 ? timespec{0, UTIME_NOW} : wish->st_atim;
    }
    if ((what & FUSE_SET_ATTR_MTIME) != 0) {
      times[1] = (what & FUSE_SET_ATTR_MTIME_NOW) != 0 ? timespec{0, UTIME_NOW} : wish->st_mtim;
    }
    result = ::utimensat(AT_FDCWD, path.c_str(), times, 0);
  }
  struct stat info {};
  result == 0 && ::fstat(node.fd, &info) == 0 ? fuse_reply_attr(request, &info, kSeconds)
                                              : fuse_reply_err(request, errno);
}

void do_readlink(fuse_req_t request, fuse_ino_t ino) {
  Call call(request, "readlink", "");
  if (call) {
    fuse_reply_readlink(request, node_of(call.machine, ino).link_target.c_str());
  }
}

// A name that `make` has just given to a new file, directory or link; errno.
template <typename Make>
int add(Machine& machine, fuse_req_t request, Node& parent, const char* name, fuse_entry_param& entry,
        Make make) {
  const std::lock_guard lock(machine.tree.names());
  const fuse_ctx* caller = fuse_req_ctx(request);
  if (make() != 0) {
    return errno;
  }
  ::fchownat(parent.fd, name, caller->uid, caller->gid, AT_SYMLINK_NOFOLLOW) == 0 ? void() : void();
  Node* node = nullptr;
  const int error = entry_of(machine, parent, name, entry, &node);
  if (error == 0) {
    node->untouched = false;
    machine.tree.changed({{parent.id, name, node->id}});
  }
  return error;
}

template <typename Make>
void reply_added(fuse_req_t request, const char* what, fuse_ino_t parent, const char* name, Make make) {
  Call call(request, what, name);
  if (!call) {
    return;
  }
  Node& directory = node_of(call.machine, parent);
  fuse_entry_param entry{};
  const int error = add(call.machine, request, directory, name, entry, [&] { return make(directory.fd); });
  error != 0 ? fuse_reply_err(request, error) : fuse_reply_entry(request, &entry);
}

void do_mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
  reply_added(request, "mkdir", parent, name, [&](int fd) { return ::mkdirat(fd, name, mode); });
}
void do_mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t device) {
  reply_added(request, "create", parent, name, [&](int fd) { return ::mknodat(fd, name, mode, device); });
}
void do_symlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) {
  reply_added(request, "symlink", parent, name, [&](int fd) { return ::symlinkat(target, fd, name); });
}
void do_link(fuse_req_t request, fuse_ino_t ino, fuse_ino_t parent, const char* name) {
  Call call(request, "link", name);
  if (!call) {
    return;
  }
  const std::lock_guard lock(call.machine.tree.names());
  Node& directory = node_of(call.machine, parent);
  Node& node = node_of(call.machine, ino);
  fuse_entry_param entry{};
  int error =
      ::linkat(AT_FDCWD, proc_path(node.fd).c_str(), directory.fd, name, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
  error = error != 0 ? error : entry_of(call.machine, directory, name, entry);
  if (error == 0) {
    call.machine.tree.changed({{directory.id, name, node.id}});
  }
  error != 0 ? fuse_reply_err(request, error) : fuse_reply_entry(request, &entry);
}

void remove_name(fuse_req_t request, const char* what, fuse_ino_t parent, const char* name, int flags) {
  Call call(request, what, name);
  if (!call) {
    return;
  }
  const std::lock_guard lock(call.machine.tree.names());
  Node& directory = node_of(call.machine, parent);
  const int result = ::unlinkat(directory.fd, name, flags);
  if (result == 0) {
    call.machine.tree.changed({{directory.id, name, 0}});
  }
  call.answer(result);
}
void do_unlink(fuse_req_t request, fuse_ino_t parent, const char* name) {
  remove_name(request, "unlink", parent, name, 0);
}
void do_rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) {
  remove_name(request, "rmdir", parent, name, AT_REMOVEDIR);
}

void do_rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
               const char* new_name, unsigned int flags) {
  Call call(request, "rename", new_name);
  if (!call) {
    return;
  }
  DurableTree& tree = call.machine.tree;
  const std::lock_guard lock(tree.names());
  Node& from = node_of(call.machine, parent);
  Node& to = node_of(call.machine, new_parent);
  fuse_entry_param moved{}, other{};
  Node* node = nullptr;
  Node* exchanged = nullptr;
  int error = entry_of(call.machine, from, name, moved, &node);
  if (error == 0 && (flags & RENAME_EXCHANGE) != 0) {
    error = entry_of(call.machine, to, new_name, other, &exchanged);
  }
  if (error == 0 && ::renameat2(from.fd, name, to.fd, new_name, flags) != 0) {
    error = errno;
  }
  if (error == 0 && !(from.id == to.id && std::strcmp(name, new_name) == 0)) {
    tree.changed({{from.id, name, exchanged != nullptr ? exchanged->id : 0}, {to.id, new_name, node->id}});
    node->last_name = new_name;
  }
  if (node != nullptr) {
    tree.forget(*node, 1);
  }
  if (exchanged != nullptr) {
    tree.forget(*exchanged, 1);
  }
  fuse_reply_err(request, error);
}

int open_node(Machine& machine, Node& node, int flags) {
  if ((flags & O_TRUNC) != 0) {
    machine.tree.touch(node);
  }
  const int fd = ::open(proc_path(node.fd).c_str(),
                        (flags & ~(O_APPEND | O_NOFOLLOW | O_CREAT | O_EXCL | O_DIRECT)) | O_CLOEXEC);
  if (fd >= 0 && (flags & O_TRUNC) != 0) {
    machine.tree.cut_to(node, 0);
  }
  return fd;
}

void do_open(fuse_req_t request, fuse_ino_t ino, fuse_file_info* file) {
  Node& node = node_of(machine_of(request), ino);
  Call call(request, "open", node.last_name);
  if (!call) {
    return;
  }
  const int fd = open_node(call.machine, node, file->flags);
  file->fh = static_cast<std::uint64_t>(fd);
  file->keep_cache = 1;
  fd < 0 ? fuse_reply_err(request, errno) : fuse_reply_open(request, file);
}

void do_create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* file) {
  Call call(request, "create", name);
  if (!call) {
    return;
  }
  Node& directory = node_of(call.machine, parent);
  fuse_entry_param entry{};
  int fd = -1;
  // The kernel asks only where it knows of no such name; O_EXCL makes sure.
  const int error = add(call.machine, request, directory, name, entry, [&] {
    fd = ::openat(directory.fd, name,
                  ((file->flags & ~(O_APPEND | O_DIRECT)) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC), mode);
    return fd < 0 ? -1 : 0;
  });
  file->fh = static_cast<std::uint64_t>(fd);
  error != 0 ? fuse_reply_err(request, error) : fuse_reply_create(request, &entry, file);
}

void do_read(fuse_req_t request, fuse_ino_t ino, std::size_t bytes, off_t offset, fuse_file_info* file) {
  Call call(request, "read", node_of(machine_of(request), ino).last_name);
  if (!call) {
    return;
  }
  std::vector<char> buffer(bytes);
  const ssize_t got = ::pread(static_cast<int>(file->fh), buffer.data(), bytes, offset);
  got < 0 ? fuse_reply_err(request, errno)
          : fuse_reply_buf(request, buffer.data(), static_cast<std::size_t>(got));
}

void do_write(fuse_req_t request, fuse_ino_t ino, const char* bytes, std::size_t count, off_t offset,
              fuse_file_info* file) {
  machine_of(request).troubles.take_time(count);
  Node& node = node_of(machine_of(request), ino);
  Call call(request, "write", node.last_name);
  if (!call) {
    return;
  }
  call.machine.tree.touch(node);
  const ssize_t done = ::pwrite(static_cast<int>(file->fh), bytes, count, offset);
  const int error = errno;
  if (done > 0) {
    call.machine.tree.wrote(node, offset, offset + done);
  }
  done < 0 ? fuse_reply_err(request, error) : fuse_reply_write(request, static_cast<std::size_t>(done));
}

void do_fallocate(fuse_req_t request, fuse_ino_t ino, int mode, off_t offset, off_t bytes,
                  fuse_file_info* file) {
  Node& node = node_of(machine_of(request), ino);
  Call call(request, "fallocate", node.last_name);
  if (!call) {
    return;
  }
  call.machine.tree.touch(node);
  const int result = ::fallocate(static_cast<int>(file->fh), mode, offset, bytes);
  if (result == 0) {
    call.machine.tree.wrote(node, offset, offset + bytes);
  }
  call.answer(result);
}

void do_fsync(fuse_req_t request, fuse_ino_t ino, int, fuse_file_info*) {
  Node& node = node_of(machine_of(request), ino);
  Machine& machine = machine_of(request);
  const std::shared_lock lock(machine.power);
  int error = machine.off ? EIO : machine.troubles.met("fsync", node.last_name);
  if (error != 0 && !machine.off) {
    machine.tree.sync_failed(node);
  }
  error = error != 0 ? error : machine.tree.sync_file(node);
  fuse_reply_err(request, error);
}

void do_fsyncdir(fuse_req_t request, fuse_ino_t ino, int, fuse_file_info*) {
  Node& node = node_of(machine_of(request), ino);
  Call call(request, "fsyncdir", node.last_name);
  if (call) {
    call.machine.tree.sync_directory(node);
    fuse_reply_err(request, 0);
  }
}

void do_release(fuse_req_t request, fuse_ino_t, fuse_file_info* file) {
  ::close(static_cast<int>(file->fh));
  fuse_reply_err(request, 0);
}

void do_opendir(fuse_req_t request, fuse_ino_t ino, fuse_file_info* file) {
  Call call(request, "opendir", "");
  if (!call) {
    return;
  }
  const int fd = ::openat(node_of(call.machine, ino).fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* listing = fd < 0 ? nullptr : ::fdopendir(fd);
  file->fh = reinterpret_cast<std::uint64_t>(listing);
  listing == nullptr ? fuse_reply_err(request, errno) : fuse_reply_open(request, file);
}

void do_readdir(fuse_req_t request, fuse_ino_t, std::size_t room, off_t offset, fuse_file_info* file) {
  Call call(request, "readdir", "");
  if (!call) {
    return;
  }
  DIR* listing = reinterpret_cast<DIR*>(file->fh);
  offset == 0 ? ::rewinddir(listing) : ::seekdir(listing, offset);
  std::vector<char> buffer(room);
  std::size_t used = 0;
  for (const dirent* next; (next = ::readdir(listing)) != nullptr;) {
    struct stat info {};
    info.st_ino = next->d_ino;
    info.st_mode = static_cast<mode_t>(next->d_type) << 12;
    const std::size_t bytes =
        fuse_add_direntry(request, buffer.data() + used, room - used, next->d_name, &info, next->d_off);
    if (bytes > room - used) {
      break;
    }
    used += bytes;
  }
  fuse_reply_buf(request, buffer.data(), used);
}

void do_releasedir(fuse_req_t request, fuse_ino_t, fuse_file_info* file) {
  ::closedir(reinterpret_cast<DIR*>(file->fh));
  fuse_reply_err(request, 0);
}

void do_statfs(fuse_req_t request, fuse_ino_t ino) {
  struct statvfs info {};
  ::fstatvfs(node_of(machine_of(request), ino).fd, &info) == 0 ? fuse_reply_statfs(request, &info)
                                                               : fuse_reply_err(request, errno);
}

}  // namespace

fuse_lowlevel_ops file_system_calls() {
  fuse_lowlevel_ops calls{};
  calls.lookup = do_lookup;
  calls.forget = do_forget;
  calls.getattr = do_getattr;
  calls.setattr = do_setattr;
  calls.readlink = do_readlink;
  calls.mknod = do_mknod;
  calls.mkdir = do_mkdir;
  calls.unlink = do_unlink;
  calls.rmdir = do_rmdir;
  calls.symlink = do_symlink;
  calls.rename = do_rename;
  calls.link = do_link;
  calls.open = do_open;
  calls.read = do_read;
  calls.write = do_write;
  calls.release = do_release;
  calls.fsync = do_fsync;
  calls.opendir = do_opendir;
  calls.readdir = do_readdir;
  calls.releasedir = do_releasedir;
  calls.fsyncdir = do_fsyncdir;
  calls.statfs = do_statfs;
  calls.create = do_create;
  calls.fallocate = do_fallocate;
  return calls;
}

}  // namespace power_cut
