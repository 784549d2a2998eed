#include "lab/power_cut_fs/durable_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <set>

namespace power_cut {
namespace {

void must(bool holds, const std::string& what) {
  if (!holds) {
    std::perror(("power_cut_fs: " + what).c_str());
    std::abort();
  }
}

// Of two descriptors, [from, to) as far as there is any.
int copy_range(int source, int target, off_t from, off_t to) {
  std::vector<char> buffer(1 << 20);
  while (from < to) {
    const ssize_t got =
        ::pread(source, buffer.data(), static_cast<std::size_t>(std::min<off_t>(to - from, 1 << 20)), from);
    if (got <= 0) {
      return got == 0 ? 0 : errno;
    }
    if (::pwrite(target, buffer.data(), static_cast<std::size_t>(got), from) != got) {
      return EIO;
    }
    from += got;
  }
  return 0;
}

int open_again(int path_fd, int flags) {
  return ::open(("/proc/self/fd/" + std::to_string(path_fd)).c_str(), flags | O_CLOEXEC);
}

}  // namespace

DurableTree::DurableTree(std::string backing) : backing_(std::move(backing)) {
  ::mkdir((backing_ + "/tree").c_str(), 0755);
  must(std::system(("rm -rf '" + backing_ + "/synced' && mkdir '" + backing_ + "/synced'").c_str()) == 0,
       "synced");
  const int fd = ::open((backing_ + "/tree").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  must(fd >= 0, backing_);
  auto node = std::make_unique<Node>();
  node->id = 1;
  node->fd = fd;
  must(::fstat(fd, &node->made) == 0, backing_);
  by_inode_[{node->made.st_dev, node->made.st_ino}] = 1;
  Node& root = *node;
  nodes_.emplace(1, std::move(node));
  remember(root, open_again(fd, O_RDONLY | O_DIRECTORY));
}

// All that is there at the beginning is durable.
void DurableTree::remember(Node& directory, int fd) {
  DIR* listing = ::fdopendir(fd);
  must(listing != nullptr, directory.last_name);
  for (const dirent* next; (next = ::readdir(listing)) != nullptr;) {
    const std::string name = next->d_name;
    if (name == "." || name == "..") {
      continue;
    }
    const int below = ::openat(fd, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
    must(below >= 0, name);
    Node& node = take(below, name);
    const bool first = durable_.count(node.id) == 0;
    durable_[directory.id][name] = node.id;
    if (S_ISDIR(node.made.st_mode) && first) {
      durable_[node.id];
      remember(node, open_again(node.fd, O_RDONLY | O_DIRECTORY));
    }
  }
  ::closedir(listing);
}

Node& DurableTree::take(int fd, const std::string& name) {
  struct stat info {};
  must(::fstat(fd, &info) == 0, name);
  const std::lock_guard lock(table_);
  const auto found = by_inode_.find({info.st_dev, info.st_ino});
  if (found != by_inode_.end()) {
    ::close(fd);
    Node& node = *nodes_.at(found->second);
    node.last_name = name;
    return node;
  }
  auto made = std::make_unique<Node>();
  Node& node = *made;
  node.id = next_++;
  node.fd = fd;
  node.made = info;
  node.last_name = name;
  if (S_ISLNK(info.st_mode)) {
    node.link_target.resize(static_cast<std::size_t>(info.st_size));
    must(::readlinkat(fd, "", node.link_target.data(), node.link_target.size()) == info.st_size, name);
  }
  by_inode_[{info.st_dev, info.st_ino}] = node.id;
  nodes_.emplace(node.id, std::move(made));
  return node;
}

void DurableTree::forget(Node& node, std::uint64_t lookups) {
  const std::lock_guard lock(table_);
  node.lookups -= std::min(node.lookups, lookups);
  struct stat info {};
  if (node.lookups > 0 || node.fd < 0 || ::fstat(node.fd, &info) != 0 || info.st_nlink > 0 || node.id == 1) {
    return;
  }
  // Its inode number may be another file's from now on; a durable name may still mean this one.
  by_inode_.erase({info.st_dev, info.st_ino});
  ::close(node.fd);
  node.fd = -1;
}

std::string DurableTree::synced_path(const Node& node) const {
  return backing_ + "/synced/" + std::to_string(node.id);
}

void DurableTree::changed(std::vector<NameChange> changes) {
  pending_.push_back(std::move(changes));
}

void DurableTree::touch(Node& node) {
  const std::lock_guard lock(node.content);
  if (!node.untouched) {
    return;
  }
  node.untouched = false;
  const int source = open_again(node.fd, O_RDONLY);
  const int target = ::open(synced_path(node).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  must(source >= 0 && target >= 0 && copy_range(source, target, 0, std::numeric_limits<off_t>::max()) == 0,
       node.last_name);
  ::close(source);
  ::close(target);
  node.has_synced = true;
}

void DurableTree::wrote(Node& node, off_t from, off_t to) {
  const std::lock_guard lock(node.content);
  node.untouched = false;
  auto next = node.unsynced.upper_bound(from);
  if (next != node.unsynced.begin() && std::prev(next)->second >= from) {
    --next;
    from = next->first;
  }
  while (next != node.unsynced.end() && next->first <= to) {
    to = std::max(to, next->second);
    next = node.unsynced.erase(next);
  }
  node.unsynced[from] = to;
}

void DurableTree::cut_to(Node& node, off_t size) {
  const std::lock_guard lock(node.content);
  node.untouched = false;
  node.shortest = std::min(node.shortest, size);
}

int DurableTree::sync_file(Node& node) {
  const std::lock_guard lock(node.content);
  struct stat info {};
  if (node.fd < 0 || ::fstat(node.fd, &info) != 0) {
    return EIO;
  }
  if (!node.untouched) {
    const int source = open_again(node.fd, O_RDONLY);
    const int target = ::open(synced_path(node).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    must(source >= 0 && target >= 0, node.last_name);
    struct stat synced {};
    must(::fstat(target, &synced) == 0, node.last_name);
    int error = 0;
    if ((node.shortest < synced.st_size && ::ftruncate(target, node.shortest) != 0) ||
        ::ftruncate(target, info.st_size) != 0) {
      error = errno;
    }
    for (const auto& [from, to] : node.unsynced) {
      error = error != 0 ? error : copy_range(source, target, from, std::min(to, info.st_size));
    }
    ::close(source);
    ::close(target);
    if (error != 0) {
      return error;
    }
    node.has_synced = true;
    node.unsynced.clear();
    node.shortest = std::numeric_limits<off_t>::max();
  }
  node.made = info;
  return 0;
}

void DurableTree::sync_failed(Node& node) {
  const std::lock_guard lock(node.content);
  node.unsynced.clear();
}

void DurableTree::sync_directory(Node& node) {
  const std::lock_guard lock(names_);
  // A change that concerns this directory survives as a whole, and so does what it came after at the same
  // names.
  std::vector<bool> taken(pending_.size());
  std::set<std::pair<std::uint64_t, std::string>> wanted;
  for (std::size_t i = pending_.size(); i-- > 0;) {
    for (const NameChange& change : pending_[i]) {
      taken[i] = taken[i] || change.directory == node.id || wanted.count({change.directory, change.name}) > 0;
    }
    for (const NameChange& change : pending_[i]) {
      if (taken[i]) {
        wanted.emplace(change.directory, change.name);
      }
    }
  }
  std::vector<std::vector<NameChange>> left;
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    if (!taken[i]) {
      left.push_back(std::move(pending_[i]));
      continue;
    }
    for (const NameChange& change : pending_[i]) {
      auto& names = durable_[change.directory];
      const auto old = names.find(change.name);
      if (old != names.end() && nodes_.at(old->second)->fd < 0) {
        ::unlink(synced_path(*nodes_.at(old->second)).c_str());
      }
      if (change.node == 0) {
        names.erase(change.name);
      } else {
        names[change.name] = change.node;
      }
    }
  }
  pending_ = std::move(left);
  struct stat info {};
  if (::fstat(node.fd, &info) == 0) {
    node.made = info;
  }
}

void DurableTree::surviving_file(Node& node, int into, const std::string& name) {
  const int target = ::openat(into, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  must(target >= 0, name);
  struct stat live {};
  const bool is_there = node.fd >= 0 && ::fstat(node.fd, &live) == 0;
  const bool whole = node.untouched || (node.has_synced && node.unsynced.empty() &&
                                        node.shortest == std::numeric_limits<off_t>::max());
  lost_files_ += whole ? 0 : 1;
  const int source = node.untouched
                         ? open_again(node.fd, O_RDONLY)
                         : (node.has_synced ? ::open(synced_path(node).c_str(), O_RDONLY | O_CLOEXEC) : -1);
  if (source >= 0) {
    must(copy_range(source, target, 0, std::numeric_limits<off_t>::max()) == 0, name);
    ::close(source);
  }
  if (some_survive_ && is_there && !whole && draw_() % 3 != 0) {
    // Its new length, zeroes, and some of what was written.
    const int now = open_again(node.fd, O_RDONLY);
    must(now >= 0 && ::ftruncate(target, live.st_size) == 0, name);
    for (const auto& [from, to] : node.unsynced) {
      for (off_t at = from; at < std::min(to, live.st_size); at += 65536) {
        if (draw_() % 2 == 0) {
          must(copy_range(now, target, at, std::min({at + 65536, to, live.st_size})) == 0, name);
        }
      }
    }
    ::close(now);
  }
  const timespec times[2] = {node.made.st_atim, node.made.st_mtim};
  ::fchown(target, node.made.st_uid, node.made.st_gid) == 0 ? void() : void();
  ::fchmod(target, node.made.st_mode & 07777);
  ::futimens(target, times);
  ::close(target);
}

void DurableTree::survive(std::uint64_t directory, int into, std::map<std::uint64_t, std::string>& seen,
                          const std::string& below) {
  for (const auto& [name, id] : durable_[directory]) {
    Node& node = *nodes_.at(id);
    const std::string path = below + "/" + name;
    if (S_ISDIR(node.made.st_mode)) {
      must(::mkdirat(into, name.c_str(), 0700) == 0, path);
      const int fd = ::openat(into, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      must(fd >= 0, path);
      survive(id, fd, seen, path);
      const timespec times[2] = {node.made.st_atim, node.made.st_mtim};
      ::fchmod(fd, node.made.st_mode & 07777);
      ::futimens(fd, times);
      ::close(fd);
    } else if (const auto other = seen.find(id); other != seen.end()) {
      must(::linkat(AT_FDCWD, other->second.c_str(), into, name.c_str(), 0) == 0, path);
    } else if (S_ISLNK(node.made.st_mode)) {
      must(::symlinkat(node.link_target.c_str(), into, name.c_str()) == 0, path);
    } else if (S_ISREG(node.made.st_mode)) {
      surviving_file(node, into, name);
      seen[id] = path;
    }  // Sockets and pipes mean nothing without their processes.
  }
}

std::string DurableTree::cut(std::uint64_t seed) {
  some_survive_ = seed != 0;
  draw_.seed(seed);
  std::size_t names_lost = pending_.size();
  if (some_survive_) {
    const std::size_t kept = draw_() % (pending_.size() + 1);  // a file system's own journal is in order
    for (std::size_t i = 0; i < kept; ++i) {
      for (const NameChange& change : pending_[i]) {
        change.node == 0 ? void(durable_[change.directory].erase(change.name))
                         : void(durable_[change.directory][change.name] = change.node);
      }
    }
    names_lost -= kept;
  }
  const std::string survivors = backing_ + "/survivors";
  must(::mkdir(survivors.c_str(), 0755) == 0, survivors);
  const int into = ::open(survivors.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  must(into >= 0, survivors);
  std::map<std::uint64_t, std::string> seen;
  survive(1, into, seen, survivors);
  ::fchmod(into, root().made.st_mode & 07777);
  ::close(into);
  const std::string tree = backing_ + "/tree";
  const std::string lost = backing_ + "/lost";
  must(std::system(("rm -rf '" + lost + "'").c_str()) == 0, lost);
  must(::rename(tree.c_str(), lost.c_str()) == 0 && ::rename(survivors.c_str(), tree.c_str()) == 0, tree);
  return "cut: " + std::to_string(names_lost) + " changes of names and the newest of " +
         std::to_string(lost_files_) + " files are lost";
}

}  // namespace power_cut
