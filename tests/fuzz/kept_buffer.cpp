// The buffer that an earlier run left, with any index: it ends in a store that works, and what that says it
// kept can be read. The index by itself: index_log.cpp.
//
// Checks are put right in an input that starts with a zero byte, so that records are judged by what they say.
// The second byte: as if from this boot, or from an earlier one (then all is verified).
#include <fcntl.h>
#include <sys/stat.h>

#include "buffer/object_store.hpp"
#include "common/chunk.hpp"
#include "fuzz/fuzz_target.hpp"
#include "fuzz/index_bytes.hpp"
#include "fuzz/sample_listings.hpp"

namespace forebay::fuzz {
namespace {

constexpr std::uint64_t kCapacity = 64 * kChunkBytes;
constexpr ObjectShape kSmall{{0x11, 0x22}, 1000, kChunkBytes};
constexpr ObjectShape kLarge{{0x33, 0x44}, kChunkBytes + 5, kChunkBytes};

Result<std::unique_ptr<ObjectStore>> open_store(const std::string& directory) {
  return ObjectStore::open({directory, kCapacity, 1});
}

void put(ObjectStore& store, const ObjectShape& shape, bool whole) {
  auto landing = store.begin(shape, shape.bytes);
  FOREBAY_CHECK(landing.ok());
  static const std::vector<std::byte> chunk(kChunkBytes, std::byte{7});
  const std::uint32_t stripes = stripes_of(shape.bytes, shape.stripe_bytes);
  for (std::uint32_t stripe = 0; stripe < stripes - (whole ? 0 : 1); ++stripe) {
    const std::uint64_t offset = stripe * shape.stripe_bytes;
    const auto bytes = std::span(chunk).first(std::min<std::uint64_t>(shape.bytes - offset, kChunkBytes));
    FOREBAY_CHECK((*landing)->write_chunk(offset, bytes).ok());
    FOREBAY_CHECK((*landing)->complete_stripe(stripe).ok());
  }
  FOREBAY_CHECK(!whole || (*landing)->publish().ok());
}

// A buffer with a whole object and one in parts, as an earlier run left it.
class Buffer {
 public:
  Buffer() : directory_(scratch_.path() + "/buffer"), root_(directory_ + "/" + std::to_string(::geteuid())) {
    make();
    index_ = file_bytes(root_ + "/index");
  }
  // As it was, whatever a store did to it, with this index.
  void restore(std::string_view index) {
    if (!put_back(small_) || !put_back(large_)) {
      make();
    }
    write_file(root_ + "/index", index);
  }
  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] const std::string& index() const { return index_; }

 private:
  struct File {
    std::string path;
    std::string kept;  // A second name, so that its inode stays what the index says.
    blkcnt_t blocks = 0;
  };

  void make() {
    std::filesystem::remove_all(directory_);
    auto store = open_store(directory_);
    FOREBAY_CHECK(store.ok());
    put(**store, kSmall, true);
    put(**store, kLarge, false);
    small_ = keep(kSmall, "");
    large_ = keep(kLarge, ".part");
  }
  [[nodiscard]] File keep(const ObjectShape& shape, const char* ending) const {
    char name[kIdentityTextBytes];
    identity_to_text(shape.identity, name);
    File file{root_ + "/objects/" + std::string(name, 2) + "/" + name + ending, scratch_.path() + "/" + name};
    ::unlink(file.kept.c_str());
    FOREBAY_CHECK(::link(file.path.c_str(), file.kept.c_str()) == 0);
    struct stat info {};
    FOREBAY_CHECK(::stat(file.kept.c_str(), &info) == 0);
    file.blocks = info.st_blocks;
    return file;
  }
  // False when its bytes are not all there any more.
  [[nodiscard]] static bool put_back(const File& file) {
    struct stat info {};
    ::unlink(file.path.c_str());
    return ::stat(file.kept.c_str(), &info) == 0 && info.st_blocks == file.blocks &&
           ::link(file.kept.c_str(), file.path.c_str()) == 0;
  }

  Scratch scratch_;
  std::string directory_;
  std::string root_;
  std::string index_;
  File small_;
  File large_;
};

}  // namespace

std::vector<std::string> seeds() {
  const std::string index = Buffer().index();
  return {std::string{'\0', '\0'} + index, std::string{'\0', '\1'} + index};
}

bool run(std::string_view input) {
  static Buffer buffer;
  Pieces pieces(input);
  const bool repaired = pieces.number<char>() == '\0';
  const bool same_boot = pieces.number<char>() == '\0';
  std::string index(pieces.rest());
  buffer.restore(repaired ? with_checks(std::move(index), same_boot) : index);

  auto store = open_store(buffer.directory());
  FOREBAY_CHECK(store.ok());
  bool kept = false;
  (*store)->visit_kept([&](const KeptStripe& stripe) {
    kept = true;
    FOREBAY_CHECK(stripe.bytes <= stripe.object_bytes && stripe.stripe_bytes > 0);
    static std::vector<std::byte> chunk(kChunkBytes);
    const auto into = std::span(chunk).first(std::min<std::uint64_t>(stripe.bytes, kChunkBytes));
    const auto got = (*store)->read(stripe.object, stripe.stripe * stripe.stripe_bytes, into);
    FOREBAY_CHECK(got.ok() && *got == into.size());
    return true;
  });
  FOREBAY_CHECK((*store)->usage().used_bytes <= kCapacity);
  put(**store, ObjectShape{{0x55, 0x66}, 3, kChunkBytes}, true);
  FOREBAY_CHECK((*store)->remove({0x55, 0x66}).ok());
  return kept;
}

}  // namespace forebay::fuzz
