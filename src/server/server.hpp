// Server: one rank's life between a joined transport and a stopped one.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "ipc/socket_server.hpp"
#include "server/admin_service.hpp"
#include "server/bypass_union.hpp"
#include "server/checkpoint_service.hpp"
#include "server/client_gate.hpp"
#include "server/control.hpp"
#include "server/drain_watch.hpp"
#include "server/job_start.hpp"
#include "server/node_core.hpp"
#include "server/ownership.hpp"
#include "server/serve.hpp"
#include "server/watch.hpp"

namespace forebay {

// The node's own name, and where it keeps what.
struct NodePlaces {
  std::string name;
  std::string host;
  std::string session_directory;
  std::string buffer_directory;
  // Of the `run` that starts servers again, on its host (server/run_claim.hpp); else empty.
  std::string run_claim;
};
NodePlaces places_of(const ServeOptions& options, std::uint32_t rank);

class Server final : private RequestHandler {
 public:
  // All outlive the server. `transport` has not served yet; `exchange_runs` says whether its own thread runs.
  Server(const ServeOptions& options, const NodePlaces& places, PeerTransport& transport, Control& control,
         std::function<bool()> exchange_runs);
  ~Server() override;

  // Starts, serves until asked to stop, stops the transport and removes the session. Returns the exit code
  // (serve.hpp).
  int run();

 private:
  Result<NameList> names();
  Status start();
  Result<JobNode> join();
  Status begin_session();
  [[nodiscard]] Session::Expected expected_session() const;
  Result<std::optional<Session::TakenUp>> take_up_session();
  Result<std::unique_ptr<ObjectStore>> open_store() const;
  Status take_up_marks();
  Status take_up_kept();
  Status serve_clients(const Session::Identification& id);
  Status open_checkpoints();
  Status drain_checkpoints();
  void tell_marks() const;
  void announce_plan(const Ownership& ownership) const;
  void announce_ready() const;
  Watch::Options watch_options(std::function<bool()> exchange_runs) const;
  Status start_staging();
  void serve_until_stopped();
  void staging_over();
  void tell_progress();
  void tell_report();
  void stop_everybody();
  void tear_down();
  [[nodiscard]] bool leads() const { return transport_.self().value == 0; }
  void on_request(NodeIndex from, std::span<const std::byte> request,
                  std::unique_ptr<Responder> responder) override;

  const ServeOptions& options_;
  const NodePlaces& places_;
  PeerTransport& transport_;
  Control& control_;
  PeerRouter router_;
  std::atomic<bool> nodes_known_{false};
  Rendezvous rendezvous_;
  JobStart job_;
  Watch watch_;
  Session session_;
  std::unique_ptr<ObjectStore> store_;
  std::unique_ptr<NodeCore> core_;
  std::unique_ptr<BypassUnion> marks_;  // Where the session goes on.
  CheckpointService checkpoints_;
  DrainWatch drain_watch_;
  std::unique_ptr<AdminService> admin_;
  std::unique_ptr<ClientGate> gate_;
  std::unique_ptr<SocketServer> socket_;
  std::thread staged_waiter_;
  bool staging_ = false;
  bool orderly_ = false;   // The job was asked to stop: nothing goes on after it.
  nlohmann::json staged_;  // By staged_waiter_, before it notifies.
  int exit_code_ = 0;
};

}  // namespace forebay
