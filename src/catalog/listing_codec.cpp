#include "catalog/listing_codec.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

namespace forebay {
namespace {

static_assert(std::endian::native == std::endian::little, "the wire form is copied as it lies in memory");

enum class Kind : std::uint8_t { listing = 1, file_system = 2 };

constexpr std::uint8_t kHasXattrs = 1;
constexpr std::uint8_t kLeftToOrigin = 2;
constexpr std::uint8_t kCommonFollows =
    4;  // mode, uid, gid, device, block size differ from the name's before
constexpr std::uint8_t kHasLocator = 8;
constexpr std::uint8_t kNameFlags = kHasXattrs | kLeftToOrigin | kCommonFollows | kHasLocator;

constexpr std::size_t kRecordHeadBytes = 1 + 8;
constexpr std::size_t kNameBytesMin =
    11;  // flags, eight attribute varints, the name's length, one byte of name

std::uint64_t zigzag(std::uint64_t difference) {
  return difference << 1 ^ (difference >> 63 != 0 ? ~std::uint64_t{0} : 0);
}
std::uint64_t unzigzag(std::uint64_t word) {
  return word >> 1 ^ ((word & 1) != 0 ? ~std::uint64_t{0} : 0);
}
std::uint64_t bits(std::int64_t ns) {
  return static_cast<std::uint64_t>(ns);
}
std::uint64_t blocks_expected(std::uint64_t size) {
  return size / 512;
}

void put_byte(std::vector<std::byte>& into, std::uint8_t byte) {
  into.push_back(std::byte{byte});
}

void put_varint(std::vector<std::byte>& into, std::uint64_t value) {
  while (value >= 0x80) {
    put_byte(into, static_cast<std::uint8_t>(value | 0x80));
    value >>= 7;
  }
  put_byte(into, static_cast<std::uint8_t>(value));
}

void put_text(std::vector<std::byte>& into, std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  into.insert(into.end(), bytes.begin(), bytes.end());
}

// Returns where the record begins; end_record() fills in its length.
std::size_t begin_record(std::vector<std::byte>& into, Kind kind) {
  const std::size_t at = into.size();
  put_byte(into, static_cast<std::uint8_t>(kind));
  into.resize(into.size() + 8);
  return at;
}

void end_record(std::vector<std::byte>& into, std::size_t begin) {
  const std::uint64_t bytes = into.size() - begin - kRecordHeadBytes;
  std::memcpy(into.data() + begin + 1, &bytes, sizeof bytes);
}

bool same_common(const OriginAttributes& a, const OriginAttributes& b) {
  return a.mode == b.mode && a.uid == b.uid && a.gid == b.gid && a.device == b.device &&
         a.block_bytes == b.block_bytes;
}

// Whether the catalog could hold what the attributes say.
bool must_be_left(const OriginName& name) {
  const auto& a = name.attributes;
  if (S_ISLNK(a.mode)) {
    return name.link_target.size() != a.size || a.size == 0 || a.size > kNameBytesMax;
  }
  return !S_ISREG(a.mode) && !S_ISDIR(a.mode);
}

void put_name(std::vector<std::byte>& into, const OriginName& name, const OriginAttributes& previous,
              bool first) {
  const auto& a = name.attributes;
  const bool left = a.left_to_origin || must_be_left(name);
  const bool common = first || !same_common(a, previous);
  const bool locator = S_ISREG(a.mode) && !name.locator.empty();
  put_byte(into, static_cast<std::uint8_t>((a.has_xattrs ? kHasXattrs : 0) | (left ? kLeftToOrigin : 0) |
                                           (common ? kCommonFollows : 0) | (locator ? kHasLocator : 0)));
  if (common) {
    for (const std::uint64_t value :
         {std::uint64_t{a.mode}, std::uint64_t{a.uid}, std::uint64_t{a.gid}, a.device, a.block_bytes}) {
      put_varint(into, value);
    }
  }
  put_varint(into, a.size);
  put_varint(into, zigzag(a.blocks - blocks_expected(a.size)));
  put_varint(into, zigzag(a.inode - previous.inode));
  put_varint(into, zigzag(bits(a.mtime_ns) - bits(previous.mtime_ns)));
  put_varint(into, zigzag(bits(a.ctime_ns) - bits(a.mtime_ns)));
  put_varint(into, zigzag(bits(a.atime_ns) - bits(a.mtime_ns)));
  put_varint(into, zigzag(bits(a.btime_ns) - bits(a.ctime_ns)));
  put_varint(into, a.links);
  put_varint(into, name.name.size());
  put_text(into, name.name);
  if (S_ISLNK(a.mode) && !left) {
    put_text(into, name.link_target);  // `size` bytes
  }
  if (locator) {
    put_varint(into, name.locator.size());
    put_text(into, name.locator);
  }
}

// Reads with every bound checked; after the first failure everything reads as zero and ok() is false.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, std::size_t at) : bytes_(bytes), at_(at) {}

  std::uint8_t byte() {
    if (at_ >= bytes_.size()) {
      ok_ = false;
      return 0;
    }
    return static_cast<std::uint8_t>(bytes_[at_++]);
  }
  std::uint64_t varint(std::uint64_t most = UINT64_MAX) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint64_t next = byte();
      if (shift == 63 && next > 1) {
        break;
      }
      value |= (next & 0x7f) << shift;
      if ((next & 0x80) == 0) {
        ok_ = ok_ && value <= most;
        return ok_ ? value : 0;
      }
    }
    ok_ = false;
    return 0;
  }
  std::uint64_t difference() { return unzigzag(varint()); }
  std::string_view text(std::uint64_t bytes) {
    if (bytes > bytes_.size() - at_) {
      ok_ = false;
      return {};
    }
    const std::string_view out(reinterpret_cast<const char*>(bytes_.data()) + at_, bytes);
    at_ += bytes;
    return out;
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t at() const { return at_; }
  [[nodiscard]] std::size_t left() const { return bytes_.size() - at_; }

 private:
  std::span<const std::byte> bytes_;
  std::size_t at_;
  bool ok_ = true;
};

Error malformed(std::size_t at, const char* why) {
  return Error{Code::corrupt, "listing is malformed at byte " + std::to_string(at) + " (" + why + ")"};
}

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

bool is_file_mode(std::uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFLNK:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool is_canonical_relative_path(std::string_view path) {
  while (!path.empty()) {
    const auto slash = path.find('/');
    if (!is_name(path.substr(0, slash)) || slash == path.size() - 1) {
      return false;
    }
    path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
  }
  return true;
}

void encode_listing(const std::string& directory, const DirectoryListing& listing,
                    std::vector<std::byte>& into) {
  const std::size_t begin = begin_record(into, Kind::listing);
  put_varint(into, directory.size());
  put_text(into, directory);

  const auto& names = listing.names;
  const bool listable = listing.listable && names.size() < UINT32_MAX &&
                        std::all_of(names.begin(), names.end(), [](const OriginName& n) {
                          return n.name.size() <= kNameBytesMax && n.locator.size() <= kLocatorBytesMax;
                        });
  std::vector<std::uint32_t> order;
  if (listable) {
    order.resize(names.size());
    std::iota(order.begin(), order.end(), 0u);
    const auto by_name = [&](std::uint32_t a, std::uint32_t b) { return names[a].name < names[b].name; };
    const auto same_name = [&](std::uint32_t a, std::uint32_t b) { return names[a].name == names[b].name; };
    std::stable_sort(order.begin(), order.end(), by_name);
    order.erase(std::unique(order.begin(), order.end(), same_name), order.end());
  }
  put_byte(into, listable ? 1 : 0);
  put_varint(into, listing.left_out);
  put_varint(into, order.size());
  OriginAttributes previous;
  bool first = true;
  for (const auto i : order) {
    put_name(into, names[i], previous, first);
    previous = names[i].attributes;
    first = false;
  }
  end_record(into, begin);
}

void encode_file_system(const CatalogFileSystem& file_system, std::vector<std::byte>& into) {
  const std::size_t begin = begin_record(into, Kind::file_system);
  const auto bytes = std::as_bytes(std::span(&file_system, 1));
  into.insert(into.end(), bytes.begin(), bytes.end());
  end_record(into, begin);
}

ListingReader::ListingReader(std::span<const std::byte> encoded) : encoded_(encoded) {}

Result<ListingReader::Record> ListingReader::next() {
  at_ = record_offset_ = body_end_;
  name_count_ = names_read_ = 0;
  if (at_ == encoded_.size()) {
    return Record::end;
  }
  if (encoded_.size() - at_ < kRecordHeadBytes) {
    return malformed(at_, "cut");
  }
  const auto kind = static_cast<Kind>(encoded_[at_]);
  std::uint64_t body_bytes = 0;
  std::memcpy(&body_bytes, encoded_.data() + at_ + 1, sizeof body_bytes);
  if (body_bytes > encoded_.size() - at_ - kRecordHeadBytes) {
    return malformed(at_, "cut");
  }
  at_ += kRecordHeadBytes;
  body_end_ = at_ + body_bytes;

  if (kind == Kind::file_system) {
    if (body_bytes != sizeof file_system_) {
      return malformed(at_, "a file system of another size");
    }
    std::memcpy(&file_system_, encoded_.data() + at_, sizeof file_system_);
    at_ = body_end_;
    return Record::file_system;
  }
  if (kind != Kind::listing) {
    return malformed(record_offset_, "unknown kind of record");
  }
  Cursor cursor(encoded_.first(body_end_), at_);
  directory_ = cursor.text(cursor.varint());
  const std::uint8_t listable = cursor.byte();
  left_out_ = cursor.varint();
  name_count_ = static_cast<std::uint32_t>(cursor.varint(UINT32_MAX));
  if (!cursor.ok() || listable > 1 || !is_canonical_relative_path(directory_) ||
      name_count_ > cursor.left() / kNameBytesMin || (listable == 0 && name_count_ != 0)) {
    return malformed(at_, "not a directory's head");
  }
  listable_ = listable != 0;
  previous_ = OriginAttributes{};
  previous_name_ = {};
  at_ = cursor.at();
  return Record::listing;
}

Result<bool> ListingReader::next_name(ListedName& into) {
  if (names_read_ == name_count_) {
    if (at_ != body_end_) {
      return malformed(at_, "bytes behind the last name");
    }
    return false;
  }
  Cursor cursor(encoded_.first(body_end_), at_);
  const std::uint8_t flags = cursor.byte();
  OriginAttributes a = previous_;
  a.has_xattrs = (flags & kHasXattrs) != 0;
  a.left_to_origin = (flags & kLeftToOrigin) != 0;
  if ((flags & kCommonFollows) != 0) {
    a.mode = static_cast<std::uint32_t>(cursor.varint(UINT16_MAX));
    a.uid = static_cast<std::uint32_t>(cursor.varint(UINT32_MAX));
    a.gid = static_cast<std::uint32_t>(cursor.varint(UINT32_MAX));
    a.device = cursor.varint();
    a.block_bytes = cursor.varint();
  }
  a.size = cursor.varint();
  a.blocks = blocks_expected(a.size) + cursor.difference();
  a.inode = previous_.inode + cursor.difference();
  a.mtime_ns = static_cast<std::int64_t>(bits(previous_.mtime_ns) + cursor.difference());
  a.ctime_ns = static_cast<std::int64_t>(bits(a.mtime_ns) + cursor.difference());
  a.atime_ns = static_cast<std::int64_t>(bits(a.mtime_ns) + cursor.difference());
  a.btime_ns = static_cast<std::int64_t>(bits(a.ctime_ns) + cursor.difference());
  a.links = static_cast<std::uint32_t>(cursor.varint(UINT32_MAX));
  into.name = cursor.text(cursor.varint(kNameBytesMax));
  const bool has_target = S_ISLNK(a.mode) && !a.left_to_origin;
  into.link_target = has_target ? cursor.text(a.size) : std::string_view{};
  const bool has_locator = (flags & kHasLocator) != 0;
  into.locator = has_locator ? cursor.text(cursor.varint(kLocatorBytesMax)) : std::string_view{};

  const bool special = !S_ISREG(a.mode) && !S_ISDIR(a.mode) && !S_ISLNK(a.mode);
  if (!cursor.ok() || flags > kNameFlags || !is_file_mode(a.mode) || (special && !a.left_to_origin)) {
    return malformed(at_, "not a name's attributes");
  }
  if (!is_name(into.name) || (names_read_ != 0 && into.name <= previous_name_)) {
    return malformed(at_, "not a name, or out of order");
  }
  if (has_target &&
      (a.size == 0 || a.size > kNameBytesMax || into.link_target.find('\0') != std::string_view::npos)) {
    return malformed(at_, "not a link's target");
  }
  if (has_locator && (into.locator.empty() || !S_ISREG(a.mode))) {
    return malformed(at_, "not a locator");
  }
  into.attributes = a;
  previous_ = a;
  previous_name_ = into.name;
  at_ = cursor.at();
  ++names_read_;
  return true;
}

}  // namespace forebay
