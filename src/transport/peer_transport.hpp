// PeerTransport: asking another node's server for bytes.
//
// One operation: `fetch` sends a small request to a peer and lands the bytes of its answer in the caller's
// memory. Over MPI the answer is put into a slot of the peer's window and fetched by a one-sided Get, and its
// checksum is verified before `done` sees it. An in-process fake passes the same contract suite.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "common/chunk.hpp"
#include "common/ids.hpp"
#include "common/result.hpp"

namespace forebay {

inline constexpr std::size_t kRequestBytesMax =
    64u << 10;  // The most one request carries; an answer carries kChunkBytes.

// The answering side of one request. Exactly one of the three calls, from any thread, later if need be;
// destroyed without an answer, it fails the request (unavailable).
class Responder {
 public:
  // Runs on an executor thread once there is memory for the answer (`answer.size()` == bytes). It may block
  // on local I/O. An Error it returns fails the request with that code and text.
  using Fill = std::function<Status(std::span<std::byte> answer)>;

  virtual ~Responder() = default;
  // Answers with `bytes` (0 .. kChunkBytes) bytes that `fill` writes.
  virtual void respond(std::size_t bytes, Fill fill) = 0;
  // Answers with bytes at hand, copied during the call; for small ones (at most kRequestBytesMax). Cheaper
  // than respond(): no executor thread has a part in it.
  virtual void respond_with(std::span<const std::byte> answer) = 0;
  virtual void fail(Error error) = 0;
};

class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  // On the transport's own thread: must not block. `request` is valid during the call only.
  virtual void on_request(NodeIndex from, std::span<const std::byte> request,
                          std::unique_ptr<Responder> responder) = 0;
};

class PeerTransport {
 public:
  // Bytes landed, or: timed_out, unavailable (peer or transport gone), corrupt (checksum), bad_argument (the
  // answer is larger than `into`, the request too large), and whatever code the peer failed it with. On the
  // transport's own thread: must not block.
  using Done = std::function<void(Result<std::size_t>)>;

  virtual ~PeerTransport() = default;
  [[nodiscard]] virtual NodeIndex self() const = 0;
  [[nodiscard]] virtual std::uint32_t node_count() const = 0;

  // From any thread; never blocks. `request` is copied; `into` must stay valid until `done` has been destroyed,
  // as where a peer falls silent while its bytes are landing, `done` runs before the last of them may: let `done`
  // hold the memory. A peer that gives no sign of life for 2 s while it owes an answer is silent: what it was
  // asked, and whatever it is asked until it is heard again, fails with `unavailable`. A fetch from
  // self() works and goes through the same handler. Requests to one peer may be answered in any order.
  virtual void fetch(NodeIndex peer, std::span<const std::byte> request, std::span<std::byte> into,
                     Done done) = 0;

  // Before the first fetch anywhere; `handler` outlives the transport. Requests that arrive earlier wait.
  virtual void serve(RequestHandler& handler) = 0;

  // Collective: every node calls it. Waits (bounded by a deadline) until all have, so that nobody's memory is
  // read after it is gone; then fails what is in flight with `cancelled`. Idempotent.
  virtual Status stop() = 0;
};

}  // namespace forebay
