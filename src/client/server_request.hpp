// Asking the node's server (messages.hpp). Each request is a connection of its own, so that nothing is shared
// between threads or with forked children. Bounded: a server that says nothing for kSilenceMs is given up.
#pragma once

#include "client/mapped_session.hpp"
#include "shared/messages.hpp"

namespace forebay {

// Whether it makes sense to ask: the session is serving and the heartbeat is fresh.
bool server_answers(const MappedSession& session);

// For what only a server can do: waits for one to be started again, where somebody does that. Whether it is
// there. Bounded (kRestartMs).
inline constexpr uint32_t kRestartMs = 20'000;
bool wait_for_server(const MappedSession& session);

struct Materialised {
  int fd;  // The object, read-only, close-on-exec; -1 when no help came.
  HitKind hit;
  int error;  // The server's reason when it refused; EIO when it said nothing or nothing of use.
  bool lacks_room = false;  // It refused because there is no room on this node now.
};
// `flags`: 0 or kMaterialiseDamaged. `identity` and `bytes`: of the version that must come.
struct WantedObject {
  Place place;
  Identity identity;
  uint64_t bytes;
};
Materialised request_object(const MappedSession& session, const WantedObject& wanted, uint32_t flags);

// Of an object of a store that its catalog has another version of: whether the session says now which one is
// read.
bool request_changed(const MappedSession& session, Place place);

// A stripe of an object, counted from 0, and soon `read_ahead` behind it.
enum class StripeAnswer { present, refused, silent };
// `refusal`: the server's reason where it refused.
StripeAnswer request_stripe(const MappedSession& session, Place place, uint32_t stripe, uint32_t read_ahead,
                            int* refusal);

// Best effort: the bypass bits are set already, and take effect on this node without the server.
void request_invalidate(const MappedSession& session, const InvalidateItem* items, uint32_t count);

// A message's header; `message_bytes` counts it.
inline MessageHeader header_of(MessageKind kind, size_t message_bytes) {
  return {kMessageMagic, kMessageVersion, static_cast<uint16_t>(kind),
          static_cast<uint32_t>(message_bytes - sizeof(MessageHeader)), 0};
}
// A request that is answered by its end alone. 0; the server's errno when it refused; EIO when it was silent.
int ask_plainly(const MappedSession& session, const void* request, size_t bytes);

}  // namespace forebay
