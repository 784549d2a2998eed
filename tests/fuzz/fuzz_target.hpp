// What each target of this directory provides, and what helps to write one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "common/result.hpp"

namespace forebay::fuzz {

// Inputs that run() finds well-formed: where fuzzing starts.
std::vector<std::string> seeds();
// Any bytes at all; returns whether they were well-formed. Ends the process (FOREBAY_CHECK, or a sanitizer)
// when a promise is broken.
bool run(std::string_view input);

// Takes an input apart. Behind its end everything is zero and empty.
class Pieces {
 public:
  explicit Pieces(std::string_view input) : left_(input) {}

  template <typename Number>
  Number number() {
    static_assert(std::is_trivially_copyable_v<Number>);
    Number value{};
    const std::string_view bytes = take(sizeof value);
    if (!bytes.empty()) {
      std::memcpy(&value, bytes.data(), bytes.size());
    }
    return value;
  }
  // A length in two bytes, then so many bytes, or what is left.
  std::string_view text() { return take(number<std::uint16_t>()); }
  std::string_view take(std::size_t bytes) {
    const std::string_view taken = left_.substr(0, bytes);
    left_.remove_prefix(taken.size());
    return taken;
  }
  [[nodiscard]] std::string_view rest() const { return left_; }
  [[nodiscard]] bool empty() const { return left_.empty(); }

 private:
  std::string_view left_;
};

template <typename Value>
std::string bytes_of(const Value& value) {
  static_assert(std::is_trivially_copyable_v<Value>);
  return {reinterpret_cast<const char*>(&value), sizeof value};
}
// What Pieces::text() takes.
inline std::string text_piece(std::string_view text) {
  return bytes_of(static_cast<std::uint16_t>(text.size())).append(text);
}

}  // namespace forebay::fuzz
