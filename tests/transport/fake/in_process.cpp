#include "transport/fake/in_process.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

namespace forebay {

namespace {

// A thread and its queue of things to do. What is posted after close() is dropped.
class Mailbox {
 public:
  Mailbox() : thread_([this] { work(); }) {}
  ~Mailbox() { close(); }

  void post(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    if (!closed_) {
      tasks_.push_back(std::move(task));
      wake_.notify_one();
    }
  }

  // Runs what is queued, then ends the thread.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
      wake_.notify_one();
    }
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  [[nodiscard]] bool runs_this_thread() const { return thread_.get_id() == std::this_thread::get_id(); }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return closed_ || !tasks_.empty(); });
      if (tasks_.empty()) {
        return;
      }
      auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      task = nullptr;  // What it holds is let go of without the lock.
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool closed_ = false;
  std::thread thread_;
};

// One fetch, from its start until `done` ran.
struct Call {
  std::uint32_t from;
  std::uint32_t to;
  std::vector<std::byte> request;
  std::span<std::byte> into;
  PeerTransport::Done done;
  std::atomic<bool> finished{false};
};

}  // namespace

struct InProcessNetwork::Shared {
  Shared(Executor& runs, std::chrono::milliseconds deadline) : executor(runs), stop_deadline(deadline) {}

  Executor& executor;
  std::chrono::milliseconds stop_deadline;
  std::vector<std::unique_ptr<Node>> nodes;

  std::mutex mutex;
  std::condition_variable arrived;
  std::vector<bool> stopping;  // Called stop(), or was dropped.
};

class InProcessNetwork::Node final : public PeerTransport {
 public:
  // `shared` owns this node.
  Node(std::uint32_t index, std::weak_ptr<Shared> shared, std::uint32_t count)
      : index_(index), count_(count), shared_(std::move(shared)) {}

  NodeIndex self() const override { return NodeIndex{index_}; }
  std::uint32_t node_count() const override { return count_; }

  void fetch(NodeIndex peer, std::span<const std::byte> request, std::span<std::byte> into,
             Done done) override {
    auto call = std::make_shared<Call>();
    call->from = index_;
    call->to = peer.value;
    call->into = into;
    call->done = std::move(done);
    {
      const std::lock_guard lock(mutex_);
      in_flight_.insert(call);
    }
    if (peer.value >= count_) {
      return finish(
          call, Error{Code::bad_argument, fmt::format("node {} is no peer ({} nodes)", peer.value, count_)});
    }
    if (request.size() > kRequestBytesMax) {
      return finish(call, Error{Code::bad_argument, "request too large (it must fit kRequestBytesMax)"});
    }
    call->request.assign(request.begin(), request.end());
    Node& target = *network().nodes[peer.value];
    if (gone_ || target.gone_) {
      return finish(call, Error{Code::unavailable, fmt::format("node {} is gone", peer.value)});
    }
    target.mailbox_.post([&target, call] { target.deliver(call); });
  }

  void serve(RequestHandler& handler) override {
    mailbox_.post([this, &handler] {
      handler_ = &handler;
      for (auto& call : std::exchange(waiting_, {})) {
        deliver(call);
      }
    });
  }

  Status stop() override;

  // The answering side: `answer` was filled by `status`'s maker on an executor thread of this node.
  void answered(const std::shared_ptr<Call>& call, std::vector<std::byte> answer, Status status) {
    Node& requester = *network().nodes[call->from];
    if (!status.ok()) {
      return requester.finish(call, Error{status.error()});
    }
    const auto checksum = checksum_bytes(answer.data(), answer.size());
    if (!answer.empty() && corrupt_next_.exchange(false)) {
      answer[answer.size() / 2] ^= std::byte{1};
    }
    requester.mailbox_.post([&requester, call, checksum, bytes = std::move(answer)] {
      if (call->finished) {
        return;
      }
      if (checksum_bytes(bytes.data(), bytes.size()) != checksum) {
        return requester.finish_here(
            call, Error{Code::corrupt, fmt::format("answer of node {} is damaged", call->to)});
      }
      if (!bytes.empty()) {
        std::memcpy(call->into.data(), bytes.data(), bytes.size());
      }
      requester.finish_here(call, bytes.size());
    });
  }

  // Runs `done` on this node's thread, unless it ran already.
  void finish(const std::shared_ptr<Call>& call, Result<std::size_t> result) {
    mailbox_.post(
        [this, call, result = std::move(result)]() mutable { finish_here(call, std::move(result)); });
  }

  // Fails what is in flight from this node (to `peer`, or to anyone).
  void fail_in_flight(std::optional<std::uint32_t> peer, const Error& error) {
    std::vector<std::shared_ptr<Call>> calls;
    {
      const std::lock_guard lock(mutex_);
      calls.assign(in_flight_.begin(), in_flight_.end());
    }
    for (const auto& call : calls) {
      if (!peer || call->to == *peer) {
        finish(call, error);
      }
    }
  }

  void go() { gone_ = true; }
  void corrupt_next() { corrupt_next_ = true; }
  void close() { mailbox_.close(); }
  [[nodiscard]] std::weak_ptr<Shared> shared() const { return shared_; }

 private:
  class Answer;

  Shared& network() const {
    // The nodes live in `Shared`, which the network holds until their threads have ended.
    return *shared_.lock();
  }

  void deliver(const std::shared_ptr<Call>& call);

  void finish_here(const std::shared_ptr<Call>& call, Result<std::size_t> result) {
    if (call->finished.exchange(true)) {
      return;
    }
    {
      const std::lock_guard lock(mutex_);
      in_flight_.erase(call);
    }
    std::exchange(call->done, nullptr)(std::move(result));
  }

  const std::uint32_t index_;
  const std::uint32_t count_;
  const std::weak_ptr<Shared> shared_;
  std::atomic<bool> gone_{false};
  std::atomic<bool> corrupt_next_{false};
  std::mutex mutex_;
  std::unordered_set<std::shared_ptr<Call>> in_flight_;  // Under mutex_.
  RequestHandler* handler_ = nullptr;                    // This and waiting_: on the node's thread only.
  std::deque<std::shared_ptr<Call>> waiting_;
  Mailbox mailbox_;  // Last, so that its thread ends first.
};

// Holds the network's nodes alive by `shared_`: a handler may keep a Responder for longer than the network
// lives.
class InProcessNetwork::Node::Answer final : public Responder {
 public:
  Answer(Node& node, std::shared_ptr<Shared> shared, std::shared_ptr<Call> call)
      : node_(node), shared_(std::move(shared)), call_(std::move(call)) {}

  ~Answer() override {
    if (call_) {
      fail(Error{Code::unavailable, fmt::format("node {} dropped the request", call_->to)});
    }
  }

  void respond(std::size_t bytes, Fill fill) override {
    FOREBAY_CHECK(call_ != nullptr);
    FOREBAY_CHECK(bytes <= kChunkBytes);
    if (bytes > call_->into.size()) {
      return fail(Error{
          Code::bad_argument,
          fmt::format("answer of {} bytes does not fit the {} bytes asked for", bytes, call_->into.size())});
    }
    shared_->executor.post([&node = node_, shared = shared_, call = std::exchange(call_, nullptr), bytes,
                            fill = std::move(fill)] {
      if (call->finished) {
        return;
      }
      std::vector<std::byte> answer(bytes);
      auto status = fill(answer);
      node.answered(call, std::move(answer), std::move(status));
    });
  }

  void respond_with(std::span<const std::byte> answer) override {
    FOREBAY_CHECK(call_ != nullptr);
    FOREBAY_CHECK(answer.size() <= kRequestBytesMax);
    if (answer.size() > call_->into.size()) {
      return fail(Error{Code::bad_argument, "answer does not fit the memory asked for"});
    }
    node_.answered(std::exchange(call_, nullptr), {answer.begin(), answer.end()}, {});
  }

  void fail(Error error) override {
    FOREBAY_CHECK(call_ != nullptr);
    const auto call = std::exchange(call_, nullptr);
    shared_->nodes[call->from]->finish(call, std::move(error));
  }

 private:
  Node& node_;
  std::shared_ptr<Shared> shared_;
  std::shared_ptr<Call> call_;
};

void InProcessNetwork::Node::deliver(const std::shared_ptr<Call>& call) {
  if (call->finished) {
    return;
  }
  if (handler_ == nullptr) {
    waiting_.push_back(call);
    return;
  }
  handler_->on_request(NodeIndex{call->from}, call->request,
                       std::make_unique<Answer>(*this, shared_.lock(), call));
}

Status InProcessNetwork::Node::stop() {
  FOREBAY_CHECK(!mailbox_.runs_this_thread());
  Shared& shared = network();
  bool all = false;
  {
    std::unique_lock lock(shared.mutex);
    shared.stopping[index_] = true;
    shared.arrived.notify_all();
    all = shared.arrived.wait_for(lock, shared.stop_deadline, [&shared] {
      return std::all_of(shared.stopping.begin(), shared.stopping.end(),
                         [](bool stopping) { return stopping; });
    });
  }
  go();
  fail_in_flight(std::nullopt, Error{Code::cancelled, "the transport stopped"});
  std::promise<void> drained;
  mailbox_.post([&drained] { drained.set_value(); });
  drained.get_future().wait();
  if (!all) {
    return Error{Code::timed_out, "a peer did not stop (deadline passed)"};
  }
  return {};
}

InProcessNetwork::InProcessNetwork(std::uint32_t nodes, Executor& executor,
                                   std::chrono::milliseconds stop_deadline)
    : shared_(std::make_shared<Shared>(executor, stop_deadline)) {
  shared_->stopping.resize(nodes);
  for (std::uint32_t i = 0; i < nodes; ++i) {
    shared_->nodes.push_back(std::make_unique<Node>(i, shared_, nodes));
  }
}

InProcessNetwork::~InProcessNetwork() {
  for (auto& node : shared_->nodes) {
    node->go();
  }
  for (auto& node : shared_->nodes) {
    node->fail_in_flight(std::nullopt, Error{Code::cancelled, "the transport is gone"});
  }
  for (auto& node : shared_->nodes) {
    node->close();
  }
}

PeerTransport& InProcessNetwork::transport(std::uint32_t node) {
  return *shared_->nodes.at(node);
}

void InProcessNetwork::drop(std::uint32_t node) {
  const Error error{Code::unavailable, fmt::format("node {} is gone", node)};
  shared_->nodes.at(node)->go();
  for (std::uint32_t i = 0; i < shared_->nodes.size(); ++i) {
    shared_->nodes[i]->fail_in_flight(i == node ? std::nullopt : std::optional(node), error);
  }
  const std::lock_guard lock(shared_->mutex);
  shared_->stopping[node] = true;
  shared_->arrived.notify_all();
}

void InProcessNetwork::corrupt_next_answer_of(std::uint32_t node) {
  shared_->nodes.at(node)->corrupt_next();
}

Status InProcessNetwork::stop_all() {
  std::vector<std::future<Status>> stops;
  for (auto& node : shared_->nodes) {
    stops.push_back(std::async(std::launch::async, [&node] { return node->stop(); }));
  }
  Status first;
  for (auto& stop : stops) {
    auto status = stop.get();
    if (first.ok() && !status.ok()) {
      first = std::move(status);
    }
  }
  return first;
}

}  // namespace forebay
