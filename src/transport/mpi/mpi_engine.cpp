#include "transport/mpi/mpi_engine.hpp"

#include <sys/prctl.h>

#include <utility>

namespace forebay {

class MpiEngine::Answer final : public Responder {
 public:
  Answer(std::shared_ptr<CommandQueue> queue, NodeIndex self, const Asked& asked)
      : queue_(std::move(queue)), self_(self), asked_(asked) {}

  ~Answer() override {
    if (!answered_) {
      fail(Error{Code::unavailable, "node " + std::to_string(self_.value) + " dropped the request"});
    }
  }

  void respond(std::size_t bytes, Fill fill) override {
    FOREBAY_CHECK(!std::exchange(answered_, true));
    FOREBAY_CHECK(bytes <= kChunkBytes);
    queue_->push(command::Respond{asked_, bytes, std::move(fill)});
  }

  void respond_with(std::span<const std::byte> answer) override {
    FOREBAY_CHECK(!std::exchange(answered_, true));
    FOREBAY_CHECK(answer.size() <= kRequestBytesMax);
    queue_->push(command::RespondWith{asked_, {answer.begin(), answer.end()}});
  }

  void fail(Error error) override {
    FOREBAY_CHECK(!std::exchange(answered_, true));
    queue_->push(command::Fail{asked_, std::move(error)});
  }

 private:
  const std::shared_ptr<CommandQueue> queue_;
  const NodeIndex self_;
  const Asked asked_;
  bool answered_ = false;
};

Result<std::unique_ptr<MpiEngine>> MpiEngine::start(Executor& executor, MpiEngineOptions options) {
  FOREBAY_ASSIGN(arena, Arena::create(options.places.window_bytes()));
  FOREBAY_ASSIGN(queue, CommandQueue::create());
  FOREBAY_ASSIGN(world, MpiWorld::join(arena));
  std::unique_ptr<MpiEngine> engine(
      new MpiEngine(executor, std::move(options), std::move(arena), std::move(queue), std::move(world)));
  FOREBAY_TRY(engine->messenger_.post_receives());
  return engine;
}

MpiEngine::MpiEngine(Executor& executor, MpiEngineOptions options, std::shared_ptr<Arena> arena,
                     std::shared_ptr<CommandQueue> queue, std::unique_ptr<MpiWorld> world)
    : options_(std::move(options)),
      queue_(std::move(queue)),
      world_(std::move(world)),
      messenger_(*world_),
      fetches_(messenger_, executor, queue_, world_->self(), world_->node_count(),
               {options_.fetch_deadline, options_.asked_per_peer_max, options_.fetches_in_flight_max,
                options_.silence}),
      answers_(messenger_, fetches_, executor, std::move(arena), queue_, world_->self(), options_.places,
               options_.checksum) {}

MpiEngine::~MpiEngine() {
  queue_->close();
}

void MpiEngine::fetch(NodeIndex peer, std::span<const std::byte> request, std::span<std::byte> into,
                      Done done) {
  // One that is too large is refused by the engine; its bytes are not needed for that, only their number.
  Command fetch = command::Fetch{peer, {request.begin(), request.end()}, into, std::move(done)};
  if (!queue_->push(std::move(fetch))) {
    std::get<command::Fetch>(fetch).done(Error{Code::unavailable, "the exchange has stopped"});
  }
}

void MpiEngine::serve(RequestHandler& handler) {
  queue_->push(command::Serve{&handler});
}

Status MpiEngine::stop() {
  queue_->push(command::Stop{});
  // run() keeps the deadline; the rest is for an engine that nobody runs.
  if (outcome_.wait_for(2 * options_.stop_deadline + std::chrono::seconds(5)) != std::future_status::ready) {
    return Error{Code::timed_out, "the exchange did not stop (its engine does not run)"};
  }
  return outcome_.get();
}

Status MpiEngine::run() {
  // Short naps would otherwise be 50 us longer than asked for.
  prctl(PR_SET_TIMERSLACK, 1000);
  const Status outcome = drive();
  end(outcome);
  return outcome;
}

Status MpiEngine::drive() {
  BackOff back_off;
  while (!stopped()) {
    now_ = BackOff::Clock::now();
    beat(now_);
    bool progressed = queue_->take(commands_);
    for (auto& command : commands_) {
      obey(std::move(command));
    }
    FOREBAY_ASSIGN(ended, messenger_.poll(*this));
    progressed = progressed || ended > 0;
    fetches_.expire(now_);
    fetches_.watch(now_);
    FOREBAY_TRY(advance_stop(now_));
    if (progressed) {
      back_off.progressed(now_);
      continue;
    }
    const bool busy = fetches_.in_flight() > 0 || messenger_.sends_in_flight() > 0 ||
                      answers_.announced() > 0 || phase_ != Phase::serving;
    if (const auto nap = back_off.pause(now_, busy); nap > nap.zero()) {
      queue_->sleep(nap);
    }
  }
  FOREBAY_TRY(messenger_.cancel_receives());
  return world_->leave();
}

void MpiEngine::beat(BackOff::Clock::time_point now) {
  if (options_.heartbeat && now - last_beat_ >= kHeartbeatEvery) {
    last_beat_ = now;
    options_.heartbeat();
  }
}

void MpiEngine::obey(Command&& command) {
  if (auto* fetch = std::get_if<command::Fetch>(&command)) {
    start_fetch(std::move(*fetch));
  } else if (auto* respond = std::get_if<command::Respond>(&command)) {
    answers_.respond(std::move(*respond));
  } else if (auto* respond_with = std::get_if<command::RespondWith>(&command)) {
    answers_.respond_with(respond_with->asked, respond_with->answer);
  } else if (auto* fail = std::get_if<command::Fail>(&command)) {
    answers_.fail(fail->asked, fail->error);
  } else if (auto* filled = std::get_if<command::Filled>(&command)) {
    answers_.on_filled(std::move(*filled));
  } else if (auto* verified = std::get_if<command::Verified>(&command)) {
    fetches_.finish(verified->fetch, verified->status);
  } else if (auto* serve = std::get_if<command::Serve>(&command)) {
    handler_ = serve->handler;
    for (const auto& request : std::exchange(unhandled_, {})) {
      hand_to_handler(request.asked, request.bytes);
    }
  } else if (phase_ == Phase::serving) {
    phase_ = Phase::waiting_for_all;
    stop_by_ = now_ + options_.stop_deadline;
    barrier_ = messenger_.start_barrier();
  }
}

void MpiEngine::start_fetch(command::Fetch&& fetch) {
  if (phase_ >= Phase::ending) {
    return fetch.done(Error{Code::unavailable, "the exchange has stopped"});
  }
  const auto peer = fetch.peer;
  const auto room = fetch.into.size();
  // Only a fetch from this node itself needs its request after start().
  const auto request = peer == self() ? fetch.request : std::vector<std::byte>();
  const auto id = fetches_.start(std::move(fetch), now_);
  if (id && peer == self()) {
    hand_to_handler(Asked{peer, *id, room}, request);
  }
}

void MpiEngine::hand_to_handler(const Asked& asked, std::span<const std::byte> request) {
  if (handler_ == nullptr) {
    unhandled_.push_back({asked, {request.begin(), request.end()}});
    return;
  }
  handler_->on_request(asked.from, request, std::make_unique<Answer>(queue_, self(), asked));
}

void MpiEngine::on_message(NodeIndex from, const WireHeader& header, std::span<const std::byte> payload) {
  fetches_.heard(from, now_);
  switch (header.kind) {
    case WireKind::request: {
      const Asked asked{from, header.id, header.room};
      if (checksum_bytes(payload.data(), payload.size()) != header.checksum) {
        return answers_.fail(asked,
                             Error{Code::corrupt, "the request arrived damaged (its checksum differs)"});
      }
      if (phase_ < Phase::ending) {
        hand_to_handler(asked, payload);
      }
      return;
    }
    case WireKind::reply_inline:
    case WireKind::reply_slot:
    case WireKind::reply_failure:
      return fetches_.on_reply(from, header, payload);
    case WireKind::release:
      return answers_.on_release(header);
    case WireKind::ping: {
      WireHeader answer;
      answer.kind = WireKind::pong;
      return messenger_.send(from, answer);
    }
    case WireKind::pong:
      return;
  }
}

void MpiEngine::on_send_failed(NodeIndex to, const WireHeader& header, const Error& error) {
  switch (header.kind) {
    case WireKind::request:
      return fetches_.on_request_not_sent(to, header.id, error);
    case WireKind::reply_slot:
      return answers_.on_release(header);
    default:
      return;  // The requester's deadline ends its fetch.
  }
}

void MpiEngine::on_got(std::uint64_t fetch, const Status& status) {
  fetches_.on_got(fetch, status);
}

void MpiEngine::on_barrier(const Status& status) {
  barrier_ = status;
  phase_ = phase_ == Phase::waiting_for_all ? Phase::ending : Phase::ended;
}

// Two barriers: after the first all nodes have called stop(), after the second none reads another's window
// any more.
Status MpiEngine::advance_stop(BackOff::Clock::time_point now) {
  if (phase_ == Phase::serving) {
    return {};
  }
  FOREBAY_TRY(barrier_);
  if (phase_ == Phase::ending) {
    answers_.close();
    fetches_.end_all(Error{Code::cancelled, "the exchange has stopped"});
    if (fetches_.landing() == 0 && messenger_.sends_in_flight() == 0) {
      phase_ = Phase::waiting_for_end;
      FOREBAY_TRY(messenger_.start_barrier());
    }
  }
  if (!stopped() && now > stop_by_) {
    return Error{Code::timed_out, phase_ == Phase::waiting_for_all ? "a node did not stop in time"
                                                                   : "transfers did not end in time"};
  }
  return {};
}

void MpiEngine::end(const Status& outcome) {
  phase_ = Phase::ended;
  const Error error = outcome.ok() ? Error{Code::cancelled, "the exchange has stopped"} : outcome.error();
  for (auto& command : queue_->close()) {
    if (auto* fetch = std::get_if<command::Fetch>(&command)) {
      fetch->done(error);
    }
  }
  fetches_.end_all(error);
  ended_.set_value(outcome);
}

}  // namespace forebay
