#include "catalog/catalog_verify.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "catalog/catalog_layout_plan.hpp"
#include "common/open_mp.hpp"
#include "shared/catalog_view.hpp"
#include "shared/session_layout.hpp"

namespace forebay {
namespace {

constexpr std::uint16_t kAllFlags =
    kEntryLeftToOrigin | kEntryHasXattrs | kEntryMountPoint | kEntryHasLocator;

// Each check relies on those before it in run().
class Verifier {
 public:
  explicit Verifier(const void* base)
      : base_(static_cast<const char*>(base)), view_(base), h_(view_.header()) {}

  // What is wrong, or nullptr.
  const char* run() {
    const struct {
      bool (Verifier::*holds)() const;
      const char* otherwise;
    } checks[] = {
        {&Verifier::sections_lie_as_planned, "its sections do not lie where they should"},
        {&Verifier::checksum_matches, "its checksum does not match"},
        {&Verifier::entries_refer_inside, "an entry refers to what is not there"},
        {&Verifier::tree_is_breadth_first, "its directories are not in order"},
        {&Verifier::names_and_hashes_agree, "names are wrong or not in order"},
        {&Verifier::stripes_add_up, "its stripes do not add up"},
        {&Verifier::index_agrees, "its index does not agree with its entries"},
    };
    for (const auto& check : checks) {
      if (!(this->*check.holds)()) {
        return check.otherwise;
      }
    }
    return nullptr;
  }

 private:
  bool sections_lie_as_planned() const {
    if (h_.owner_count > UINT16_MAX + 1u || h_.file_system_count > UINT16_MAX + 1u) {
      return false;
    }
    const auto plan = plan_catalog({.entries = h_.entry_count,
                                    .owners = h_.owner_count,
                                    .file_systems = h_.file_system_count,
                                    .strings_bytes = h_.strings_bytes});
    return plan.ok() && plan->entries_offset == h_.entries_offset && plan->index_offset == h_.index_offset &&
           plan->index_slots == h_.index_slots && plan->owners_offset == h_.owners_offset &&
           plan->file_systems_offset == h_.file_systems_offset && plan->strings_offset == h_.strings_offset &&
           plan->file_bytes == h_.file_bytes;
  }

  bool checksum_matches() const { return h_.checksum == catalog_checksum(base_, h_.file_bytes); }

  bool text_is_inside(std::uint64_t offset, std::uint64_t bytes) const {
    return offset <= h_.strings_bytes && bytes <= h_.strings_bytes - offset;
  }

  bool locator_is_inside(const CatalogEntry& e) const {
    if ((e.flags & kEntryHasLocator) == 0) {
      return true;
    }
    return S_ISREG(e.mode) && text_is_inside(e.name.offset(), e.name.bytes() + sizeof(std::uint16_t)) &&
           text_is_inside(e.name.offset(), e.name.bytes() + sizeof(std::uint16_t) + view_.locator_bytes(e));
  }

  bool entry_refers_inside(std::uint32_t index) const {
    const CatalogEntry& e = view_.entry(index);
    const bool left = (e.flags & kEntryLeftToOrigin) != 0;
    const bool link = S_ISLNK(e.mode) && !left;
    if (link && (e.size == 0 || e.size > UINT16_MAX)) {
      return false;
    }
    return e.owner < h_.owner_count && e.file_system < h_.file_system_count && (e.flags & ~kAllFlags) == 0 &&
           text_is_inside(e.name.offset(), e.name.bytes() + (link ? e.size : 0)) && locator_is_inside(e) &&
           (left || S_ISREG(e.mode) || S_ISDIR(e.mode) || S_ISLNK(e.mode));
  }

  bool is_seed_of_origin(std::uint64_t seed) const {
    for (std::uint32_t instance = 0; instance < kDatasetsMax; ++instance) {
      if (seed == hash_bytes(view_.text(h_.origin), h_.origin.bytes(), instance)) {
        return true;
      }
    }
    return false;
  }

  bool entries_refer_inside() const {
    if (!text_is_inside(h_.origin.offset(), h_.origin.bytes()) || !is_seed_of_origin(h_.path_seed)) {
      return false;
    }
    bool good = true;
#pragma omp parallel for schedule(static) reduction(&& : good) if (kMayUseThreads)
    for (std::uint32_t i = 0; i < h_.entry_count; ++i) {
      good = good && entry_refers_inside(i);
    }
    return good;
  }

  // Every entry but the root is in exactly one directory's run of children, behind that directory: so
  // following parents always ends at the root.
  bool tree_is_breadth_first() const {
    std::uint32_t next = 1;
    std::uint32_t directories = 0;
    for (std::uint32_t i = 0; i < h_.entry_count; ++i) {
      const CatalogEntry& e = view_.entry(i);
      if (!S_ISDIR(e.mode)) {
        continue;
      }
      ++directories;
      if (e.first != next || next <= i || e.count > h_.entry_count - next) {
        return false;
      }
      next += e.count;
    }
    const CatalogEntry& root = view_.entry(0);
    return next == h_.entry_count && directories == h_.directory_count && S_ISDIR(root.mode) &&
           root.parent == 0 && root.name.bytes() == 0 && root.path_hash == hash_bytes("", 0, h_.path_seed);
  }

  bool is_name(const CatalogEntry& e) const {
    const std::string_view name(view_.name(e), e.name.bytes());
    return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
           name.find('\0') == std::string_view::npos;
  }

  bool children_agree(std::uint32_t directory, std::string& path) const {
    const CatalogEntry& parent = view_.entry(directory);
    // The path of the directory, then of each child in turn.
    std::int64_t bytes = -1;
    while ((bytes = view_.path_of(directory, path.data(), path.size())) < 0) {
      path.resize(std::max<std::size_t>(4096, path.size() * 2));
    }
    path.resize(static_cast<std::size_t>(bytes));
    if (directory != 0) {
      path += '/';
    }
    const std::size_t stem = path.size();
    std::string_view previous;
    for (std::uint32_t i = parent.first; i < parent.first + parent.count; ++i) {
      const CatalogEntry& child = view_.entry(i);
      const std::string_view name(view_.name(child), child.name.bytes());
      path.resize(stem);
      path += name;
      if (child.parent != directory || !is_name(child) || (i != parent.first && name <= previous) ||
          child.path_hash != hash_bytes(path.data(), path.size(), h_.path_seed)) {
        return false;
      }
      previous = name;
    }
    return true;
  }

  bool names_and_hashes_agree() const {
    // Parents first: path_of() below follows them.
    for (std::uint32_t i = 0; i < h_.entry_count; ++i) {
      const CatalogEntry& e = view_.entry(i);
      if (i != 0 && (e.parent >= i || !S_ISDIR(view_.entry(e.parent).mode))) {
        return false;
      }
    }
    bool good = true;
#pragma omp parallel reduction(&& : good) if (kMayUseThreads)
    {
      std::string path;
#pragma omp for schedule(dynamic, 64)
      for (std::uint32_t i = 0; i < h_.entry_count; ++i) {
        if (S_ISDIR(view_.entry(i).mode) && view_.entry(i).count != 0) {
          good = good && children_agree(i, path);
        }
      }
    }
    return good;
  }

  // `e` is another name of the file that `head` names.
  bool same_file(const CatalogEntry& e, const CatalogEntry& head) const {
    return CatalogView::is_object(head) && e.first == head.first && e.size == head.size &&
           e.inode == head.inode && e.mtime_ns == head.mtime_ns && e.ctime_ns == head.ctime_ns &&
           view_.file_system(e).device == view_.file_system(head).device;
  }

  bool stripes_add_up() const {
    std::uint64_t stripes = 0;
    std::uint64_t bytes = 0;
    std::uint32_t objects = 0;
    for (std::uint32_t i = 0; i < h_.entry_count; ++i) {
      const CatalogEntry& e = view_.entry(i);
      if (S_ISDIR(e.mode)) {
        continue;
      }
      if (!CatalogView::is_object(e)) {
        if (e.first != 0 || e.count != 0) {
          return false;
        }
        continue;
      }
      if (e.count != i) {
        if (e.count > i || view_.entry(e.count).count != e.count || !same_file(e, view_.entry(e.count))) {
          return false;
        }
        continue;
      }
      if (e.first != stripes || e.size / h_.stripe_bytes >= UINT32_MAX) {
        return false;
      }
      stripes += stripes_of(e.size, h_.stripe_bytes);
      if (stripes > h_.stripe_count) {
        return false;
      }
      bytes += e.size;
      ++objects;
    }
    return stripes == h_.stripe_count && bytes == h_.dataset_bytes && objects == h_.object_count;
  }

  // Every entry is found, and as many slots are taken as there are entries to find: so no slot holds anything
  // else.
  bool index_agrees() const {
    const auto* slots = reinterpret_cast<const std::uint32_t*>(base_ + h_.index_offset);
    const std::uint32_t mask = h_.index_slots - 1;
    std::uint64_t taken = 0;
#pragma omp parallel for schedule(static) reduction(+ : taken) if (kMayUseThreads)
    for (std::uint32_t slot = 0; slot <= mask; ++slot) {
      taken += slots[slot] != 0 ? 1 : 0;
    }
    if (taken != h_.entry_count - 1) {
      return false;  // Also: some slot is empty, so the search below ends.
    }
    bool good = true;
#pragma omp parallel for schedule(static) reduction(&& : good) if (kMayUseThreads)
    for (std::uint32_t i = 1; i < h_.entry_count; ++i) {
      std::uint32_t slot = static_cast<std::uint32_t>(view_.entry(i).path_hash) & mask;
      while (slots[slot] != 0 && slots[slot] != i + 1) {
        slot = (slot + 1) & mask;
      }
      good = good && slots[slot] == i + 1;
    }
    return good;
  }

  const char* base_;
  CatalogView view_;
  const CatalogHeader& h_;
};

}  // namespace

Status verify_catalog(std::span<const std::byte> file, const std::string& what) {
  const char* problem = valid_catalog(file.data(), file.size())
                            ? Verifier(file.data()).run()
                            : "it is cut, or not a catalog of this version";
  if (problem != nullptr) {
    return Error{Code::corrupt, fmt::format("catalog {} is not usable ({})", what, problem)};
  }
  return {};
}

}  // namespace forebay
