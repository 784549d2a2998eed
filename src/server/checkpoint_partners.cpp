#include "server/checkpoint_partners.hpp"

#include <algorithm>
#include <utility>

namespace forebay {

std::vector<NodeIndex> CheckpointPartners::partners_of(const std::vector<std::string>& names,
                                                       std::uint32_t self, std::uint32_t count) {
  std::vector<std::uint32_t> order(names.size());
  for (std::uint32_t node = 0; node < names.size(); ++node) {
    order[node] = node;
  }
  std::sort(order.begin(), order.end(),
            [&names](std::uint32_t a, std::uint32_t b) { return names[a] < names[b]; });
  const auto at = static_cast<std::size_t>(std::find(order.begin(), order.end(), self) - order.begin());
  std::vector<NodeIndex> partners;
  for (std::size_t next = 1; next <= count && next < order.size(); ++next) {
    partners.push_back(NodeIndex{order[(at + next) % order.size()]});
  }
  return partners;
}

CheckpointPartners::CheckpointPartners(PeerTransport& transport, std::uint32_t checkpoint,
                                       const std::vector<NodeIndex>& partners,
                                       std::function<void(const CheckpointMark& mark)> kept)
    : transport_(transport), checkpoint_(checkpoint), any_(!partners.empty()) {
  for (const NodeIndex node : partners) {
    state_->partners.emplace_back().node = node;
  }
  state_->kept = std::move(kept);
}

CheckpointPartners::~CheckpointPartners() {
  stop();
}

void CheckpointPartners::stop() {
  std::vector<std::function<void(bool)>> over;
  {
    const std::lock_guard lock(state_->mutex);
    state_->over = true;
    for (auto& partner : state_->partners) {
      for (const auto& asking : partner.waiting) {
        if (asking->over) {
          over.push_back(std::exchange(asking->over, nullptr));
        }
      }
    }
  }
  for (const auto& one : over) {
    one(false);
  }
}

void CheckpointPartners::keep(const TreeChange& change, std::function<void(bool kept)> over) {
  if (!any_) {
    if (over) {
      over(false);
    }
    return;
  }
  auto asking = std::make_shared<Asking>();
  asking->change = change;
  asking->unanswered = state_->partners.size();
  asking->over = std::move(over);
  {
    const std::lock_guard lock(state_->mutex);
    for (auto& partner : state_->partners) {
      // Somebody waits for those.
      asking->over ? partner.waiting.push_front(asking) : partner.waiting.push_back(asking);
    }
  }
  tick();
}

void CheckpointPartners::drop(std::span<const CheckpointMark> marks) {
  if (!any_) {
    return;
  }
  {
    const std::lock_guard lock(state_->mutex);
    std::set<std::uint64_t> seqs;
    for (const auto& mark : marks) {
      seqs.insert(mark.seq);
    }
    for (auto& partner : state_->partners) {
      std::erase_if(partner.waiting, [&seqs](const std::shared_ptr<Asking>& asking) {
        return !asking->over && seqs.contains(asking->change.seq);
      });
      for (const auto& mark : marks) {
        if (partner.has.erase(mark.seq) != 0) {
          partner.drops.push_back(encode_mark(mark));
        }
      }
    }
  }
  tick();
}

void CheckpointPartners::tick() {
  for (std::size_t partner = 0; partner < state_->partners.size(); ++partner) {
    send(transport_, checkpoint_, state_, partner);
  }
}

void CheckpointPartners::send(PeerTransport& transport, std::uint32_t checkpoint,
                              const std::shared_ptr<State>& state, std::size_t index) {
  while (true) {
    std::shared_ptr<Asking> asking;
    std::string drops;
    NodeIndex node;
    {
      const std::lock_guard lock(state->mutex);
      Partner& partner = state->partners[index];
      if (state->over || Clock::now() < partner.again_at) {
        return;
      }
      node = partner.node;
      if (!partner.drops.empty() && !partner.dropping) {
        while (!partner.drops.empty() && drops.size() + partner.drops.front().size() <= kCheckpointItemsMax) {
          drops += partner.drops.front();
          partner.drops.pop_front();
        }
        partner.dropping = true;
      } else if (!partner.waiting.empty() && partner.asked < kAskedMax) {
        asking = std::move(partner.waiting.front());
        partner.waiting.pop_front();
        partner.has.insert(asking->change.seq);
        ++partner.asked;
      } else {
        return;
      }
    }
    if (!asking) {
      const std::string request = checkpoint_request(PeerOp::drop_copy, checkpoint, drops);
      // A copy that is not dropped is looked at by the next start, and found to be durable.
      transport.fetch(node, std::as_bytes(std::span(request)), {},
                      [&transport, checkpoint, state, index](const Result<std::size_t>&) {
                        {
                          const std::lock_guard lock(state->mutex);
                          state->partners[index].dropping = false;
                        }
                        send(transport, checkpoint, state, index);
                      });
      continue;
    }
    const std::string request =
        checkpoint_request(PeerOp::keep_copy, checkpoint, encode_change(asking->change));
    transport.fetch(node, std::as_bytes(std::span(request)), {},
                    [&transport, checkpoint, state, index, asking](const Result<std::size_t>& answer) {
                      answered(*state, index, asking, answer);
                      send(transport, checkpoint, state, index);
                    });
  }
}

void CheckpointPartners::answered(State& state, std::size_t index, const std::shared_ptr<Asking>& asking,
                                  const Result<std::size_t>& answer) {
  std::function<void(bool kept)> over;
  bool one_keeps = false;
  {
    const std::lock_guard lock(state.mutex);
    Partner& partner = state.partners[index];
    --partner.asked;
    const bool again = !answer.ok() && !asking->over && !state.over &&
                       (answer.error().code == Code::unavailable || answer.error().code == Code::timed_out ||
                        answer.error().code == Code::no_space);
    if (again) {
      partner.again_at = Clock::now() + kAgainAfter;
      if (partner.has.erase(asking->change.seq) != 0) {  // Else it is durable by now.
        partner.waiting.push_front(asking);
      }
      return;
    }
    asking->kept += answer.ok() ? 1 : 0;
    --asking->unanswered;
    if (!state.over && asking->unanswered == 0 && asking->kept == state.partners.size()) {
      state.kept({asking->change.path, asking->change.seq});  // Not behind stop().
    }
    one_keeps = asking->kept > 0;
    if (asking->unanswered == 0) {
      over = std::exchange(asking->over, nullptr);
    }
  }
  if (over) {
    over(one_keeps);
  }
}

}  // namespace forebay
