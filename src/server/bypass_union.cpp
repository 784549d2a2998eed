#include "server/bypass_union.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "server/ask_peers.hpp"
#include "shared/hashing.hpp"
#include "stage/peer_messages.hpp"

namespace forebay {

namespace {

constexpr std::size_t kEntriesPerAnswer = kChunkBytes / sizeof(std::uint32_t);

std::vector<std::vector<std::uint32_t>> bypassed_entries(const StagedDatasets& datasets) {
  std::vector<std::vector<std::uint32_t>> lists;
  for (const auto& dataset : datasets) {
    auto& list = lists.emplace_back();
    for (std::uint32_t entry = 0; entry < dataset.state.header().entry_count; ++entry) {
      if (dataset.state.bypassed(entry)) {
        list.push_back(entry);
      }
    }
  }
  return lists;
}

std::uint64_t hash_of(const std::vector<std::vector<std::uint32_t>>& lists) {
  std::uint64_t hash = 0;
  for (const auto& list : lists) {
    hash = hash_bytes(list.data(), list.size() * sizeof(std::uint32_t), hash);
  }
  return hash;
}

}  // namespace

BypassUnion::BypassUnion(const StagedDatasets& datasets, PeerTransport& transport)
    : datasets_(datasets), transport_(transport), mine_(bypassed_entries(datasets)), all_(mine_) {}

nlohmann::json BypassUnion::summary() const {
  std::vector<std::size_t> counts;
  for (const auto& list : mine_) {
    counts.push_back(list.size());
  }
  return {{"counts", counts}, {"hash", hash_of(mine_)}};
}

Status BypassUnion::join(const std::vector<nlohmann::json>& said) {
  // Most nodes have the same marks: of each kind one is asked, and not by all the same one.
  std::map<std::uint64_t, std::vector<std::uint32_t>> kinds;
  for (std::uint32_t node = 0; node < said.size(); ++node) {
    kinds[said[node].value("hash", std::uint64_t{0})].push_back(node);
  }
  kinds.erase(hash_of(mine_));
  for (const auto& [hash, nodes] : kinds) {
    const std::uint32_t node = nodes[transport_.self().value % nodes.size()];
    const auto counts = said[node].value("counts", std::vector<std::uint64_t>());
    for (std::uint32_t k = 0; k < datasets_.size() && k < counts.size(); ++k) {
      if (counts[k] > 0) {
        FOREBAY_TRY(bring(NodeIndex{node}, k));
      }
    }
  }
  for (auto& list : all_) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
  }
  return {};
}

Status BypassUnion::bring(NodeIndex from, std::uint32_t dataset) {
  const StateView& state = datasets_[dataset].state;
  std::vector<std::uint32_t> entries(kEntriesPerAnswer);
  BypassedRequest request;
  request.dataset = dataset;
  while (true) {
    FOREBAY_ASSIGN(landed, fetch_and_wait(transport_, from, request_bytes(request),
                                          std::as_writable_bytes(std::span(entries))));
    const std::size_t count = landed / sizeof(std::uint32_t);
    for (std::size_t i = 0; i < count; ++i) {
      if (entries[i] >= state.header().entry_count) {
        return Error{Code::corrupt, "a node names an entry that does not exist"};
      }
      state.set_bypass(entries[i]);
      all_[dataset].push_back(entries[i]);
    }
    if (count < kEntriesPerAnswer) {
      return {};
    }
    request.first += count;
  }
}

std::vector<ObjectKey> BypassUnion::marked_since() const {
  std::vector<ObjectKey> marked;
  const auto now = bypassed_entries(datasets_);
  for (std::uint32_t k = 0; k < now.size(); ++k) {
    for (const std::uint32_t entry : now[k]) {
      if (!std::binary_search(all_[k].begin(), all_[k].end(), entry)) {
        marked.push_back(ObjectKey{k, entry});
      }
    }
  }
  return marked;
}

void BypassUnion::on_request(NodeIndex, std::span<const std::byte> bytes,
                             std::unique_ptr<Responder> responder) {
  const auto request = request_of<BypassedRequest>(bytes);
  if (!request || request->dataset >= mine_.size() || request->first > mine_[request->dataset].size()) {
    return responder->fail(Error{Code::bad_argument, "malformed request for what is bypassed"});
  }
  const auto& list = mine_[request->dataset];
  const std::size_t count = std::min<std::size_t>(kEntriesPerAnswer, list.size() - request->first);
  responder->respond(count * sizeof(std::uint32_t),
                     [from = list.data() + request->first](std::span<std::byte> answer) {
                       if (!answer.empty()) {
                         std::memcpy(answer.data(), from, answer.size());
                       }
                       return Status{};
                     });
}

}  // namespace forebay
