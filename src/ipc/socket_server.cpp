#include "ipc/socket_server.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <span>
#include <thread>
#include <unordered_map>
#include <utility>

#include "common/log.hpp"
#include "ipc/connection.hpp"

namespace forebay {

namespace {

constexpr std::uint64_t kListenerId = 0;
constexpr std::uint64_t kTimerId = 1;
constexpr std::uint64_t kWakeId = 2;
constexpr std::uint64_t kFirstConnectionId = 16;

using Clock = Connection::Clock;
using Ms = std::chrono::milliseconds;

}  // namespace

// Shared with the callbacks of requests, which may come when the server is gone already.
class SocketServer::Loop : public std::enable_shared_from_this<Loop> {
 public:
  explicit Loop(ClientService& service) : service_(service) {}

  Status open(const std::string& path);
  void run();
  void start() {
    thread_ = std::thread([this] { run(); });
    ::pthread_setname_np(thread_.native_handle(), "forebay-ipc");
  }
  void stop() {
    stopping_ = true;
    wake();
    thread_.join();
    const std::lock_guard lock(mutex_);
    closed_ = true;
    replies_.clear();
  }

  // A request's answer, from any thread.
  void reply(std::uint64_t id, std::vector<OutgoingPacket> packets) {
    const std::lock_guard lock(mutex_);
    if (!closed_) {
      replies_.emplace_back(id, std::move(packets));
      wake();
    }
  }

 private:
  void wake() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
  }
  bool watch(int fd, std::uint64_t id, std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.u64 = id;
    return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
  }
  void accept_all();
  void listen_again(bool listening);
  void receive(std::uint64_t id);
  bool dispatch(std::uint64_t id, Connection& connection, std::span<const std::byte> packet);
  bool dispatch_materialise(std::uint64_t id, Connection& connection, std::span<const std::byte> packet);
  bool dispatch_stripe(std::uint64_t id, Connection& connection, std::span<const std::byte> packet);
  bool dispatch_checkpoint(std::uint64_t id, Connection& connection, std::span<const std::byte> packet);
  bool dispatch_changed(std::uint64_t id, std::span<const std::byte> packet);
  bool dispatch_invalidate(std::uint64_t id, std::span<const std::byte> packet);
  void send(std::uint64_t id, Connection& connection);
  void take_replies();
  void tick();
  void look_after(std::uint64_t id, Connection& connection, Clock::time_point now);
  void close(std::uint64_t id);

  ClientService& service_;
  UniqueFd epoll_;
  UniqueFd listener_;
  UniqueFd timer_;
  UniqueFd wake_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
  bool listening_ = true;
  bool deaf_ = false;  // accept() failed when it was tried last.
  std::uint64_t next_id_ = kFirstConnectionId;
  std::unordered_map<std::uint64_t, Connection> connections_;
  alignas(MessageHeader) std::array<std::byte, kMessageBytesMax> packet_{};

  std::mutex mutex_;
  bool closed_ = false;
  std::vector<std::pair<std::uint64_t, std::vector<OutgoingPacket>>> replies_;
};

Status SocketServer::Loop::open(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Error{Code::bad_argument, path + " is too long for a socket's path"};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  timer_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  listener_.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!epoll_.valid() || !timer_.valid() || !wake_.valid() || !listener_.valid()) {
    return error_from_errno("cannot make the session's socket");
  }
  // Bound with no permissions for others at any moment: on Linux a socket file takes those of its descriptor.
  if (::fchmod(listener_.get(), 0600) != 0 ||
      ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(listener_.get(), SOMAXCONN) != 0) {
    return error_from_errno("cannot listen at " + path);
  }
  itimerspec every{};
  every.it_interval.tv_nsec = every.it_value.tv_nsec = kTickMs * 1'000'000L;
  if (::timerfd_settime(timer_.get(), 0, &every, nullptr) != 0 ||
      !watch(listener_.get(), kListenerId, EPOLLIN) || !watch(timer_.get(), kTimerId, EPOLLIN) ||
      !watch(wake_.get(), kWakeId, EPOLLIN)) {
    return error_from_errno("cannot watch the session's socket");
  }
  return {};
}

void SocketServer::Loop::run() {
  std::array<epoll_event, 64> events{};
  while (!stopping_) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const std::uint64_t id = events[static_cast<std::size_t>(i)].data.u64;
      const std::uint32_t what = events[static_cast<std::size_t>(i)].events;
      std::uint64_t count_of_events = 0;
      if (id == kListenerId) {
        accept_all();
      } else if (id == kTimerId) {
        [[maybe_unused]] const auto got = ::read(timer_.get(), &count_of_events, sizeof count_of_events);
        tick();
      } else if (id == kWakeId) {
        [[maybe_unused]] const auto got = ::read(wake_.get(), &count_of_events, sizeof count_of_events);
        take_replies();
      } else {
        if ((what & (EPOLLHUP | EPOLLERR)) != 0) {
          close(id);
          continue;
        }
        if ((what & EPOLLOUT) != 0) {
          if (const auto found = connections_.find(id); found != connections_.end()) {
            send(id, found->second);
          }
        }
        if ((what & EPOLLIN) != 0) {
          receive(id);
        }
      }
    }
  }
  connections_.clear();
}

void SocketServer::Loop::accept_all() {
  while (connections_.size() < kConnectionsMax) {
    UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.valid()) {
      if (errno == EINTR || errno == ECONNABORTED) {
        continue;
      }
      deaf_ = errno != EAGAIN;
      if (deaf_) {
        listen_again(false);  // tick() tries again.
      }
      return;
    }
    ucred peer{};
    socklen_t bytes = sizeof peer;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0 || peer.uid != ::geteuid()) {
      log_warning("refused a client of uid {}", peer.uid);
      continue;
    }
    const std::uint64_t id = next_id_++;
    if (!watch(socket.get(), id, EPOLLIN)) {
      continue;
    }
    Connection& connection = connections_[id];
    connection.socket = std::move(socket);
    connection.active_at = Clock::now();
  }
  listen_again(false);
}

void SocketServer::Loop::listen_again(bool listening) {
  if (listening_ == listening) {
    return;
  }
  epoll_event event{};
  event.events = listening ? static_cast<std::uint32_t>(EPOLLIN) : 0;
  event.data.u64 = kListenerId;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listener_.get(), &event);
  listening_ = listening;
}

void SocketServer::Loop::receive(std::uint64_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) {
    return;
  }
  Connection& connection = found->second;
  const auto got = ::recv(connection.socket.get(), packet_.data(), packet_.size(), MSG_TRUNC | MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
    return;
  }
  // The end, an error, a packet that is too long, or a second request before the first was answered and read:
  // so a client that never reads has one answer waiting, not any number.
  if (got <= 0 || static_cast<std::size_t>(got) > packet_.size() || connection.busy || connection.over ||
      !connection.outbox.empty() ||
      !dispatch(id, connection, std::span(packet_).first(static_cast<std::size_t>(got)))) {
    close(id);
  }
}

// False: not a message of this version, or one that makes no sense.
bool SocketServer::Loop::dispatch(std::uint64_t id, Connection& connection,
                                  std::span<const std::byte> packet) {
  MessageHeader header;
  if (packet.size() < sizeof header) {
    return false;
  }
  std::memcpy(&header, packet.data(), sizeof header);
  if (header.magic != kMessageMagic || header.version != kMessageVersion ||
      header.body_bytes != packet.size() - sizeof header) {
    return false;
  }
  const auto now = Clock::now();
  connection.busy = true;
  connection.request = static_cast<MessageKind>(header.kind);
  connection.seen_progress = 0;
  connection.progressed_at = connection.working_at = connection.active_at = now;
  switch (connection.request) {
    case MessageKind::materialise:
      return dispatch_materialise(id, connection, packet);
    case MessageKind::stripe:
      return dispatch_stripe(id, connection, packet);
    case MessageKind::changed:
      return dispatch_changed(id, packet);
    case MessageKind::invalidate:
      return dispatch_invalidate(id, packet);
    case MessageKind::checkpoint_bring:
    case MessageKind::checkpoint_note:
    case MessageKind::checkpoint_sync:
      return dispatch_checkpoint(id, connection, packet);
    case MessageKind::admin: {
      std::string text(reinterpret_cast<const char*>(packet.data()) + sizeof header, header.body_bytes);
      service_.admin(std::move(text), [loop = shared_from_this(), id](Result<std::string> answer) {
        std::vector<OutgoingPacket> packets;
        if (answer.ok()) {
          packets = text_packets(*answer);
        } else {
          packets.push_back(failed_packet(answer.error()));
        }
        loop->reply(id, std::move(packets));
      });
      return true;
    }
    default:
      return false;
  }
}

bool SocketServer::Loop::dispatch_materialise(std::uint64_t id, Connection& connection,
                                              std::span<const std::byte> packet) {
  MaterialiseRequest request;
  if (packet.size() != sizeof request) {
    return false;
  }
  std::memcpy(&request, packet.data(), sizeof request);
  connection.progress = service_.materialise(
      request.dataset, request.entry, [loop = shared_from_this(), id](ClientService::Materialised result) {
        std::vector<OutgoingPacket> packets;
        packets.push_back(result.status.ok() ? materialised_packet(result.hit, std::move(result.descriptor))
                                             : failed_packet(result.status.error()));
        loop->reply(id, std::move(packets));
      });
  return true;
}

bool SocketServer::Loop::dispatch_stripe(std::uint64_t id, Connection& connection,
                                         std::span<const std::byte> packet) {
  StripeRequest request;
  if (packet.size() != sizeof request) {
    return false;
  }
  std::memcpy(&request, packet.data(), sizeof request);
  connection.progress = service_.stripe(
      request.dataset, request.entry, request.stripe, request.read_ahead,
      [loop = shared_from_this(), id](const Status& status) {
        std::vector<OutgoingPacket> packets;
        packets.push_back(status.ok() ? bare_packet(MessageKind::done) : failed_packet(status.error()));
        loop->reply(id, std::move(packets));
      });
  return true;
}

bool SocketServer::Loop::dispatch_changed(std::uint64_t id, std::span<const std::byte> packet) {
  ChangedQuestion question;
  if (packet.size() != sizeof question) {
    return false;
  }
  std::memcpy(&question, packet.data(), sizeof question);
  service_.changed(question.dataset, question.entry, [loop = shared_from_this(), id](const Status& status) {
    std::vector<OutgoingPacket> packets;
    packets.push_back(status.ok() ? bare_packet(MessageKind::done) : failed_packet(status.error()));
    loop->reply(id, std::move(packets));
  });
  return true;
}

bool SocketServer::Loop::dispatch_invalidate(std::uint64_t id, std::span<const std::byte> packet) {
  InvalidateRequest request{};
  constexpr std::size_t kItemsAt = offsetof(InvalidateRequest, items);
  if (packet.size() < kItemsAt || packet.size() > sizeof request) {
    return false;
  }
  std::memcpy(&request, packet.data(), packet.size());
  if (request.count > kInvalidatesMax || packet.size() < kItemsAt + request.count * sizeof(InvalidateItem)) {
    return false;
  }
  service_.invalidate(
      {request.items, request.items + request.count}, [loop = shared_from_this(), id](const Status& status) {
        std::vector<OutgoingPacket> packets;
        packets.push_back(status.ok() ? bare_packet(MessageKind::done) : failed_packet(status.error()));
        loop->reply(id, std::move(packets));
      });
  return true;
}

bool SocketServer::Loop::dispatch_checkpoint(std::uint64_t id, Connection& connection,
                                             std::span<const std::byte> packet) {
  CheckpointRequest request{};
  constexpr std::size_t kPathAt = offsetof(CheckpointRequest, path);
  if (packet.size() < kPathAt || packet.size() > sizeof request) {
    return false;
  }
  std::memcpy(&request, packet.data(), packet.size());
  if (request.path_bytes != packet.size() - kPathAt || request.path_bytes >= kTreePathBytesMax ||
      request.what > static_cast<std::uint32_t>(CheckpointBring::look)) {
    return false;
  }
  std::string path(request.path, request.path_bytes);
  if (path.find('\0') != std::string::npos) {
    return false;
  }
  auto done = [loop = shared_from_this(), id](const Status& status) {
    std::vector<OutgoingPacket> packets;
    packets.push_back(status.ok() ? bare_packet(MessageKind::done) : failed_packet(status.error()));
    loop->reply(id, std::move(packets));
  };
  switch (connection.request) {
    case MessageKind::checkpoint_bring:
      connection.progress = service_.checkpoint_bring(
          request.checkpoint, static_cast<CheckpointBring>(request.what), std::move(path), std::move(done));
      break;
    case MessageKind::checkpoint_note:
      connection.progress = service_.checkpoint_note(request.checkpoint, request.seq, std::move(done));
      break;
    default:
      connection.progress = service_.checkpoint_sync(request.checkpoint, std::move(path), std::move(done));
  }
  return true;
}

void SocketServer::Loop::send(std::uint64_t id, Connection& connection) {
  if (!send_outbox(connection)) {
    return close(id);
  }
  const bool waits = !connection.outbox.empty();
  if (waits != connection.waits_to_send) {
    connection.waits_to_send = waits;
    epoll_event event{};
    event.events = static_cast<std::uint32_t>(EPOLLIN) | (waits ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
    event.data.u64 = id;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.socket.get(), &event);
  }
}

void SocketServer::Loop::take_replies() {
  std::vector<std::pair<std::uint64_t, std::vector<OutgoingPacket>>> replies;
  {
    const std::lock_guard lock(mutex_);
    replies.swap(replies_);
  }
  for (auto& [id, packets] : replies) {
    const auto found = connections_.find(id);
    if (found == connections_.end() || !found->second.busy) {
      continue;  // The client is gone, or was answered at its deadline.
    }
    Connection& connection = found->second;
    connection.busy = false;
    connection.progress = nullptr;
    connection.active_at = Clock::now();
    for (auto& packet : packets) {
      connection.outbox.push_back(std::move(packet));
    }
    send(id, connection);
  }
}

void SocketServer::Loop::tick() {
  if (deaf_) {
    accept_all();
  }
  service_.tick(!deaf_);
  listen_again(!deaf_ && connections_.size() < kConnectionsMax);
  const auto now = Clock::now();
  std::vector<std::uint64_t> ids;
  for (const auto& [id, connection] : connections_) {
    const auto quiet = now - (connection.busy ? connection.working_at : connection.active_at);
    if (quiet >= Ms(connection.busy ? static_cast<int>(kWorkingEveryMs) - kTickMs : kIdleMs)) {
      ids.push_back(id);
    }
  }
  for (const auto id : ids) {
    look_after(id, connections_.at(id), now);
  }
}

void SocketServer::Loop::look_after(std::uint64_t id, Connection& connection, Clock::time_point now) {
  if (!connection.busy) {
    return close(id);
  }
  connection.working_at = now;
  if (connection.request == MessageKind::invalidate) {
    if (now - connection.active_at >= Ms(kInvalidateDeadlineMs)) {
      connection.busy = false;
      connection.over = true;
      connection.outbox.push_back(
          failed_packet(Error{Code::timed_out, "not every node confirmed the invalidation in time"}));
      return send(id, connection);
    }
  } else if (connection.progress) {
    const std::uint64_t progress = connection.progress();
    if (progress != connection.seen_progress) {
      connection.seen_progress = progress;
      connection.progressed_at = now;
    }
    if (now - connection.progressed_at >= Ms(kStalledMs)) {
      return;
    }
  }
  if (connection.outbox.empty()) {
    connection.outbox.push_back(bare_packet(MessageKind::working));
    send(id, connection);
  }
}

void SocketServer::Loop::close(std::uint64_t id) {
  connections_.erase(id);
  listen_again(connections_.size() < kConnectionsMax);
}

Result<std::unique_ptr<SocketServer>> SocketServer::start(const std::string& path, ClientService& service) {
  auto loop = std::make_shared<Loop>(service);
  FOREBAY_TRY(loop->open(path));
  loop->start();
  return std::unique_ptr<SocketServer>(new SocketServer(std::move(loop)));
}

SocketServer::SocketServer(std::shared_ptr<Loop> loop) : loop_(std::move(loop)) {}

SocketServer::~SocketServer() {
  loop_->stop();
}

}  // namespace forebay
