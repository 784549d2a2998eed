#include "server/checkpoint_questions.hpp"

#include <time.h>

#include <algorithm>
#include <map>
#include <thread>

#include <fmt/format.h>

#include "drain/tree_path.hpp"
#include "ipc/admin.hpp"
#include "server/ask_peers.hpp"
#include "server/supervision.hpp"

namespace forebay {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLookEvery{100};

// The worse it is for who waits for it, the later.
constexpr CheckpointState kByWeight[] = {
    CheckpointState::durable, CheckpointState::replicated, CheckpointState::draining, CheckpointState::closed,
    CheckpointState::writing, CheckpointState::failed,     CheckpointState::lost};

int weight_of(const std::string& state) {
  for (int weight = 0; weight < static_cast<int>(std::size(kByWeight)); ++weight) {
    if (state == state_name(kByWeight[weight])) {
      return weight;
    }
  }
  return -1;
}

double age_s(std::uint64_t time_ns) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const double seconds = static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
  return time_ns == 0 ? 0.0 : std::max(0.0, seconds - static_cast<double>(time_ns) / 1e9);
}

// A directory's row takes in another row of it, of a file or of another node.
void take_in(nlohmann::json* row, const nlohmann::json& other) {
  if (row->is_null()) {
    *row = other;
    return;
  }
  for (const char* field : {"files", "bytes"}) {
    (*row)[field] = (*row)[field].get<std::uint64_t>() + other.value(field, std::uint64_t{0});
  }
  (*row)["age_s"] = std::max((*row)["age_s"].get<double>(), other.value("age_s", 0.0));
  if (weight_of(other.value("state", "")) > weight_of((*row)["state"].get<std::string>())) {
    (*row)["state"] = other["state"];
    (*row)["reason"] = other["reason"];
  }
}

nlohmann::json sums(const std::vector<nlohmann::json>& parts, std::initializer_list<const char*> fields) {
  nlohmann::json total;
  for (const char* field : fields) {
    std::uint64_t sum = 0;
    for (const auto& one : parts) {
      sum += one.value(field, std::uint64_t{0});
    }
    total[field] = sum;
  }
  return total;
}

}  // namespace

nlohmann::json sum_of_rows(const std::vector<nlohmann::json>& rows) {
  std::vector<nlohmann::json> parts;
  for (const auto& row : rows) {
    if (row.contains("checkpoints")) {
      parts.push_back(row["checkpoints"]);
    }
  }
  return parts.empty() ? nlohmann::json()
                       : sums(parts, {"pending_files", "pending_bytes", "durable_files", "durable_bytes",
                                      "failed_files", "lost_files", "copies_bytes"});
}

nlohmann::json CheckpointQuestions::row() {
  if (checkpoints_.empty()) {
    return {};
  }
  Drainer::Totals all;
  std::uint64_t copies = 0;
  checkpoints_.for_each([&](CheckpointMount& mount) {
    const auto totals = mount.drainer().totals();
    all.pending_names += totals.pending_names;
    all.pending_bytes += totals.pending_bytes;
    all.durable_names += totals.durable_names;
    all.durable_bytes += totals.durable_bytes;
    all.failed_names += totals.failed_names;
    all.lost_names += totals.lost_names;
    copies += mount.copies_bytes();
  });
  return {{"pending_files", all.pending_names},
          {"pending_bytes", all.pending_bytes},
          {"durable_files", all.durable_names},
          {"durable_bytes", all.durable_bytes},
          {"failed_files", all.failed_names},
          {"lost_files", all.lost_names},
          {"copies_bytes", copies}};
}

Result<nlohmann::json> CheckpointQuestions::part(const nlohmann::json& question,
                                                 const std::vector<std::string>& paths) {
  if (question.at("op") == "checkpoints") {
    return list_part();
  }
  return drain_part(question.value("hasten", false), paths);
}

Result<nlohmann::json> CheckpointQuestions::list_part() {
  std::map<std::string, nlohmann::json> rows;
  checkpoints_.for_each([&](CheckpointMount& mount) {
    for (const auto& name : mount.drainer().names(kDurableMax)) {
      const std::string directory = mount.mounted(parent_of(name.path));
      take_in(&rows[directory], {{"path", json_text_of_bytes(directory)},
                                 {"files", 1},
                                 {"bytes", name.bytes},
                                 {"state", state_name(name.state)},
                                 {"reason", json_text_of_bytes(name.reason)},
                                 {"age_s", age_s(name.time_ns)},
                                 {"mount", json_text_of_bytes(mount.mount())},
                                 {"destination", json_text_of_bytes(mount.destination_name())}});
    }
  });
  nlohmann::json list = nlohmann::json::array();
  for (auto& [directory, row] : rows) {
    list.push_back(std::move(row));
  }
  return nlohmann::json{{"checkpoints", std::move(list)}};
}

Result<nlohmann::json> CheckpointQuestions::list() {
  FOREBAY_ASSIGN(parts, ask_peers(transport_, {{"op", "checkpoints"}}));
  std::map<std::string, nlohmann::json> rows;
  for (const auto& part : parts) {
    for (const auto& row : part.at("checkpoints")) {
      take_in(&rows[row.at("path").get<std::string>()], row);
    }
  }
  nlohmann::json list = nlohmann::json::array();
  for (auto& [directory, row] : rows) {
    list.push_back(std::move(row));
  }
  return nlohmann::json{{"checkpoints", std::move(list)}};
}

Result<nlohmann::json> CheckpointQuestions::drain_part(bool hasten, const std::vector<std::string>& paths) {
  FOREBAY_ASSIGN(selection, checkpoints_.select(paths));
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t durable = 0;
  std::uint64_t durable_bytes = 0;
  std::uint64_t left = 0;
  std::uint64_t waiting = 0;
  std::uint64_t failed = 0;
  std::uint64_t moving = 0;
  std::uint64_t lost = 0;
  std::string reason;
  nlohmann::json not_durable = nlohmann::json::array();
  checkpoints_.for_each([&](CheckpointMount& mount) {
    const auto chosen = selection.find(&mount);
    if (!paths.empty() && chosen == selection.end()) {
      return;
    }
    if (hasten) {
      mount.hasten();
    }
    for (const auto& name : mount.drainer().names(kDurableMax)) {
      if (!paths.empty() &&
          std::none_of(chosen->second.begin(), chosen->second.end(),
                       [&](const std::string& path) { return is_at_or_below(name.path, path); })) {
        continue;
      }
      ++files;
      bytes += name.bytes;
      if (name.state == CheckpointState::durable) {
        ++durable;
        durable_bytes += name.bytes;
        continue;
      }
      ++left;
      waiting += name.state == CheckpointState::writing || name.state == CheckpointState::lost ? 0 : 1;
      moving += name.moving ? 1 : 0;
      lost += name.state == CheckpointState::lost ? 1 : 0;
      if (name.state == CheckpointState::failed) {
        ++failed;
        reason = name.reason;
      }
      if (not_durable.size() < kNotDurableNamesMax) {
        not_durable.push_back({{"path", json_text_of_bytes(mount.mounted(name.path))},
                               {"state", state_name(name.state)},
                               {"reason", json_text_of_bytes(name.reason)}});
      }
    }
  });
  return nlohmann::json{{"files", files},
                        {"bytes", bytes},
                        {"durable_files", durable},
                        {"durable_bytes", durable_bytes},
                        {"left", left},
                        {"waiting", waiting},
                        {"failed", failed},
                        {"moving", moving},
                        {"lost", lost},
                        {"reason", json_text_of_bytes(reason)},
                        {"not_durable", std::move(not_durable)}};
}

Result<nlohmann::json> CheckpointQuestions::look(bool hasten, const std::vector<std::string>& paths) {
  nlohmann::json texts = nlohmann::json::array();
  for (const auto& path : paths) {
    texts.push_back(json_text_of_bytes(path));
  }
  FOREBAY_ASSIGN(parts, ask_peers(transport_, {{"op", "drain"}, {"hasten", hasten}, {"paths", texts}}));
  nlohmann::json total = sums(parts, {"files", "bytes", "durable_files", "durable_bytes", "left", "waiting",
                                      "failed", "moving", "lost"});
  const auto count = [&total](const char* field) { return total[field].get<std::uint64_t>(); };
  if (held_back_.is_all(texts.dump(),
                        {count("lost"), count("waiting"), count("moving"), count("durable_files")},
                        HeldBack::Clock::now())) {
    total["waiting"] = 0;
  }
  total["reason"] = "";
  total["not_durable"] = nlohmann::json::array();
  for (const auto& part : parts) {
    if (const auto reason = part.value("reason", std::string()); !reason.empty()) {
      total["reason"] = reason;
    }
    for (const auto& name : part.at("not_durable")) {
      if (total["not_durable"].size() < kNotDurableNamesMax) {
        total["not_durable"].push_back(name);
      }
    }
  }
  return total;
}

Result<nlohmann::json> CheckpointQuestions::drain(const nlohmann::json& question,
                                                  const std::vector<std::string>& paths) {
  FOREBAY_TRY(checkpoints_.select(paths));
  const bool wait = question.value("wait", true);
  const bool bounded = question.contains("deadline_s") && question["deadline_s"].is_number();
  const auto now = Clock::now();
  const auto answer_by = now + kAnswerEvery;
  const auto deadline = bounded
                            ? now + std::chrono::milliseconds(static_cast<std::int64_t>(
                                        1000.0 * std::clamp(question["deadline_s"].get<double>(), 0.0, 1e9)))
                            : Clock::time_point::max();
  for (bool first = true;; first = false) {
    FOREBAY_ASSIGN(total, look(first, paths));
    const bool done = total["waiting"].get<std::uint64_t>() == 0;
    const bool finished = done || !wait || Clock::now() >= deadline;
    if (finished || Clock::now() >= answer_by) {
      if (done && question.value("receipt", false)) {
        FOREBAY_TRY(checkpoints_.write_receipts(paths));
      }
      total["id"] = question.contains("id") ? question["id"] : nlohmann::json(next_++);
      total["finished"] = finished;
      return total;
    }
    std::this_thread::sleep_for(
        std::min<Clock::duration>(kLookEvery, std::min(answer_by, deadline) - Clock::now()));
  }
}

}  // namespace forebay
