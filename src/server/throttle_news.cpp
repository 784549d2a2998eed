#include "server/throttle_news.hpp"

#include <utility>

#include "common/log.hpp"
#include "stage/peer_messages.hpp"

namespace forebay {

ThrottleNews::ThrottleNews(PeerTransport& transport, std::vector<Origin*> origins)
    : transport_(transport), origins_(std::move(origins)), passed_on_(origins_.size()) {
  for (std::uint32_t k = 0; k < origins_.size(); ++k) {
    if (StoreClient* store = origins_[k]->store()) {
      store->on_throttled([this, k] { tell(NodeIndex{0}, k); });
    }
  }
}

// Nobody waits for it: what is lost is told again by the next answer of a store that still throttles.
void ThrottleNews::tell(NodeIndex node, std::uint32_t dataset) {
  ThrottledNotice notice;
  notice.dataset = dataset;
  transport_.fetch(node, request_bytes(notice), {}, [](const Result<std::size_t>&) {});
}

void ThrottleNews::on_request(NodeIndex from, std::span<const std::byte> request,
                              std::unique_ptr<Responder> responder) {
  const auto notice = request_of<ThrottledNotice>(request);
  if (notice && notice->dataset < origins_.size()) {
    StoreClient* store = origins_[notice->dataset]->store();
    if (store != nullptr && from.value != transport_.self().value) {
      store->throttled_elsewhere();
    }
    if (transport_.self().value == 0) {
      pass_on(notice->dataset, from);
    }
  }
  responder->respond_with({});
}

void ThrottleNews::pass_on(std::uint32_t dataset, NodeIndex from) {
  const auto now = std::chrono::steady_clock::now();
  {
    const std::lock_guard lock(mutex_);
    if (passed_on_[dataset] + kPassOnEvery > now) {
      return;
    }
    passed_on_[dataset] = now;
  }
  log_debug("a store throttles: dataset {} is read more slowly by all nodes", dataset);
  for (std::uint32_t node = 1; node < transport_.node_count(); ++node) {
    if (node != from.value) {
      tell(NodeIndex{node}, dataset);
    }
  }
}

}  // namespace forebay
