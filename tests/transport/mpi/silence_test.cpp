// Ranks that are stopped, as a hung server is: what they are asked fails soon, and at once afterwards, until
// they go on. Busy ranks are not taken for silent.
#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <mutex>
#include <vector>

#include <fmt/format.h>

#include "transport/mpi/rank_main.hpp"

using namespace forebay;

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kSilence{1500};
constexpr std::chrono::seconds kPatience{60};

// Answers with this rank's process, or as contract::ScriptedHandler does.
class Handler final : public RequestHandler {
 public:
  void on_request(NodeIndex from, std::span<const std::byte> request,
                  std::unique_ptr<Responder> responder) override {
    if (!request.empty()) {
      return scripted.on_request(from, request, std::move(responder));
    }
    const pid_t process = ::getpid();
    responder->respond_with(std::as_bytes(std::span(&process, 1)));
  }
  contract::ScriptedHandler scripted;
};

// A fetch whose memory lives as long as anybody may write into it.
struct Fetched {
  std::promise<Result<std::size_t>> ended;
  std::vector<std::byte> memory;
};
std::future<Result<std::size_t>> start(PeerTransport& transport, NodeIndex peer,
                                       const contract::Script& script, std::size_t room) {
  auto fetched = std::make_shared<Fetched>();
  fetched->memory.resize(room);
  transport.fetch(peer, std::as_bytes(std::span(&script, 1)), fetched->memory,
                  [fetched](Result<std::size_t> result) { fetched->ended.set_value(std::move(result)); });
  return fetched->ended.get_future();
}
std::string outcome_of(std::future<Result<std::size_t>>& ended) {
  if (ended.wait_for(kPatience) != std::future_status::ready) {
    return "never ended";
  }
  const auto result = ended.get();
  return result.ok() ? "success" : std::string(code_name(result.error().code));
}
std::string fetch(PeerTransport& transport, NodeIndex peer, const contract::Script& script,
                  std::size_t room) {
  auto ended = start(transport, peer, script, room);
  return outcome_of(ended);
}

pid_t process_of(PeerTransport& transport, NodeIndex peer) {
  auto fetched = std::make_shared<Fetched>();
  fetched->memory.resize(sizeof(pid_t));
  transport.fetch(peer, {}, fetched->memory,
                  [fetched](Result<std::size_t> result) { fetched->ended.set_value(std::move(result)); });
  pid_t process = 0;
  const auto result = fetched->ended.get_future().get();
  if (result.ok() && *result == sizeof process) {
    std::memcpy(&process, fetched->memory.data(), sizeof process);
  }
  return process;
}

// SIGSTOP reaches the threads of a process one by one.
bool all_threads_stop(pid_t process) {
  ::kill(process, SIGSTOP);
  const auto patience_ends = Clock::now() + kPatience;
  while (Clock::now() < patience_ends) {
    bool all = true;
    for (const auto& thread :
         std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task")) {
      std::ifstream file(thread.path() / "stat");
      const std::string text{std::istreambuf_iterator<char>(file), {}};
      const auto name_ends = text.rfind(") ");
      all = all && name_ends != std::string::npos && text[name_ends + 2] == 'T';
    }
    if (all) {
      return true;
    }
  }
  return false;
}

void a_busy_peer_is_not_silent(PeerTransport& transport, NodeIndex peer, contract::Findings& findings) {
  auto held = start(transport, peer, {contract::Act::hold, 0, 100, 1}, 100);
  findings.expect(held.wait_for(3 * kSilence) == std::future_status::timeout, "a busy peer was given up");
  findings.expect(fetch(transport, peer, {contract::Act::let_go, 0, 1, 1}, 1) == "success",
                  "a busy peer does not answer");
  const auto outcome = outcome_of(held);
  findings.expect(outcome == "success", "what a busy peer was asked: " + outcome);
}

void a_stopped_peer_is_silent(PeerTransport& transport, NodeIndex peer, pid_t process,
                              contract::Findings& findings) {
  // Of every kind: held there, on their way, their bytes landing.
  std::vector<std::future<Result<std::size_t>>> before;
  for (int i = 0; i < 20; ++i) {
    before.push_back(start(transport, peer, {contract::Act::hold, 0, 1000, 1}, 1000));
    before.push_back(start(transport, peer, {contract::Act::answer, 0, kChunkBytes, 1}, kChunkBytes));
  }
  findings.expect(all_threads_stop(process), "the peer cannot be stopped");
  std::vector<std::future<Result<std::size_t>>> during;
  for (int i = 0; i < 300; ++i) {
    during.push_back(
        start(transport, peer, {contract::Act::answer, 0, kRequestBytesMax, 1}, kRequestBytesMax));
  }
  std::size_t held = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const auto outcome = outcome_of(before[i]);
    held += outcome == "unavailable" ? 1 : 0;
    findings.expect(outcome == "unavailable" || (i % 2 == 1 && outcome == "success"),
                    "what a peer was asked that stopped: " + outcome);
  }
  findings.expect(held >= 20, "no request was with the peer when it stopped");
  for (auto& one : during) {
    const auto outcome = outcome_of(one);
    findings.expect(outcome == "unavailable", "what a stopped peer was asked: " + outcome);
  }
  // If each took as long as the first, this would take minutes.
  const auto patience_ends = Clock::now() + kPatience;
  for (int i = 0; i < 1000; ++i) {
    findings.expect(fetch(transport, peer, {contract::Act::answer, 0, 10, 1}, 10) == "unavailable",
                    "a silent peer was asked and not refused");
  }
  findings.expect(Clock::now() < patience_ends, "that a peer is silent was not remembered");
}

void others_are_served_meanwhile(PeerTransport& transport, NodeIndex silent, contract::Findings& findings) {
  for (std::uint32_t node = 0; node < transport.node_count(); ++node) {
    if (node != silent.value) {
      findings.expect(fetch(transport, NodeIndex{node}, {contract::Act::answer, 0, kChunkBytes, 1},
                            kChunkBytes) == "success",
                      "a silent peer keeps another from answering");
    }
  }
}

void it_is_heard_again(PeerTransport& transport, NodeIndex peer, pid_t process,
                       contract::Findings& findings) {
  ::kill(process, SIGCONT);
  const auto patience_ends = Clock::now() + kPatience;
  std::string outcome;
  while (outcome != "success" && Clock::now() < patience_ends) {
    outcome = fetch(transport, peer, {contract::Act::answer, 0, 5000, 1}, 5000);
  }
  findings.expect(outcome == "success", "a peer that goes on is still " + outcome);
  // What was asked before it stopped is answered late, and gives back what it holds.
  findings.expect(fetch(transport, peer, {contract::Act::let_go, 0, 1, 1}, 1) == "success",
                  "held ones stay held");
  for (int i = 0; i < 40; ++i) {
    outcome = fetch(transport, peer, {contract::Act::answer, 0, kChunkBytes, 1}, kChunkBytes);
    findings.expect(outcome == "success", "after it went on: " + outcome);
  }
}

void stop_a_rank(MpiEngine& engine, contract::Findings& findings) {
  static Handler handler;
  engine.serve(handler);
  if (engine.self().value == 0) {
    const NodeIndex peer{engine.node_count() - 1};
    const pid_t process = process_of(engine, peer);
    findings.expect(process > 0, "the peer does not say which process it is");
    if (process > 0) {
      a_busy_peer_is_not_silent(engine, peer, findings);
      a_stopped_peer_is_silent(engine, peer, process, findings);
      others_are_served_meanwhile(engine, peer, findings);
      it_is_heard_again(engine, peer, process, findings);
    }
    for (std::uint32_t node = 1; node < engine.node_count(); ++node) {
      fetch(engine, NodeIndex{node}, {contract::Act::farewell, 0, 0, 0}, 0);
    }
  } else {
    findings.expect(handler.scripted.wait_for_farewell(), "rank 0 never said farewell");
  }
  const auto stopped = engine.stop();
  findings.expect(stopped.ok(), "stop failed: " + (stopped.ok() ? "" : stopped.error().text));
}

}  // namespace

int main() {
  MpiEngineOptions options;
  options.silence = kSilence;
  return rank_main(options, stop_a_rank);
}
