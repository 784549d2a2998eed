// Vigil: which peers give no sign of life while they owe an answer.
//
// State for each peer, work only for those that owe something or are silent. A peer that is busy is not
// silent: its engine thread answers pings. Engine thread only.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace forebay {

class Vigil {
 public:
  using Clock = std::chrono::steady_clock;

  // A peer that owes an answer is pinged when it has said nothing for this part of the time to silence, and
  // again about as often.
  static constexpr int kPingsBeforeSilence = 3;
  // Between pings of a silent peer, none of which gets lost: it answers the first when it wakes.
  static constexpr std::chrono::milliseconds kPingSilentEvery{1000};
  static constexpr std::uint32_t kPingsUnanswered = 8;

  Vigil(std::size_t peers, std::chrono::milliseconds silence) : peers_(peers), silence_(silence) {}

  // The peer owes one answer more, one less.
  void owes(std::uint32_t peer, Clock::time_point now);
  void owes_less(std::uint32_t peer) { --peers_[peer].owed; }
  void heard(std::uint32_t peer, Clock::time_point now);
  [[nodiscard]] bool silent(std::uint32_t peer) const { return peers_[peer].silent; }

  struct Findings {
    std::vector<std::uint32_t> to_ping;
    std::vector<std::uint32_t> fell_silent;
  };
  // Looks at the peers that matter, a few times a second at most. Where this thread itself was away for long,
  // nobody is to blame.
  const Findings& look(Clock::time_point now);

 private:
  struct Peer {
    std::size_t owed = 0;
    Clock::time_point since{};  // The last sign of life, or when it began to owe.
    Clock::time_point pinged{};
    std::uint32_t pings = 0;  // Since it was heard.
    bool silent = false;
    bool watched = false;
  };

  std::vector<Peer> peers_;
  std::vector<std::uint32_t> watched_;
  const std::chrono::milliseconds silence_;
  Clock::time_point looked_{};
  Findings findings_;
};

}  // namespace forebay
