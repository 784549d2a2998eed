// A catalog file: either refused, or every question to it has the right answer and none leads outside it.
//
// Before it is verified its hashes are put right, as far as they can be computed, so that changed bytes are
// judged by what they mean. An input that starts with a nonzero byte is taken as it is.
#include "catalog/catalog_layout_plan.hpp"
#include "catalog/catalog_verify.hpp"
#include "fuzz/fuzz_target.hpp"
#include "fuzz/sample_listings.hpp"
#include "shared/catalog_view.hpp"

namespace forebay::fuzz {
namespace {

constexpr std::uint32_t kEntriesMax =
    2000;  // Of a catalog that is put right: what is larger teaches no more.

// The file in memory as a mapping has it.
struct Repaired {
  explicit Repaired(std::string_view bytes) : memory((bytes.size() + 7) / 8) {
    if (!bytes.empty()) {
      std::memcpy(memory.data(), bytes.data(), bytes.size());
    }
    file = std::as_writable_bytes(std::span(memory)).first(bytes.size());
  }
  std::vector<std::uint64_t> memory;
  std::span<std::byte> file;

  CatalogHeader& header() { return *reinterpret_cast<CatalogHeader*>(file.data()); }
  CatalogEntry& entry(std::uint32_t index) {
    return reinterpret_cast<CatalogEntry*>(file.data() + header().entries_offset)[index];
  }
  std::string_view text(std::uint64_t offset, std::uint64_t bytes) {
    const auto& h = header();
    return offset <= h.strings_bytes && bytes <= h.strings_bytes - offset
               ? std::string_view(reinterpret_cast<const char*>(file.data()) + h.strings_offset + offset,
                                  bytes)
               : std::string_view{};
  }
  void put_hashes() {
    CatalogHeader& h = header();
    const auto origin = text(h.origin.offset(), h.origin.bytes());
    h.path_seed = hash_bytes(origin.data(), origin.size(), 0);
    std::vector<std::string> paths(h.entry_count);
    for (std::uint32_t i = 0; i < h.entry_count; ++i) {
      CatalogEntry& e = entry(i);
      if (i != 0 && e.parent < i) {
        paths[i] = paths[e.parent].empty() ? "" : paths[e.parent] + "/";
        paths[i] += text(e.name.offset(), e.name.bytes());
      }
      e.path_hash = hash_bytes(paths[i].data(), paths[i].size(), h.path_seed);
    }
  }
  void put_index() {
    CatalogHeader& h = header();
    auto* slots = reinterpret_cast<std::uint32_t*>(file.data() + h.index_offset);
    std::fill_n(slots, h.index_slots, 0);
    for (std::uint32_t i = 1; i < h.entry_count; ++i) {
      std::uint32_t slot = static_cast<std::uint32_t>(entry(i).path_hash) & (h.index_slots - 1);
      while (slots[slot] != 0) {
        slot = (slot + 1) & (h.index_slots - 1);
      }
      slots[slot] = i + 1;
    }
  }
  bool lies_as_planned() {
    const CatalogHeader& h = header();
    if (h.owner_count > UINT16_MAX || h.file_system_count > UINT16_MAX) {
      return false;
    }
    const auto plan = plan_catalog({h.entry_count, h.owner_count, h.file_system_count, h.strings_bytes});
    return plan.ok() && plan->entries_offset == h.entries_offset && plan->index_offset == h.index_offset &&
           plan->index_slots == h.index_slots && plan->strings_offset == h.strings_offset;
  }
  void repair() {
    if (file.size() < sizeof(CatalogHeader)) {
      return;
    }
    CatalogHeader& h = header();
    h.file_bytes = file.size();
    if (h.entry_count <= kEntriesMax && valid_catalog(file.data(), file.size()) && lies_as_planned()) {
      put_hashes();
      put_index();
    }
    if (h.magic == kCatalogMagic) {
      h.checksum = catalog_checksum(file.data(), file.size());
    }
  }
};

std::string path_of(const CatalogView& view, std::uint32_t index) {
  std::string path(64, '\0');
  std::int64_t bytes = -1;
  while ((bytes = view.path_of(index, path.data(), path.size())) < 0) {
    path.resize(path.size() * 2);
  }
  path.resize(static_cast<std::size_t>(bytes));
  return path;
}

void ask_about(const CatalogView& view, std::uint32_t index) {
  const CatalogEntry& entry = view.entry(index);
  const std::string path = path_of(view, index);
  FOREBAY_CHECK(view.find(path.data(), path.size()) == index);
  const std::string_view name(view.name(entry), entry.name.bytes());
  FOREBAY_CHECK(index == 0 || view.find_child(entry.parent, name.data(), name.size()) == index);
  static_cast<void>(view.owner(entry).uid + view.file_system(entry).device);
  if (CatalogView::is_symlink(entry) && (entry.flags & kEntryLeftToOrigin) == 0) {
    FOREBAY_CHECK(entry.size > 0);
    const std::string target(view.link_target(entry), entry.size);
  }
  const std::string locator(view.locator(entry), view.locator_bytes(entry));
  FOREBAY_CHECK(locator.empty() || S_ISREG(entry.mode));
  if (CatalogView::is_directory(entry)) {
    FOREBAY_CHECK(entry.count == 0 || entry.first + entry.count <= view.header().entry_count);
    FOREBAY_CHECK(view.find_child(index, "no such name", 12) == kNoEntry ||
                  std::string_view(view.name(view.entry(view.find_child(index, "no such name", 12))), 12) ==
                      "no such name");
  }
  if (CatalogView::is_object(entry)) {
    const std::uint32_t found = view.find_identity(identity_of(entry));
    FOREBAY_CHECK(found != kNoEntry && identity_of(view.entry(found)) == identity_of(entry));
    const std::uint64_t stripes = stripes_of(entry.size, view.header().stripe_bytes);
    FOREBAY_CHECK(stripes > 0 && entry.first + stripes <= view.header().stripe_count);
    FOREBAY_CHECK((stripes - 1) * view.header().stripe_bytes <= entry.size);
  }
}

}  // namespace

std::vector<std::string> seeds() {
  const std::string catalog = sample_catalog();
  return {std::string(1, '\0') + catalog, '\1' + catalog};
}

bool run(std::string_view input) {
  Repaired catalog(input.substr(std::min<std::size_t>(1, input.size())));
  if (!input.empty() && input[0] == '\0') {
    catalog.repair();
  }
  if (!verify_catalog(catalog.file, "of this test").ok()) {
    return false;
  }
  const CatalogView view(catalog.file.data());
  for (std::uint32_t index = 0; index < view.header().entry_count; ++index) {
    ask_about(view, index);
  }
  FOREBAY_CHECK(view.find("no/such/path", 12) == kNoEntry ||
                path_of(view, view.find("no/such/path", 12)) == "no/such/path");
  return true;
}

}  // namespace forebay::fuzz
