// CheckpointQuestions: what verbs and `run` ask about checkpoints (ipc/admin.hpp, server/supervision.hpp),
// for the whole job.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "server/checkpoint_service.hpp"
#include "server/held_back.hpp"
#include "transport/peer_transport.hpp"

namespace forebay {

class CheckpointQuestions {
 public:
  // A question that is not answered yet is answered that it is not, and asked again.
  static constexpr std::chrono::milliseconds kAnswerEvery{1000};
  // Of the durable files of a mount, the last so many are listed, and counted below paths.
  static constexpr std::size_t kDurableMax = 100'000;

  CheckpointQuestions(CheckpointService& checkpoints, PeerTransport& transport)
      : checkpoints_(checkpoints), transport_(transport) {}

  // For the whole job. Both block: `drain` for about kAnswerEvery. Codes: not_found (a path below no
  // checkpoint mount), those of ask_peers().
  Result<nlohmann::json> list();
  Result<nlohmann::json> drain(const nlohmann::json& question, const std::vector<std::string>& paths);
  // One look at what is left, without settling time from now on where `hasten`: the answer to "drain" besides
  // "id" and "finished", and "waiting": what is left, no program has open and
  // something lost does not hold back. Blocks.
  Result<nlohmann::json> look(bool hasten, const std::vector<std::string>& paths);

  // This node's part of it; "checkpoints" and "drain".
  Result<nlohmann::json> part(const nlohmann::json& question, const std::vector<std::string>& paths);
  // This node's counts, for reports; null where there are no checkpoints.
  nlohmann::json row();

 private:
  Result<nlohmann::json> list_part();
  Result<nlohmann::json> drain_part(bool hasten, const std::vector<std::string>& paths);

  CheckpointService& checkpoints_;
  PeerTransport& transport_;
  HeldBack held_back_;
  std::atomic<std::uint64_t> next_{1};
};

// The sum of nodes' rows; null where none has one.
nlohmann::json sum_of_rows(const std::vector<nlohmann::json>& rows);

}  // namespace forebay
