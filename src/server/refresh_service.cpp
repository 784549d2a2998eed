#include "server/refresh_service.hpp"

#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "server/ask_peers.hpp"
#include "server/path_selection.hpp"

namespace forebay {

namespace {

constexpr std::array kFields = {"checked", "changed", "gone", "new", "unreadable"};

Result<nlohmann::json> json_of(const RefreshJob::Totals& totals) {
  if (!totals.status.ok()) {
    return totals.status.error();
  }
  return nlohmann::json{
      {"checked", totals.checked}, {"changed", totals.changed},       {"gone", totals.gone},
      {"new", totals.came},        {"unreadable", totals.unreadable}, {"finished", totals.finished}};
}

}  // namespace

RefreshService::RefreshService(NodeCore& core)
    : core_(core), threads_(std::make_unique<ThreadPool>("forebay-refresh", core.io_threads())) {}

RefreshService::~RefreshService() = default;

Result<nlohmann::json> RefreshService::ask(nlohmann::json question, const std::vector<std::string>& paths) {
  FOREBAY_TRY(options_for(paths));
  if (!question.contains("id")) {
    const std::lock_guard lock(mutex_);
    question["id"] = fmt::format("{}.{}", core_.self, next_++);
  }
  nlohmann::json total = {{"id", question["id"]}, {"finished", true}};
  for (const char* field : kFields) {
    total[field] = std::uint64_t{0};
  }
  FOREBAY_ASSIGN(parts, ask_peers(core_.transport, question));
  for (const auto& one : parts) {
    for (const char* field : kFields) {
      total[field] = total[field].get<std::uint64_t>() + one.value(field, std::uint64_t{0});
    }
    total["finished"] = total["finished"].get<bool>() && one.value("finished", false);
  }
  return total;
}

// A name that the catalog does not have is new, or is nowhere: the directory it would be in says which.
Result<RefreshJob::Options> RefreshService::options_for(const std::vector<std::string>& paths) const {
  RefreshJob::Options options;
  options.nodes = core_.transport.node_count();
  options.self = core_.self;
  options.threads = core_.io_threads();
  if (paths.empty()) {
    return options;
  }
  const auto holders = std::make_shared<std::unordered_set<std::uint64_t>>();
  std::vector<std::string> known;
  for (const auto& path : paths) {
    std::uint32_t dataset = 0;
    const std::uint32_t holder = PathSelection::find_holder(core_.datasets, path, &dataset);
    if (holder == kNoEntry || PathSelection::find(core_.datasets, path, &dataset) != kNoEntry ||
        path.find_first_of("*?[") != std::string::npos) {
      known.push_back(path);
    } else {
      holders->insert(ObjectKey{dataset, holder}.packed());
    }
  }
  options.selects = [](ObjectKey) { return false; };
  if (!known.empty()) {
    FOREBAY_ASSIGN(selection, PathSelection::make(core_.datasets, known));
    options.selects = [chosen = std::make_shared<PathSelection>(std::move(selection))](ObjectKey entry) {
      return chosen->selects(entry);
    };
  }
  options.lists = [holders](ObjectKey entry) { return holders->contains(entry.packed()); };
  return options;
}

void RefreshService::part(const nlohmann::json& question, const std::vector<std::string>& paths,
                          std::shared_ptr<Responder> responder) {
  const std::string id = question.at("id").get<std::string>();
  const auto until = Clock::now() + kAnswerEvery;
  std::shared_ptr<RefreshJob> started;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = jobs_.find(id); found != jobs_.end()) {
      const auto totals = found->second.job->totals();
      if (totals.finished) {
        answer_json(*responder, json_of(totals));
      } else {
        found->second.waiting.push_back({std::move(responder), until});
      }
      return;
    }
    auto options = options_for(paths);
    if (!options.ok()) {
      return responder->fail(options.error());
    }
    started = RefreshJob::make(core_.datasets, core_.invalidator, *threads_, core_.stager.stopping(),
                               std::move(options).value());
    jobs_[id] = Kept{started, {{std::move(responder), until}}};
    order_.push_back(id);
    while (order_.size() > kJobsKept) {
      const auto oldest = jobs_.find(order_.front());
      if (!oldest->second.job->totals().finished || !oldest->second.waiting.empty()) {
        break;
      }
      jobs_.erase(oldest);
      order_.pop_front();
    }
  }
  started->start([this, id](const RefreshJob::Totals& totals) { over(id, totals); });
}

void RefreshService::over(const std::string& id, const RefreshJob::Totals& totals) {
  std::vector<Waiting> waiting;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = jobs_.find(id); found != jobs_.end()) {
      waiting = std::exchange(found->second.waiting, {});
    }
  }
  for (const auto& one : waiting) {
    answer_json(*one.responder, json_of(totals));
  }
}

void RefreshService::tick() {
  std::vector<std::pair<std::shared_ptr<Responder>, RefreshJob::Totals>> now;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [id, kept] : jobs_) {
      std::erase_if(kept.waiting, [&now, &job = *kept.job](Waiting& one) {
        const bool answers = one.until <= Clock::now();
        if (answers) {
          now.emplace_back(std::move(one.responder), job.totals());
        }
        return answers;
      });
    }
  }
  for (const auto& [responder, totals] : now) {
    answer_json(*responder, json_of(totals));
  }
}

}  // namespace forebay
