#include "drain/tree_path.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>

#include <memory>

#include "shared/checkpoint_layout.hpp"

namespace forebay {

bool is_tree_path(std::string_view path) {
  if (path.size() >= kTreePathBytesMax || path.find('\0') != std::string_view::npos) {
    return false;
  }
  for (std::size_t at = 0; at < path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    const auto component = path.substr(at, end - at);
    if (component.empty() || component == "." || component == ".." || component.size() > NAME_MAX ||
        end + 1 == path.size()) {
      return false;
    }
    at = end + 1;
  }
  return true;
}

std::string parent_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return std::string(path.substr(0, slash == std::string_view::npos ? 0 : slash));
}

std::string name_of(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

std::string join_path(std::string_view directory, std::string_view name) {
  std::string path(directory);
  path += directory.empty() ? "" : "/";
  path += name;
  return path;
}

bool is_at_or_below(std::string_view path, std::string_view directory) {
  return directory.empty() ||
         (path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/'));
}

Result<UniqueFd> open_tree_directory(int tree_fd, std::string_view path, int flags) {
  if (!is_tree_path(path)) {
    return Error{Code::bad_argument, std::string(path) + " is no path of a checkpoint", EINVAL};
  }
  constexpr int kAlways = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  UniqueFd here;
  std::size_t at = 0;
  do {
    const auto end = std::min(path.find('/', at), path.size());
    const std::string component = path.empty() ? "." : std::string(path.substr(at, end - at));
    const int how = (end == path.size() ? flags : O_PATH) | kAlways;
    UniqueFd next(::openat(here.valid() ? here.get() : tree_fd, component.c_str(), how));
    if (!next.valid()) {
      const int why = errno;
      return why == ENOTDIR ? Error{Code::not_found, std::string(path) + " is no directory", why}
                            : error_from_errno("cannot open the directory " + std::string(path), why);
    }
    here = std::move(next);
    at = end + 1;
  } while (at < path.size());
  return here;
}

Result<std::vector<std::string>> names_in(int directory, const std::string& what) {
  const int copy = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(copy < 0 ? nullptr : ::fdopendir(copy), &::closedir);
  if (!stream) {
    return error_from_errno("cannot read " + what);
  }
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) {
      break;
    }
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") {
      names.emplace_back(name);
    }
  }
  if (errno != 0) {
    return error_from_errno("cannot read " + what);
  }
  return names;
}

}  // namespace forebay
