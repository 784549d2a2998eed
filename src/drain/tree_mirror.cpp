#include "drain/tree_mirror.hpp"

#include <fcntl.h>

#include <algorithm>

#include "common/log.hpp"
#include "common/path_io.hpp"
#include "drain/placeholder.hpp"
#include "drain/receipt.hpp"
#include "drain/temporary_name.hpp"
#include "drain/tree_path.hpp"
#include "shared/hashing.hpp"

namespace forebay {
namespace {

constexpr std::uint32_t kSubLast = ~std::uint32_t{0};

bool same_version(const CheckpointAttributes& a, const CheckpointAttributes& b) {
  return S_ISREG(a.mode) && S_ISREG(b.mode) && a.size == b.size && a.mtime_ns == b.mtime_ns;
}

TreeMirror::Published done_in(std::vector<std::string> directories) {
  TreeMirror::Published published;
  published.touched = std::move(directories);
  return published;
}
TreeMirror::Published outcome(TreeMirror::Published::Outcome what) {
  TreeMirror::Published published;
  published.outcome = what;
  return published;
}

}  // namespace

bool TreeMirror::is_there(const std::string& path, const CheckpointAttributes& attributes) {
  const auto there = destination_.look(path);
  return there.ok() && same_version(there->attributes, attributes);
}

Result<TreeMirror::Published> TreeMirror::publish(const DrainMark& mark, Copy* copy) {
  if (mark.replayed) {
    remove_left_over_once(
        parent_of(mark.path));  // It may have been a file on its way when its server was killed.
  }
  if (mark.kind == DrainMark::Kind::rename) {
    return publish_rename(mark);
  }
  if (mark.kind == DrainMark::Kind::attributes) {
    return publish_attributes(mark);
  }
  if (mark.removal && mark.made_by == JournalKind::removed) {
    return publish_removal(mark);
  }
  FOREBAY_ASSIGN(found, look(mark.source));
  if (mark.removal && !found.is_absent()) {
    return outcome(Published::Outcome::copy_first);
  }
  switch (found.kind) {
    case TreeLook::Kind::absent:
      return mark.removal ? publish_removal(mark) : Result<Published>(outcome(Published::Outcome::absent));
    // The directory's own change, or the destination, says what becomes of it; if it is not just being
    // renamed.
    case TreeLook::Kind::hidden:
    case TreeLook::Kind::parent_absent:
      return outcome(mark.gone ? Published::Outcome::done : Published::Outcome::absent);
    case TreeLook::Kind::file:
      return publish_file(mark, found, copy);
    case TreeLook::Kind::placeholder:
      return publish_placeholder(mark, found);
    case TreeLook::Kind::unlisted:
      return Published{};  // it came from the destination
    case TreeLook::Kind::directory:
      return publish_directory(mark, found);
    case TreeLook::Kind::symlink:
      return publish_symlink(mark, found);
    case TreeLook::Kind::other:
      return Published{};  // sockets and pipes are not drained
  }
  return Published{};
}

Result<bool> TreeMirror::is_empty_directory(const std::string& path) {
  FOREBAY_ASSIGN(names, destination_.list(path));
  return std::all_of(names.begin(), names.end(), [](const DestinationName& name) {
    return is_temporary_name(name.name) || name.name == kReceiptName;
  });
}

// Takes away an empty directory that has a name which is to be something else's.
Status TreeMirror::make_room(const std::string& path) {
  const auto there = destination_.look(path);
  if (!there.ok() || !S_ISDIR(there->attributes.mode)) {
    return {};
  }
  FOREBAY_ASSIGN(empty, is_empty_directory(path));
  if (!empty) {
    return Error{Code::io_error,
                 path + " is a directory at the destination (with names of others in it) move them away",
                 ENOTEMPTY};
  }
  return destination_.remove(path);
}

// The directories above a name, where its own marks did not make them.
Status TreeMirror::make_parent(const DrainMark& mark) {
  const std::string directory = parent_of(mark.path);
  FOREBAY_ASSIGN(above, look(parent_of(mark.source)));
  const std::uint32_t mode = above.is_directory() ? attributes_in_tree(above.info).mode : S_IFDIR | 0755;
  FOREBAY_ASSIGN(there, nearest_directory(mark.path));
  lasting_.forget(there);  // what is missing below it is made anew
  return destination_.make_directory(directory, mode | S_IRWXU);
}

Result<std::string> TreeMirror::nearest_directory(const std::string& path) {
  std::string above = path;
  do {
    above = parent_of(above);
    const auto there = destination_.look(above);
    if (there.ok() && S_ISDIR(there->attributes.mode)) {
      return above;
    }
    if (!there.ok() && there.error().code != Code::not_found) {
      return Error{there.error()};
    }
  } while (!above.empty());
  return Error{Code::io_error, destination_.canonical_name() + " is no directory", ENOTDIR};
}

Result<TreeMirror::Published> TreeMirror::publish_file(const DrainMark& mark, const TreeLook& look,
                                                       Copy* copy) {
  const std::string directory = parent_of(mark.path);
  if (copy != nullptr && copy->upload != nullptr) {
    if (!destination_.is_posix() && copy->begun_as != mark.path) {
      return outcome(Published::Outcome::copy_first);
    }
    if (auto published = copy->upload->publish(mark.path); !published.ok()) {
      FOREBAY_TRY(make_room(mark.path));
      FOREBAY_TRY(copy->upload->publish(mark.path));
    }
    return done_in({directory});
  }
  if (!mark.from.empty() && is_there(mark.from, attributes_in_tree(look.info))) {
    FOREBAY_TRY(destination_.rename(mark.from, mark.path));
    return done_in({parent_of(mark.from), directory});
  }
  return outcome(Published::Outcome::copy_first);
}

Result<TreeMirror::Published> TreeMirror::publish_directory(const DrainMark& mark, const TreeLook& look) {
  if (mark.path.empty()) {
    return Published{};
  }
  const auto attributes = attributes_in_tree(look.info);
  const std::uint32_t mode = attributes.mode | S_IRWXU;  // what is in it comes later
  auto made = destination_.make_directory(mark.path, mode);
  if (!made.ok() && made.error().errno_value == EEXIST) {
    FOREBAY_TRY(destination_.remove(mark.path));
    made = destination_.make_directory(mark.path, mode);
  }
  FOREBAY_TRY(std::move(made));
  if (mark.made_by == JournalKind::renamed) {
    return in_place(mark);
  }
  return done_in({parent_of(mark.path)});
}

Result<TreeMirror::Published> TreeMirror::publish_symlink(const DrainMark& mark, const TreeLook& look) {
  FOREBAY_ASSIGN(target, target_in_tree(look));
  const std::string outside = options_.targets.outside(target);
  if (auto made = destination_.make_symlink(mark.path, outside, options_.tag); !made.ok()) {
    if (made.error().code == Code::not_found) {
      FOREBAY_TRY(make_parent(mark));
    }
    FOREBAY_TRY(make_room(mark.path));
    FOREBAY_TRY(destination_.make_symlink(mark.path, outside, options_.tag));
  }
  return done_in({parent_of(mark.path)});
}

// Its content is at the destination; under another name, if that was changed and it is not known how.
Result<TreeMirror::Published> TreeMirror::publish_placeholder(const DrainMark& mark, const TreeLook& look) {
  const auto placeholder = read_placeholder(look.parent.get(), look.name);
  if (!placeholder.ok() || placeholder->holder != kHolderDestination) {
    return Published{};
  }
  for (const std::string& from : {mark.from, placeholder->path}) {
    if (!from.empty() && from != mark.path && is_there(from, placeholder->attributes)) {
      FOREBAY_TRY(destination_.rename(from, mark.path));
      return done_in({parent_of(from), parent_of(mark.path)});
    }
  }
  return Published{};
}

Result<TreeMirror::Published> TreeMirror::publish_removal(const DrainMark& mark) {
  const auto there = destination_.look(mark.path);
  if (!there.ok()) {
    if (there.error().code != Code::not_found) {
      return Error{there.error()};
    }
    // Gone already, or with its directory; by whom, and whether that lasts, is not known.
    FOREBAY_ASSIGN(above, nearest_directory(mark.path));
    return done_in({above});
  }
  if (S_ISDIR(there->attributes.mode)) {
    FOREBAY_ASSIGN(empty, is_empty_directory(mark.path));
    if (!empty) {
      // All that the tree had in it was removed before: this came from somebody else.
      log_warning("{} stays at the destination (others have put names into it)", mark.path);
      return Published{};
    }
  }
  lasting_.forget(mark.path);
  FOREBAY_TRY(destination_.remove(mark.path));
  return done_in({parent_of(mark.path)});
}

Result<TreeMirror::Published> TreeMirror::publish_attributes(const DrainMark& mark) {
  FOREBAY_ASSIGN(found, look(mark.source));
  const bool has = found.kind == TreeLook::Kind::file || found.kind == TreeLook::Kind::directory ||
                   found.kind == TreeLook::Kind::symlink;
  if (found.is_absent() && !mark.gone) {
    return outcome(Published::Outcome::absent);
  }
  if (!has || mark.path.empty()) {
    return Published{};
  }
  const auto attributes = attributes_in_tree(found.info);
  const auto there = destination_.look(mark.path);
  if (!there.ok()) {
    return there.error().code == Code::not_found ? Result<Published>(Published{}) : Error{there.error()};
  }
  const auto type = [](std::uint32_t mode) { return mode & S_IFMT; };
  if (type(there->attributes.mode) == type(attributes.mode) &&
      (there->attributes.mode != attributes.mode || there->attributes.mtime_ns != attributes.mtime_ns)) {
    FOREBAY_TRY(destination_.set_attributes(mark.path, attributes));
  }
  return done_in({parent_of(mark.path)});
}

Result<std::optional<std::string>> TreeMirror::renamed_already(const DrainMark& mark,
                                                               const std::vector<std::string>& later) {
  FOREBAY_ASSIGN(found, look(mark.source));
  // A directory is there itself, of a file its directory is.
  const auto is_present = [&](const std::string& path) -> Result<bool> {
    const std::string seen = found.is_directory() ? path : parent_of(path);
    const auto there = destination_.look(seen);
    if (!there.ok() && there.error().code != Code::not_found) {
      return Error{there.error()};
    }
    return there.ok() && S_ISDIR(there->attributes.mode);
  };
  FOREBAY_ASSIGN(own, is_present(mark.path));
  if (own) {
    return std::optional<std::string>();
  }
  for (const std::string& path : later) {
    FOREBAY_ASSIGN(present, is_present(path));
    if (present) {
      return std::optional(path);
    }
  }
  return std::optional<std::string>();
}

Result<TreeMirror::Published> TreeMirror::publish_rename(const DrainMark& mark) {
  FOREBAY_ASSIGN(found, look(mark.source));
  const auto from = destination_.look(mark.from);
  if (!from.ok()) {
    if (from.error().code != Code::not_found) {
      return Error{from.error()};
    }
    // Renamed further since, the last rename will see what is there.
    if (found.is_absent() || mark.blind || mark.source != mark.path) {
      FOREBAY_ASSIGN(above_from, nearest_directory(mark.from));
      FOREBAY_ASSIGN(above_path, nearest_directory(mark.path));
      return done_in({above_from, above_path});
    }
    // It was done already, by a server that was killed then; or somebody removed it at the destination.
    const bool is_made_again = found.is_directory() && destination_.is_posix() && mark.tries < 3 &&
                               !destination_.look(mark.path).ok();
    if (!is_made_again) {
      return in_place(mark);
    }
    lasting_.forget(mark.from);
    FOREBAY_TRY(destination_.make_directory(mark.from, attributes_in_tree(found.info).mode | S_IRWXU));
    FOREBAY_ASSIGN(also, all_below(mark.source, mark.from, "", 0));
    Published before = done_in({parent_of(mark.from)});
    before.also = std::move(also);
    before.outcome = Published::Outcome::also_first;
    return before;
  }
  const bool is_directory = S_ISDIR(from->attributes.mode);
  if (is_directory && !destination_.is_posix()) {
    return in_place(mark);
  }
  lasting_.forget(mark.from);
  lasting_.forget(mark.path);
  auto renamed = destination_.rename(mark.from, mark.path);
  if (!renamed.ok()) {
    const int why = renamed.error().errno_value;
    if (is_directory && (why == ENOTEMPTY || why == EEXIST)) {
      return in_place(mark);
    }
    if (renamed.error().code == Code::not_found) {
      FOREBAY_TRY(make_parent(mark));
    } else if (is_directory && why == ENOTDIR) {
      FOREBAY_TRY(destination_.remove(mark.path));
    } else {
      FOREBAY_TRY(make_room(mark.path));
    }
    FOREBAY_TRY(destination_.rename(mark.from, mark.path));
  }
  Published published = done_in({parent_of(mark.from), parent_of(mark.path)});
  if (found.kind == TreeLook::Kind::file && !mark.blind &&
      !same_version(from->attributes, attributes_in_tree(found.info))) {
    published.also.push_back(
        {mark.path, mark.source, JournalKind::closed, "", DrainQueue::kRenameSub + 1, from->attributes.size});
  }
  return published;
}

// What a rename in one step cannot do: name by name.
Result<TreeMirror::Published> TreeMirror::in_place(const DrainMark& mark) {
  FOREBAY_ASSIGN(found, look(mark.source));
  if (found.is_absent() && !mark.blind && !mark.gone) {
    return outcome(Published::Outcome::absent);
  }
  Published published;
  const bool moves = mark.kind == DrainMark::Kind::rename;
  if (!found.is_directory()) {
    published.also.push_back({mark.path, mark.source, JournalKind::closed, mark.from,
                              DrainQueue::kRenameSub + 1,
                              static_cast<std::uint64_t>(found.is_absent() ? 0 : found.info.st_size)});
  } else {
    FOREBAY_TRY(destination_.make_directory(mark.path, attributes_in_tree(found.info).mode | S_IRWXU));
    FOREBAY_ASSIGN(also,
                   all_below(mark.source, mark.path, moves ? mark.from : "", DrainQueue::kRenameSub + 1));
    for (auto& each : also) {
      // What was there before is what it was, or has a mark of its own.
      const auto inner = look(each.source);
      const bool same = inner.ok() && inner->kind == TreeLook::Kind::file &&
                        is_there(each.path, attributes_in_tree(inner->info));
      if (moves && same) {
        published.touched.push_back(parent_of(each.path));
      } else {
        published.also.push_back(std::move(each));
      }
    }
    // A rename that is on its way took it away while it was listed.
    const auto again = look(mark.source);
    if (!mark.blind && !mark.gone && (!again.ok() || again->info.st_ino != found.info.st_ino)) {
      return outcome(Published::Outcome::absent);
    }
  }
  if (!moves) {
    FOREBAY_TRY(find_left(mark.source, mark.path, &published.also));
  }
  published.touched.push_back(parent_of(mark.path));
  if (moves) {
    FOREBAY_ASSIGN(above_from, nearest_directory(mark.from));
    published.touched.push_back(std::move(above_from));
    std::vector<DrainQueue::Also> gone;
    for (const auto& also : published.also) {
      gone.push_back({also.from, also.source, JournalKind::removed, "", kSubLast, 0});
    }
    // What is deepest first.
    std::reverse(gone.begin(), gone.end());
    gone.push_back({mark.from, mark.source, JournalKind::removed, "", kSubLast, 0});
    std::erase_if(gone, [](const auto& removal) { return removal.path.empty(); });
    published.also.insert(published.also.end(), gone.begin(), gone.end());
  }
  return published;
}

Status TreeMirror::find_left(const std::string& source, const std::string& path,
                             std::vector<DrainQueue::Also>* left) {
  FOREBAY_ASSIGN(names, destination_.list(path));
  for (const auto& name : names) {
    if (is_temporary_name(name.name) || name.name == kReceiptName) {
      continue;
    }
    const std::string inner = join_path(source, name.name);
    const std::string there = join_path(path, name.name);
    FOREBAY_ASSIGN(found, look(inner));
    const bool is_gone = found.kind == TreeLook::Kind::absent || found.kind == TreeLook::Kind::parent_absent;
    if (S_ISDIR(name.attributes.mode) && (is_gone || found.kind == TreeLook::Kind::directory)) {
      FOREBAY_TRY(find_left(inner, there, left));
    }
    if (is_gone) {
      left->push_back({there, inner, JournalKind::removed, "", DrainQueue::kRenameSub + 1, 0});
    }
  }
  return {};
}

Result<std::vector<DrainQueue::Also>> TreeMirror::all_below(const std::string& source,
                                                            const std::string& path, const std::string& from,
                                                            std::uint32_t first_sub) {
  struct File {
    std::int64_t mtime_ns;
    DrainQueue::Also also;
  };
  std::vector<DrainQueue::Also> directories;
  std::vector<File> files;
  std::vector<std::string> to_visit{""};
  while (!to_visit.empty()) {
    const std::string below = to_visit.back();
    to_visit.pop_back();
    const std::string here = below.empty() ? source : join_path(source, below);
    auto directory = open_tree_directory(options_.tree_fd, here, O_RDONLY);
    if (!directory.ok()) {
      if (directory.error().code == Code::not_found) {
        continue;
      }
      return std::move(directory).error();
    }
    FOREBAY_ASSIGN(names, names_in(directory->get(), here));
    for (const auto& name : names) {
      const std::string inner = join_path(below, name);
      FOREBAY_ASSIGN(found, look(join_path(source, inner)));
      DrainQueue::Also also;
      also.source = join_path(source, inner);
      also.path = join_path(path, inner);
      also.from = from.empty() ? "" : join_path(from, inner);
      also.sub = first_sub;
      switch (found.kind) {
        case TreeLook::Kind::directory:
        case TreeLook::Kind::unlisted:
          also.made_by = JournalKind::made_directory;
          directories.push_back(std::move(also));
          to_visit.push_back(inner);
          break;
        case TreeLook::Kind::symlink:
          also.made_by = JournalKind::made_symlink;
          [[fallthrough]];
        case TreeLook::Kind::file:
        case TreeLook::Kind::placeholder: {
          const auto attributes = attributes_in_tree(found.info);
          also.bytes = attributes.size;
          files.push_back({attributes.mtime_ns, std::move(also)});
          break;
        }
        default:
          break;
      }
    }
  }
  // The order in which files were closed is not known any more; that of their last change is.
  std::stable_sort(files.begin(), files.end(),
                   [](const File& a, const File& b) { return a.mtime_ns < b.mtime_ns; });
  std::vector<DrainQueue::Also> all = std::move(directories);
  std::uint32_t sub = first_sub;
  for (File& file : files) {
    file.also.sub = ++sub;
    all.push_back(std::move(file.also));
  }
  return all;
}

}  // namespace forebay
