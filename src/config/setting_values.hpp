// What the texts of settings mean: each function reads one into a value, or says why it cannot be.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "common/chunk.hpp"
#include "common/result.hpp"
#include "common/size_text.hpp"

namespace forebay {

// The values of an enumeration with their texts; of two texts of one value the first is shown.
template <typename Value, std::size_t N>
using Names = std::array<std::pair<std::string_view, Value>, N>;

template <typename Value, std::size_t N>
Status assign_named(Value& into, const std::string& text, const Names<Value, N>& names) {
  std::vector<std::string_view> known;
  for (const auto& [name, value] : names) {
    if (text == name) {
      into = value;
      return {};
    }
    known.push_back(name);
  }
  return Error{Code::bad_argument,
               fmt::format("'{}' is not known (it is one of {})", text, fmt::join(known, ", "))};
}

template <typename Value, std::size_t N>
nlohmann::json name_of(Value value, const Names<Value, N>& names) {
  return std::find_if(names.begin(), names.end(), [&](const auto& pair) { return pair.second == value; })
      ->first;
}

inline Status assign_number(std::uint32_t& into, const std::string& text, std::uint32_t least) {
  std::uint32_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc{} || end != text.data() + text.size() || number < least) {
    return Error{Code::bad_argument, fmt::format("'{}' is not a whole number of at least {}", text, least)};
  }
  into = number;
  return {};
}

inline Status assign_number(double& into, const std::string& text) {
  std::uint32_t number = 0;
  FOREBAY_TRY(assign_number(number, text, 0));
  into = number;
  return {};
}

inline Status assign_number_between(std::uint32_t& into, const std::string& text, std::uint32_t least,
                                    std::uint32_t most) {
  std::uint32_t number = 0;
  if (!assign_number(number, text, least).ok() || number > most) {
    return Error{Code::bad_argument,
                 fmt::format("'{}' is not a whole number from {} to {}", text, least, most)};
  }
  into = number;
  return {};
}

inline Status assign_text(std::string& into, const std::string& text) {
  into = text;
  return {};
}

inline Status assign_size(std::uint64_t& into, const std::string& text) {
  FOREBAY_ASSIGN(bytes, parse_size(text));
  into = bytes;
  return {};
}

inline Status assign_rate(std::uint64_t& into, const std::string& text) {
  return assign_size(into, text.ends_with("/s") ? text.substr(0, text.size() - 2) : text);
}

inline Status assign_stripe(std::uint64_t& into, const std::string& text) {
  FOREBAY_ASSIGN(bytes, parse_size(text));
  if (bytes == 0 || bytes % kChunkBytes != 0) {
    return Error{Code::bad_argument, fmt::format("'{}' is no stripe size (not a multiple of {})", text,
                                                 format_size(kChunkBytes))};
  }
  into = bytes;
  return {};
}

// "auto" is no number.
inline Status assign_automatic(std::optional<std::uint32_t>& into, const std::string& text) {
  if (text == "auto") {
    into.reset();
    return {};
  }
  std::uint32_t number = 0;
  if (!assign_number(number, text, 0).ok()) {
    return Error{Code::bad_argument, fmt::format("'{}' is neither auto nor a whole number", text)};
  }
  into = number;
  return {};
}

}  // namespace forebay
