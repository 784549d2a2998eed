// Where to cut a range of keys in two, so that two threads can list it. Pure functions of strings.
//
// Keys are UTF-8 and ordered by their bytes, which is the order of their characters. A cut is a string that
// need not be a key; it is UTF-8 without control characters, as stores want it in addresses. Of a listing by
// one level it has no '/' behind the prefix, so that all keys below a common prefix are on one side of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace forebay {

// Keys above `after` and not above `upto`.
struct KeyRange {
  std::string_view after;
  std::string_view upto;  // empty: to the last key of the prefix
};

struct KeyShape {
  std::string_view prefix;  // all keys begin with it, and `after` too
  bool one_level = false;   // by '/'
};

// A cut between the ends, neither of them. At the first character where there is room: halfway to the last of
// its kind (9, Z, z), or behind its kind when it is the last. Nothing: there is no room, or an end is not
// UTF-8.
[[nodiscard]] std::optional<std::string> middle_cut(const KeyRange& range, const KeyShape& shape);

// The same when nothing was found behind the last cut: keys from `first` to `range.after` are known, and what
// these two begin with is likely to be what all begin with. Cuts behind half of that.
[[nodiscard]] std::optional<std::string> narrowing_cut(std::string_view first, const KeyRange& range,
                                                       const KeyShape& shape);

// How many keys are left in `range` when `known` of them are from `first` to `range.after`, and they lie
// evenly. A guess.
[[nodiscard]] double guess_keys_left(std::string_view first, std::uint64_t known, const KeyRange& range,
                                     const KeyShape& shape);

}  // namespace forebay
