#include "web/header_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include <fmt/format.h>

namespace forebay {
namespace {

constexpr std::string_view kBlanks = " \t\r";

std::string_view trimmed(std::string_view text) noexcept {
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Takes `digits` decimal digits from the front of `text`.
std::optional<int> take_number(std::string_view& text, std::size_t digits) noexcept {
  if (text.size() < digits) {
    return std::nullopt;
  }
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') {
      return std::nullopt;
    }
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take_text(std::string_view& text, std::string_view expected) noexcept {
  if (!text.starts_with(expected)) {
    return false;
  }
  text.remove_prefix(expected.size());
  return true;
}

struct CivilTime {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
};

std::optional<std::int64_t> seconds_of(const CivilTime& time) noexcept {
  const std::chrono::year_month_day date{std::chrono::year(time.year),
                                         std::chrono::month(static_cast<unsigned>(time.month)),
                                         std::chrono::day(static_cast<unsigned>(time.day))};
  if (!date.ok() || time.year < 1970 || time.year > 2200 || time.hour > 23 || time.minute > 59 ||
      time.second > 60) {
    return std::nullopt;
  }
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  return std::int64_t{days} * 86'400 + time.hour * 3'600 + time.minute * 60 + time.second;
}

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view find_header(std::string_view lines, std::string_view name) noexcept {
  while (!lines.empty()) {
    const auto end = std::min(lines.find('\n'), lines.size());
    const auto line = lines.substr(0, end);
    if (line.size() > name.size() && line[name.size()] == ':' &&
        equal_ignoring_case(line.substr(0, name.size()), name)) {
      return trimmed(line.substr(name.size() + 1));
    }
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return {};
}

std::optional<std::uint64_t> parse_decimal(std::string_view text) noexcept {
  std::uint64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size() || text.empty() ||
      value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return std::nullopt;
  }
  return value;
}

std::optional<ContentRange> parse_content_range(std::string_view text) noexcept {
  if (text.size() < 6 || !equal_ignoring_case(text.substr(0, 6), "bytes ")) {
    return std::nullopt;
  }
  text = trimmed(text.substr(6));
  const auto dash = text.find('-');
  const auto slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || dash > slash) {
    return std::nullopt;
  }
  const auto first = parse_decimal(text.substr(0, dash));
  const auto last = parse_decimal(text.substr(dash + 1, slash - dash - 1));
  const auto total_text = text.substr(slash + 1);
  const auto total = parse_decimal(total_text);
  if (!first || !last || *first > *last || (!total && total_text != "*") || (total && *last >= *total)) {
    return std::nullopt;
  }
  return ContentRange{*first, *last, total};
}

std::optional<std::int64_t> parse_http_date(std::string_view text) noexcept {
  if (text.size() != 29 || text.substr(3, 2) != ", " || !text.ends_with(" GMT")) {
    return std::nullopt;
  }
  text.remove_prefix(5);
  const auto day = take_number(text, 2);
  if (!day || !take_text(text, " ")) {
    return std::nullopt;
  }
  const auto month = std::find(kMonths.begin(), kMonths.end(), text.substr(0, 3));
  text.remove_prefix(3);
  const auto year = take_text(text, " ") ? take_number(text, 4) : std::nullopt;
  const auto hour = take_text(text, " ") ? take_number(text, 2) : std::nullopt;
  const auto minute = take_text(text, ":") ? take_number(text, 2) : std::nullopt;
  const auto second = take_text(text, ":") ? take_number(text, 2) : std::nullopt;
  if (month == kMonths.end() || !year || !hour || !minute || !second) {
    return std::nullopt;
  }
  return seconds_of({*year, static_cast<int>(month - kMonths.begin()) + 1, *day, *hour, *minute, *second});
}

std::string http_date(std::int64_t seconds) {
  constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  const std::chrono::sys_seconds time{std::chrono::seconds(seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     kDays[std::chrono::weekday(day).c_encoding()], static_cast<unsigned>(date.day()),
                     kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::optional<std::int64_t> parse_iso_time(std::string_view text) noexcept {
  const auto year = take_number(text, 4);
  const auto month = take_text(text, "-") ? take_number(text, 2) : std::nullopt;
  const auto day = take_text(text, "-") ? take_number(text, 2) : std::nullopt;
  const auto hour = take_text(text, "T") ? take_number(text, 2) : std::nullopt;
  const auto minute = take_text(text, ":") ? take_number(text, 2) : std::nullopt;
  const auto second = take_text(text, ":") ? take_number(text, 2) : std::nullopt;
  if (!year || !month || !day || !hour || !minute || !second) {
    return std::nullopt;
  }
  std::int64_t fraction_ns = 0;
  if (take_text(text, ".")) {
    std::int64_t digit_ns = 100'000'000;
    std::size_t digits = 0;
    while (!text.empty() && text[0] >= '0' && text[0] <= '9' && digits < 9) {
      fraction_ns += digit_ns * (text[0] - '0');
      digit_ns /= 10;
      ++digits;
      text.remove_prefix(1);
    }
    if (digits == 0) {
      return std::nullopt;
    }
  }
  const auto seconds = seconds_of({*year, *month, *day, *hour, *minute, *second});
  if (!seconds || text != "Z") {
    return std::nullopt;
  }
  return *seconds * 1'000'000'000 + fraction_ns;
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view text, std::int64_t now_s) noexcept {
  constexpr std::uint64_t kSecondsMax = 10ull * 365 * 86'400;
  if (const auto seconds = parse_decimal(text)) {
    return std::chrono::seconds(std::min(*seconds, kSecondsMax));
  }
  if (const auto date = parse_http_date(text)) {
    return std::chrono::seconds(std::max<std::int64_t>(*date - now_s, 0));
  }
  return std::nullopt;
}

std::string quoted_etag(std::string_view etag) {
  if (etag == "*" || etag.starts_with('"') || etag.starts_with("W/")) {
    return std::string(etag);
  }
  return '"' + std::string(etag) + '"';
}

bool is_strong_etag(std::string_view etag) noexcept {
  return !etag.empty() && !etag.starts_with("W/");
}

}  // namespace forebay
