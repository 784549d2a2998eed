// AdminService: answers what the verbs ask (ipc/admin.hpp), for the whole job.
//
// A client's question is put to every node, this one too (PeerOp::admin), and the answers are put together.
// The two sides have threads of their own: those that wait for nodes, and those that answer, which never wait
// for a node.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <nlohmann/json.hpp>

#include "common/executor.hpp"
#include "server/checkpoint_questions.hpp"
#include "server/job_start.hpp"
#include "server/node_core.hpp"
#include "server/path_selection.hpp"
#include "server/refresh_service.hpp"
#include "shared/session_layout.hpp"

namespace forebay {

class AdminService final : public RequestHandler {
 public:
  // Questions of clients that are being answered; more are refused (unavailable).
  static constexpr std::uint32_t kQuestionsMax = 16;
  // Of refreshes, which may hang with their origin and have a thread of their own.
  static constexpr std::uint32_t kRefreshesMax = 4;
  // Prefetches whose outcome is remembered for those who still ask.
  static constexpr std::size_t kPrefetchesKept = 64;

  // `hastens`: told when draining is asked for, of this node too.
  AdminService(NodeCore& core, CheckpointService& checkpoints, const ControlPage* page,
               std::vector<std::string> node_names, std::function<void()> hastens);
  // After the transport has stopped.
  ~AdminService() override;

  // A client's question. Never blocks; from any thread.
  void ask(std::string question, std::function<void(Result<std::string>)> done);
  // The job's report. Blocks.
  Result<nlohmann::json> report();
  // Several times a second, from any thread.
  void tick() { refresh_.tick(); }
  // The staging of the start, for those who ask for its progress. Before any question.
  void watch(std::shared_ptr<PrefetchJob> job) { watched_ = std::move(job); }
  // How far all nodes are with it: bytes, bytes_total, objects, objects_total. Blocks.
  Result<nlohmann::json> progress();
  // What is left of checkpoints (CheckpointQuestions::look). Blocks.
  Result<nlohmann::json> look_at_drain(bool hasten) { return checkpoints_.look(hasten, {}); }
  // A peer's, or this node's own: this node's part.
  void on_request(NodeIndex from, std::span<const std::byte> request,
                  std::unique_ptr<Responder> responder) override;

 private:
  using SharedResponder = std::shared_ptr<Responder>;
  struct Prefetch {
    std::shared_ptr<PrefetchJob> job;
    std::vector<SharedResponder> waiting;
  };
  // Apart from the service: a job may end on another thread while the service goes.
  struct Prefetches {
    void over(const std::string& id, const PrefetchJob::Totals& totals);

    std::mutex mutex;
    std::map<std::string, Prefetch> by_id;
    std::deque<std::string> order;  // as they came
  };

  void answer_one(const std::string& question, const std::function<void(Result<std::string>)>& done,
                  std::uint32_t& counted);
  // For the whole job.
  Result<nlohmann::json> answer(const nlohmann::json& question);
  Result<nlohmann::json> check(const nlohmann::json& question);
  Result<nlohmann::json> prefetch(nlohmann::json question);
  Result<nlohmann::json> locate(const nlohmann::json& question);
  Result<nlohmann::json> sums(const nlohmann::json& question, std::initializer_list<const char*> fields);

  // This node's part.
  void part(const nlohmann::json& question, SharedResponder responder);
  Result<nlohmann::json> check_part(const nlohmann::json& question);
  void stage_again(ObjectKey object);  // what this node owns of it
  Result<nlohmann::json> evict_part(const nlohmann::json& question);
  Result<nlohmann::json> locate_part(const nlohmann::json& question);
  void prefetch_part(const nlohmann::json& question, SharedResponder responder);

  NodeCore& core_;
  const ControlPage* page_;
  const std::vector<std::string> node_names_;
  std::shared_ptr<PrefetchJob> watched_;
  std::mutex mutex_;
  std::uint32_t questions_ = 0;
  std::uint32_t refreshes_ = 0;
  std::uint64_t next_prefetch_ = 1;
  const std::shared_ptr<Prefetches> prefetches_;
  RefreshService refresh_;
  CheckpointQuestions checkpoints_;
  const std::function<void()> hastens_;
  std::unique_ptr<ThreadPool> askers_;
  std::unique_ptr<ThreadPool> refresh_asker_;
  std::unique_ptr<ThreadPool> parts_;
};

}  // namespace forebay
