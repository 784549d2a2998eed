// Paths in a checkpoint's tree: relative, physical, "" is the root.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace forebay {

// Whether it can be one: no empty component, "." or "..", no NUL, within kTreePathBytesMax.
[[nodiscard]] bool is_tree_path(std::string_view path);

// Of a path that is not "": "a/b" and "c" of "a/b/c".
[[nodiscard]] std::string parent_of(std::string_view path);
[[nodiscard]] std::string name_of(std::string_view path);
[[nodiscard]] std::string join_path(std::string_view directory, std::string_view name);
// Whether `path` is `directory` or below it.
[[nodiscard]] bool is_at_or_below(std::string_view path, std::string_view directory);

// The directory `path` of the tree, following no link, however deep. `flags`: O_PATH to look up names in it,
// O_RDONLY to read them. Codes: not_found (also where a component is no directory; ENOENT or ENOTDIR),
// permission (a link in the way, ELOOP; or modes), bad_argument, io_error.
Result<UniqueFd> open_tree_directory(int tree_fd, std::string_view path, int flags);

// What is in the open directory, without "." and "..". `what` names it in errors.
Result<std::vector<std::string>> names_in(int directory, const std::string& what);

}  // namespace forebay
