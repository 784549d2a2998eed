#include "config/stage_spec.hpp"

#include <optional>

#include <fmt/format.h>

#include "shared/session_layout.hpp"

namespace forebay {
namespace {

// How many backslashes stand right before `at`.
std::size_t backslashes_before(std::string_view text, std::size_t at) {
  std::size_t count = 0;
  while (count < at && text[at - 1 - count] == '\\') {
    ++count;
  }
  return count;
}

// Where the separator is: the last unescaped '=' with a '/' behind it.
std::optional<std::size_t> separator_of(std::string_view text) {
  for (std::size_t at = text.size(); at-- > 0;) {
    if (text[at] == '=' && at + 1 < text.size() && text[at + 1] == '/' &&
        backslashes_before(text, at) % 2 == 0) {
      return at;
    }
  }
  return std::nullopt;
}

// Backslashes mean something before an '=' alone: two are one, and one that is left escapes it.
// `before_separator`: the text's end is before one.
std::string without_escapes(std::string_view text, bool before_separator) {
  std::string plain;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() ? text[i] == '=' : before_separator) {
      plain.resize(plain.size() - (backslashes_before(text, i) + 1) / 2);
    }
    plain.append(text.substr(i, 1));
  }
  return plain;
}

std::string with_escapes(std::string_view text, bool before_separator) {
  std::string escaped;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const bool is_equals = i < text.size() && text[i] == '=';
    if (is_equals || (i == text.size() && before_separator)) {
      escaped.append(backslashes_before(text, i) + (is_equals ? 1 : 0), '\\');
    }
    escaped.append(text.substr(i, 1));
  }
  return escaped;
}

}  // namespace

std::string absolute_path(std::string_view path, const std::string& working_directory) {
  const std::string whole =
      path.starts_with('/') ? std::string(path) : working_directory + "/" + std::string(path);
  std::string normal;
  for (std::size_t at = 0; at < whole.size();) {
    const auto end = std::min(whole.find('/', at), whole.size());
    const auto part = std::string_view(whole).substr(at, end - at);
    if (part == "..") {
      normal.erase(normal.empty() ? 0 : normal.rfind('/'));
    } else if (!part.empty() && part != ".") {
      normal.append("/").append(part);
    }
    at = end + 1;
  }
  return normal.empty() ? "/" : normal;
}

bool is_url(std::string_view origin) noexcept {
  return origin.find("://") != std::string_view::npos || origin.starts_with(kManifestPrefix);
}

Result<StageSpec> parse_stage(std::string_view text, const std::string& working_directory) {
  const auto separator = separator_of(text);
  const auto origin = without_escapes(text.substr(0, separator.value_or(text.size())), separator.has_value());
  const auto mount = separator ? without_escapes(text.substr(*separator + 1), false) : origin;
  if (text.find('\0') != std::string_view::npos) {
    return Error{Code::bad_argument, "a path has a NUL byte in it (no file has)"};
  }
  if (origin.empty()) {
    return Error{Code::bad_argument,
                 fmt::format("'{}' names no directory (it is empty) write DIR or DIR=/MOUNT", text)};
  }
  StageSpec spec;
  // Not normalised: the kernel resolves `..` behind a link, text cannot.
  const bool is_manifest = origin.starts_with(kManifestPrefix);
  const auto place = origin.substr(is_manifest ? kManifestPrefix.size() : 0);
  if (is_manifest && place.empty()) {
    return Error{Code::bad_argument,
                 fmt::format("'{}' names no manifest (it is empty) write manifest:URL=/MOUNT", text)};
  }
  spec.origin = place.find("://") != std::string::npos || place.starts_with('/')
                    ? origin
                    : std::string(is_manifest ? kManifestPrefix : "") + working_directory + "/" + place;
  if (is_url(origin) && !separator) {
    return Error{Code::bad_argument,
                 fmt::format("'{0}' has no mount (it is not a directory) write {0}=/MOUNT", text)};
  }
  spec.mount = absolute_path(mount, working_directory);
  if (spec.mount == "/") {
    return Error{Code::bad_argument,
                 fmt::format("'{}' cannot be mounted at / (everything would be below it)", text)};
  }
  if (spec.mount.size() >= kMountBytesMax || spec.origin.size() >= kMountBytesMax) {
    return Error{Code::bad_argument,
                 fmt::format("'{}' cannot be mounted (a path above {} bytes)", text, kMountBytesMax - 1)};
  }
  return spec;
}

std::string stage_text(const StageSpec& spec) {
  return with_escapes(spec.origin, true) + "=" + with_escapes(spec.mount, false);
}

Status check_stages(std::span<const StageSpec> stages) {
  if (stages.size() > kDatasetsMax) {
    return Error{Code::bad_argument,
                 fmt::format("{} datasets are too many (at most {})", stages.size(), kDatasetsMax)};
  }
  for (std::size_t i = 0; i < stages.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      if (stages[i].mount == stages[k].mount) {
        return Error{
            Code::bad_argument,
            fmt::format("two datasets are mounted at {} (a path would be in both)", stages[i].mount)};
      }
    }
  }
  return {};
}

}  // namespace forebay
