// What a client of the socket sends and gets, packet by packet (shared/messages.hpp). On any thread.
#pragma once

#include <sys/socket.h>

#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "common/unique_fd.hpp"
#include "shared/messages.hpp"

namespace forebay::test {

struct Reply {
  MessageKind kind;
  std::string body;
  UniqueFd descriptor;
};

inline std::string request_packet(MessageKind kind, std::string_view body) {
  const MessageHeader header{kMessageMagic, kMessageVersion, static_cast<std::uint16_t>(kind),
                             static_cast<std::uint32_t>(body.size()), 0};
  std::string packet(reinterpret_cast<const char*>(&header), sizeof header);
  return packet.append(body);
}

// The next packet. Nothing when the server closed the connection.
inline std::optional<Reply> receive_packet(int socket) {
  std::string packet(kMessageBytesMax, '\0');
  iovec part{packet.data(), packet.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const auto got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (got < static_cast<ssize_t>(sizeof(MessageHeader))) {
    return std::nullopt;
  }
  MessageHeader header;
  std::memcpy(&header, packet.data(), sizeof header);
  Reply reply{static_cast<MessageKind>(header.kind),
              packet.substr(sizeof header, static_cast<std::size_t>(got) - sizeof header),
              {}};
  if (const cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(head), sizeof fd);
    reply.descriptor.reset(fd);
  }
  return reply;
}

}  // namespace forebay::test
