// What ranks say to each other: one header, then `payload_bytes` of payload. All ranks run the same binary,
// so these are the structs as they are in memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "transport/peer_transport.hpp"

namespace forebay {

enum class WireKind : std::uint32_t {
  request,        // id, room; payload: the request
  reply_inline,   // id; payload: the answer
  reply_slot,     // id, slot, generation, offset, bytes: where the answer lies in the sender's window
  reply_failure,  // id, code, errno_value; payload: the error's text
  release,        // slot, generation: the sender has read the slot, or will not
  ping,           // are you there?
  pong,           // yes: from the engine thread, however busy the others are
};

struct WireHeader {
  WireKind kind{};
  std::uint32_t payload_bytes = 0;
  std::uint64_t id = 0;        // The requester's name of the fetch.
  std::uint64_t room = 0;      // Bytes the requester has memory for.
  std::uint64_t bytes = 0;     // Length of the answer in the slot.
  std::uint64_t offset = 0;    // Of the slot in the window.
  std::uint64_t checksum = 0;  // Of the payload, or of the bytes in the slot.
  std::uint32_t slot = 0;
  std::uint32_t generation =
      0;  // How often the slot was given out: a release of an earlier use is not for this one.
  std::int32_t errno_value = 0;
  std::uint32_t code = 0;
};
static_assert(sizeof(WireHeader) == 64);

inline constexpr std::size_t kErrorTextBytesMax = 1024;  // Longer texts are cut.
inline constexpr std::size_t kWireBytesMax = sizeof(WireHeader) + kRequestBytesMax;

}  // namespace forebay
