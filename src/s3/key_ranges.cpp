#include "s3/key_ranges.hpp"

#include <algorithm>
#include <array>

namespace forebay {
namespace {

constexpr std::uint32_t kNone = 0;
constexpr std::uint32_t kOpen = 0x110000;  // above all characters
constexpr std::size_t kKeyBytesMax = 1024;

struct Character {
  std::uint32_t code = kNone;
  std::size_t bytes = 0;  // 0: not UTF-8, or the end
};

Character character_at(std::string_view text, std::size_t at) {
  if (at >= text.size()) {
    return {};
  }
  const auto lead = static_cast<unsigned char>(text[at]);
  if (lead < 0x80) {
    return {lead, 1};
  }
  const std::size_t bytes = lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
  if (bytes == 0 || lead >= 0xf5 || at + bytes > text.size()) {
    return {};
  }
  std::uint32_t code = lead & (0xffU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    const auto next = static_cast<unsigned char>(text[at + i]);
    if ((next & 0xc0U) != 0x80) {
      return {};
    }
    code = code << 6 | (next & 0x3fU);
  }
  constexpr std::array<std::uint32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = code >= 0xd800 && code < 0xe000;
  return code < kLeast[bytes] || code >= kOpen || is_surrogate ? Character{} : Character{code, bytes};
}

void append_character(std::string& text, std::uint32_t code) {
  if (code < 0x80) {
    text += static_cast<char>(code);
    return;
  }
  const int bytes = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  constexpr std::array<unsigned, 5> kLead = {0, 0, 0xc0, 0xe0, 0xf0};
  text += static_cast<char>(kLead[static_cast<std::size_t>(bytes)] | code >> 6 * (bytes - 1));
  for (int i = bytes - 2; i >= 0; --i) {
    text += static_cast<char>(0x80U | (code >> 6 * i & 0x3fU));
  }
}

// `code`, or the next above that a cut may have; kOpen: there is none.
std::uint32_t usable(std::uint32_t code, bool one_level) {
  code = std::max<std::uint32_t>(code, ' ');
  if (code == '/' && one_level) {
    return '0';
  }
  if (code >= 0x7f && code <= 0xa0) {
    return 0xa1;
  }
  if (code >= 0xd800 && code < 0xe000) {
    return 0xe000;
  }
  return std::min(code, kOpen);
}

// The first character behind those of the same kind.
std::uint32_t end_of_kind(std::uint32_t code) {
  for (const auto& [first, last] : {std::pair{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}) {
    if (code >= static_cast<std::uint32_t>(first) && code <= static_cast<std::uint32_t>(last)) {
      return static_cast<std::uint32_t>(last) + 1;
    }
  }
  // Scripts lie near each other.
  for (const std::uint32_t end : {0x7fU, 0x800U, 0x3000U, 0xa000U, 0x10000U}) {
    if (code + 1 < end) {
      return end;
    }
  }
  return kOpen;
}

// Where in `after` another character can be put.
struct Place {
  std::size_t at = 0;
  std::uint32_t low = kNone;   // a cut has a character above this one
  std::uint32_t high = kOpen;  // and below this
};

std::optional<Place> place_in(const KeyRange& range, const KeyShape& shape) {
  const bool is_open = !range.upto.starts_with(shape.prefix) || range.upto.size() == shape.prefix.size();
  Place place;
  place.at = shape.prefix.size();
  Character low = character_at(range.after, place.at);
  if (!is_open) {
    while (low.bytes != 0 &&
           range.upto.substr(place.at, low.bytes) == range.after.substr(place.at, low.bytes)) {
      place.at += low.bytes;
      low = character_at(range.after, place.at);
    }
    const auto high = character_at(range.upto, place.at);
    if (high.bytes == 0) {
      return std::nullopt;
    }
    // What goes on behind its character is above that character alone.
    place.high = high.code + (place.at + high.bytes < range.upto.size() ? 1 : 0);
  }
  if (low.bytes != 0 && usable(low.code + 1, shape.one_level) >= place.high) {
    place.at += low.bytes;
    place.high = kOpen;
    low = character_at(range.after, place.at);
  }
  if (low.bytes == 0 && place.at < range.after.size()) {
    return std::nullopt;
  }
  place.low = low.code;
  const auto same = range.after.substr(0, place.at).substr(shape.prefix.size());
  if (shape.one_level && same.find('/') != std::string_view::npos) {
    return std::nullopt;
  }
  return place;
}

std::optional<std::string> cut_at(const KeyRange& range, std::size_t at, std::uint32_t code) {
  if (code >= kOpen) {
    return std::nullopt;
  }
  std::string cut(range.after.substr(0, at));
  append_character(cut, code);
  const bool is_between = cut > range.after && (range.upto.empty() || cut < range.upto);
  return is_between && cut.size() <= kKeyBytesMax ? std::optional(cut) : std::nullopt;
}

std::size_t same_bytes(std::string_view a, std::string_view b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

// How far apart they are as numbers of base 256 whose first digit is at `from`.
double distance(std::string_view low, std::string_view high, std::size_t from) {
  constexpr std::size_t kDigits = 40;
  double sum = 0;
  double unit = 1;
  for (std::size_t i = from; i < from + kDigits && i < std::max(low.size(), high.size()); ++i) {
    const auto digit = [i](std::string_view text) {
      return i < text.size() ? static_cast<double>(static_cast<unsigned char>(text[i])) : 0.0;
    };
    sum += (digit(high) - digit(low)) * unit;
    unit /= 256;
  }
  return sum;
}

}  // namespace

std::optional<std::string> middle_cut(const KeyRange& range, const KeyShape& shape) {
  const auto place = place_in(range, shape);
  if (!place) {
    return std::nullopt;
  }
  const auto low = std::max<std::uint32_t>(place->low, ' ' - 1);
  const auto bound = std::min(end_of_kind(low), place->high);
  auto code = usable(low + (bound - low + 1) / 2, shape.one_level);
  if (code >= place->high) {
    code = usable(low + 1, shape.one_level);
  }
  return code < place->high ? cut_at(range, place->at, code) : std::nullopt;
}

std::optional<std::string> narrowing_cut(std::string_view first, const KeyRange& range,
                                         const KeyShape& shape) {
  const auto place = place_in(range, shape);
  const auto same = same_bytes(first, range.after);
  if (!place || same < place->at + 2) {
    return middle_cut(range, shape);
  }
  // The character that has the byte in the middle.
  auto at = place->at + (same - place->at - 1) / 2;
  while (at > place->at && (static_cast<unsigned char>(range.after[at]) & 0xc0U) == 0x80) {
    --at;
  }
  const auto character = character_at(range.after, at);
  const auto before = range.after.substr(0, at).substr(shape.prefix.size());
  if (character.bytes == 0 || (shape.one_level && before.find('/') != std::string_view::npos)) {
    return middle_cut(range, shape);
  }
  auto cut = cut_at(range, at, usable(character.code + 1, shape.one_level));
  return cut ? cut : middle_cut(range, shape);
}

double guess_keys_left(std::string_view first, std::uint64_t known, const KeyRange& range,
                       const KeyShape& shape) {
  std::string upto(range.upto);
  if (upto.empty() || !upto.starts_with(shape.prefix)) {
    upto = shape.prefix;
    append_character(upto,
                     std::min(end_of_kind(character_at(range.after, shape.prefix.size()).code), kOpen - 1));
  }
  const auto from = same_bytes(first, upto);
  const auto seen = distance(first, range.after, from);
  const auto left = distance(range.after, upto, from);
  constexpr double kMany = 1e18;
  return seen > 0 ? std::min(kMany, static_cast<double>(known) * std::max(left, 0.0) / seen) : kMany;
}

}  // namespace forebay
