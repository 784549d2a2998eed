#include "catalog/catalog_writer.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <tuple>

#include <fmt/format.h>

#include "catalog/catalog_builder.hpp"
#include "catalog/catalog_layout_plan.hpp"

namespace forebay {
namespace {

// One name of a regular file that has several. Names whose attributes were read while the file changed do not
// agree and stay apart.
struct HardLink {
  std::uint64_t device;
  std::uint64_t inode;
  std::uint64_t size;
  std::int64_t mtime_ns;
  std::int64_t ctime_ns;
  std::uint32_t entry;

  [[nodiscard]] auto file() const { return std::tie(device, inode, size, mtime_ns, ctime_ns); }
};

}  // namespace

std::uint64_t text_bytes(const ListedName& name) noexcept {
  return name.name.size() + name.link_target.size() +
         (name.locator.empty() ? 0 : sizeof(std::uint16_t) + name.locator.size());
}

CatalogWriter::CatalogWriter(std::byte* base, const CatalogHeader& header, const CatalogContent& content)
    : base_(base), content_(content), view_(base) {
  std::memcpy(base_, &header, sizeof header);
}

Status CatalogWriter::run() {
  const std::string& origin = content_.origin;
  header().origin = StringRef::of(put_text(origin), static_cast<std::uint32_t>(origin.size()));
  header().path_seed = content_.path_seed;
  header().stripe_bytes = content_.stripe_bytes;
  header().names_left_out =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(content_.left_out, UINT32_MAX));
  put_tables();

  put_entry(next_entry_++, ListedName{{}, {}, {}, content_.root}, 0);
  for (std::uint32_t at = 0; at < next_entry_; ++at) {  // The entries written so far are the queue.
    if (!S_ISDIR(entry(at).mode)) {
      continue;
    }
    ++header().directory_count;
    if (const ListingAt* listing = listing_of(at); listing != nullptr) {
      FOREBAY_TRY(put_children(at, *listing));
    } else {
      entry(at).first = next_entry_;
      entry(at).flags |= kEntryLeftToOrigin;
    }
  }
  if (next_entry_ != header().entry_count || next_text_ != header().strings_bytes) {
    return Error{Code::corrupt,
                 fmt::format("listings of {} do not fit together (some directory that was listed is in "
                             "no other's listing)",
                             content_.origin)};
  }
  link_names();
  number_stripes();
  put_index();
  header().checksum = catalog_checksum(base_, header().file_bytes);
  return {};
}

std::uint64_t CatalogWriter::put_text(std::string_view text) {
  const std::uint64_t offset = next_text_;
  FOREBAY_CHECK(text.size() <= header().strings_bytes - offset);
  std::copy(text.begin(), text.end(), reinterpret_cast<char*>(base_ + header().strings_offset + offset));
  next_text_ += text.size();
  return offset;
}

void CatalogWriter::put_tables() {
  auto* owner = reinterpret_cast<CatalogOwner*>(base_ + header().owners_offset);
  for (const auto& [uid, gid] : content_.owners.keys()) {
    *owner++ = CatalogOwner{uid, gid};
  }
  auto* file_system = reinterpret_cast<CatalogFileSystem*>(base_ + header().file_systems_offset);
  for (const auto& [device, block_bytes] : content_.file_system_keys.keys()) {
    const auto numbers = content_.file_systems.find(device);
    *file_system = numbers == content_.file_systems.end() ? CatalogFileSystem{} : numbers->second;
    file_system->device = device;
    file_system->block_bytes = block_bytes;
    ++file_system;
  }
}

// path_ is the path of `name`.
void CatalogWriter::put_entry(std::uint32_t index, const ListedName& name, std::uint32_t parent) {
  const auto& a = name.attributes;
  const auto owner = content_.owners.find({a.uid, a.gid});
  const auto file_system = content_.file_system_keys.find({a.device, a.block_bytes});
  const bool too_large = S_ISREG(a.mode) && a.size / content_.stripe_bytes >= kObjectStripesMax;

  CatalogEntry& e = entry(index);
  e.path_hash = hash_bytes(path_.data(), path_.size(), header().path_seed);
  e.size = a.size;
  e.blocks = a.blocks;
  e.inode = a.inode;
  e.atime_ns = a.atime_ns;
  e.mtime_ns = a.mtime_ns;
  e.ctime_ns = a.ctime_ns;
  e.btime_ns = a.btime_ns;
  e.name = StringRef::of(put_text(name.name), static_cast<std::uint32_t>(name.name.size()));
  put_text(name.link_target);
  if (!name.locator.empty()) {
    const auto bytes = static_cast<std::uint16_t>(name.locator.size());
    put_text({reinterpret_cast<const char*>(&bytes), sizeof bytes});
    put_text(name.locator);
    e.flags |= kEntryHasLocator;
  }
  e.parent = parent;
  e.links = a.links;
  e.mode = static_cast<std::uint16_t>(a.mode);
  e.owner = owner.value_or(0);
  e.file_system = file_system.value_or(0);
  if (a.left_to_origin || !owner || !file_system || too_large) {
    e.flags |= kEntryLeftToOrigin;
  }
  if (a.has_xattrs) {
    e.flags |= kEntryHasXattrs;
  }
  if (index != 0 && file_system && view_.file_system(entry(parent)).device != a.device) {
    e.flags |= kEntryMountPoint;
  }
}

const ListingAt* CatalogWriter::listing_of(std::uint32_t directory) {
  std::int64_t bytes = -1;
  while ((bytes = view_.path_of(directory, path_.data(), path_.size())) < 0) {
    path_.resize(std::max<std::size_t>(4096, path_.size() * 2));
  }
  path_.resize(static_cast<std::size_t>(bytes));
  const auto& listings = content_.listings;
  auto at = std::lower_bound(listings.begin(), listings.end(), entry(directory).path_hash,
                             [](const ListingAt& l, std::uint64_t hash) { return l.path_hash < hash; });
  for (; at != listings.end() && at->path_hash == entry(directory).path_hash; ++at) {
    ListingReader reader(at->encoded);
    const auto record = reader.next();
    if (record.ok() && reader.directory() == path_ && reader.listable()) {
      return &*at;
    }
  }
  return nullptr;
}

Status CatalogWriter::put_children(std::uint32_t directory, const ListingAt& listing) {
  ListingReader reader(listing.encoded);
  FOREBAY_TRY(reader.next());
  entry(directory).first = next_entry_;
  entry(directory).count = reader.name_count();
  // Every listing is put at most once and the plan counted all of them, so there is room.
  FOREBAY_CHECK(reader.name_count() <= header().entry_count - next_entry_);
  if (directory != 0) {
    path_ += '/';
  }
  const std::size_t stem = path_.size();
  ListedName name;
  while (true) {
    FOREBAY_ASSIGN(more, reader.next_name(name));
    if (!more) {
      return {};
    }
    path_.resize(stem);
    path_ += name.name;
    put_entry(next_entry_++, name, directory);
  }
}

void CatalogWriter::link_names() {
  std::vector<HardLink> links;
  for (std::uint32_t i = 0; i < next_entry_; ++i) {
    CatalogEntry& e = entry(i);
    if (!CatalogView::is_object(e)) {
      continue;
    }
    e.count = i;
    if (e.links > 1) {
      links.push_back({view_.file_system(e).device, e.inode, e.size, e.mtime_ns, e.ctime_ns, i});
    }
  }
  std::sort(links.begin(), links.end(), [](const HardLink& a, const HardLink& b) {
    return std::tuple_cat(a.file(), std::tie(a.entry)) < std::tuple_cat(b.file(), std::tie(b.entry));
  });
  for (std::size_t i = 1; i < links.size(); ++i) {
    if (links[i].file() == links[i - 1].file()) {
      entry(links[i].entry).count = entry(links[i - 1].entry).count;
    }
  }
}

void CatalogWriter::number_stripes() {
  std::uint32_t next_stripe = 0;
  for (std::uint32_t i = 0; i < next_entry_; ++i) {
    CatalogEntry& e = entry(i);
    if (!CatalogView::is_object(e)) {
      continue;
    }
    if (e.count != i) {
      const CatalogEntry& head = entry(e.count);
      if (CatalogView::is_object(head)) {
        e.first = head.first;
      } else {
        e.flags |= kEntryLeftToOrigin;
        e.count = 0;
      }
      continue;
    }
    const std::uint32_t stripes = stripes_of(e.size, header().stripe_bytes);
    if (stripes > UINT32_MAX - 1 - next_stripe) {  // No number is left for it.
      e.flags |= kEntryLeftToOrigin;
      e.count = 0;
      continue;
    }
    e.first = next_stripe;
    next_stripe += stripes;
    ++header().object_count;
    header().dataset_bytes += e.size;
  }
  header().stripe_count = next_stripe;
}

void CatalogWriter::put_index() {
  auto* slots = reinterpret_cast<std::uint32_t*>(base_ + header().index_offset);
  const std::uint32_t mask = header().index_slots - 1;
  for (std::uint32_t i = 1; i < next_entry_; ++i) {
    std::uint32_t slot = static_cast<std::uint32_t>(entry(i).path_hash) & mask;
    while (slots[slot] != 0) {
      slot = (slot + 1) & mask;
    }
    slots[slot] = i + 1;
  }
}

}  // namespace forebay
