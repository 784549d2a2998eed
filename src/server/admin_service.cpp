#include "server/admin_service.hpp"

#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "ipc/admin.hpp"
#include "server/ask_peers.hpp"
#include "server/node_report.hpp"

namespace forebay {

namespace {

std::vector<std::string> paths_of(const nlohmann::json& question) {
  std::vector<std::string> paths;
  for (const auto& path : question.value("paths", nlohmann::json::array())) {
    paths.push_back(bytes_of_json_text(path.get<std::string>()));
  }
  return paths;
}

nlohmann::json json_of(const PrefetchJob::Totals& totals) {
  return {{"objects", totals.objects},
          {"bytes", totals.bytes},
          {"already_bytes", totals.already_bytes},
          {"fetched_bytes", totals.fetched_bytes},
          {"corrupt", totals.corrupt_stripes},
          {"errors", totals.failed_stripes}};
}

bool is_refresh(const std::string& question) {
  const auto parsed = json_parse(question);
  const auto op = parsed.is_object() ? parsed.find("op") : parsed.end();
  return parsed.is_object() && op != parsed.end() && op->is_string() && op->get<std::string>() == "refresh";
}

}  // namespace

AdminService::AdminService(NodeCore& core, CheckpointService& checkpoints, const ControlPage* page,
                           std::vector<std::string> node_names, std::function<void()> hastens)
    : core_(core),
      page_(page),
      node_names_(std::move(node_names)),
      prefetches_(std::make_shared<Prefetches>()),
      refresh_(core),
      checkpoints_(checkpoints, core.transport),
      hastens_(std::move(hastens)),
      askers_(std::make_unique<ThreadPool>("forebay-ask", 4)),
      refresh_asker_(std::make_unique<ThreadPool>("forebay-askref", 1)),
      parts_(std::make_unique<ThreadPool>("forebay-admin", 2)) {}

AdminService::~AdminService() = default;

void AdminService::ask(std::string question, std::function<void(Result<std::string>)> done) {
  const bool refresh = is_refresh(question);
  std::uint32_t& counted = refresh ? refreshes_ : questions_;
  bool taken = false;
  {
    const std::lock_guard lock(mutex_);
    taken = counted < (refresh ? kRefreshesMax : kQuestionsMax);
    counted += taken ? 1 : 0;
  }
  if (!taken) {
    return done(Error{Code::unavailable, "too many questions at once (ask again)", EAGAIN});
  }
  (refresh ? refresh_asker_ : askers_)
      ->post([this, &counted, question = std::move(question), done = std::move(done)] {
        answer_one(question, done, counted);
      });
}

void AdminService::answer_one(const std::string& question,
                              const std::function<void(Result<std::string>)>& done, std::uint32_t& counted) {
  const auto parsed = json_parse(question);
  Result<nlohmann::json> answered = Error{Code::bad_argument, "the question is no JSON object"};
  if (parsed.is_object()) {
    try {
      answered = answer(parsed);
    } catch (const nlohmann::json::exception& wrong) {
      answered =
          Error{Code::bad_argument, fmt::format("the question cannot be understood ({})", wrong.what())};
    }
  }
  {
    const std::lock_guard lock(mutex_);
    --counted;
  }
  if (answered.ok()) {
    done(json_dump(*answered));
  } else {
    done(answered.error());
  }
}

Result<nlohmann::json> AdminService::answer(const nlohmann::json& question) {
  const std::string op = question.value("op", "");
  if (op == "status") {
    return report();
  }
  if (op == "check") {
    return check(question);
  }
  if (op == "prefetch") {
    return prefetch(question);
  }
  if (op == "locate") {
    return locate(question);
  }
  if (op == "evict") {
    FOREBAY_TRY(PathSelection::make(core_.datasets, paths_of(question)));
    return sums(question, {"objects", "bytes"});
  }
  if (op == "refresh") {
    return refresh_.ask(question, paths_of(question));
  }
  if (op == "checkpoints") {
    return checkpoints_.list();
  }
  if (op == "drain") {
    return checkpoints_.drain(question, paths_of(question));
  }
  return Error{Code::bad_argument, fmt::format("unknown question \"{}\"", op)};
}

Result<nlohmann::json> AdminService::report() {
  FOREBAY_ASSIGN(rows, ask_peers(core_.transport, {{"op", "status"}}));
  auto report = job_report(core_.datasets, rows);
  if (auto sum = sum_of_rows(rows); !sum.is_null()) {
    report["checkpoints"] = std::move(sum);
  }
  return report;
}

Result<nlohmann::json> AdminService::progress() {
  return sums({{"op", "progress"}}, {"bytes", "bytes_total", "objects", "objects_total"});
}

Result<nlohmann::json> AdminService::sums(const nlohmann::json& question,
                                          std::initializer_list<const char*> fields) {
  FOREBAY_ASSIGN(parts, ask_peers(core_.transport, question));
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

// An object is present when all of its stripes are, each at its owner. Nodes report what is missing, by
// object, so that the answer is right also for objects whose stripes have several owners.
Result<nlohmann::json> AdminService::check(const nlohmann::json& question) {
  FOREBAY_TRY(PathSelection::make(core_.datasets, paths_of(question)));
  FOREBAY_ASSIGN(parts, ask_peers(core_.transport, question));
  nlohmann::json total = {{"corrupt", nlohmann::json::array()}};
  for (const char* field : {"objects", "bytes", "present_objects", "present_bytes"}) {
    std::uint64_t sum = 0;
    for (const auto& one : parts) {
      sum += one.value(field, std::uint64_t{0});
    }
    total[field] = sum;
  }
  std::uint64_t left = 0;
  std::map<std::uint64_t, std::uint64_t> split;  // Objects of several stripes: how many of them are present.
  for (const auto& one : parts) {
    left = std::max(left, one.value("left_to_origin", std::uint64_t{0}));
    for (const auto& path : one.value("corrupt", nlohmann::json::array())) {
      total["corrupt"].push_back(path);
    }
    for (const auto& piece : one.value("split", nlohmann::json::array())) {
      split[piece.at(0).get<std::uint64_t>()] += piece.at(1).get<std::uint64_t>();
    }
  }
  std::uint64_t whole = total["present_objects"].get<std::uint64_t>();
  for (const auto& [packed, present] : split) {
    const ObjectKey object{static_cast<std::uint32_t>(packed >> 32), static_cast<std::uint32_t>(packed)};
    const auto& dataset = core_.datasets.at(object.dataset);
    whole += present == stripe_total(shape_of(dataset, dataset.view().entry(object.entry))) ? 1 : 0;
  }
  total["present_objects"] = whole;
  total["left_to_origin"] = left;
  return total;
}

Result<nlohmann::json> AdminService::prefetch(nlohmann::json question) {
  FOREBAY_TRY(PathSelection::make(core_.datasets, paths_of(question)));
  {
    const std::lock_guard lock(mutex_);
    question["id"] = fmt::format("{}.{}", core_.self, next_prefetch_++);
  }
  while (true) {
    auto total = sums(question, {"objects", "bytes", "already_bytes", "fetched_bytes", "corrupt", "errors"});
    // It takes longer than one request may: join it again.
    if (total.ok() || total.error().code != Code::timed_out) {
      return total;
    }
  }
}

Result<nlohmann::json> AdminService::locate(const nlohmann::json& question) {
  const std::string path = bytes_of_json_text(question.at("path").get<std::string>());
  std::uint32_t k = 0;
  const std::uint32_t index = PathSelection::find(core_.datasets, path, &k);
  if (index == kNoEntry || !names_object(core_.datasets, k, index)) {
    return Error{Code::not_found, path + " is not an object of a staged dataset", ENOENT};
  }
  const ObjectKey object = object_of(core_.datasets, k, index);
  const StagedDataset& dataset = core_.datasets[k];
  const CatalogEntry& entry = dataset.view().entry(object.entry);
  const ObjectShape shape = shape_of(dataset, entry);
  FOREBAY_ASSIGN(parts,
                 ask_peers(core_.transport, {{"op", "locate"}, {"dataset", k}, {"entry", object.entry}}));
  nlohmann::json stripes = nlohmann::json::array();
  for (std::uint32_t number = 0; number < stripe_total(shape); ++number) {
    const std::uint32_t owner = dataset.state.owner(stripe_index(entry, number));
    nlohmann::json stripe = {
        {"number", number}, {"bytes", stripe_size(shape, number)}, {"checksum", nullptr}};
    stripe["owner"] =
        owner < node_names_.size() ? nlohmann::json(json_text_of_bytes(node_names_[owner])) : nullptr;
    stripe["present"] = nlohmann::json::array();
    for (std::uint32_t node = 0; node < parts.size(); ++node) {
      if (const auto& checksum = parts[node].at("checksums").at(number); !checksum.is_null()) {
        stripe["present"].push_back(json_text_of_bytes(node_names_.at(node)));
        stripe["checksum"] = checksum;
      }
    }
    stripes.push_back(std::move(stripe));
  }
  char identity[kIdentityTextBytes];
  identity_to_text(shape.identity, identity);
  const std::string hash(identity, 16);
  return nlohmann::json{
      {"path", json_text_of_bytes(path)},
      {"origin", json_text_of_bytes(dataset.catalog->origin_name() + "/" + dataset.catalog->path_of(index))},
      {"size", shape.bytes},
      {"version", std::string(identity + 16, 16)},
      {"hash", hash},
      {"bypassed", dataset.state.bypassed(object.entry)},
      {"stripes", std::move(stripes)}};
}

void AdminService::on_request(NodeIndex, std::span<const std::byte> request,
                              std::unique_ptr<Responder> responder) {
  std::string text(reinterpret_cast<const char*>(request.data()) + sizeof(PeerOp),
                   request.size() - sizeof(PeerOp));
  parts_->post([this, text = std::move(text), shared = SharedResponder(std::move(responder))] {
    const auto question = json_parse(text);
    try {
      part(question, shared);
    } catch (const nlohmann::json::exception& wrong) {
      shared->fail(
          Error{Code::bad_argument, fmt::format("the question cannot be understood ({})", wrong.what())});
    }
  });
}

void AdminService::part(const nlohmann::json& question, SharedResponder responder) {
  const std::string op = question.at("op").get<std::string>();
  if (op == "prefetch") {
    return prefetch_part(question, std::move(responder));
  }
  if (op == "refresh") {
    return refresh_.part(question, paths_of(question), std::move(responder));
  }
  Result<nlohmann::json> answered = Error{Code::bad_argument, "unknown question"};
  if (op == "status") {
    answered = node_row(core_, page_, node_names_.at(core_.self));
    if (auto row = checkpoints_.row(); !row.is_null()) {
      (*answered)["checkpoints"] = std::move(row);
    }
  } else if (op == "progress") {
    const auto totals = watched_ ? watched_->totals() : PrefetchJob::Totals{};
    answered = nlohmann::json{{"bytes", totals.already_bytes + totals.fetched_bytes},
                              {"bytes_total", totals.bytes},
                              {"objects", totals.done_objects},
                              {"objects_total", totals.objects}};
  } else if (op == "checkpoints" || op == "drain") {
    if (question.value("hasten", false)) {
      hastens_();
    }
    answered = checkpoints_.part(question, paths_of(question));
  } else if (op == "check") {
    answered = check_part(question);
  } else if (op == "evict") {
    answered = evict_part(question);
  } else if (op == "locate") {
    answered = locate_part(question);
  }
  answer_json(*responder, answered);
}

Result<nlohmann::json> AdminService::check_part(const nlohmann::json& question) {
  FOREBAY_ASSIGN(selection, PathSelection::make(core_.datasets, paths_of(question)));
  const bool verify = question.value("verify", false);
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  std::uint64_t present_objects = 0;
  std::uint64_t present_bytes = 0;
  std::uint64_t left = 0;
  nlohmann::json corrupt = nlohmann::json::array();
  nlohmann::json split = nlohmann::json::array();
  for (std::uint32_t k = 0; k < core_.datasets.size(); ++k) {
    const StagedDataset& dataset = core_.datasets[k];
    for_each_object(dataset.view(), [&](std::uint32_t index, const CatalogEntry& entry) {
      const ObjectKey object{k, index};
      if (!selection.selects(object)) {
        return;
      }
      const ObjectShape shape = shape_of(dataset, entry);
      const bool mine = dataset.state.owner(entry.first) == core_.self;
      const bool nobodys = dataset.state.owner(entry.first) == kNoOwner && core_.self == 0;
      objects += mine || nobodys ? 1 : 0;
      left += dataset.state.bypassed(index) ? 1 : 0;
      std::uint32_t present = 0;
      std::uint64_t present_here = 0;
      for (std::uint32_t number = 0; number < stripe_total(shape); ++number) {
        const std::uint32_t stripe = stripe_index(entry, number);
        const std::uint32_t owner = dataset.state.owner(stripe);
        const std::uint64_t size = stripe_size(shape, number);
        bytes += owner == core_.self || (owner == kNoOwner && core_.self == 0) ? size : 0;
        if (dataset.state.phase(stripe) != StripePhase::present) {
          continue;
        }
        if (verify && !core_.damage.is_sound(StripeRef{object, number})) {
          corrupt.push_back(json_text_of_bytes(dataset.mount + "/" + dataset.catalog->path_of(index)));
          stage_again(object);
          present = 0;
          present_here = 0;
          break;
        }
        if (owner == core_.self) {
          ++present;
          present_here += size;
        }
      }
      present_bytes += present_here;
      if (stripe_total(shape) > 1) {
        if (present > 0) {
          split.push_back({object.packed(), present});
        }
      } else {
        present_objects += present;
      }
    });
  }
  return nlohmann::json{{"objects", objects},
                        {"bytes", bytes},
                        {"present_objects", present_objects},
                        {"present_bytes", present_bytes},
                        {"left_to_origin", left},
                        {"corrupt", std::move(corrupt)},
                        {"split", std::move(split)}};
}

void AdminService::stage_again(ObjectKey object) {
  const StagedDataset& dataset = core_.datasets[object.dataset];
  const CatalogEntry& entry = dataset.view().entry(object.entry);
  for (std::uint32_t number = 0; number < stripe_total(shape_of(dataset, entry)); ++number) {
    if (dataset.state.owner(stripe_index(entry, number)) == core_.self) {
      core_.stager.bring(StripeRef{object, number}, Stager::Urgency::background, nullptr,
                         [](const Stager::Outcome&) {});
    }
  }
}

Result<nlohmann::json> AdminService::evict_part(const nlohmann::json& question) {
  FOREBAY_ASSIGN(selection, PathSelection::make(core_.datasets, paths_of(question)));
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  for (std::uint32_t k = 0; k < core_.datasets.size(); ++k) {
    for_each_object(core_.datasets[k].view(), [&](std::uint32_t index, const CatalogEntry& entry) {
      const ObjectKey object{k, index};
      const std::uint64_t here = core_.residents.bytes_here(object);
      const bool whole = core_.datasets[k].state.buffer_inode(index) != 0;
      if ((here == 0 && !whole) || !selection.selects(object) || !core_.residents.remove(object)) {
        return;
      }
      bytes += here;
      objects +=
          core_.datasets[k].state.owner(entry.first) == core_.self ? 1 : 0;  // Counted once, at its owner.
    });
  }
  return nlohmann::json{{"objects", objects}, {"bytes", bytes}};
}

Result<nlohmann::json> AdminService::locate_part(const nlohmann::json& question) {
  const auto k = question.at("dataset").get<std::uint32_t>();
  const auto index = question.at("entry").get<std::uint32_t>();
  if (!names_object(core_.datasets, k, index)) {
    return Error{Code::bad_argument, "no such object"};
  }
  const StagedDataset& dataset = core_.datasets[k];
  const CatalogEntry& entry = dataset.view().entry(index);
  nlohmann::json checksums = nlohmann::json::array();
  for (std::uint32_t number = 0; number < stripe_total(shape_of(dataset, entry)); ++number) {
    const std::uint32_t stripe = stripe_index(entry, number);
    const bool present = dataset.state.phase(stripe) == StripePhase::present;
    checksums.push_back(present ? nlohmann::json(fmt::format("{:016x}", dataset.state.checksum(stripe)))
                                : nullptr);
  }
  return nlohmann::json{{"checksums", std::move(checksums)}};
}

// `wait`: answered when it is over, else as soon as it is counted. Asked again with the same id, it joins.
void AdminService::prefetch_part(const nlohmann::json& question, SharedResponder responder) {
  const std::string id = question.at("id").get<std::string>();
  const bool wait = question.value("wait", true);
  std::shared_ptr<PrefetchJob> job;
  {
    const std::lock_guard lock(prefetches_->mutex);
    if (const auto found = prefetches_->by_id.find(id); found != prefetches_->by_id.end()) {
      const auto totals = found->second.job->totals();
      if (totals.finished || !wait) {
        answer_json(*responder, json_of(totals));
      } else {
        found->second.waiting.push_back(std::move(responder));
      }
      return;
    }
  }
  auto selection = PathSelection::make(core_.datasets, paths_of(question));
  if (!selection.ok()) {
    return responder->fail(selection.error());
  }
  if (const auto bandwidth = question.value("bandwidth", std::uint64_t{0}); bandwidth > 0) {
    core_.rate_limit.set(std::max<std::uint64_t>(1, bandwidth / core_.transport.node_count()));
  }
  PrefetchJob::Options options;
  options.selects = [chosen = std::make_shared<PathSelection>(std::move(selection).value())](
                        ObjectKey object) { return chosen->selects(object); };
  options.verify = question.value("verify", false);
  options.dry_run = question.value("dry_run", false);
  job = core_.make_prefetch(std::move(options));
  PrefetchJob::Done counted;
  {
    const std::lock_guard lock(prefetches_->mutex);
    Prefetch& prefetch = prefetches_->by_id[id];
    prefetch.job = job;
    if (wait) {
      prefetch.waiting.push_back(std::move(responder));
    } else {
      counted = [shared = std::move(responder)](const PrefetchJob::Totals& totals) {
        answer_json(*shared, json_of(totals));
      };
    }
    prefetches_->order.push_back(id);
    while (prefetches_->order.size() > kPrefetchesKept) {
      const auto oldest = prefetches_->by_id.find(prefetches_->order.front());
      if (!oldest->second.job->totals().finished || !oldest->second.waiting.empty()) {
        break;
      }
      prefetches_->by_id.erase(oldest);
      prefetches_->order.pop_front();
    }
  }
  job->start(std::move(counted), [asked = std::weak_ptr(prefetches_), id](const PrefetchJob::Totals& totals) {
    if (const auto still = asked.lock()) {
      still->over(id, totals);
    }
  });
}

void AdminService::Prefetches::over(const std::string& id, const PrefetchJob::Totals& totals) {
  std::vector<SharedResponder> answered;
  {
    const std::lock_guard lock(mutex);
    if (const auto found = by_id.find(id); found != by_id.end()) {
      answered = std::exchange(found->second.waiting, {});
    }
  }
  for (const auto& responder : answered) {
    answer_json(*responder, json_of(totals));
  }
}

}  // namespace forebay
