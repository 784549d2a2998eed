#include "server/checkpoint_bringer.hpp"

#include <algorithm>
#include <chrono>
#include <future>
#include <thread>

#include "common/chunk.hpp"
#include "drain/tree_path.hpp"
#include "server/checkpoint_reads.hpp"

namespace forebay {
namespace {

using Kind = CheckpointTree::Kind;

// A name that is changed again and again while it is brought.
constexpr int kAttempts = 8;
// Between two looks at what is being moved at the destination.
constexpr std::chrono::milliseconds kMoves{50};

Error no_entry(const std::string& path) {
  return {Code::not_found, path + " is not there", ENOENT};
}

}  // namespace

void CheckpointBringer::stop() {
  stopping_ = true;
  threads_.reset();
}

std::function<std::uint64_t()> CheckpointBringer::bring(CheckpointBring what, const std::string& path,
                                                        std::function<void(Status)> done) {
  std::shared_ptr<Flight> flight;
  Status refused;
  if (!is_tree_path(path)) {
    refused = Error{Code::bad_argument, "no path of a checkpoint", EINVAL};
  } else {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      refused = Error{Code::cancelled, "the server stops", EIO};
    } else if (const auto there = flights_.find({what, path}); there != flights_.end()) {
      there->second->waiting.push_back(std::move(done));
      flight = there->second;
    } else if (flights_.size() >= kFlightsMax) {
      refused = Error{Code::unavailable, "too many names are brought at once", EAGAIN};
    } else {
      flight = flights_[{what, path}] = std::make_shared<Flight>();
      flight->waiting.push_back(std::move(done));
      threads_->post([this, what, path, flight] {
        const Status status = stopping_ ? Status(Error{Code::cancelled, "the server stops", EIO})
                                        : act(what, path, flight->progress);
        // A name that is gone is its program's to notice; a destination that is not there, nobody's.
        const bool gone = !status.ok() && status.error().code == Code::not_found && !path.empty();
        const bool waits = what == CheckpointBring::direct;
        if (!status.ok() && !gone && !waits && status.error().code != Code::cancelled) {
          complaints_.warning(status.error().text);
        }
        std::vector<std::function<void(Status)>> waiting;
        {
          const std::lock_guard over(mutex_);
          flights_.erase({what, path});
          waiting.swap(flight->waiting);
        }
        for (const auto& one : waiting) {
          one(status);
        }
      });
    }
  }
  if (!refused.ok()) {
    done(refused);
    return nullptr;
  }
  return [flight] { return flight->progress.load(std::memory_order_relaxed); };
}

Status CheckpointBringer::bring_now(CheckpointBring what, const std::string& path) {
  std::promise<Status> over;
  bring(what, path, [&over](const Status& status) { over.set_value(status); });
  return over.get_future().get();
}

Status CheckpointBringer::act(CheckpointBring what, const std::string& path, Progress& progress) {
  switch (what) {
    case CheckpointBring::list:
      return list(path, progress);
    case CheckpointBring::list_all:
      return list_all(path, progress);
    case CheckpointBring::content:
      return content(path, progress);
    case CheckpointBring::truncate:
      return empty(path);
    case CheckpointBring::direct:
      return make_way(path);
    case CheckpointBring::look:
      return look(path);
  }
  return Error{Code::bad_argument, "no such request", EINVAL};
}

std::string CheckpointBringer::destination_path(const std::string& path) {
  return parts_.ledger.with_remote([&](const RemoteMarks& remote) { return remote.destination_path(path); });
}

// What is above comes first: only a listed directory shows what is in it.
Status CheckpointBringer::list(const std::string& path, Progress& progress) {
  while (true) {
    FOREBAY_ASSIGN(unlisted, parts_.tree.unlisted_above(path));
    if (!unlisted) {
      break;
    }
    FOREBAY_TRY(list_one(*unlisted, progress));
  }
  FOREBAY_ASSIGN(there, parts_.tree.look(path));
  return there.kind == Kind::absent ? Status(no_entry(path)) : Status();
}

// What is published between the listing and its use is not missed: RemoteMarks::begin_listing().
Status CheckpointBringer::list_one(const std::string& directory, Progress& progress) {
  parts_.ledger.with_remote([](RemoteMarks& remote) { remote.begin_listing(); });
  const Status listed = list_marked(directory, progress);
  parts_.ledger.with_remote([](RemoteMarks& remote) { remote.end_listing(); });
  return listed;
}

Status CheckpointBringer::list_marked(const std::string& directory, Progress& progress) {
  const std::string found_at = destination_path(directory);
  auto names = parts_.destination.list(found_at);
  if (!names.ok() && (names.error().code != Code::not_found || directory.empty())) {
    return Error{std::move(names).error()};
  }
  if (destination_path(directory) != found_at) {
    return list_marked(directory, progress);  // It was renamed there meanwhile.
  }
  const std::vector<DestinationName> found =
      names.ok() ? std::move(names).value() : std::vector<DestinationName>();
  progress += found.size() + 1;
  return parts_.ledger.exclusively([&]() -> Status {
    std::vector<CheckpointTree::Held> held;
    std::vector<std::string> hidden;
    parts_.ledger.with_remote([&](const RemoteMarks& remote) {
      for (auto& mark : remote.in_directory(directory)) {
        if (mark.change.kind == TreeChangeKind::removed) {
          hidden.push_back(mark.change.path);
        } else {
          held.push_back({mark.holder,
                          mark.change.seq,
                          {name_of(mark.change.path), mark.change.attributes, mark.change.link_target}});
        }
      }
    });
    std::sort(hidden.begin(), hidden.end());
    return parts_.tree.add_names(directory, found_at, held, found, [&](const std::string& path) {
      return std::binary_search(hidden.begin(), hidden.end(), path);
    });
  });
}

Status CheckpointBringer::list_all(const std::string& path, Progress& progress) {
  FOREBAY_TRY(list(path, progress));
  std::vector<std::string> left{path};
  while (!left.empty()) {
    if (stopping_) {
      return Error{Code::cancelled, "the server stops", EIO};
    }
    const std::string directory = std::move(left.back());
    left.pop_back();
    const auto there = parts_.tree.look(directory);
    if (!there.ok() || (there->kind != Kind::directory && there->kind != Kind::unlisted)) {
      continue;  // Gone meanwhile, or never one.
    }
    FOREBAY_TRY(list(directory, progress));
    FOREBAY_ASSIGN(below, parts_.tree.directories_in(directory));
    left.insert(left.end(), below.begin(), below.end());
  }
  return {};
}

Status CheckpointBringer::content(const std::string& path, Progress& progress) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    FOREBAY_ASSIGN(seen, parts_.tree.look(path));
    if (seen.kind == Kind::absent) {
      return no_entry(path);
    }
    if (seen.kind != Kind::placeholder) {
      return {};  // Somebody else was first.
    }
    if (seen.placeholder.path.empty()) {
      FOREBAY_TRY(look(path));  // It is torn.
      continue;
    }
    FOREBAY_ASSIGN(incoming, parts_.tree.begin());
    const Status filled = fill(incoming, path, seen.placeholder, progress);
    if (!filled.ok() && filled.error().code != Code::changed && filled.error().code != Code::not_found) {
      return filled;
    }
    if (!filled.ok()) {
      FOREBAY_ASSIGN(now, parts_.tree.look(path));
      if (now.info.st_ino == seen.info.st_ino && now.kind == Kind::placeholder) {
        // What it stands for is gone or another by now, and nobody told: as at the destination.
        const Status looked = look(path);
        if (!looked.ok() && looked.error().code != Code::changed) {
          return looked;
        }
        if (!looked.ok()) {
          std::this_thread::sleep_for(kMoves);
        }
      }
      continue;
    }
    const Status placed =
        parts_.ledger.exclusively([&] { return parts_.tree.place(std::move(incoming), path, seen); });
    if (placed.ok() || placed.error().code != Code::changed) {
      return placed;
    }
  }
  return Error{Code::changed, path + " changes all the time", ESTALE};
}

Status CheckpointBringer::fill(const CheckpointTree::Incoming& into, const std::string& path,
                               const Placeholder& from, Progress& progress) {
  if (from.holder != kHolderDestination) {
    if (const auto node = parts_.node_of(from.holder)) {
      const auto pulled = pull_file(
          {parts_.transport, *node, parts_.checkpoint, false, path},
          [&into](std::span<const std::byte> bytes, std::uint64_t offset) {
            return into.write(bytes, offset);
          },
          progress);
      if (pulled.ok()) {
        return into.set_attributes({pulled->mode, pulled->uid, pulled->gid, pulled->size, pulled->mtime_ns});
      }
    }
    // It is durable, or nobody has it: the destination knows.
  }
  const std::string now_at = destination_path(path);
  // It may just have got its name here, and nobody knows it yet.
  std::vector<std::string> places{from.path, now_at, path};
  places.erase(std::unique(places.begin(), places.end()), places.end());
  Status filled;
  for (const auto& place : places) {
    filled = fill_from_destination(into, place, from.attributes, progress);
    if (filled.ok() || (filled.error().code != Code::not_found && filled.error().code != Code::changed)) {
      break;
    }
  }
  return filled;
}

Status CheckpointBringer::fill_from_destination(const CheckpointTree::Incoming& into,
                                                const std::string& found_at,
                                                const CheckpointAttributes& expected, Progress& progress) {
  std::vector<std::byte> buffer(
      std::min<std::uint64_t>(kChunkBytes, std::max<std::uint64_t>(1, expected.size)));
  std::uint64_t offset = 0;
  do {
    if (stopping_) {
      return Error{Code::cancelled, "the server stops", EIO};
    }
    FOREBAY_ASSIGN(got, parts_.destination.read(found_at, offset, buffer, expected));
    if (got == 0 && offset < expected.size) {
      return Error{Code::changed, found_at + " is shorter than it was", ESTALE};
    }
    FOREBAY_TRY(into.write(std::span(buffer).first(got), offset));
    offset += got;
    progress += got + 1;
  } while (offset < expected.size);
  return into.set_attributes(expected);
}

Status CheckpointBringer::empty(const std::string& path) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    FOREBAY_ASSIGN(seen, parts_.tree.look(path));
    if (seen.kind == Kind::absent) {
      return no_entry(path);
    }
    if (seen.kind != Kind::placeholder) {
      return {};
    }
    FOREBAY_ASSIGN(incoming, parts_.tree.begin());
    CheckpointAttributes attributes = seen.placeholder.attributes;
    attributes.size = 0;
    FOREBAY_TRY(incoming.set_attributes(attributes));
    const Status placed =
        parts_.ledger.exclusively([&] { return parts_.tree.place(std::move(incoming), path, seen); });
    if (placed.ok() || placed.error().code != Code::changed) {
      return placed;
    }
  }
  return Error{Code::changed, path + " changes all the time", ESTALE};
}

Status CheckpointBringer::make_way(const std::string& path) {
  const std::string directory = parent_of(path);
  FOREBAY_ASSIGN(there, parts_.tree.look(directory));
  if (there.kind != Kind::directory && there.kind != Kind::unlisted) {
    return no_entry(directory);
  }
  if (!parts_.may_be_made_at_destination(path)) {
    return Error{Code::unavailable, path + " would come before what was closed before it", EAGAIN};
  }
  return parts_.destination.make_directory(directory, there.info.st_mode & 01777);
}

// As the destination has it now.
Status CheckpointBringer::look(const std::string& path) {
  std::string found_at = destination_path(path);
  const bool moves = found_at != path;
  auto found = parts_.destination.look(found_at);
  if (moves && !found.ok() && found.error().code == Code::not_found) {
    found_at = path;  // It may just have got its name here, and nobody knows it yet.
    found = parts_.destination.look(found_at);
  }
  if (!found.ok() && found.error().code != Code::not_found) {
    return Error{std::move(found).error()};
  }
  return parts_.ledger.exclusively([&]() -> Status {
    FOREBAY_ASSIGN(there, parts_.tree.look(path));
    if (there.kind != Kind::placeholder && there.kind != Kind::absent) {
      return {};
    }
    if (!found.ok() && there.kind != Kind::absent && (moves || destination_path(path) != path)) {
      return Error{Code::changed, path + " is being moved at the destination", ESTALE};
    }
    if (!found.ok()) {
      return there.kind == Kind::absent ? Status(no_entry(path)) : parts_.tree.remove(path, there);
    }
    if (!S_ISREG(found->attributes.mode)) {
      return Error{Code::changed, path + " is no file at the destination", ESTALE};
    }
    return parts_.tree.place(Placeholder{kHolderDestination, 0, found->attributes, found_at}, path, there);
  });
}

}  // namespace forebay
