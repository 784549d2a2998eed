#include "server/node_report.hpp"

#include <unistd.h>

#include "ipc/admin.hpp"

namespace forebay {

namespace {

ClientCounters sum_of(const ControlPage& page) {
  ClientCounters sum{};
  for (const auto& shard : page.counters) {
    sum.opens_local += __atomic_load_n(&shard.opens_local, __ATOMIC_RELAXED);
    sum.opens_peer += __atomic_load_n(&shard.opens_peer, __ATOMIC_RELAXED);
    sum.opens_origin += __atomic_load_n(&shard.opens_origin, __ATOMIC_RELAXED);
    sum.bypassed += __atomic_load_n(&shard.bypassed, __ATOMIC_RELAXED);
    sum.failures += __atomic_load_n(&shard.failures, __ATOMIC_RELAXED);
    sum.damaged += __atomic_load_n(&shard.damaged, __ATOMIC_RELAXED);
    sum.partial_opens += __atomic_load_n(&shard.partial_opens, __ATOMIC_RELAXED);
    sum.partial_bytes += __atomic_load_n(&shard.partial_bytes, __ATOMIC_RELAXED);
  }
  return sum;
}

struct Presence {
  std::uint64_t objects = 0;  // whole
  std::uint64_t bytes = 0;
  std::uint64_t owned_objects = 0;  // whose first stripe is owned here
  std::uint64_t owned_bytes = 0;
  std::uint64_t owned_present_bytes = 0;
};

Presence presence_of(const NodeCore& core) {
  Presence sum;
  for (const auto& dataset : core.datasets) {
    for_each_object(dataset.view(), [&](std::uint32_t index, const CatalogEntry& entry) {
      const ObjectShape shape = shape_of(dataset, entry);
      sum.objects += dataset.state.buffer_inode(index) != 0 ? 1 : 0;
      sum.owned_objects += dataset.state.owner(entry.first) == core.self ? 1 : 0;
      for (std::uint32_t number = 0; number < stripe_total(shape); ++number) {
        const std::uint32_t stripe = stripe_index(entry, number);
        const std::uint64_t bytes = stripe_size(shape, number);
        const bool present = dataset.state.phase(stripe) == StripePhase::present;
        const bool owned = dataset.state.owner(stripe) == core.self;
        sum.bytes += present ? bytes : 0;
        sum.owned_bytes += owned ? bytes : 0;
        sum.owned_present_bytes += present && owned ? bytes : 0;
      }
    });
  }
  return sum;
}

// What this node asked of stores.
nlohmann::json store_row(const NodeCore& core) {
  HttpCounts all;
  for (const auto& dataset : core.datasets) {
    if (StoreClient* client = dataset.origin->store()) {
      const HttpCounts counts = client->http().counts();
      all.attempts += counts.attempts;
      all.repeated += counts.repeated;
      all.throttled += counts.throttled;
    }
  }
  return {{"requests", all.attempts},
          {"repeated", all.repeated},
          {"throttled", all.throttled}};
}

double ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

nlohmann::json node_row(const NodeCore& core, const ControlPage* page, const std::string& name) {
  const Presence here = presence_of(core);
  const ClientCounters clients = page != nullptr ? sum_of(*page) : ClientCounters{};
  const StoreUsage usage = core.store.usage();
  const std::uint64_t origin_bytes = core.counters.origin_bytes_read;
  return {{"node", core.self},
          {"name", json_text_of_bytes(name)},
          {"state", core.stager.stopping() ? "stopping" : "serving"},
          {"pid", ::getpid()},
          {"dataset_objects", here.owned_objects},
          {"dataset_bytes", here.owned_bytes},
          {"objects_present", here.objects},
          {"bytes_present", here.bytes},
          {"owned_bytes", here.owned_bytes},
          {"owned_present_bytes", here.owned_present_bytes},
          {"capacity_bytes", usage.capacity_bytes},
          {"used_bytes", usage.used_bytes},
          {"hits",
           {{"local", clients.opens_local}, {"peer", clients.opens_peer}, {"origin", clients.opens_origin}}},
          {"bypassed", clients.bypassed},
          {"failures", clients.failures},
          {"origin_bytes_read", origin_bytes},
          {"origin_read_ratio", ratio(origin_bytes, here.owned_bytes)},
          {"store", store_row(core)},
          {"peer_bytes", core.counters.peer_bytes.load()},
          {"peer_bytes_served", core.counters.peer_bytes_served.load()},
          {"damaged", core.counters.damaged.load()},
          {"damaged_opens", clients.damaged},
          {"partial_opens", clients.partial_opens},
          {"partial_bytes", clients.partial_bytes},
          {"evicted_objects", core.counters.evicted_objects.load()},
          {"evicted_stripes", core.counters.evicted_stripes.load()},
          {"does_not_fit", core.counters.does_not_fit.load()},
          {"errors", core.counters.errors.load()},
          {"left_to_origin", core.counters.left_to_origin.load()}};
}

nlohmann::json job_report(const StagedDatasets& datasets, const std::vector<nlohmann::json>& rows) {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  std::uint64_t left_out = 0;
  for (const auto& dataset : datasets) {
    left_out += dataset.view().header().names_left_out;
    objects += dataset.view().header().object_count;
    bytes += dataset.view().header().dataset_bytes;
  }
  const auto sum = [&](const nlohmann::json::json_pointer& field) {
    std::uint64_t total = 0;
    for (const auto& row : rows) {
      total += row.value(field, std::uint64_t{0});
    }
    return total;
  };
  using Pointer = nlohmann::json::json_pointer;
  const std::uint64_t origin_bytes = sum(Pointer("/origin_bytes_read"));
  return {{"dataset_objects", objects},
          {"dataset_bytes", bytes},
          {"origin_bytes_read", origin_bytes},
          {"origin_read_ratio", ratio(origin_bytes, bytes)},
          {"store",
           {{"requests", sum(Pointer("/store/requests"))},
            {"repeated", sum(Pointer("/store/repeated"))},
            {"throttled", sum(Pointer("/store/throttled"))},
            {"left_out", left_out}}},
          {"peer_bytes", sum(Pointer("/peer_bytes"))},
          {"hits",
           {{"local", sum(Pointer("/hits/local"))},
            {"peer", sum(Pointer("/hits/peer"))},
            {"origin", sum(Pointer("/hits/origin"))}}},
          {"failures", sum(Pointer("/failures"))},
          {"partial_opens", sum(Pointer("/partial_opens"))},
          {"partial_bytes", sum(Pointer("/partial_bytes"))},
          {"evicted_stripes", sum(Pointer("/evicted_stripes"))},
          {"errors", sum(Pointer("/errors"))},
          {"damaged", sum(Pointer("/damaged"))},
          {"damaged_opens", sum(Pointer("/damaged_opens"))},
          {"left_to_origin", sum(Pointer("/left_to_origin"))},
          {"nodes", rows}};
}

}  // namespace forebay
