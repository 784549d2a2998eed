// CommandQueue: what other threads ask of the engine thread, and how they wake it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <span>
#include <variant>
#include <vector>

#include "common/unique_fd.hpp"
#include "transport/peer_transport.hpp"

namespace forebay {

// Who is to be answered.
struct Asked {
  NodeIndex from{};
  std::uint64_t id = 0;    // The requester's name of its fetch.
  std::uint64_t room = 0;  // Bytes the requester has memory for.
};

// Where an answer is put together. `local`: in the memory of this node's own fetch.
enum class PlaceKind : std::uint8_t { local, inlined, small, large };
inline constexpr std::size_t kPlaceKinds = 4;
struct AnswerPlace {
  PlaceKind kind{};
  std::uint32_t index = 0;
};

namespace command {
struct Fetch {
  NodeIndex peer{};
  std::vector<std::byte> request;
  std::span<std::byte> into;
  PeerTransport::Done done;
};
struct Respond {
  Asked asked;
  std::size_t bytes = 0;
  Responder::Fill fill;
};
struct RespondWith {
  Asked asked;
  std::vector<std::byte> answer;
};
struct Fail {
  Asked asked;
  Error error;
};
// A fill ran.
struct Filled {
  AnswerPlace place;
  Status status;
  std::uint64_t checksum = 0;
};
// The checksum of what was fetched was compared.
struct Verified {
  std::uint64_t fetch = 0;
  Status status;
};
struct Serve {
  RequestHandler* handler = nullptr;
};
struct Stop {};
}  // namespace command

using Command = std::variant<command::Fetch, command::Respond, command::RespondWith, command::Fail,
                             command::Filled, command::Verified, command::Serve, command::Stop>;

// Outlives the engine where a Responder or a fill does, so it is held by shared_ptr.
class CommandQueue {
 public:
  // Codes: io_error (no descriptor to wake the engine by).
  static Result<std::shared_ptr<CommandQueue>> create();

  // From any thread. False, and `command` untouched, once the queue is closed.
  bool push(Command&& command);

  // The rest on the engine thread. take() empties the queue into `into`; false when there was nothing.
  bool take(std::vector<Command>& into);
  // Sleeps until a push, or `longest`; not at all when something is queued.
  void sleep(std::chrono::microseconds longest);
  // No push succeeds afterwards; returns what was still queued.
  std::vector<Command> close();

 private:
  explicit CommandQueue(UniqueFd wake) : wake_(std::move(wake)) {}

  UniqueFd wake_;  // An eventfd.
  std::mutex mutex_;
  std::vector<Command> commands_;
  bool sleeping_ = false;
  bool closed_ = false;
};

}  // namespace forebay
