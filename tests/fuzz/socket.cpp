// What clients send to a server's socket: packets of any kind, descriptors with them, connections that end in
// the middle. It costs them their connections, and nobody else anything: afterwards a client is served as
// before, and no descriptor of theirs stays open.
//
// An input is a row of steps: what to do in the low bits of a byte, the connection (of four) in the high
// ones.
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>

#include <array>
#include <chrono>

#include "fuzz/fuzz_target.hpp"
#include "fuzz/job.hpp"
#include "shared/messages.hpp"

namespace forebay::fuzz {
namespace {

enum Step : unsigned char {
  raw,
  message,
  message_with_descriptors,
  receive,
  close_connection,
  reconnect,
  kSteps
};
constexpr std::size_t kConnections = 4;
constexpr std::size_t kStepsMax = 64;

void send_packet(int socket, std::string_view bytes, int descriptors) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(4 * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptors > 0) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(static_cast<std::size_t>(descriptors) * sizeof(int));
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(static_cast<std::size_t>(descriptors) * sizeof(int));
    const std::array<int, 4> sent{socket, socket, socket, socket};
    std::memcpy(CMSG_DATA(head), sent.data(), static_cast<std::size_t>(descriptors) * sizeof(int));
  }
  ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

// A header that fits, with the kind that the first byte names.
std::string with_header(std::string_view body) {
  constexpr std::array<MessageKind, 6> kKinds = {MessageKind::materialise, MessageKind::invalidate,
                                                 MessageKind::admin,       MessageKind::stripe,
                                                 MessageKind::working,     MessageKind::done};
  const auto first = body.empty() ? 0u : static_cast<unsigned char>(body.front());
  body.remove_prefix(std::min<std::size_t>(1, body.size()));
  const MessageHeader header{kMessageMagic, kMessageVersion,
                             static_cast<std::uint16_t>(kKinds[first % kKinds.size()]),
                             static_cast<std::uint32_t>(body.size()), 0};
  return bytes_of(header).append(body);
}

std::size_t open_descriptors() {
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir("/proc/self/fd"), &::closedir);
  FOREBAY_CHECK(listing != nullptr);
  std::size_t count = 0;
  while (::readdir(listing.get()) != nullptr) {
    ++count;
  }
  return count;
}

// A question that every server answers at once, on a connection of its own. Whether it came to an end.
bool is_served() {
  const UniqueFd socket = job().connect(0);
  send_packet(socket.get(), with_header("\2{\"op\":\"nothing\"}"), 0);
  MessageHeader reply{};
  pollfd waiting{socket.get(), POLLIN, 0};
  return ::poll(&waiting, 1, 60'000) == 1 &&
         ::recv(socket.get(), &reply, sizeof reply, 0) >= static_cast<ssize_t>(sizeof reply) &&
         static_cast<MessageKind>(reply.kind) == MessageKind::failed;
}

std::string step(Step what, std::string_view text) {
  return std::string(1, static_cast<char>(what)) + text_piece(text);
}

}  // namespace

std::vector<std::string> seeds() {
  const std::array<std::uint32_t, 4> object{0, 2, 0, 0};
  const std::array<std::uint32_t, 5> items{1, 0, 0, 2, 0};
  const std::array<std::uint32_t, 4> stripe{0, 2, 0, 1};
  return {step(message, '\0' + bytes_of(object)) + step(receive, ""),
          step(message, '\1' + bytes_of(items)) + step(receive, ""),
          step(message, "\2{\"op\":\"status\"}") + step(receive, "") + step(receive, ""),
          step(message, '\3' + bytes_of(stripe)) + step(receive, ""),
          step(raw, "no message at all") + step(reconnect, "") +
              step(message_with_descriptors, '\0' + bytes_of(object)) + step(receive, ""),
          step(message, '\0' + bytes_of(object)) + step(close_connection, "") +
              step(message, '\0' + bytes_of(object)) + step(receive, "")};
}

bool run(std::string_view input) {
  FOREBAY_CHECK(is_served());
  static const std::size_t kDescriptors = open_descriptors();
  std::array<UniqueFd, kConnections> connections;
  Pieces pieces(input);
  for (std::size_t steps = 0; steps < kStepsMax && !pieces.empty(); ++steps) {
    const auto byte = pieces.number<unsigned char>();
    const std::string_view text = pieces.text();
    UniqueFd& connection = connections[byte >> 6];
    if (!connection.valid()) {
      connection = job().connect(0);
      FOREBAY_CHECK(connection.valid());
    }
    switch (static_cast<Step>((byte & 63) % kSteps)) {
      case raw:
        send_packet(connection.get(), text, 0);
        break;
      case message:
        send_packet(connection.get(), with_header(text), 0);
        break;
      case message_with_descriptors:
        send_packet(connection.get(), with_header(text), 1 + (byte >> 3 & 3));
        break;
      case receive: {
        std::array<char, 4096> into;
        pollfd waiting{connection.get(), POLLIN, 0};
        if (::poll(&waiting, 1, 20) == 1) {
          ::recv(connection.get(), into.data(), into.size(), MSG_DONTWAIT);
        }
        break;
      }
      case close_connection:
        connection.reset();
        break;
      case reconnect:
        connection = job().connect(0);
        break;
      case kSteps:
        break;
    }
  }
  for (UniqueFd& connection : connections) {
    connection.reset();
  }
  FOREBAY_CHECK(is_served());
  // Whatever they left closes, as soon as the server has seen it.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (open_descriptors() > kDescriptors + 8) {
    FOREBAY_CHECK(std::chrono::steady_clock::now() < deadline);
    std::this_thread::yield();
  }
  return true;  // Whatever clients do is an input.
}

}  // namespace forebay::fuzz
