#include "server/drain_watch.hpp"

#include <utility>

#include "server/supervision.hpp"

namespace forebay {

void DrainWatch::begin(Control::Drain drain) {
  drain_ = std::move(drain);
  hasten_ = true;
  looked_at_ = {};
  look();
}

void DrainWatch::look() {
  const auto now = Clock::now();
  const bool tell = now - looked_at_ >= std::chrono::milliseconds(kProgressEveryMs);
  if (!options_.tells || (!drain_ && !tell)) {
    return;
  }
  const auto found = options_.look(std::exchange(hasten_, false));
  if (!found.ok()) {
    hasten_ = drain_.has_value();  // A node did not answer: again. Nobody knows what is left.
    return;
  }
  const auto left = found->value("left", std::uint64_t{0});
  if (tell) {
    looked_at_ = now;
    if (left > 0 || std::exchange(pending_, left > 0)) {
      emit_event({{"event", "drain"},
                  {"pending_files", left},
                  {"pending_bytes",
                   found->value("bytes", std::uint64_t{0}) - found->value("durable_bytes", std::uint64_t{0})},
                  {"durable_files", found->value("durable_files", std::uint64_t{0})},
                  {"durable_bytes", found->value("durable_bytes", std::uint64_t{0})},
                  {"failed", found->value("failed", std::uint64_t{0})},
                  {"reason", found->value("reason", std::string())}});
    }
    pending_ = left > 0;
  }
  if (drain_ && (found->value("waiting", std::uint64_t{0}) == 0 || now >= drain_->deadline)) {
    emit_event({{"event", "drained"},
                {"id", drain_->id},
                {"left", left},
                {"not_durable", found->at("not_durable")}});
    drain_.reset();
  }
}

}  // namespace forebay
