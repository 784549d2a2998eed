// PathSelection: which objects the paths of a verb mean (ipc/admin.hpp).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "common/result.hpp"
#include "stage/staged_dataset.hpp"

namespace forebay {

// `*` and `?` do not match '/', `**` does; [sets] as in fnmatch, `\` takes the next character as it is.
bool glob_matches(std::string_view pattern, std::string_view path);

// Immutable once made, so safe to share between threads. Holds memory by pattern, not by object.
class PathSelection {
 public:
  // `paths` are below mounts: of an object, of a directory (all below it), or globs of
  // either. None: everything. Codes: not_found (a
  // path without wildcards that names nothing of the job).
  static Result<PathSelection> make(const StagedDatasets& datasets, const std::vector<std::string>& paths);

  [[nodiscard]] bool selects(ObjectKey object) const;

  // The entry that `path` names, in *dataset, or kNoEntry.
  static std::uint32_t find(const StagedDatasets& datasets, const std::string& path, std::uint32_t* dataset);

  // The deepest directory of the catalogs that holds `path`, which need not exist; kNoEntry: no mount does.
  static std::uint32_t find_holder(const StagedDatasets& datasets, const std::string& path,
                                   std::uint32_t* dataset);

 private:
  explicit PathSelection(const StagedDatasets& datasets) : datasets_(&datasets) {}

  const StagedDatasets* datasets_;
  bool everything_ = false;
  std::unordered_set<std::uint64_t> roots_;  // ObjectKey::packed(), directories too.
  std::vector<std::string> globs_;
};

}  // namespace forebay
