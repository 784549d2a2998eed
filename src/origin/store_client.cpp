#include "origin/store_client.hpp"

#include <algorithm>

namespace forebay {
namespace {

// A handful answers a small listing; the limit rises while the store answers.
constexpr std::uint32_t kFirstConnections = 16;

HttpOptions options_of(const StoreSettings& settings) {
  HttpOptions options;
  options.ca_file = settings.ca_file;
  options.deadline = std::chrono::seconds(settings.deadline_s);
  options.connect_timeout = std::min(options.connect_timeout, options.deadline);
  return options;
}

}  // namespace

StoreClient::StoreClient(const StoreSettings& settings)
    : connections_max_(settings.connections == 0 ? kStoreConnectionsMax : settings.connections),
      limit_({.least = 1, .first = std::min(kFirstConnections, connections_max_), .most = connections_max_}),
      budget_(RateBudget::Rate{.requests = settings.requests, .bytes = 0}),
      http_(options_of(settings), limit_, budget_) {}

}  // namespace forebay
