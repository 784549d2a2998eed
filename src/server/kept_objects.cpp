#include "server/kept_objects.hpp"

#include <algorithm>

#include "common/log.hpp"
#include "server/ask_peers.hpp"
#include "stage/peer_messages.hpp"

namespace forebay {

namespace {

// Stripes are comparable when both runs cut the object the same way.
bool same_shape(const ObjectShape& shape, const KeptStripe& kept) {
  return kept.object_bytes == shape.bytes && kept.stripe < stripe_total(shape) &&
         (kept.stripe_bytes == shape.stripe_bytes ||
          shape.bytes <= std::min(kept.stripe_bytes, shape.stripe_bytes));
}

void note_kept(const StateView& state, std::uint32_t self, std::uint32_t node,
               const KeptStripesRequest& request, std::span<const std::byte> bits) {
  for (std::uint32_t i = 0; i < request.count; ++i) {
    const std::uint32_t stripe = request.first + i;
    if ((bits[i / 8] & (std::byte{1} << (i % 8))) != std::byte{0} && state.owner(stripe) == self &&
        state.phase(stripe) == StripePhase::absent) {
      set_kept_elsewhere(state, stripe, node);
    }
  }
}

// What a dataset's state table is to say, while it may still say what an earlier server left.
struct Seen {
  explicit Seen(const StateView& state)
      : stripes(state.header().stripe_count), whole(state.header().entry_count) {}
  std::vector<bool> stripes;  // present
  std::vector<bool> whole;    // by entry
};

// Readers may be looking: what is right already is not touched, and a stripe's bytes are never others under
// one word.
void mark_present(const StateView& state, std::uint32_t stripe, std::uint64_t checksum) {
  if (state.phase(stripe) == StripePhase::present) {
    if (state.checksum(stripe) == checksum) {
      return;
    }
    state.set_absent(stripe);
  }
  state.set_present(stripe, checksum);
}

void mark_absent(const StateView& state, std::uint32_t stripe) {
  if (state.phase(stripe) == StripePhase::present) {
    state.set_absent(stripe);
  } else if (state.phase(stripe) != StripePhase::absent) {
    state.set_phase(stripe, StripePhase::absent);
  }
  state.set_absent_hint(stripe, 0);  // It names a node of another job.
}

void clear_unseen(const StagedDataset& dataset, const Seen& seen) {
  for_each_object(dataset.view(), [&](std::uint32_t index, const CatalogEntry& entry) {
    if (!seen.whole[index] && dataset.state.buffer_inode(index) != 0) {
      dataset.state.publish_inode(index, 0);
    }
    for (std::uint32_t number = 0; number < stripe_total(shape_of(dataset, entry)); ++number) {
      if (!seen.stripes[stripe_index(entry, number)]) {
        mark_absent(dataset.state, stripe_index(entry, number));
      }
    }
  });
}

}  // namespace

void mark_all_absent(const StateView& state) {
  for (std::uint32_t stripe = 0; stripe < state.header().stripe_count; ++stripe) {
    mark_absent(state, stripe);
  }
}

std::uint64_t mark_kept(const StagedDatasets& datasets, ObjectStore& store) {
  std::uint64_t stripes = 0;
  std::vector<Seen> seen;
  for (const auto& dataset : datasets) {
    seen.emplace_back(dataset.state);
  }
  store.visit_kept([&](const KeptStripe& kept) {
    for (std::size_t k = 0; k < datasets.size(); ++k) {
      const StagedDataset& dataset = datasets[k];
      const std::uint32_t index = dataset.view().find_identity(kept.object);
      if (index == kNoEntry) {
        continue;
      }
      const std::uint32_t holder = dataset.view().entry(index).count;
      const CatalogEntry& entry = dataset.view().entry(holder);
      if (holder != index || dataset.state.bypassed(holder) || !same_shape(shape_of(dataset, entry), kept)) {
        return false;
      }
      mark_present(dataset.state, stripe_index(entry, kept.stripe), kept.checksum);
      seen[k].stripes[stripe_index(entry, kept.stripe)] = true;
      if (kept.whole_inode != 0) {
        dataset.state.publish_inode(holder, kept.whole_inode);
        seen[k].whole[holder] = true;
      }
      ++stripes;
      return true;
    }
    return false;
  });
  for (std::size_t k = 0; k < datasets.size(); ++k) {
    clear_unseen(datasets[k], seen[k]);
  }
  return stripes;
}

void find_kept_elsewhere(const StagedDatasets& datasets, PeerTransport& transport,
                         std::span<const std::uint64_t> kept) {
  const std::uint32_t self = transport.self().value;
  std::vector<std::byte> bits;
  for (std::uint32_t node = 0; node < kept.size(); ++node) {
    if (node == self || kept[node] == 0) {
      continue;
    }
    for (std::uint32_t k = 0; k < datasets.size(); ++k) {
      const StateView& state = datasets[k].state;
      const std::uint32_t stripes = state.header().stripe_count;
      for (std::uint32_t first = 0; first < stripes; first += std::min(kKeptStripesMax, stripes - first)) {
        KeptStripesRequest request;
        request.dataset = k;
        request.first = first;
        request.count = std::min(kKeptStripesMax, stripes - first);
        bits.resize((request.count + 7) / 8);
        const auto landed = fetch_and_wait(transport, NodeIndex{node}, request_bytes(request), bits);
        if (!landed.ok() || *landed != bits.size()) {
          log_warning("node {} does not say what it kept: {}", node,
                      landed.ok() ? "a short answer" : landed.error().text);
          break;
        }
        note_kept(state, self, node, request, bits);
      }
    }
  }
}

}  // namespace forebay
