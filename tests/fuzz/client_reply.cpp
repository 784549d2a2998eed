// What a client makes of a server's answers: packets of any kind with any descriptors. It opens the object,
// or goes to the origin, and no descriptor stays.
//
// An input is a row of packets: how many descriptors and whether the header is put right in the first byte,
// which descriptors in the second, then the bytes.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <atomic>
#include <future>
#include <thread>

#include "client/client_lab.hpp"
#include "client/invalidation.hpp"
#include "client/object_open.hpp"
#include "client/server_request.hpp"
#include "common/unique_fd.hpp"
#include "fuzz/fuzz_target.hpp"
#include "fuzz/sample_listings.hpp"
#include "shared/messages.hpp"

namespace forebay::fuzz {
namespace {

constexpr char kContent[] = "some bytes";

struct Session {
  Session() {
    std::filesystem::create_directories(scratch.path() + "/tree");
    write_file(scratch.path() + "/tree/file", kContent);
    write_file(scratch.path() + "/tree/absent", kContent);
    lab = std::make_unique<test::ClientLab>(scratch.path() + "/tree", scratch.path());
    // In the buffer, but unknown to clients, so that they ask.
    const std::uint32_t file = lab->entry("file");
    lab->state().publish_inode(file, 0);
    attached = attach_session(lab->directory().c_str());
    FOREBAY_CHECK(attached != nullptr);
    char name[kIdentityTextBytes];
    identity_to_text(identity_of(lab->view().entry(file)), name);
    const std::string path = lab->objects_directory() + "/" + std::string(name, 2) + "/" + name;
    int pipes[2];
    FOREBAY_CHECK(::pipe2(pipes, O_CLOEXEC) == 0);
    for (const int fd :
         {::open(path.c_str(), O_RDONLY | O_CLOEXEC), ::open(path.c_str(), O_RDWR | O_CLOEXEC),
          ::open((scratch.path() + "/tree/file").c_str(), O_RDONLY | O_CLOEXEC),
          ::open(scratch.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), pipes[0], pipes[1],
          ::open(path.c_str(), O_PATH | O_CLOEXEC), ::open("/dev/null", O_RDONLY | O_CLOEXEC)}) {
      descriptors.push_back(fd);
    }
    listener.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string at = lab->directory() + "/socket";
    std::copy(at.begin(), at.end(), address.sun_path);
    FOREBAY_CHECK(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                  ::listen(listener.get(), 4) == 0);
  }
  Scratch scratch;
  std::unique_ptr<test::ClientLab> lab;
  const MappedSession* attached = nullptr;
  std::vector<int> descriptors;
  UniqueFd listener;
};

Session& made() {
  static Session session;
  return session;
}

void send_packet(int socket, std::string_view bytes, std::size_t count, unsigned first) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(20 * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (count > 0) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (std::size_t i = 0; i < count; ++i) {
      const int fd = made().descriptors[(first + i) % made().descriptors.size()];
      std::memcpy(CMSG_DATA(head) + i * sizeof fd, &fd, sizeof fd);
    }
  }
  ::sendmsg(socket, &message, MSG_NOSIGNAL);
}

// Answers one client as the input says, and waits until it is gone.
void serve_one(std::string_view input) {
  const UniqueFd client(::accept4(made().listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  FOREBAY_CHECK(client.valid());
  std::array<char, 1024> request;
  ::recv(client.get(), request.data(), request.size(), 0);
  Pieces pieces(input);
  for (int packets = 0; packets < 16 && !pieces.empty(); ++packets) {
    const auto how = pieces.number<unsigned char>();
    const auto which = pieces.number<unsigned char>();
    std::string bytes(pieces.text());
    if ((how & 128) == 0 && bytes.size() >= sizeof(MessageHeader)) {
      MessageHeader header;
      std::memcpy(&header, bytes.data(), sizeof header);
      header.magic = kMessageMagic;
      header.version = kMessageVersion;
      header.body_bytes = static_cast<std::uint32_t>(bytes.size() - sizeof header);
      std::memcpy(bytes.data(), &header, sizeof header);
    }
    send_packet(client.get(), bytes, how % 20, which);
  }
  ::shutdown(client.get(), SHUT_WR);
  char rest;
  while (::recv(client.get(), &rest, 1, 0) > 0) {
  }
}

int lowest_descriptor() {
  const int fd = ::fcntl(0, F_DUPFD_CLOEXEC, 0);
  ::close(fd);
  return fd;
}

template <typename Reply>
std::string packet(MessageKind kind, Reply reply, unsigned char descriptors) {
  reply.header.kind = static_cast<std::uint16_t>(kind);
  return std::string{static_cast<char>(descriptors), '\0'} + text_piece(bytes_of(reply));
}

struct Bare {
  MessageHeader header;
};

}  // namespace

std::vector<std::string> seeds() {
  FailedReply failed{};
  failed.errno_value = ENOSPC;
  const std::string working = packet(MessageKind::working, Bare{}, 0);
  const std::string done = packet(MessageKind::done, MaterialiseReply{}, 1);
  return {done, working + working + done, packet(MessageKind::done, MaterialiseReply{}, 2),
          packet(MessageKind::failed, failed, 0), packet(MessageKind::done, Bare{}, 0)};
}

bool run(std::string_view input) {
  Session& session = made();
  session.lab->session().beat();
  const int lowest = lowest_descriptor();
  const auto ask = [&](auto&& question) {
    std::packaged_task<void()> serving([input] { serve_one(input); });
    auto served = serving.get_future();
    std::thread server(std::move(serving));
    question();
    // Where the client did not come at all, somebody else ends the wait.
    while (served.wait_for(std::chrono::milliseconds(200)) != std::future_status::ready) {
      const UniqueFd instead(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      const std::string at = session.lab->directory() + "/socket";
      std::copy(at.begin(), at.end(), address.sun_path);
      ::connect(instead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    }
    server.join();
  };
  ask([&] {
    const Place place{0, session.lab->entry("file")};
    PathText path;
    const Opened object = open_object(*session.attached, place, O_RDONLY | O_CLOEXEC, &path);
    if (object.fd >= 0) {
      // Nothing but the object's own bytes, whatever the server passed.
      char bytes[sizeof kContent] = {};
      FOREBAY_CHECK(::pread(object.fd, bytes, sizeof bytes, 0) == sizeof kContent - 1);
      FOREBAY_CHECK(std::string_view(bytes) == kContent);
      FOREBAY_CHECK((::fcntl(object.fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
      ::close(object.fd);
    } else {
      FOREBAY_CHECK(object.error == 0 && std::string_view(path.text).ends_with("/tree/file"));
    }
  });
  ask([&] {
    const InvalidateItem item{0, session.lab->entry("absent"), 0};
    request_invalidate(*session.attached, &item, 1);
  });
  FOREBAY_CHECK(lowest_descriptor() == lowest);
  return true;  // Whatever a server says is an answer.
}

}  // namespace forebay::fuzz
