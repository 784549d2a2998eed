#include "cli/pending_stores.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "common/text_file.hpp"

namespace forebay {
namespace {

// This user's own directory, no link.
UniqueFd open_own(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info {};
  if (fd.valid() && (::fstat(fd.get(), &info) != 0 || info.st_uid != ::geteuid())) {
    fd.reset();
  }
  return fd;
}

std::vector<std::string> directories_in(const std::string& path) {
  std::vector<std::string> found;
  std::error_code failed;
  for (std::filesystem::directory_iterator at(path, failed), end; !failed && at != end;
       at.increment(failed)) {
    found.push_back(at->path().string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

void add_pending(const std::string& store, std::vector<PendingStore>& pending) {
  const auto directory = open_own(store);
  if (!directory.valid() || ::faccessat(directory.get(), "journal", R_OK, 0) != 0) {
    return;
  }
  const UniqueFd named(::openat(directory.get(), "destination", O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  const auto destination = named.valid() ? read_text(named.get(), store) : Result<std::string>(store);
  auto journal = Journal::open(directory.get(), store);
  const auto entries = journal.ok() ? journal->read_new() : Result(std::vector<JournalEntry>());
  if (!destination.ok() || !entries.ok()) {
    return;
  }
  if (auto names = pending_names(*entries); !names.empty()) {
    pending.push_back({*destination, std::move(names)});
  }
}

}  // namespace

std::vector<std::string> pending_names(std::span<const JournalEntry> entries) {
  std::map<std::string, std::uint64_t> marks;
  for (const auto& entry : entries) {
    switch (entry.kind) {
      case JournalKind::published:
      case JournalKind::dropped:
        if (const auto at = marks.find(entry.path); at != marks.end() && at->second <= entry.about) {
          marks.erase(at);
        }
        break;
      case JournalKind::renamed:
      case JournalKind::linked:
        // The end of a change of names says nothing that its beginning did not.
        if ((entry.flags & (kJournalDone | kJournalFailed)) == 0) {
          marks[entry.second] = entry.seq;
          if (entry.kind == JournalKind::renamed) {
            marks[entry.path] = entry.seq;
          }
        }
        break;
      case JournalKind::sealed:
      case JournalKind::booted:
        break;
      default:
        if ((entry.flags & (kJournalDone | kJournalFailed)) == 0) {
          marks[entry.path] = entry.seq;
        }
    }
  }
  std::vector<std::string> names;
  for (const auto& [name, seq] : marks) {
    names.push_back(name);
  }
  return names;
}

std::vector<PendingStore> pending_stores(const std::string& buffer_directory) {
  std::vector<PendingStore> pending;
  auto buffers = directories_in(buffer_directory);
  std::erase_if(buffers, [](const std::string& path) {
    return !std::filesystem::path(path).filename().string().starts_with("node");
  });
  buffers.insert(buffers.begin(), buffer_directory);
  for (const auto& buffer : buffers) {
    for (const auto& store : directories_in(fmt::format("{}/{}/checkpoints", buffer, ::geteuid()))) {
      add_pending(store, pending);
    }
  }
  return pending;
}

}  // namespace forebay
