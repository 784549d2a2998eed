// The names that uploads have at a destination until they are published: `.<name>.forebay-<16 hex digits>`.
#pragma once

#include <algorithm>
#include <string_view>

namespace forebay {

// Never shown to programs.
inline bool is_temporary_name(std::string_view name) {
  constexpr std::string_view kMark = ".forebay-";
  constexpr std::size_t kTagDigits = 16;
  if (name.size() < 1 + kMark.size() + kTagDigits || name.front() != '.') {
    return false;
  }
  const auto tag = name.substr(name.size() - kTagDigits);
  const bool hexadecimal = std::all_of(
      tag.begin(), tag.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  return hexadecimal && name.substr(0, name.size() - kTagDigits).ends_with(kMark);
}

}  // namespace forebay
