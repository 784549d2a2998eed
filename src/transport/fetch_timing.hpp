// FetchTiming: how fast fetches from a peer are, for probes and benchmarks. Every answer's bytes are checked.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

#include "transport/peer_transport.hpp"

namespace forebay {

// Answers the requests of time_fetches() with bytes at hand in memory.
class TimingHandler final : public RequestHandler {
 public:
  TimingHandler();
  void on_request(NodeIndex from, std::span<const std::byte> request,
                  std::unique_ptr<Responder> responder) override;

 private:
  const std::vector<std::byte> source_;
};

struct FetchTimingOptions {
  NodeIndex peer{};       // Serves a TimingHandler.
  std::size_t bytes = 0;  // Of each answer: 16 .. kChunkBytes.
  std::size_t in_flight = 1;
  std::size_t fetches = 0;                    // Stops after so many,
  std::chrono::milliseconds longest{60'000};  // or after this time.
};

struct FetchTiming {
  std::size_t fetches = 0;
  double p50_us = 0;
  double gib_s = 0;
};

// Blocks; not on the transport's thread. Each next fetch starts where the one before ends, on the transport's
// thread. Codes: those of fetch(), corrupt (bytes that are not the ones asked for).
Result<FetchTiming> time_fetches(PeerTransport& transport, const FetchTimingOptions& options);

}  // namespace forebay
