#include "transport/fetch_timing.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <future>
#include <optional>

namespace forebay {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kAtHandBytesMax = 8192;  // Answers up to this are given without the executor.

struct TimingRequest {
  std::uint64_t bytes;
  std::uint64_t stamp;  // Comes back as the answer's first and last 8 bytes.
};

std::vector<std::byte> make_source() {
  std::vector<std::byte> source(kChunkBytes);
  for (std::size_t i = 0; i < source.size(); ++i) {
    source[i] = static_cast<std::byte>((i * 131 + (i >> 12)) & 0xFF);
  }
  return source;
}

// The fetches in flight. Touched by the transport's thread only, once they are started.
class Loop {
 public:
  Loop(PeerTransport& transport, const FetchTimingOptions& options)
      : transport_(transport), options_(options), lanes_(options.in_flight) {
    for (auto& lane : lanes_) {
      lane.memory.resize(options.bytes);
    }
  }

  Result<FetchTiming> run() {
    auto all_ended = ended_.get_future();
    started_ = Clock::now();
    stop_at_ = started_ + options_.longest;
    lanes_running_ = lanes_.size();
    remaining_ = options_.fetches - std::min(options_.fetches, lanes_.size());
    for (auto& lane : lanes_) {
      start(lane);
    }
    all_ended.wait();
    if (error_) {
      return *error_;
    }
    const std::chrono::duration<double> elapsed = Clock::now() - started_;
    auto middle = micros_.begin() + static_cast<std::ptrdiff_t>(micros_.size() / 2);
    std::nth_element(micros_.begin(), middle, micros_.end());
    const double bytes = static_cast<double>(options_.bytes) * static_cast<double>(micros_.size());
    return FetchTiming{micros_.size(), *middle, bytes / elapsed.count() / (1u << 30)};
  }

 private:
  struct Lane {
    std::vector<std::byte> memory;
    TimingRequest request{};
    Clock::time_point asked;
  };

  void start(Lane& lane) {
    lane.request = {options_.bytes,
                    lane.request.stamp + static_cast<std::uint64_t>(&lane - lanes_.data()) + 1};
    lane.asked = Clock::now();
    transport_.fetch(options_.peer, std::as_bytes(std::span(&lane.request, 1)), lane.memory,
                     [this, &lane](Result<std::size_t> result) { landed(lane, std::move(result)); });
  }

  void landed(Lane& lane, Result<std::size_t> result) {
    const auto now = Clock::now();
    if (!result.ok()) {
      error_ = result.error();
    } else if (result.value() != lane.memory.size() || !stamped(lane)) {
      error_ = Error{Code::corrupt, "an answer has other bytes than were asked for"};
    } else {
      micros_.push_back(std::chrono::duration<double, std::micro>(now - lane.asked).count());
    }
    if (!error_ && remaining_ > 0 && now < stop_at_) {
      --remaining_;
      return start(lane);
    }
    if (--lanes_running_ == 0) {
      ended_.set_value();
    }
  }

  static bool stamped(const Lane& lane) {
    const auto at = [&lane](std::size_t offset) {
      std::uint64_t stamp = 0;
      std::memcpy(&stamp, lane.memory.data() + offset, sizeof stamp);
      return stamp;
    };
    return at(0) == lane.request.stamp && at(lane.memory.size() - 8) == lane.request.stamp;
  }

  PeerTransport& transport_;
  const FetchTimingOptions options_;
  std::vector<Lane> lanes_;
  Clock::time_point started_;
  Clock::time_point stop_at_;
  std::size_t remaining_ = 0;
  std::size_t lanes_running_ = 0;
  std::vector<double> micros_;
  std::optional<Error> error_;
  std::promise<void> ended_;
};

}  // namespace

TimingHandler::TimingHandler() : source_(make_source()) {}

void TimingHandler::on_request(NodeIndex, std::span<const std::byte> request,
                               std::unique_ptr<Responder> responder) {
  TimingRequest asked;
  if (request.size() != sizeof asked) {
    return responder->fail(Error{Code::bad_argument, "not a timing request (its size differs)"});
  }
  std::memcpy(&asked, request.data(), sizeof asked);
  if (asked.bytes < 2 * sizeof asked.stamp || asked.bytes > source_.size()) {
    return responder->fail(Error{Code::bad_argument, "not a timing request (its length is out of range)"});
  }
  const auto fill = [this, stamp = asked.stamp](std::span<std::byte> answer) -> Status {
    std::memcpy(answer.data(), source_.data(), answer.size());
    std::memcpy(answer.data(), &stamp, sizeof stamp);
    std::memcpy(answer.data() + answer.size() - sizeof stamp, &stamp, sizeof stamp);
    return {};
  };
  if (asked.bytes > kAtHandBytesMax) {
    return responder->respond(asked.bytes, fill);
  }
  std::array<std::byte, kAtHandBytesMax> answer;
  (void)fill(std::span(answer).first(asked.bytes));  // Cannot fail.
  responder->respond_with(std::span(answer).first(asked.bytes));
}

Result<FetchTiming> time_fetches(PeerTransport& transport, const FetchTimingOptions& options) {
  FOREBAY_CHECK(options.bytes >= 16 && options.bytes <= kChunkBytes && options.in_flight > 0);
  FOREBAY_CHECK(options.fetches >= options.in_flight);
  Loop loop(transport, options);
  return loop.run();
}

}  // namespace forebay
