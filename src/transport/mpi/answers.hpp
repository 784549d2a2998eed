// Answers: what this rank was asked, from Responder::respond until the requester has the bytes. Engine thread
// only.
//
// An answer needs a place: a slot of the window, a small buffer for what travels inside the reply, or, for
// this node's own fetches, the memory of the fetch. Places are few; answers wait for one, and so never run
// the executor full. Large and small slots are apart, so that small answers do not wait behind large ones.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "common/executor.hpp"
#include "transport/mpi/arena.hpp"
#include "transport/mpi/command_queue.hpp"
#include "transport/mpi/fetches.hpp"
#include "transport/mpi/messenger.hpp"

namespace forebay {

// The window's layout, and how many answers are put together at once.
struct PlaceOptions {
  std::size_t inline_bytes = 2048;  // Answers up to this travel in the reply itself.
  std::uint32_t inline_answers = 64;
  std::size_t small_bytes = 64u << 10;
  std::uint32_t small_slots = 64;
  std::uint32_t large_slots = 16;  // Of kChunkBytes each.
  std::uint32_t local_answers = 32;

  [[nodiscard]] std::size_t window_bytes() const {
    return small_bytes * small_slots + kChunkBytes * std::size_t{large_slots};
  }
};

class Answers {
 public:
  using Checksum = std::uint64_t (*)(const void* data, std::size_t bytes);

  // All but `arena` and `queue` outlive it; those two are also held by fills that still run.
  Answers(Messenger& messenger, Fetches& fetches, Executor& executor, std::shared_ptr<Arena> arena,
          std::shared_ptr<CommandQueue> queue, NodeIndex self, const PlaceOptions& options,
          Checksum checksum);

  void respond(command::Respond&& answer);
  void respond_with(const Asked& asked, std::span<const std::byte> answer);
  void fail(const Asked& asked, const Error& error);
  void on_filled(command::Filled&& filled);
  void on_release(const WireHeader& header);

  // Gives no more answers to others: what waits is dropped, what is being filled is not sent. Local ones go
  // on.
  void close();

  // Slots that requesters have been told of and have not released.
  [[nodiscard]] std::size_t announced() const { return announced_; }

 private:
  struct Occupant {
    Asked asked;
    std::size_t bytes = 0;
    std::uint32_t generation = 0;
    bool announced = false;
  };
  struct Places {
    std::vector<Occupant> occupants;
    std::vector<std::uint32_t> free;
    std::deque<command::Respond> waiting;  // Bounded by what requesters may ask at once.
  };

  [[nodiscard]] PlaceKind kind_for(const command::Respond& answer) const;
  [[nodiscard]] std::span<std::byte> memory(AnswerPlace place) const;
  Places& places(PlaceKind kind) { return places_[static_cast<std::size_t>(kind)]; }
  void fill(AnswerPlace place, command::Respond&& answer);
  void announce(AnswerPlace place, std::uint64_t checksum);
  void vacate(AnswerPlace place);

  Messenger& messenger_;
  Fetches& fetches_;
  Executor& executor_;
  const std::shared_ptr<Arena> arena_;
  const std::shared_ptr<CommandQueue> queue_;
  const NodeIndex self_;
  const PlaceOptions options_;
  const Checksum checksum_;
  // Not in the window: of `inlined` places. Held by fills too.
  const std::shared_ptr<std::vector<std::byte>> inline_memory_;
  std::array<Places, kPlaceKinds> places_;
  std::size_t announced_ = 0;
  bool closed_ = false;
};

}  // namespace forebay
