// What goes wrong between ranks: damaged answers, answers that come too late.
#include <future>
#include <vector>

#include <fmt/format.h>

#include "transport/mpi/rank_main.hpp"

using namespace forebay;

namespace {

constexpr std::uint64_t kDamagedSeed = 666;
constexpr std::size_t kSizes[] = {100, 5000, 200'000, kChunkBytes};

// Wrong for answers that carry pattern kDamagedSeed: as if they were damaged on their way.
std::uint64_t checksum_of_the_undamaged(const void* data, std::size_t bytes) {
  const auto* at = static_cast<const std::byte*>(data);
  bool damaged = bytes >= 100;
  for (std::size_t i = 0; damaged && i < 100; ++i) {
    damaged = at[i] == contract::pattern_byte(kDamagedSeed, i);
  }
  return checksum_bytes(data, bytes) ^ (damaged ? 1 : 0);
}

Code code_of(const contract::Outcome& outcome) {
  return outcome.result.ok() ? Code::bad_argument : outcome.result.error().code;
}

void damaged_answers_are_noticed(MpiEngine& engine, NodeIndex peer, contract::Findings& findings) {
  for (const auto bytes : kSizes) {
    const auto outcome =
        contract::fetch_and_wait(engine, peer, {contract::Act::answer, 0, bytes, kDamagedSeed}, bytes);
    findings.expect(code_of(outcome) == Code::corrupt,
                    fmt::format("damage in {} bytes went unnoticed", bytes));
  }
}

// More late answers than there are slots: each must give its slot back, and none may be taken for a later
// answer.
void late_answers_write_nothing_and_keep_no_slot(MpiEngine& engine, NodeIndex peer,
                                                 contract::Findings& findings) {
  for (int round = 0; round < 2; ++round) {
    std::vector<std::future<contract::Outcome>> late;
    for (const auto bytes : kSizes) {
      late.push_back(std::async(std::launch::async, [&engine, peer, bytes] {
        return contract::fetch_and_wait(engine, peer, {contract::Act::hold, 0, bytes, 1}, bytes);
      }));
    }
    for (auto& one : late) {
      findings.expect(code_of(one.get()) == Code::timed_out,
                      "a request that is not answered did not time out");
    }
    for (const auto bytes : kSizes) {
      const auto let_go = contract::fetch_and_wait(engine, peer, {contract::Act::let_go, 0, bytes, 2}, bytes);
      findings.expect(let_go.result.ok(), fmt::format("{} bytes failed after a late answer: {}", bytes,
                                                      let_go.result.ok() ? "" : let_go.result.error().text));
      for (std::size_t i = 0; let_go.result.ok() && i < bytes; ++i) {
        if (let_go.landed[i] != contract::pattern_byte(2, i)) {
          findings.expect(false, "a late answer was taken for a later one");
          break;
        }
      }
    }
  }
}

void meet_faults(MpiEngine& engine, contract::Findings& findings) {
  static contract::ScriptedHandler handler;
  engine.serve(handler);
  const NodeIndex peer{(engine.self().value + 1) % engine.node_count()};
  if (peer != engine.self()) {
    damaged_answers_are_noticed(engine, peer, findings);
    late_answers_write_nothing_and_keep_no_slot(engine, peer, findings);
  }
  const auto stopped = engine.stop();
  findings.expect(stopped.ok(), "stop failed: " + (stopped.ok() ? "" : stopped.error().text));
}

}  // namespace

int main() {
  MpiEngineOptions options;
  options.fetch_deadline = std::chrono::seconds(3);  // Long enough for 4 MiB on a busy machine.
  options.places.small_slots = 1;
  options.places.large_slots = 1;
  options.checksum = checksum_of_the_undamaged;
  return rank_main(options, meet_faults);
}
