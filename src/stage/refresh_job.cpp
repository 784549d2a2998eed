#include "stage/refresh_job.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <string_view>
#include <utility>

#include "common/log.hpp"
#include "origin/origin_retry.hpp"

namespace forebay {

namespace {

// Who may use it.
bool same_access(const CatalogView& view, const CatalogEntry& entry, const OriginAttributes& now) {
  const CatalogOwner& owner = view.owner(entry);
  return (now.mode & 07777) == (entry.mode & 07777) && now.uid == owner.uid && now.gid == owner.gid;
}

// Access times aside: reading moves them. Neither is the device compared: a network file system's number is
// each node's own.
bool same_version(const CatalogView& view, const CatalogEntry& entry, const OriginName& now) {
  const OriginAttributes& a = now.attributes;
  if ((a.mode & S_IFMT) != (entry.mode & S_IFMT) || a.inode != entry.inode || a.ctime_ns != entry.ctime_ns ||
      a.mtime_ns != entry.mtime_ns) {
    return false;
  }
  if (S_ISLNK(entry.mode)) {
    return now.link_target == std::string_view(view.link_target(entry), entry.size);
  }
  return S_ISDIR(entry.mode) || (a.size == entry.size && a.links == entry.links);
}

std::string_view name_of(const CatalogView& view, const CatalogEntry& entry) {
  return {view.name(entry), entry.name.bytes()};
}

}  // namespace

// What one unit of work found.
struct RefreshJob::Found {
  Totals counts;
  std::vector<InvalidateItem> items;

  void invalidate(std::uint32_t dataset, std::uint32_t entry, InvalidateScope scope) {
    items.push_back({dataset, entry, static_cast<std::uint32_t>(scope)});
  }
};

std::shared_ptr<RefreshJob> RefreshJob::make(const StagedDatasets& datasets, Invalidator& invalidator,
                                             Executor& executor, const std::atomic<bool>& stop,
                                             Options options) {
  return std::shared_ptr<RefreshJob>(
      new RefreshJob(datasets, invalidator, executor, stop, std::move(options)));
}

RefreshJob::RefreshJob(const StagedDatasets& datasets, Invalidator& invalidator, Executor& executor,
                       const std::atomic<bool>& stop, Options options)
    : datasets_(datasets),
      invalidator_(invalidator),
      executor_(executor),
      stop_(stop),
      options_(std::move(options)) {}

RefreshJob::Totals RefreshJob::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

void RefreshJob::start(Done done) {
  done_ = std::move(done);
  working_ = options_.threads;
  for (std::uint32_t i = 0; i < options_.threads; ++i) {
    executor_.post([self = shared_from_this()] { self->work(); });
  }
}

void RefreshJob::work() {
  Unit unit{};
  while (next_unit(&unit)) {
    Found found;
    compare(unit, &found);
    settle(found);
  }
  Totals last;
  {
    const std::lock_guard lock(mutex_);
    if (--working_ > 0) {
      return;
    }
    if (stop_) {
      totals_.status = Error{Code::cancelled, "stopped before everything was compared"};
    }
    totals_.finished = true;
    last = totals_;
  }
  done_(last);
}

bool RefreshJob::selects(std::uint32_t dataset, std::uint32_t entry) const {
  return !options_.selects || options_.selects(ObjectKey{dataset, entry});
}

// All nodes count the same units in the same order, and take each their own.
bool RefreshJob::next_unit(Unit* unit) {
  const std::lock_guard lock(mutex_);
  for (; dataset_ < datasets_.size() && !stop_; ++dataset_, entry_ = 0) {
    const CatalogView& view = datasets_[dataset_].view();
    while (entry_ < view.header().entry_count) {
      const std::uint32_t index = entry_++;
      const CatalogEntry& entry = view.entry(index);
      const bool directory = CatalogView::is_directory(entry);
      if (!directory && !options_.selects) {
        continue;  // Its directory is listed.
      }
      const bool selected = selects(dataset_, index);
      const bool listed_above = index != 0 && selects(dataset_, entry.parent);
      const bool lists =
          directory && !selected && options_.lists && options_.lists(ObjectKey{dataset_, index});
      if (!(directory ? selected || lists : selected && !listed_above)) {
        continue;
      }
      if (units_++ % options_.nodes == options_.self) {
        *unit = Unit{dataset_, index, !listed_above};
        return true;
      }
    }
  }
  return false;
}

void RefreshJob::compare(const Unit& unit, Found* found) {
  const CatalogEntry& entry = datasets_[unit.dataset].view().entry(unit.entry);
  if (unit.alone) {
    look_at(unit.dataset, unit.entry, found);
  }
  if (CatalogView::is_directory(entry) && (entry.flags & kEntryLeftToOrigin) == 0) {
    list(unit.dataset, unit.entry, found);
  }
}

void RefreshJob::gone(std::uint32_t dataset, std::uint32_t entry, Found* found) {
  ++found->counts.gone;
  found->invalidate(dataset, entry, InvalidateScope::subtree);
  if (entry != 0) {
    found->invalidate(dataset, datasets_[dataset].view().entry(entry).parent, InvalidateScope::entry);
  }
}

void RefreshJob::look_at(std::uint32_t dataset, std::uint32_t entry, Found* found) {
  const StagedDataset& set = datasets_[dataset];
  const auto now = tried_at_origin([&] { return set.origin->look_at(set.catalog->path_of(entry)); });
  if (now.ok()) {
    return compare_name(dataset, entry, *now, found);
  }
  ++found->counts.checked;
  const bool served = (set.view().entry(entry).flags & kEntryLeftToOrigin) == 0;
  if (now.error().code == Code::not_found || now.error().errno_value == ELOOP) {  // ELOOP: a link above it.
    if (served) {
      gone(dataset, entry, found);
    }
  } else if (now.error().code == Code::permission) {
    found->counts.changed += served ? 1 : 0;
    found->invalidate(dataset, entry, InvalidateScope::subtree);
  } else {
    log_warning("not compared: {}", now.error().text);
    ++found->counts.unreadable;
  }
}

void RefreshJob::compare_name(std::uint32_t dataset, std::uint32_t entry, const OriginName& now,
                              Found* found) {
  const StagedDataset& set = datasets_[dataset];
  const CatalogEntry& known = set.view().entry(entry);
  ++found->counts.checked;
  if ((known.flags & kEntryLeftToOrigin) != 0) {
    return;
  }
  const bool access = same_access(set.view(), known, now.attributes);
  if (!now.attributes.left_to_origin && access && same_version(set.view(), known, now)) {
    return;
  }
  ++found->counts.changed;
  // Who may no longer search a directory may no longer read what is in it.
  const bool all_below = CatalogView::is_directory(known) &&
                         (!access || (now.attributes.mode & S_IFMT) != (known.mode & unsigned{S_IFMT}));
  found->invalidate(dataset, entry, all_below ? InvalidateScope::subtree : InvalidateScope::entry);
}

void RefreshJob::list(std::uint32_t dataset, std::uint32_t directory, Found* found) {
  const StagedDataset& set = datasets_[dataset];
  const CatalogView& view = set.view();
  const CatalogEntry& known = view.entry(directory);
  auto listing = tried_at_origin([&] { return set.origin->list(set.catalog->path_of(directory)); });
  if (!listing.ok()) {
    // Gone, or something else stands there: counted where its own name is compared.
    if (listing.error().code == Code::not_found || listing.error().errno_value == ELOOP) {
      found->invalidate(dataset, directory, InvalidateScope::subtree);
    } else {
      log_warning("not compared: {}", listing.error().text);
      ++found->counts.unreadable;
    }
    return;
  }
  if (!listing->listable) {
    ++found->counts.unreadable;
    return found->invalidate(dataset, directory, InvalidateScope::subtree);
  }
  auto& names = listing->names;
  std::sort(names.begin(), names.end(),
            [](const OriginName& a, const OriginName& b) { return a.name < b.name; });
  std::uint32_t child = known.first;
  const std::uint32_t end = known.first + known.count;
  std::uint64_t came = 0;
  for (const auto& name : names) {
    while (child < end && name_of(view, view.entry(child)) < name.name) {
      look_at(dataset, child++, found);  // Not listed: gone, as a rule.
    }
    if (child == end || name_of(view, view.entry(child)) != name.name) {
      ++came;
    } else if (name.attributes.left_to_origin && (view.entry(child).flags & kEntryLeftToOrigin) == 0) {
      look_at(dataset, child++, found);  // Says why it cannot be had.
    } else {
      compare_name(dataset, child++, name, found);
    }
  }
  while (child < end) {
    look_at(dataset, child++, found);
  }
  if (came > 0 && !set.names_left_out) {
    found->counts.came += came;
    found->invalidate(dataset, directory, InvalidateScope::entry);
  }
}

// Every node has marked what was found before it counts.
void RefreshJob::settle(const Found& found) {
  Status told;
  if (!found.items.empty()) {
    const auto all_told = std::make_shared<std::promise<Status>>();
    invalidator_.invalidate(found.items, [all_told](const Status& status) { all_told->set_value(status); });
    told = all_told->get_future().get();
  }
  const std::lock_guard lock(mutex_);
  totals_.checked += found.counts.checked;
  totals_.changed += found.counts.changed;
  totals_.gone += found.counts.gone;
  totals_.came += found.counts.came;
  totals_.unreadable += found.counts.unreadable;
  if (!told.ok() && totals_.status.ok()) {
    totals_.status = told;
  }
}

}  // namespace forebay
