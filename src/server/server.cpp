#include "server/server.hpp"

#include <unistd.h>

#include <array>
#include <future>
#include <utility>

#include <fmt/format.h>

#include "common/size_text.hpp"
#include "ipc/admin.hpp"
#include "server/ask_peers.hpp"
#include "server/kept_objects.hpp"
#include "server/partial_mode.hpp"
#include "server/path_selection.hpp"
#include "server/run_claim.hpp"
#include "server/supervision.hpp"
#include "stage/peer_messages.hpp"

namespace forebay {

namespace {

std::uint16_t number_of(StartRound round) {
  return static_cast<std::uint16_t>(round);
}

constexpr std::array<PeerOp, 1> kStopRequest{PeerOp::stop};

// How long a server that was killed may take to be gone.
constexpr std::chrono::milliseconds kTakeUpPatience{5000};

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr int kExitDoesNotFit = 3;
constexpr int kExitPartly = 4;

}  // namespace

NodePlaces places_of(const ServeOptions& options, std::uint32_t rank) {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  NodePlaces places;
  places.host = host.data();
  places.name = !options.node_name.empty() ? options.node_name : places.host;
  places.session_directory = options.session_root;
  places.buffer_directory = options.buffer_directory;
  if (options.simulate) {
    places.name = fmt::format("node{}", rank);
    places.session_directory += fmt::format(".{}", rank);
    places.buffer_directory += "/" + places.name;
  }
  if (const std::string claim = RunClaim::path_of(options.session_root);
      options.supervised && RunClaim::is_held(claim)) {
    places.run_claim = claim;
  }
  return places;
}

Server::Server(const ServeOptions& options, const NodePlaces& places, PeerTransport& transport,
               Control& control, std::function<bool()> exchange_runs)
    : options_(options),
      places_(places),
      transport_(transport),
      control_(control),
      rendezvous_(transport),
      job_({options, transport, router_, rendezvous_, [this] { return names(); }}),
      watch_(transport, watch_options(std::move(exchange_runs))),
      checkpoints_(options, transport),
      drain_watch_({options.supervised && !options.checkpoints.mounts.empty() && transport.self().value == 0,
                    [this](bool hasten) { return admin_->look_at_drain(hasten); }}) {
  router_.add({PeerOp::rendezvous}, rendezvous_);
  router_.add({PeerOp::stop}, *this);
  router_.add({PeerOp::alive, PeerOp::silent}, watch_);
}

Watch::Options Server::watch_options(std::function<bool()> exchange_runs) const {
  Watch::Options options;
  options.server_timeout = options_.server_timeout;
  options.runs = std::move(exchange_runs);
  if (options_.supervised && leads()) {
    options.tell_alive = [] { emit_event({{"event", "alive"}}); };
    options.tell_silent = [this](NodeIndex node) {
      const bool named = nodes_known_ && node.value < job_.nodes().size();
      emit_event({{"event", "silent"},
                  {"node", node.value},
                  {"name", named ? json_text_of_bytes(job_.nodes()[node.value].name) : std::string()}});
    };
  }
  return options;
}

Server::~Server() = default;

Result<NameList> Server::names() {
  return options_.supervised ? NameList(control_.take_names()) : options_.read_names();
}

int Server::run() {
  const Status started = start();
  if (started.ok()) {
    control_.serving();
    serve_until_stopped();
    orderly_ = true;
  } else {
    control_.failed();
    if (exit_code_ == 0) {
      exit_code_ = started.error().code == Code::bad_argument ? kExitUsage : kExitFailed;
    }
    if (leads()) {
      log_error("{}", started.error().text);
      if (options_.supervised) {
        emit_event(
            {{"event", "failed"}, {"code", code_name(started.error().code)}, {"text", started.error().text}});
      }
    }
  }
  tear_down();
  return exit_code_;
}

// Simulated nodes share a file system: each gets an equal part of what is free, besides what it has already.
Result<std::unique_ptr<ObjectStore>> Server::open_store() const {
  // Of a session that is taken up, where its readers look; its last server may be dying still.
  ObjectStore::Options options{places_.buffer_directory, options_.capacity_bytes, options_.floor_bytes,
                               session_.control().objects_directory};
  if (options.capacity_bytes == 0 && options_.simulate && transport_.node_count() > 1) {
    FOREBAY_ASSIGN(store, ObjectStore::open(options));
    const StoreUsage usage = store->usage();
    const std::uint64_t spare = usage.capacity_bytes - std::min(usage.capacity_bytes, usage.used_bytes);
    options.capacity_bytes = usage.used_bytes + spare / transport_.node_count();
  }
  return ObjectStore::open(options);
}

Result<JobNode> Server::join() {
  FOREBAY_TRY(job_.open_origins());
  FOREBAY_TRY(checkpoints_.open_destinations());
  FOREBAY_ASSIGN(taken, take_up_session());
  if (taken) {
    session_ = std::move(taken->session);
    for (std::uint32_t k = 0; k < taken->catalogs.size(); ++k) {
      mark_all_absent(session_.state(k));
    }
  } else {
    FOREBAY_TRY(begin_session());
  }
  FOREBAY_ASSIGN(store, open_store());
  store_ = std::move(store);
  if (taken && session_.keeps_objects_in(store_->objects_directory(), store_->device())) {
    FOREBAY_TRY(job_.offer(std::move(taken->catalogs), session_.control().generation, session_));
  } else if (taken) {
    log_warning("the buffer is not where it was: a new session begins");
    FOREBAY_TRY(begin_session());
  }
  return JobNode{places_.name, places_.host, places_.session_directory, store_->usage().capacity_bytes};
}

Session::Expected Server::expected_session() const {
  Session::Expected expected = job_.expected_session();
  expected.checkpoints = checkpoints_.expected();
  return expected;
}

// What is there from servers before. Nothing where there is none, or none that can go on.
Result<std::optional<Session::TakenUp>> Server::take_up_session() {
  if (options_.restart == 0) {
    return std::optional<Session::TakenUp>();
  }
  auto taken = Session::take_up(places_.session_directory, expected_session(), kTakeUpPatience);
  if (taken.ok()) {
    return std::optional(std::move(taken).value());
  }
  if (taken.error().code != Code::not_found) {
    return Error{std::move(taken).error()};
  }
  return std::optional<Session::TakenUp>();
}

// A new one, in the place of any other. Who has mapped the other one goes on with what is local.
Status Server::begin_session() {
  if (session_.published()) {
    session_.set_phase(SessionPhase::stopped);
  }
  session_ = {};
  FOREBAY_ASSIGN(session, Session::create(places_.session_directory));
  session_ = std::move(session);
  FOREBAY_TRY(session_.add_checkpoints(checkpoints_.expected()));
  return options_.supervised ? session_.expect_restart(places_.run_claim) : Status();
}

Status Server::start() {
  transport_.serve(router_);
  watch_.start();
  FOREBAY_TRY(job_.hello(join()));
  nodes_known_ = true;
  if (session_.published() && !job_.keeps_offered()) {
    log_warning("the other nodes go on with another catalog: a new session begins");
    FOREBAY_TRY(begin_session());
  }
  FOREBAY_ASSIGN(datasets, job_.make_datasets(session_));
  const Ownership ownership = assign_owners(datasets, job_.ring_members());
  const PartialMode partial_mode =
      partial_mode_of(options_.materialise_max_bytes, store_->usage().capacity_bytes,
                      ownership.assigned_bytes[transport_.self().value], options_.stripe_bytes);
  const bool rereads = options_.store.changed_objects == ChangedSetting::reread;
  core_ = std::make_unique<NodeCore>(
      std::move(datasets), *store_, transport_,
      NodeCore::Options{
          options_.io_threads,
          (options_.bandwidth_bytes_per_s + transport_.node_count() - 1) / transport_.node_count(),
          partial_mode.materialise_max_bytes, partial_mode.replica_room_bytes,
          rereads ? session_.directory() : std::string()});
  if (leads()) {
    announce_plan(ownership);
  }
  if (options_.require_fit && ownership.unassigned_bytes > 0) {
    exit_code_ = kExitDoesNotFit;
    return Error{Code::no_space,
                 fmt::format("the datasets do not fit ({} have no room) add nodes or capacity",
                             format_size(ownership.unassigned_bytes))};
  }
  std::vector<std::string> names;
  for (const auto& node : job_.nodes()) {
    names.push_back(node.name);
  }
  admin_ = std::make_unique<AdminService>(*core_, checkpoints_, &session_.control(), std::move(names),
                                          [this] { control_.keep_serving(); });
  router_.add({PeerOp::admin}, *admin_);
  router_.add({PeerOp::read_chunk, PeerOp::stage_stripe, PeerOp::invalidate, PeerOp::kept_stripes},
              core_->peer_service);
  router_.add({PeerOp::changed}, core_->changed);
  FOREBAY_TRY(take_up_marks());
  FOREBAY_TRY(take_up_kept());
  FOREBAY_TRY(open_checkpoints());

  gate_ = std::make_unique<ClientGate>(*core_, *admin_, checkpoints_, session_);
  const Status served =
      serve_clients({transport_.self().value, transport_.node_count(), store_->objects_directory(),
                     store_->device(), partial_mode.materialise_max_bytes, rereads});
  FOREBAY_TRY(rendezvous_.meet(number_of(StartRound::serving), served.ok()
                                                                   ? Result<nlohmann::json>(nlohmann::json())
                                                                   : Result<nlohmann::json>(served.error())));
  tell_marks();
  FOREBAY_TRY(drain_checkpoints());
  if (leads()) {
    announce_ready();
  }
  return start_staging();
}

Status Server::open_checkpoints() {
  if (checkpoints_.empty()) {
    return {};
  }
  std::vector<std::string> names;
  for (const auto& node : job_.nodes()) {
    names.push_back(node.name);
  }
  FOREBAY_TRY(checkpoints_.open_stores(session_, places_.buffer_directory, names, options_.restart > 0));
  router_.add({PeerOp::checkpoint_names, PeerOp::checkpoint_published, PeerOp::read_checkpoint,
               PeerOp::keep_copy, PeerOp::drop_copy},
              checkpoints_);
  checkpoints_.start();
  return {};
}

// Nothing is brought to a destination before all know what each has for it, and in which order.
Status Server::drain_checkpoints() {
  if (checkpoints_.empty()) {
    return {};
  }
  checkpoints_.wait_until_heard();
  checkpoints_.recover();
  FOREBAY_TRY(rendezvous_.meet(number_of(StartRound::checkpoints), nlohmann::json()));
  checkpoints_.start_draining();
  return {};
}

Status Server::serve_clients(const Session::Identification& id) {
  FOREBAY_TRY(session_.publish(id));
  FOREBAY_ASSIGN(socket, SocketServer::start(session_.socket_path(), *gate_));
  socket_ = std::move(socket);
  session_.beat();
  session_.set_phase(SessionPhase::serving);
  return {};
}

// What clients of any node marked while there was nobody to tell the others.
Status Server::take_up_marks() {
  if (!job_.goes_on()) {
    return {};
  }
  marks_ = std::make_unique<BypassUnion>(core_->datasets, transport_);
  router_.add({PeerOp::bypassed}, *marks_);
  FOREBAY_ASSIGN(all, rendezvous_.meet(number_of(StartRound::bypassed), marks_->summary()));
  return marks_->join(all);
}

// What they marked before they could see that this server serves.
void Server::tell_marks() const {
  if (!marks_) {
    return;
  }
  std::vector<InvalidateItem> items;
  for (const ObjectKey entry : marks_->marked_since()) {
    items.push_back({entry.dataset, entry.entry, static_cast<std::uint32_t>(InvalidateScope::entry)});
  }
  if (!items.empty()) {
    core_->invalidator.invalidate(items, nullptr);
  }
}

Status Server::take_up_kept() {
  const std::uint64_t mine = mark_kept(core_->datasets, *store_);
  FOREBAY_ASSIGN(all, rendezvous_.meet(number_of(StartRound::kept), nlohmann::json(mine)));
  std::vector<std::uint64_t> kept;
  for (const auto& one : all) {
    kept.push_back(one.get<std::uint64_t>());
  }
  find_kept_elsewhere(core_->datasets, transport_, kept);
  return {};
}

void Server::announce_plan(const Ownership& ownership) const {
  std::uint64_t objects = 0;
  for (const auto& dataset : core_->datasets) {
    objects += dataset.view().header().object_count;
  }
  nlohmann::json nodes = nlohmann::json::array();
  for (std::uint32_t node = 0; node < job_.nodes().size(); ++node) {
    nodes.push_back({{"node", node},
                     {"name", json_text_of_bytes(job_.nodes()[node].name)},
                     {"capacity_bytes", job_.nodes()[node].capacity_bytes},
                     {"assigned_bytes", ownership.assigned_bytes[node]}});
  }
  log_info("{} objects, {}, on {} node{}{}", objects, format_size(ownership.total_bytes), nodes.size(),
           nodes.size() == 1 ? "" : "s",
           ownership.unassigned_bytes == 0 ? std::string()
                                           : fmt::format("; {} fit nowhere and are read from the origin",
                                                         format_size(ownership.unassigned_bytes)));
  if (options_.supervised) {
    emit_event({{"event", "plan"},
                {"fits", ownership.unassigned_bytes == 0},
                {"dataset_objects", objects},
                {"dataset_bytes", ownership.total_bytes},
                {"unassigned_bytes", ownership.unassigned_bytes},
                {"nodes", std::move(nodes)}});
  }
}

void Server::announce_ready() const {
  nlohmann::json nodes = nlohmann::json::array();
  for (std::uint32_t node = 0; node < job_.nodes().size(); ++node) {
    const JobNode& one = job_.nodes()[node];
    nodes.push_back({{"node", node},
                     {"name", json_text_of_bytes(one.name)},
                     {"host", json_text_of_bytes(one.host)},
                     {"session", json_text_of_bytes(one.session)}});
  }
  log_info("ready: {} node{} serve{}", nodes.size(), nodes.size() == 1 ? "" : "s",
           nodes.size() == 1 ? "s" : "");
  if (options_.supervised) {
    emit_event({{"event", "ready"}, {"nodes", std::move(nodes)}});
  }
}

Status Server::start_staging() {
  if (options_.prefetch == PrefetchMode::off && !options_.standalone_prefetch) {
    return {};
  }
  PrefetchJob::Options options;
  options.verify = options_.verify;
  if (options_.standalone_prefetch) {
    FOREBAY_ASSIGN(selection, PathSelection::make(core_->datasets, options_.prefetch_paths));
    options.selects = [chosen = std::make_shared<PathSelection>(std::move(selection))](ObjectKey object) {
      return chosen->selects(object);
    };
    options.dry_run = options_.dry_run;
  }
  staging_ = true;
  auto job = core_->make_prefetch(std::move(options));
  admin_->watch(job);
  auto over = std::make_shared<std::promise<PrefetchJob::Totals>>();
  staged_waiter_ = std::thread([this, over] {
    const auto totals = over->get_future().get();
    const auto all =
        rendezvous_.meet(number_of(StartRound::staged),
                         nlohmann::json{{"bytes", totals.already_bytes + totals.fetched_bytes},
                                        {"bytes_total", totals.bytes},
                                        {"fetched_bytes", totals.fetched_bytes},
                                        {"objects", totals.done_objects},
                                        {"failed_stripes", totals.failed_stripes},
                                        {"left_to_origin", core_->counters.left_to_origin.load()},
                                        {"errors", core_->counters.errors.load()}});
    if (!all.ok()) {
      return;  // Stopped meanwhile.
    }
    nlohmann::json sum = {{"event", "staged"}};
    for (const char* field :
         {"bytes", "bytes_total", "fetched_bytes", "objects", "failed_stripes", "left_to_origin", "errors"}) {
      std::uint64_t total = 0;
      for (const auto& one : *all) {
        total += one.value(field, std::uint64_t{0});
      }
      sum[field] = total;
    }
    staged_ = std::move(sum);
    control_.notify_staged();
  });
  job->start(nullptr, [over](const PrefetchJob::Totals& totals) { over->set_value(totals); });
  return {};
}

void Server::serve_until_stopped() {
  while (true) {
    const auto event = control_.wait(
        std::chrono::milliseconds(drain_watch_.drains() ? kDrainLookEveryMs : kProgressEveryMs));
    switch (event) {
      case Control::Event::none:
        if (leads() && staging_ && (options_.supervised || options_.standalone_prefetch)) {
          tell_progress();
        }
        drain_watch_.look();
        break;
      case Control::Event::drain:
        drain_watch_.begin(control_.take_drain());
        break;
      case Control::Event::staged:
        staging_over();
        if (options_.standalone_prefetch) {
          return;
        }
        break;
      case Control::Event::report:
        tell_report();
        break;
      case Control::Event::stop:
        if (leads()) {
          tell_report();
          return stop_everybody();
        }
        // Node 0 stops the job: it is told, and this node goes on until node 0 says so.
        transport_.fetch(NodeIndex{0}, std::as_bytes(std::span(kStopRequest)), {},
                         [](const Result<std::size_t>&) {});
        break;
      case Control::Event::stop_now:
        return;
    }
  }
}

void Server::tell_progress() {
  const auto progress = admin_->progress();
  if (!progress.ok()) {
    return;
  }
  if (options_.supervised) {
    nlohmann::json event = *progress;
    event["event"] = "progress";
    emit_event(event);
  } else {
    log_info("staged {} of {}, {} of {} objects", format_size(progress->value("bytes", std::uint64_t{0})),
             format_size(progress->value("bytes_total", std::uint64_t{0})),
             progress->value("objects", std::uint64_t{0}),
             progress->value("objects_total", std::uint64_t{0}));
  }
}

void Server::staging_over() {
  staging_ = false;
  if (options_.standalone_prefetch && staged_.value("failed_stripes", std::uint64_t{0}) > 0) {
    exit_code_ = kExitPartly;
  }
  if (!leads()) {
    return;
  }
  log_info("staged {}, {} objects ({} left to the origin, {} errors)",
           format_size(staged_.value("bytes", std::uint64_t{0})), staged_.value("objects", std::uint64_t{0}),
           staged_.value("left_to_origin", std::uint64_t{0}), staged_.value("errors", std::uint64_t{0}));
  if (options_.supervised || options_.standalone_prefetch) {
    emit_event(staged_);
  }
}

void Server::tell_report() {
  if (!options_.supervised || !leads()) {
    return;
  }
  auto report = admin_->report();
  if (report.ok()) {
    (*report)["event"] = "report";
    emit_event(*report);
  } else {
    log_warning("no report: {}", report.error().text);
  }
}

void Server::stop_everybody() {
  for (std::uint32_t node = 1; node < transport_.node_count(); ++node) {
    const auto told = fetch_and_wait(transport_, NodeIndex{node}, std::as_bytes(std::span(kStopRequest)), {});
    if (!told.ok()) {
      log_warning("node {} cannot be told to stop: {}", node, told.error().text);
    }
  }
}

void Server::on_request(NodeIndex, std::span<const std::byte>, std::unique_ptr<Responder> responder) {
  if (leads()) {
    control_.request_stop();
  } else {
    control_.stop_now();
  }
  responder->respond(0, [](std::span<std::byte>) { return Status{}; });
}

void Server::tear_down() {
  watch_.stop();
  rendezvous_.stop();
  const bool goes_on = !orderly_ && options_.supervised && session_.published();
  if (core_ && !goes_on) {
    session_.set_phase(SessionPhase::stopped);
  }
  socket_.reset();
  checkpoints_.stop();
  if (core_) {
    core_->stop();
  }
  if (const auto stopped = transport_.stop(); !stopped.ok()) {
    log_warning("{}", stopped.error().text);
  }
  if (staged_waiter_.joinable()) {
    staged_waiter_.join();
  }
  admin_.reset();
  core_.reset();
  gate_.reset();
  store_.reset();
  marks_.reset();
  if (goes_on) {
    session_.leave();
  }
  session_ = {};
}

}  // namespace forebay
