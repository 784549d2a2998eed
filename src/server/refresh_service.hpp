// RefreshService: answers `refresh` (ipc/admin.hpp): the catalogs compared with their origins, all nodes
// together.
//
// Comparing may take long, and hang where an origin does: it has threads of its own, and a question about it
// is answered after about a second with how far it is. Whoever asks, asks again with the id it was given.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/executor.hpp"
#include "server/node_core.hpp"
#include "stage/refresh_job.hpp"

namespace forebay {

class RefreshService {
 public:
  // Refreshes whose outcome is remembered for those who still ask.
  static constexpr std::size_t kJobsKept = 16;
  static constexpr std::chrono::milliseconds kAnswerEvery{1000};

  explicit RefreshService(NodeCore& core);
  // After the transport has stopped. Takes as long as an origin takes to answer.
  ~RefreshService();

  // For the whole job. Blocks until it is over, or for about kAnswerEvery (`finished` is false then). Codes:
  // not_found (a path below no mount), those of ask_peers().
  Result<nlohmann::json> ask(nlohmann::json question, const std::vector<std::string>& paths);
  // This node's part. Never blocks.
  void part(const nlohmann::json& question, const std::vector<std::string>& paths,
            std::shared_ptr<Responder> responder);
  // Answers those who have waited long enough. Several times a second, from any thread.
  void tick();

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting {
    std::shared_ptr<Responder> responder;
    Clock::time_point until;
  };
  struct Kept {
    std::shared_ptr<RefreshJob> job;
    std::vector<Waiting> waiting;
  };

  Result<RefreshJob::Options> options_for(const std::vector<std::string>& paths) const;
  void over(const std::string& id, const RefreshJob::Totals& totals);

  NodeCore& core_;
  std::mutex mutex_;
  std::uint64_t next_ = 1;
  std::map<std::string, Kept> jobs_;
  std::deque<std::string> order_;
  std::unique_ptr<ThreadPool> threads_;
};

}  // namespace forebay
