// DurableTree: what of a directory tree would survive a power cut.
//
// `tree/` below the backing directory is what programs see. Beside it `synced/` has, of each file that
// differs from it, the content as of its last sync; names that a directory had at its last sync are in
// memory. A cut makes `tree/` what survived. As POSIX has it: bytes survive once their file was synced, names
// once their directory was; a rename survives as a whole.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

namespace power_cut {

// A file, directory or link that is, or that a durable name still means.
struct Node {
  std::uint64_t id = 0;
  int fd = -1;          // O_PATH, as long as it is: its inode number belongs to nobody else
  struct stat made {};  // as it was at its last sync, or when it was made
  std::string last_name;
  std::string link_target;
  std::uint64_t lookups = 0;

  std::mutex content;     // held for what follows, and while it is copied
  bool untouched = true;  // since the mount: its content is what survives
  bool has_synced = false;
  off_t shortest = std::numeric_limits<off_t>::max();  // since the last sync
  std::map<off_t, off_t> unsynced;                     // from, to
};

class DurableTree {
 public:
  explicit DurableTree(std::string backing);

  Node& root() { return *nodes_.at(1); }
  // The node of an open descriptor (taken over, O_PATH) or of a new name.
  Node& take(int fd, const std::string& name);
  // The kernel knows it no more.
  void forget(Node& node, std::uint64_t lookups);

  // Around each change of names: locked from before the call until it is noted.
  std::mutex& names() { return names_; }
  struct NameChange {
    std::uint64_t directory;
    std::string name;
    std::uint64_t node;  // 0: removed
  };
  void changed(std::vector<NameChange> changes);

  // Before a file's content changes, and behind that.
  void touch(Node& node);
  void wrote(Node& node, off_t from, off_t to);
  void cut_to(Node& node, off_t size);

  int sync_file(Node& node);  // errno
  void sync_directory(Node& node);
  // A sync failed: what was not synced is never written, though programs see it.
  void sync_failed(Node& node);

  // `seed` 0: nothing survives that was not synced; else some of it does, as drawn. Nothing else may be
  // running. What is said of it for people.
  std::string cut(std::uint64_t seed);

 private:
  void remember(Node& directory, int fd);
  void survive(std::uint64_t directory, int into, std::map<std::uint64_t, std::string>& seen,
               const std::string& below);
  void surviving_file(Node& node, int into, const std::string& name);
  [[nodiscard]] std::string synced_path(const Node& node) const;

  std::string backing_;
  std::mutex names_;
  std::mutex table_;
  std::uint64_t next_ = 2;
  std::map<std::uint64_t, std::unique_ptr<Node>> nodes_;
  std::map<std::pair<dev_t, ino_t>, std::uint64_t> by_inode_;
  std::map<std::uint64_t, std::map<std::string, std::uint64_t>> durable_;  // by directory
  std::vector<std::vector<NameChange>> pending_;
  std::mt19937_64 draw_;
  bool some_survive_ = false;
  std::uint64_t lost_files_ = 0;
};

}  // namespace power_cut
