// SocketServer: the session's socket, from the server's side (shared/messages.hpp).
//
// One thread, one epoll. Whatever a client sends, is killed at, or never reads costs that client its
// connection and nobody else anything: messages are bounded and checked, sends never wait, idle connections
// end.
#pragma once

#include <memory>
#include <string>

#include "common/result.hpp"
#include "ipc/client_service.hpp"

namespace forebay {

class SocketServer {
 public:
  static constexpr int kTickMs = 100;
  static constexpr std::size_t kConnectionsMax = 4096;
  // A connection that asks nothing for so long is closed.
  static constexpr int kIdleMs = 10'000;
  // No `working` for a request that made no progress for so long: its client goes on alone.
  static constexpr int kStalledMs = 30'000;
  static constexpr int kInvalidateDeadlineMs = 2'000;

  // Listens at `path` (mode 0600; must not exist) and serves until it is destroyed. `service` outlives it,
  // and may call back even later. Codes: io_error, permission, bad_argument (the path is too long for a
  // socket).
  static Result<std::unique_ptr<SocketServer>> start(const std::string& path, ClientService& service);
  ~SocketServer();

 private:
  class Loop;
  explicit SocketServer(std::shared_ptr<Loop> loop);
  std::shared_ptr<Loop> loop_;
};

}  // namespace forebay
