// HeldBack: whether what is not durable only waits for something that never will be.
//
// What is lost is never drained, and holds back what came after it in its directory, on any node
// (src/README.md, "Order"); that holds back others in turn. Nodes know what waits, and not for what another
// node has lost: so it is seen by nothing moving any more.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace forebay {

// Thread-safe.
class HeldBack {
 public:
  using Clock = std::chrono::steady_clock;
  // Longer than any name waits that is neither lost, on its way, nor tried again.
  static constexpr std::chrono::seconds kQuietFor{5};

  // What is there of some names of the whole job.
  struct Look {
    std::uint64_t lost = 0;
    std::uint64_t waiting = 0;  // to be drained
    std::uint64_t moving = 0;   // of these: on their way, or tried again
    std::uint64_t durable = 0;
  };
  // `about`: which names; looks at the same ones are compared.
  bool is_all(const std::string& about, const Look& look, Clock::time_point now);

 private:
  static constexpr std::size_t kAboutMax = 64;
  struct Since {
    std::uint64_t waiting = 0;
    std::uint64_t durable = 0;
    Clock::time_point at;
  };
  std::mutex mutex_;
  std::map<std::string, Since> since_;  // held for it
};

}  // namespace forebay
