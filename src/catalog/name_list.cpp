#include "catalog/name_list.hpp"

#include <algorithm>
#include <charconv>
#include <climits>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

#include "catalog/listing_codec.hpp"
#include "common/text_file.hpp"

namespace forebay {
namespace {

constexpr std::size_t kNameTextBytesMax = 2 * PATH_MAX;  // a root, a path, and ranges in it

// "{0008..0012}" and where it stands in a name.
struct NumberRange {
  std::size_t at;
  std::size_t bytes;
  std::uint64_t first;
  std::uint64_t last;
  std::size_t digits;  // at least
};

// The digits at the beginning of `text`; no more than a number holds.
std::string_view digits_of(std::string_view text) {
  constexpr std::size_t kDigitsMax = 18;
  const auto end = std::min(text.find_first_not_of("0123456789"), text.size());
  return end <= kDigitsMax ? text.substr(0, end) : std::string_view();
}

std::uint64_t number_of(std::string_view digits) {
  std::uint64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

std::optional<NumberRange> range_at(std::string_view name, std::size_t at) {
  const auto first = digits_of(name.substr(at + 1));
  const auto dots = at + 1 + first.size();
  if (first.empty() || name.substr(dots, 2) != "..") {
    return std::nullopt;
  }
  const auto last = digits_of(name.substr(dots + 2));
  const auto end = dots + 2 + last.size();
  if (last.empty() || name.substr(end, 1) != "}") {
    return std::nullopt;
  }
  const bool padded = first.starts_with('0') || last.starts_with('0');
  return NumberRange{at, end + 1 - at, number_of(first), number_of(last),
                     padded ? std::max(first.size(), last.size()) : 1};
}

std::optional<NumberRange> first_range(std::string_view name) {
  for (auto at = name.find('{'); at != std::string_view::npos; at = name.find('{', at + 1)) {
    if (const auto range = range_at(name, at)) {
      return range;
    }
  }
  return std::nullopt;
}

// Appends the names that `name` stands for. One call deep for each range.
Status expand(std::string_view name, std::vector<std::string>& into) {
  const auto range = first_range(name);
  if (!range) {
    if (into.size() >= NameList::kNamesMax) {
      return Error{Code::bad_argument, fmt::format("more than {} names", NameList::kNamesMax)};
    }
    into.emplace_back(name);
    return {};
  }
  if (range->first > range->last) {
    return Error{Code::bad_argument,
                 fmt::format("'{}' is an empty range", name.substr(range->at, range->bytes))};
  }
  std::vector<std::string> behind;
  FOREBAY_TRY(expand(name.substr(range->at + range->bytes), behind));
  const auto numbers = range->last - range->first + 1;
  if (numbers > (NameList::kNamesMax - std::min(into.size(), NameList::kNamesMax)) / behind.size()) {
    return Error{Code::bad_argument, fmt::format("more than {} names", NameList::kNamesMax)};
  }
  for (auto number = range->first; number <= range->last; ++number) {
    for (const auto& rest : behind) {
      into.push_back(fmt::format("{}{:0{}}{}", name.substr(0, range->at), number, range->digits, rest));
    }
  }
  return {};
}

// The canonical relative path that `name` means; empty when it is none.
std::string relative_path(std::string_view name, std::span<const std::string> roots) {
  for (const auto& root : roots) {
    if (name.size() > root.size() && name.starts_with(root) && name[root.size()] == '/') {
      name.remove_prefix(root.size() + 1);
      break;
    }
  }
  while (name.starts_with("./")) {
    name.remove_prefix(2);
  }
  if (name.ends_with('/')) {
    name.remove_suffix(1);
  }
  return is_canonical_relative_path(name) && name.size() < PATH_MAX ? std::string(name) : std::string();
}

}  // namespace

NameList::NameList(std::vector<std::string> names) : names_(std::move(names)) {
  std::sort(names_.begin(), names_.end());
  names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
}

Result<NameList> NameList::parse(std::string_view text, std::span<const std::string> roots) {
  const bool by_line = text.find('\0') == std::string_view::npos;
  std::vector<std::string> names;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const auto end = text.find(by_line ? '\n' : '\0');
    auto name = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (by_line && name.ends_with('\r')) {
      name.remove_suffix(1);
    }
    if (name.empty()) {
      continue;
    }
    const auto where = fmt::format("{} {}", by_line ? "line" : "name", number);
    const auto before = names.size();
    if (name.size() > kNameTextBytesMax) {
      return Error{Code::bad_argument, fmt::format("{} is too long", where)};
    }
    if (!by_line) {
      names.emplace_back(name);
    } else if (auto expanded = expand(name, names); !expanded.ok()) {
      return Error{Code::bad_argument, fmt::format("{}: {}", where, expanded.error().text)};
    }
    for (auto at = before; at < names.size(); ++at) {
      auto path = relative_path(names[at], roots);
      if (path.empty()) {
        return Error{Code::bad_argument,
                     fmt::format("{}: '{}' is no path below the origin", where, names[at])};
      }
      names[at] = std::move(path);
    }
  }
  if (names.empty()) {
    return Error{Code::bad_argument, "there is no name in it"};
  }
  return NameList(std::move(names));
}

Result<NameList> NameList::read(const std::string& file, std::span<const std::string> roots) {
  const auto what = file == "-" ? std::string("the list on standard input") : file;
  FOREBAY_ASSIGN(
      text, file == "-" ? read_text(STDIN_FILENO, what, kTextBytesMax) : read_text_file(file, kTextBytesMax));
  auto names = parse(text, roots);
  if (!names.ok()) {
    return Error{Code::bad_argument, fmt::format("{}: {}", what, names.error().text)};
  }
  return names;
}

bool NameList::has(std::string_view path) const {
  for (auto end = path.size(); end != std::string_view::npos; end = path.rfind('/', end - 1)) {
    if (std::binary_search(names_.begin(), names_.end(), path.substr(0, end), std::less<>())) {
      return true;
    }
    if (end == 0) {
      break;
    }
  }
  return false;
}

bool NameList::leads_on(std::string_view path) const {
  const auto stem = path.empty() ? std::string() : std::string(path) + "/";
  const auto at = std::lower_bound(names_.begin(), names_.end(), stem);
  return at != names_.end() && at->starts_with(stem);
}

}  // namespace forebay
