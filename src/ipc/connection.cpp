#include "ipc/connection.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace forebay {

namespace {

MessageHeader header_of(MessageKind kind, std::size_t body_bytes) {
  MessageHeader header{};
  header.magic = kMessageMagic;
  header.version = kMessageVersion;
  header.kind = static_cast<std::uint16_t>(kind);
  header.body_bytes = static_cast<std::uint32_t>(body_bytes);
  return header;
}

template <typename Message>
OutgoingPacket packet_of(const Message& message) {
  const auto bytes = std::as_bytes(std::span(&message, 1));
  return {{bytes.begin(), bytes.end()}, {}};
}

int errno_of(const Error& error) {
  if (error.errno_value != 0) {
    return error.errno_value;
  }
  switch (error.code) {
    case Code::bad_argument:
      return EINVAL;
    case Code::not_found:
      return ENOENT;
    case Code::permission:
      return EACCES;
    case Code::changed:
      return ESTALE;
    case Code::no_space:
      return ENOSPC;
    case Code::timed_out:
      return ETIMEDOUT;
    case Code::unavailable:
      return EHOSTUNREACH;
    case Code::cancelled:
      return ECANCELED;
    case Code::io_error:
    case Code::corrupt:
      return EIO;
  }
  return EIO;
}

// A packet's descriptor travels in this.
union Control {
  char bytes[CMSG_SPACE(sizeof(int))];
  cmsghdr align;
};

ssize_t send_packet(int socket, OutgoingPacket& packet) {
  iovec part{packet.bytes.data(), packet.bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  Control control{};
  if (packet.descriptor.valid()) {
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = packet.descriptor.get();
    std::memcpy(CMSG_DATA(head), &fd, sizeof fd);
  }
  return ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace

OutgoingPacket bare_packet(MessageKind kind) {
  return packet_of(header_of(kind, 0));
}

OutgoingPacket materialised_packet(HitKind hit, UniqueFd descriptor) {
  MaterialiseReply reply{};
  reply.header = header_of(MessageKind::done, sizeof reply - sizeof reply.header);
  reply.hit = static_cast<std::uint32_t>(hit);
  OutgoingPacket packet = packet_of(reply);
  packet.descriptor = std::move(descriptor);
  return packet;
}

OutgoingPacket failed_packet(const Error& error) {
  FailedReply reply{};
  reply.header = header_of(MessageKind::failed, sizeof reply - sizeof reply.header);
  reply.errno_value = static_cast<std::uint32_t>(errno_of(error));
  std::memcpy(reply.text, error.text.data(), std::min(error.text.size(), sizeof reply.text - 1));
  return packet_of(reply);
}

std::vector<OutgoingPacket> text_packets(const std::string& text) {
  constexpr std::size_t kPieceBytes = kMessageBytesMax / 2;
  std::vector<OutgoingPacket> packets;
  for (std::size_t at = 0; at < text.size(); at += kPieceBytes) {
    const std::size_t bytes = std::min(kPieceBytes, text.size() - at);
    OutgoingPacket packet = packet_of(header_of(MessageKind::text, bytes));
    const auto* data = reinterpret_cast<const std::byte*>(text.data() + at);
    packet.bytes.insert(packet.bytes.end(), data, data + bytes);
    packets.push_back(std::move(packet));
  }
  packets.push_back(bare_packet(MessageKind::done));
  return packets;
}

bool send_outbox(Connection& connection) {
  while (!connection.outbox.empty()) {
    if (send_packet(connection.socket.get(), connection.outbox.front()) < 0) {
      if (errno == EINTR) {
        continue;
      }
      return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS;
    }
    connection.outbox.pop_front();
  }
  return true;
}

}  // namespace forebay
