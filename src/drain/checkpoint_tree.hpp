// CheckpointTree: what a server puts into a checkpoint's tree (shared/checkpoint_layout.hpp) beside what
// programs put there: names of the destination and of other nodes, and the content of placeholders.
//
// Callers keep clients from changing names meanwhile (Journal::lock) where that is said: "exclusively". Each
// call changes a name in one step, so that a kill anywhere leaves the old or the new.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "drain/destination.hpp"
#include "drain/link_target.hpp"
#include "drain/placeholder.hpp"
#include "drain/store_directory.hpp"
#include "drain/tree_change.hpp"

namespace forebay {

// Thread-safe as far as the kernel makes it: who changes the same names is exclusive.
class CheckpointTree {
 public:
  // `store` outlives it. `destination_path`: of a POSIX destination, else empty.
  CheckpointTree(const StoreDirectory& store, std::string mount, std::string destination_path)
      : store_(store), targets_{store.tree_path(), std::move(mount), std::move(destination_path)} {}

  enum class Kind { absent, file, placeholder, directory, unlisted, symlink, other };
  struct Look {
    Kind kind = Kind::absent;
    struct stat info {};
    Placeholder placeholder;  // of that kind; holder and path are nobody's where it was torn
  };
  // Code: not_found where the parent is not there, too.
  [[nodiscard]] Result<Look> look(const std::string& path) const;
  // The nearest directory at or above `path` that is there and is unlisted; nothing where all that are there
  // are listed.
  [[nodiscard]] Result<std::optional<std::string>> unlisted_above(const std::string& path) const;
  // What is at `path`, as other nodes are told it; kind `removed` where nothing is.
  [[nodiscard]] Result<TreeChange> describe(const std::string& path) const;

  // What other nodes have in a directory, and the destination has not yet.
  struct Held {
    std::uint64_t holder;
    std::uint64_t seq;
    DestinationName name;
  };
  // Puts what other nodes have, and then what the destination has in the directory into it, besides what
  // `hides` says and names that are there, and says then that it is listed. `found_at`: its path at the
  // destination. Codes: not_found, no_space, io_error.
  Status add_names(const std::string& directory, const std::string& found_at, const std::vector<Held>& held,
                   const std::vector<DestinationName>& names,
                   const std::function<bool(const std::string& path)>& hides) const;
  // The paths of those in it.
  [[nodiscard]] Result<std::vector<std::string>> directories_in(const std::string& directory) const;
  Status make_unlisted(const std::string& directory) const;

  // A file on its way into the tree; destroyed before it is placed, it is gone.
  class Incoming {
   public:
    Incoming(const StoreDirectory& store, std::string name, UniqueFd fd)
        : store_(&store), name_(std::move(name)), fd_(std::move(fd)) {}
    Incoming(Incoming&& other) noexcept
        : store_(other.store_), name_(std::exchange(other.name_, {})), fd_(std::move(other.fd_)) {}
    Incoming& operator=(Incoming&&) = delete;
    ~Incoming();
    [[nodiscard]] int fd() const { return fd_.get(); }
    Status write(std::span<const std::byte> bytes, std::uint64_t offset) const;
    Status set_attributes(const CheckpointAttributes& attributes) const;
    // To another place on the same file system, in place of what is there.
    Status move_to(int directory, const std::string& name);

   private:
    friend class CheckpointTree;
    const StoreDirectory* store_;
    std::string name_;
    UniqueFd fd_;
  };
  // Codes: no_space, io_error.
  [[nodiscard]] Result<Incoming> begin() const;
  // The file itself, which stays where it is, too.
  [[nodiscard]] Result<Incoming> begin_with(int directory, const std::string& name) const;
  // Missing directories above the path; they are unlisted.
  Status make_above(const std::string& path) const;
  // In place of the very placeholder that was seen; exclusively. Code: changed (it is another by now).
  Status place(Incoming incoming, const std::string& path, const Look& seen) const;
  // A placeholder in place of nothing, of another one, or of `over`; exclusively. Code: changed.
  Status place(const Placeholder& placeholder, const std::string& path, const Look& over) const;
  // A placeholder in place of the very file that was seen, which nobody has open or mapped, nor has another
  // name; exclusively. The file's room is free once the result is closed. Codes: changed (somebody has it, or
  // it is another by now), unavailable (a file system without leases does not tell).
  [[nodiscard]] Result<UniqueFd> let_go(const Placeholder& placeholder, const std::string& path,
                                        const Look& seen) const;
  // The very file, placeholder or symlink that was seen; exclusively. Code: changed.
  Status remove(const std::string& path, const Look& seen) const;

  // What another node, `holder`, says. Exclusively. `keeps_local(path)`: what this node has there is later.
  // Outcome: whether it took place here; not where the directory is unlisted, or has something later.
  // Codes: no_space, io_error.
  Result<bool> follow(std::uint64_t holder, const TreeChange& change,
                      const std::function<bool(const std::string& path)>& keeps_local) const;

  // Removes the files, placeholders and symlinks that `needs` does not name, and makes all directories
  // unlisted: besides what is needed they are seen as the destination has them. Exclusively, before anybody
  // is served.
  Status forget(const std::function<bool(const std::string& path)>& needs) const;
  // Calls `visit` for each file with content.
  Status for_each_file(
      const std::function<void(const std::string& path, const struct stat& info)>& visit) const;

  [[nodiscard]] const LinkTargets& targets() const { return targets_; }

 private:
  struct Spot {
    UniqueFd parent;
    std::string name;
  };
  [[nodiscard]] Result<Spot> spot_of(const std::string& path) const;
  Status put(const Spot& spot, const std::string& tmp_name, const Look& over) const;
  Status add_name(int directory, const std::string& found_at, const Held& held) const;
  Result<std::string> make_placeholder(const Placeholder& placeholder) const;
  Result<bool> follow_new(std::uint64_t holder, const TreeChange& change,
                          const std::function<bool(const std::string& path)>& keeps_local) const;
  Result<bool> follow_as_new(std::uint64_t holder, const TreeChange& change,
                             const std::function<bool(const std::string& path)>& keeps_local) const;
  Result<bool> follow_removal(const TreeChange& change,
                              const std::function<bool(const std::string& path)>& keeps_local) const;
  Result<bool> follow_rename(std::uint64_t holder, const TreeChange& change,
                             const std::function<bool(const std::string& path)>& keeps_local) const;
  Result<bool> follow_attributes(const TreeChange& change) const;
  Status clear(const std::string& path, const Look& there,
               const std::function<bool(const std::string& path)>& keeps_local) const;

  const StoreDirectory& store_;
  const LinkTargets targets_;
};

[[nodiscard]] CheckpointAttributes attributes_of(const struct stat& info);

}  // namespace forebay
