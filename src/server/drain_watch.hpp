// DrainWatch: tells `run` how far checkpoints are from being durable, on node 0 (server/supervision.hpp).
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include <nlohmann/json.hpp>

#include "common/result.hpp"
#include "server/control.hpp"

namespace forebay {

// Of one thread.
class DrainWatch {
 public:
  struct Options {
    bool tells = false;
    // CheckpointQuestions::look of everything.
    std::function<Result<nlohmann::json>(bool hasten)> look;
  };
  explicit DrainWatch(Options options) : options_(std::move(options)) {}

  // A drain takes the place of one before.
  void begin(Control::Drain drain);
  [[nodiscard]] bool drains() const { return drain_.has_value(); }
  // From time to time: tells what there is to tell. Blocks until all nodes have answered.
  void look();

 private:
  using Clock = std::chrono::steady_clock;
  const Options options_;
  std::optional<Control::Drain> drain_;
  bool hasten_ = false;
  bool pending_ = true;  // when it was looked last
  Clock::time_point looked_at_{};
};

}  // namespace forebay
