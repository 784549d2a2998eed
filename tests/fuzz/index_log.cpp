// The index of a buffer, by itself: any bytes are read as far as their checks hold, come to what replaying
// them one by one comes to, and can be gone on with. What a store makes of it: kept_buffer.cpp.
//
// Checks are put right in an input that starts with a zero byte, so that records are judged by what they say.
// The second byte: as if from this boot, or from an earlier one.
#include "buffer/index_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "buffer/index_fold.hpp"
#include "common/unique_fd.hpp"
#include "fuzz/fuzz_target.hpp"
#include "fuzz/index_bytes.hpp"
#include "fuzz/sample_listings.hpp"

namespace forebay::fuzz {
namespace {

constexpr IndexEntry kAppended{{0x55, 0x66}, 3, 4, 5, 0, 1};

bool same(const IndexEntry& a, const IndexEntry& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

// The same as fold(), the slow way.
std::vector<IndexEntry> replayed(std::span<const IndexEntry> entries) {
  struct Object {
    std::map<std::uint32_t, IndexEntry> stripes;
    IndexEntry last{};
  };
  std::map<std::pair<std::uint64_t, std::uint64_t>, Object> objects;
  for (const IndexEntry& entry : entries) {
    Object& object = objects[{entry.object.path, entry.object.version}];
    if (entry.stripe == kRemovedStripe) {
      object.stripes.clear();
    } else {
      object.stripes[entry.stripe] = entry;
      object.last = entry;
    }
  }
  std::vector<IndexEntry> held;
  for (const auto& [identity, object] : objects) {
    for (const auto& [stripe, entry] : object.stripes) {
      const std::uint64_t stripe_bytes = entry.stripe_chunks * std::uint64_t{kChunkBytes};
      if (entry.inode != 0 && is_possible(shape_of(entry)) &&
          entry.object_bytes == object.last.object_bytes &&
          entry.stripe_chunks == object.last.stripe_chunks &&
          (stripe == 0 || (entry.object_bytes > 0 && stripe <= (entry.object_bytes - 1) / stripe_bytes))) {
        held.push_back(entry);
      }
    }
  }
  return held;
}

// A directory whose index is this one, whatever became of the one before.
class Directory {
 public:
  Directory() : fd_(::open(scratch_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}
  void put(std::string_view index) const {
    const UniqueFd file(::openat(fd_.get(), "index", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    FOREBAY_CHECK(::write(file.get(), index.data(), index.size()) == static_cast<ssize_t>(index.size()));
  }
  // What the index of this directory says, and that nothing of it was unsound.
  [[nodiscard]] std::vector<IndexEntry> entries() const {
    IndexLog log("index");
    auto loaded = log.load(fd_.get());
    FOREBAY_CHECK(loaded.ok() && !loaded->damaged);
    return std::move(loaded->entries);
  }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  Scratch scratch_;
  UniqueFd fd_;
};

}  // namespace

std::vector<std::string> seeds() {
  const Directory directory;
  const IndexEntry small{{1, 2}, 10, 11, 12, 0, 1};
  const IndexEntry first{{1, 3}, kChunkBytes + 1, 13, 14, 0, 1};
  IndexEntry second = first;
  second.stripe = 1;
  std::vector<IndexEntry> entries{small, first, second, without_stripe(second), small};
  IndexLog log("index");
  FOREBAY_CHECK(log.rewrite(directory.fd(), entries).ok());
  log.append_removal(small.object);
  FOREBAY_CHECK(log.append(second).ok());
  const std::string index = file_bytes("/proc/self/fd/" + std::to_string(directory.fd()) + "/index");
  return {std::string{'\0', '\0'} + index, std::string{'\0', '\1'} + index, '\1' + index};
}

bool run(std::string_view input) {
  static const Directory directory;
  Pieces pieces(input);
  const bool repaired = pieces.number<char>() == '\0';
  const bool same_boot = !repaired || pieces.number<char>() == '\0';
  std::string index(pieces.rest());
  directory.put(repaired ? with_checks(std::move(index), same_boot) : index);

  IndexLog log("index");
  auto loaded = log.load(directory.fd());
  FOREBAY_CHECK(loaded.ok());
  std::vector<IndexEntry> read = std::move(loaded->entries);
  FOREBAY_CHECK(!repaired || read.empty() || loaded->same_boot == same_boot);

  std::vector<IndexEntry> folded = read;
  fold(folded);
  FOREBAY_CHECK(std::ranges::equal(folded, replayed(read), same));

  const bool well_formed = !loaded->damaged;
  if (well_formed) {
    FOREBAY_CHECK(log.resume(directory.fd(), read.size()).ok() && log.append(kAppended).ok());
    read.push_back(kAppended);
    FOREBAY_CHECK(std::ranges::equal(directory.entries(), read, same));
  }
  FOREBAY_CHECK(log.rewrite(directory.fd(), folded).ok());
  FOREBAY_CHECK(std::ranges::equal(directory.entries(), folded, same));
  return well_formed;
}

}  // namespace forebay::fuzz
