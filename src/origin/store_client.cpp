#include "origin/store_client.hpp"

#include <algorithm>

#include "common/chunk.hpp"

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

// No more than get their bytes, by the bandwidth, in half of a request's deadline.
std::uint32_t connections_of(const StoreSettings& settings) {
  const std::uint32_t most = settings.connections == 0 ? kStoreConnectionsMax : settings.connections;
  if (settings.bandwidth <= 0) {
    return most;
  }
  const double in_time = settings.bandwidth * settings.deadline_s / 2 / static_cast<double>(kChunkBytes);
  return in_time >= most ? most : std::max(1U, static_cast<std::uint32_t>(in_time));
}

}  // namespace

StoreClient::StoreClient(const StoreSettings& settings)
    : connections_max_(connections_of(settings)),
      limit_({.least = 1, .first = std::min(kFirstConnections, connections_max_), .most = connections_max_}),
      budget_(RateBudget::Rate{.requests = settings.requests, .bytes = settings.bandwidth}),
      http_(options_of(settings), limit_, budget_) {}

}  // namespace forebay
