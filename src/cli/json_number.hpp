// Numbers in what servers answer.
#pragma once

#include <cstdint>

#include <nlohmann/json.hpp>

namespace forebay {

// The whole number under `key`; 0 where there is none.
inline std::uint64_t number_in(const nlohmann::json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_number_integer() && *at >= 0 ? at->get<std::uint64_t>() : 0;
}

}  // namespace forebay
