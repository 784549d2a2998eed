// StageSpec: one `--stage ORIGIN[=MOUNT]`.
//
// ORIGIN is where the data lives, MOUNT the path applications use; without it, applications use ORIGIN's own
// path. The last `=` that a `/` follows separates the two, so that `/data/dt=2024` needs no care; `\=` is a
// literal `=`, and before an `=` `\\` is a literal backslash. ORIGIN may be a URL, or `manifest:` and the URL
// or path of a manifest; these need a MOUNT. A directory of such a name is `./manifest:...`.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace forebay {

// What an origin begins with that is a manifest, of a URL or an absolute path.
inline constexpr std::string_view kManifestPrefix = "manifest:";

struct StageSpec {
  std::string origin;  // absolute, links not resolved; or a URL; or either behind `manifest:`
  std::string mount;   // absolute, normalised, without trailing slash, links not resolved
  friend bool operator==(const StageSpec&, const StageSpec&) = default;
};

// Relative paths are below `working_directory`. Code: bad_argument (empty, a NUL, the mount is `/` or too
// long).
Result<StageSpec> parse_stage(std::string_view text, const std::string& working_directory);
// What parse_stage() reads back as `spec`.
std::string stage_text(const StageSpec& spec);
// A mount may lie inside another: the deepest that holds a path is meant. Code: bad_argument (a mount equal
// to another, more than kDatasetsMax).
Status check_stages(std::span<const StageSpec> stages);

// Whether an origin is a store behind an address, or a manifest: nothing of it is in any file system.
[[nodiscard]] bool is_url(std::string_view origin) noexcept;

// `path` below `working_directory` made absolute, without `.`, `..`, doubled or trailing slashes; links are
// not resolved.
std::string absolute_path(std::string_view path, const std::string& working_directory);

}  // namespace forebay
