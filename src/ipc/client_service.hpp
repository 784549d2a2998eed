// ClientService: what the socket's server side asks of the node's server.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "shared/messages.hpp"

namespace forebay {

// Called on the socket server's thread: must not block. The callbacks run once each, on any thread, also
// before the call returns; they are dropped without being called only when the service is destroyed.
class ClientService {
 public:
  struct Materialised {
    Status status;
    HitKind hit = HitKind::local;
    UniqueFd descriptor;  // Of the whole object, read-only; valid when status is ok.
  };
  // A number that changes while the request makes progress. From the socket server's thread.
  using Progress = std::function<std::uint64_t()>;

  virtual ~ClientService() = default;
  virtual Progress materialise(std::uint32_t dataset, std::uint32_t entry,
                               std::function<void(Materialised)> done) = 0;
  // `number` and the `read_ahead` behind it count in the object, from 0.
  virtual Progress stripe(std::uint32_t dataset, std::uint32_t entry, std::uint32_t number,
                          std::uint32_t read_ahead, std::function<void(Status)> done) = 0;
  // Of an object of a store that is not what its catalog says: ok when the session says what it is.
  virtual void changed(std::uint32_t dataset, std::uint32_t entry, std::function<void(Status)> done) = 0;
  virtual void invalidate(std::vector<InvalidateItem> items, std::function<void(Status)> done) = 0;
  // Of checkpoint mounts (shared/messages.hpp); `path` has kTreePathBytesMax bytes at most and no NUL, and is
  // otherwise as the client sent it.
  virtual Progress checkpoint_bring(std::uint32_t checkpoint, CheckpointBring what, std::string path,
                                    std::function<void(Status)> done) = 0;
  virtual Progress checkpoint_note(std::uint32_t checkpoint, std::uint64_t seq,
                                   std::function<void(Status)> done) = 0;
  virtual Progress checkpoint_sync(std::uint32_t checkpoint, std::string path,
                                   std::function<void(Status)> done) = 0;
  // JSON in, JSON out (ipc/admin.hpp).
  virtual void admin(std::string request, std::function<void(Result<std::string>)> done) = 0;
  // Every SocketServer::kTickMs. `hears_clients`: new ones can be heard; false while this process is short of
  // descriptors.
  virtual void tick(bool hears_clients) = 0;
};

}  // namespace forebay
