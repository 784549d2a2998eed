#include "server/checkpoint_news.hpp"

#include <algorithm>
#include <utility>

#include "common/log.hpp"

namespace forebay {

CheckpointNews::CheckpointNews(PeerTransport& transport, std::uint32_t checkpoint)
    : transport_(transport), checkpoint_(checkpoint) {
  for (std::uint32_t node = 0; node < transport.node_count(); ++node) {
    if (node != transport.self().value) {
      state_->peers.emplace_back().node = NodeIndex{node};
    }
  }
}

CheckpointNews::~CheckpointNews() {
  std::vector<Waiter> waiters;
  {
    const std::lock_guard lock(state_->mutex);
    state_->over = true;
    waiters.swap(state_->waiters);
  }
  for (auto& waiter : waiters) {
    waiter.done(false);
  }
}

void CheckpointNews::tell(std::span<const TreeChange> changes) {
  for (const TreeChange& change : changes) {
    add(PeerOp::checkpoint_names, encode_change(change));
  }
  send_all();
}

void CheckpointNews::tell_published(std::span<const CheckpointMark> marks) {
  for (const CheckpointMark& mark : marks) {
    add(PeerOp::checkpoint_published, encode_mark(mark));
  }
  send_all();
}

void CheckpointNews::add(PeerOp op, std::string bytes) {
  const std::lock_guard lock(state_->mutex);
  const std::uint64_t number = ++state_->told;
  for (Peer& peer : state_->peers) {
    if (peer.items.size() >= kItemsMax && !peer.asked) {
      peer.items.pop_front();
      if (state_->given_up++ == 0) {
        log_warning("node {} does not hear what changes in checkpoints: it will see some of it late",
                    peer.node.value);
      }
    }
    peer.items.push_back({op, number, bytes});
  }
}

void CheckpointNews::send_all() {
  for (std::size_t peer = 0; peer < state_->peers.size(); ++peer) {
    send(transport_, checkpoint_, state_, peer);
  }
}

// One request to a peer at a time, so that it hears all in order.
void CheckpointNews::send(PeerTransport& transport, std::uint32_t checkpoint,
                          const std::shared_ptr<State>& state, std::size_t index) {
  std::string request;
  NodeIndex node;
  {
    const std::lock_guard lock(state->mutex);
    Peer& peer = state->peers[index];
    if (state->over || peer.asked || peer.items.empty() || Clock::now() < peer.again_at) {
      return;
    }
    std::string items;
    const PeerOp op = peer.items.front().op;
    peer.sent = 0;
    while (peer.sent < peer.items.size() && peer.items[peer.sent].op == op &&
           items.size() + peer.items[peer.sent].bytes.size() <= kCheckpointItemsMax) {
      items += peer.items[peer.sent++].bytes;
    }
    FOREBAY_CHECK(peer.sent > 0);
    peer.asked = true;
    node = peer.node;
    request = checkpoint_request(op, checkpoint, items);
  }
  transport.fetch(node, std::as_bytes(std::span(request)), {},
                  [&transport, checkpoint, state, index](const Result<std::size_t>& heard) {
                    {
                      const std::lock_guard lock(state->mutex);
                      Peer& peer = state->peers[index];
                      peer.asked = false;
                      if (heard.ok()) {
                        peer.items.erase(peer.items.begin(),
                                         peer.items.begin() + static_cast<std::ptrdiff_t>(peer.sent));
                      } else {
                        peer.again_at = Clock::now() + kAgainAfter;
                      }
                    }
                    end_waiting(state);
                    send(transport, checkpoint, state, index);
                  });
}

void CheckpointNews::when_heard(Clock::time_point deadline, std::function<void(bool all)> done) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->waiters.push_back({state_->told, deadline, std::move(done)});
  }
  end_waiting(state_);
}

void CheckpointNews::end_waiting(const std::shared_ptr<State>& state) {
  std::vector<std::pair<Waiter, bool>> over;
  {
    const std::lock_guard lock(state->mutex);
    std::uint64_t heard = state->told;
    for (const Peer& peer : state->peers) {
      heard = std::min(heard, peer.items.empty() ? state->told : peer.items.front().number - 1);
    }
    const auto now = Clock::now();
    for (auto at = state->waiters.begin(); at != state->waiters.end();) {
      const bool all = at->number <= heard;
      if (all || now >= at->deadline) {
        over.emplace_back(std::move(*at), all);
        at = state->waiters.erase(at);
      } else {
        ++at;
      }
    }
  }
  for (auto& [waiter, all] : over) {
    waiter.done(all);
  }
}

void CheckpointNews::tick() {
  end_waiting(state_);
  send_all();
}

}  // namespace forebay
