#include "server/watch.hpp"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "common/log.hpp"
#include "stage/peer_messages.hpp"

namespace forebay {

namespace {

constexpr PeerOp kAlive = PeerOp::alive;

}  // namespace

Watch::Watch(PeerTransport& transport, Options options)
    : transport_(transport),
      options_(std::move(options)),
      neighbour_{(transport.self().value + 1) % transport.node_count()} {}

Watch::~Watch() {
  stop();
}

void Watch::start() {
  thread_ = std::thread([this] { look(); });
  ::pthread_setname_np(thread_.native_handle(), "forebay-watch");
}

void Watch::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Watch::look() {
  using Clock = std::chrono::steady_clock;
  std::unique_lock lock(mutex_);
  auto last = Clock::now();
  bool first = true;
  while (!stopping_) {
    const auto notices = std::exchange(notices_, {});
    lock.unlock();
    for (const NodeIndex node : notices) {
      if (options_.tell_silent) {
        options_.tell_silent(node);
      }
    }
    const auto now = Clock::now();
    const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(now - last);
    if (first || passed >= options_.every) {
      first = false;
      last = now;
      beat(passed);
    }
    lock.lock();
    wake_.wait_until(lock, last + options_.every, [this] { return stopping_ || !notices_.empty(); });
  }
}

void Watch::beat(std::chrono::milliseconds passed) {
  if (options_.runs && !options_.runs()) {
    return;
  }
  if (options_.tell_alive) {
    options_.tell_alive();
  }
  if (transport_.node_count() > 1) {
    // Where this process itself was held up, the others are not to blame.
    ask_neighbour(std::min(passed, 2 * options_.every));
  }
}

void Watch::ask_neighbour(std::chrono::milliseconds passed) {
  if (state_->answered.exchange(false)) {
    quiet_ = told_ = std::chrono::milliseconds(0);
  } else {
    quiet_ += passed;
  }
  if (quiet_ > options_.server_timeout &&
      (told_ == told_.zero() || quiet_ - told_ > options_.server_timeout) && neighbour_.value != 0) {
    told_ = quiet_;
    log_warning("node {} is silent", neighbour_.value);
    SilentNotice notice;
    notice.node = neighbour_.value;
    transport_.fetch(NodeIndex{0}, request_bytes(notice), {}, [](const Result<std::size_t>&) {});
  }
  if (!state_->asked.exchange(true)) {
    transport_.fetch(neighbour_, request_bytes(kAlive), {},
                     [state = state_](const Result<std::size_t>& result) {
                       state->answered = result.ok();
                       state->asked = false;
                     });
  }
}

void Watch::on_request(NodeIndex, std::span<const std::byte> request, std::unique_ptr<Responder> responder) {
  if (const auto notice = request_of<SilentNotice>(request); notice && notice->op == PeerOp::silent) {
    const std::lock_guard lock(mutex_);
    if (notices_.size() < transport_.node_count()) {
      notices_.push_back(NodeIndex{notice->node});
      wake_.notify_all();
    }
  }
  responder->respond_with({});
}

}  // namespace forebay
