#include "cli/admin_client.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "common/unique_fd.hpp"
#include "shared/messages.hpp"

namespace forebay {
namespace {

Result<UniqueFd> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Error{Code::bad_argument, fmt::format("{} is too long for a socket", path)};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd.valid()) {
    return error_from_errno("cannot make a socket");
  }
  // A server that hangs leaves its backlog full: connecting waits no longer than an answer would be waited
  // for.
  const timeval patience{kSilenceMs / 1000, static_cast<suseconds_t>(kSilenceMs % 1000) * 1000};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    auto error = error_from_errno("cannot reach the server at " + path);
    error.code =
        error.errno_value == EACCES || error.errno_value == EPERM ? Code::permission : Code::unavailable;
    return error;
  }
  ucred peer{};
  socklen_t bytes = sizeof peer;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0 || peer.uid != ::geteuid()) {
    return Error{Code::permission,
                 fmt::format("{} is served by another user (refusing to talk to it)", path)};
  }
  return fd;
}

Status send_request(int fd, const nlohmann::json& request) {
  const auto text = request.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() + sizeof(MessageHeader) > kMessageBytesMax) {
    return Error{Code::bad_argument,
                 "the request is too long (too many paths) name their directory or a glob instead"};
  }
  MessageHeader header{};
  header.magic = kMessageMagic;
  header.version = kMessageVersion;
  header.kind = static_cast<std::uint16_t>(MessageKind::admin);
  header.body_bytes = static_cast<std::uint32_t>(text.size());
  std::vector<char> packet(sizeof header + text.size());
  std::memcpy(packet.data(), &header, sizeof header);
  std::memcpy(packet.data() + sizeof header, text.data(), text.size());
  while (::send(fd, packet.data(), packet.size(), MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) {
      return error_from_errno("cannot send to the server");
    }
  }
  return {};
}

// One packet, its header checked; empty: the server hung up.
Result<std::size_t> receive_packet(int fd, std::vector<char>& packet) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kSilenceMs);
  packet.resize(kMessageBytesMax);
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd polled{fd, POLLIN, 0};
    const int ready = ::poll(&polled, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (ready == 0) {
      return Error{Code::timed_out, fmt::format("the server does not answer (silent for {} ms)", kSilenceMs)};
    }
    const auto got = ready < 0 ? -1 : ::recv(fd, packet.data(), packet.size(), 0);
    if (got >= 0) {
      return static_cast<std::size_t>(got);
    }
    if (errno == ECONNRESET) {
      return std::size_t{0};
    }
    if (errno != EINTR) {
      return error_from_errno("cannot hear from the server");
    }
  }
}

}  // namespace

Result<nlohmann::json> ask_server(const std::string& session_directory, const nlohmann::json& request) {
  FOREBAY_ASSIGN(socket, connect_to(session_directory + "/socket"));
  FOREBAY_TRY(send_request(socket.get(), request));
  std::string text;
  std::vector<char> packet;
  while (true) {
    FOREBAY_ASSIGN(bytes, receive_packet(socket.get(), packet));
    if (bytes == 0) {
      return Error{Code::unavailable, "the server ended before it answered"};
    }
    MessageHeader header{};
    std::memcpy(&header, packet.data(), std::min(bytes, sizeof header));
    if (bytes < sizeof header || header.magic != kMessageMagic || header.version != kMessageVersion ||
        header.body_bytes > bytes - sizeof header) {
      return Error{Code::corrupt, "the server's answer makes no sense (another version of forebay?)"};
    }
    switch (static_cast<MessageKind>(header.kind)) {
      case MessageKind::working:
        break;
      case MessageKind::text:
        text.append(packet.data() + sizeof header, header.body_bytes);
        break;
      case MessageKind::done: {
        auto answer = nlohmann::json::parse(text, nullptr, false);
        if (answer.is_discarded()) {
          return Error{Code::corrupt, "the server's answer is no JSON (another version of forebay?)"};
        }
        return answer;
      }
      case MessageKind::failed: {
        FailedReply reply{};
        std::memcpy(&reply, packet.data(), std::min(bytes, sizeof reply));
        reply.text[sizeof reply.text - 1] = '\0';
        auto error = error_from_errno("", static_cast<int>(reply.errno_value));
        if (reply.text[0] != '\0') {
          error.text = reply.text;
        }
        return error;
      }
      default:
        return Error{Code::corrupt,
                     "the server's answer is of an unknown kind (another version of forebay?)"};
    }
  }
}

}  // namespace forebay
