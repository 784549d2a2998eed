#include "server/path_selection.hpp"

#include <fnmatch.h>

namespace forebay {

namespace {

// The end of the bracket set that starts at `at`, or npos when it never ends.
std::size_t end_of_set(std::string_view pattern, std::size_t at) {
  std::size_t end = at + 1;
  if (end < pattern.size() && (pattern[end] == '!' || pattern[end] == '^')) {
    ++end;
  }
  const std::size_t close = pattern.find(']', end + 1);
  return close == std::string_view::npos ? close : close + 1;
}

// Matches one non-star element of `pattern` at *at against `c`; moves *at behind it.
bool element_matches(std::string_view pattern, std::size_t* at, char c) {
  const std::size_t start = *at;
  if (pattern[start] == '[') {
    if (const std::size_t end = end_of_set(pattern, start); end != std::string_view::npos) {
      *at = end;
      const std::string set(pattern.substr(start, end - start));
      const char text[2] = {c, '\0'};
      return c != '/' && ::fnmatch(set.c_str(), text, 0) == 0;
    }
  }
  if (pattern[start] == '\\' && start + 1 < pattern.size()) {
    *at = start + 2;
    return pattern[start + 1] == c;
  }
  *at = start + 1;
  return pattern[start] == '?' ? c != '/' : pattern[start] == c;
}

std::string without_last_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') {
    path.pop_back();
  }
  return path;
}

// The dataset whose mount holds `path`, the deepest one where mounts nest; datasets.size(): none.
std::uint32_t dataset_of(const StagedDatasets& datasets, const std::string& path) {
  auto best = static_cast<std::uint32_t>(datasets.size());
  for (std::uint32_t k = 0; k < datasets.size(); ++k) {
    const std::string& mount = datasets[k].mount;
    if (path.starts_with(mount) && (path.size() == mount.size() || path[mount.size()] == '/') &&
        (best == datasets.size() || mount.size() > datasets[best].mount.size())) {
      best = k;
    }
  }
  return best;
}

}  // namespace

// Backtracks to the last star only, and from a star that cannot pass a '/' to the last double star: linear in
// practice, never exponential.
bool glob_matches(std::string_view pattern, std::string_view path) {
  struct Star {
    std::size_t pattern = std::string_view::npos;
    std::size_t path = 0;
  };
  Star single;
  Star twofold;
  std::size_t p = 0;
  std::size_t t = 0;
  while (t < path.size() || p < pattern.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      if (p + 1 < pattern.size() && pattern[p + 1] == '*') {
        p += 2;
        twofold = {p, t};
        single = {};
      } else {
        single = {++p, t};
      }
      continue;
    }
    std::size_t next = p;
    if (p < pattern.size() && t < path.size() && element_matches(pattern, &next, path[t])) {
      p = next;
      ++t;
    } else if (single.pattern != std::string_view::npos && single.path < path.size() &&
               path[single.path] != '/') {
      p = single.pattern;
      t = ++single.path;
    } else if (twofold.pattern != std::string_view::npos && twofold.path < path.size()) {
      single = {};
      p = twofold.pattern;
      t = ++twofold.path;
    } else {
      return false;
    }
  }
  return true;
}

std::uint32_t PathSelection::find(const StagedDatasets& datasets, const std::string& path,
                                  std::uint32_t* dataset) {
  const std::string wanted = without_last_slashes(path);
  const std::uint32_t k = dataset_of(datasets, wanted);
  if (k == datasets.size()) {
    return kNoEntry;
  }
  *dataset = k;
  const std::size_t start = std::min(wanted.size(), datasets[k].mount.size() + 1);
  return datasets[k].view().find(wanted.data() + start, wanted.size() - start);
}

std::uint32_t PathSelection::find_holder(const StagedDatasets& datasets, const std::string& path,
                                         std::uint32_t* dataset) {
  std::string at = without_last_slashes(path);
  const std::uint32_t k = dataset_of(datasets, at);
  if (k == datasets.size()) {
    return kNoEntry;
  }
  const CatalogView& view = datasets[k].view();
  for (*dataset = k; at.size() > datasets[k].mount.size(); at.erase(at.rfind('/'))) {
    const std::size_t start = datasets[k].mount.size() + 1;
    const std::uint32_t found = view.find(at.data() + start, at.size() - start);
    if (found != kNoEntry && CatalogView::is_directory(view.entry(found))) {
      return found;
    }
  }
  return 0;
}

Result<PathSelection> PathSelection::make(const StagedDatasets& datasets,
                                          const std::vector<std::string>& paths) {
  PathSelection selection(datasets);
  selection.everything_ = paths.empty();
  for (const auto& path : paths) {
    std::uint32_t dataset = 0;
    const std::uint32_t entry = find(datasets, path, &dataset);
    if (entry != kNoEntry) {
      const CatalogEntry& found = datasets[dataset].view().entry(entry);
      const std::uint32_t holder = CatalogView::is_object(found) ? found.count : entry;
      selection.roots_.insert(ObjectKey{dataset, holder}.packed());
    } else if (path.find_first_of("*?[") != std::string::npos) {
      selection.globs_.push_back(path);
    } else {
      return Error{Code::not_found, path + " is not in a staged dataset", ENOENT};
    }
  }
  return selection;
}

bool PathSelection::selects(ObjectKey object) const {
  if (everything_) {
    return true;
  }
  const StagedDataset& dataset = (*datasets_)[object.dataset];
  if (!roots_.empty()) {
    for (std::uint32_t at = object.entry;; at = dataset.view().entry(at).parent) {
      if (roots_.contains(ObjectKey{object.dataset, at}.packed())) {
        return true;
      }
      if (at == 0) {
        break;
      }
    }
  }
  if (globs_.empty()) {
    return false;
  }
  const std::string path = dataset.mount + "/" + dataset.catalog->path_of(object.entry);
  // The object itself, or a directory it is below.
  for (std::size_t end = path.size(); end != std::string::npos && end > dataset.mount.size();
       end = path.rfind('/', end - 1)) {
    for (const auto& glob : globs_) {
      if (glob_matches(glob, std::string_view(path).substr(0, end))) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace forebay
