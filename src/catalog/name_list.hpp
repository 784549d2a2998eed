// NameList: the names of one dataset that are staged, where not all of it is (`--stage-list`).
//
// Its text is a name a line, or, where a byte of it is NUL, names that each end in NUL. A name is a path
// below the origin's root, or the whole path: the origin or the mount, and a path below. A directory's means
// all below it. In lines `{0000..9999}` stands for each number of that range, with as many digits as its ends
// are written with where one begins with a zero; empty lines are skipped, and a line may end in CR LF. Names
// that end in NUL are taken as they are.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace forebay {

// Immutable; safe from any thread.
class NameList {
 public:
  static constexpr std::size_t kNamesMax = std::size_t{1} << 26;
  static constexpr std::size_t kTextBytesMax = std::size_t{1} << 32;

  // Of canonical relative paths, in any order.
  explicit NameList(std::vector<std::string> names);
  // `roots`: what whole paths begin with. Code: bad_argument, with the line's number (no path below the root,
  // too many names, none at all).
  static Result<NameList> parse(std::string_view text, std::span<const std::string> roots);
  // The same of a file; "-" is standard input, to its end. Codes: not_found, permission, io_error,
  // bad_argument.
  static Result<NameList> read(const std::string& file, std::span<const std::string> roots);

  // Sorted, each once.
  [[nodiscard]] const std::vector<std::string>& names() const noexcept { return names_; }
  // Whether `path` is named, or something above it is.
  [[nodiscard]] bool has(std::string_view path) const;
  // Whether something below directory `path` is named.
  [[nodiscard]] bool leads_on(std::string_view path) const;

 private:
  std::vector<std::string> names_;
};

}  // namespace forebay
