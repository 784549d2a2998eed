#include "common/size_text.hpp"

#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace forebay {

Result<std::uint64_t> parse_size(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return Error{Code::bad_argument,
                 fmt::format("'{}' is not a size ({}) write for example 512M, 4GiB or 1.5T", text, why)};
  };
  double number = 0;
  const auto* end = text.data() + text.size();
  const auto [rest, failed] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (failed != std::errc{} || !std::isfinite(number)) {
    return bad("no number");
  }
  if (number < 0) {
    return bad("below zero");
  }
  std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  while (!unit.empty() && unit.front() == ' ') {
    unit.remove_prefix(1);
  }
  double scale = 1;
  if (!unit.empty() && unit != "B" && unit != "b") {
    constexpr std::string_view kUnits = "KMGTPE";
    const auto power = kUnits.find(static_cast<char>(std::toupper(static_cast<unsigned char>(unit.front()))));
    const auto suffix = unit.substr(1);
    if (power == std::string_view::npos || !(suffix.empty() || suffix == "B" || suffix == "iB" || suffix == "ib")) {
      return bad("unknown unit");
    }
    scale = std::ldexp(1.0, 10 * (static_cast<int>(power) + 1));
  }
  const double bytes = number * scale;
  if (bytes >= 9.2e18) {
    return bad("above 8 EiB");
  }
  return static_cast<std::uint64_t>(bytes);
}

std::string format_size(std::uint64_t bytes) {
  if (bytes < 1024) {
    return fmt::format("{} B", bytes);
  }
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double amount = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (amount >= 1023.95 && unit + 1 < kUnits.size()) {
    amount /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", amount, kUnits[unit]);
}

}  // namespace forebay
