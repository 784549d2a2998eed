#include "client/server_request.hpp"

#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include "client/descriptor_path.hpp"
#include "client/system_call.hpp"
#include "shared/seal.hpp"

namespace forebay {
namespace {

constexpr uint64_t kNsPerMs = 1000000;
// A server passes one descriptor. Room for more, so that what a wrong one passes is received, and closed.
constexpr size_t kDescriptorsMax = 16;

bool set_address(const MappedSession& session, sys::Descriptor* through, struct sockaddr_un* address) {
  constexpr char kName[] = "/socket";
  address->sun_family = AF_UNIX;
  if (session.directory_bytes + sizeof kName <= sizeof address->sun_path) {
    memcpy(address->sun_path, session.directory, session.directory_bytes);
    memcpy(address->sun_path + session.directory_bytes, kName, sizeof kName);
    return true;
  }
  through->reset(sys::openat(AT_FDCWD, session.directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!through->valid()) {
    return false;
  }
  const size_t bytes = write_descriptor_link(through->get(), address->sun_path);
  memcpy(address->sun_path + bytes, kName, sizeof kName);
  return true;
}

bool is_our_user(int fd) {
  struct ucred peer;
  socklen_t bytes = sizeof peer;
  return sys::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 && peer.uid == sys::geteuid();
}

// Connects with the kernel's own deadline (a full backlog blocks a Unix connect). -1 when no server is there.
int connect_to_server(const MappedSession& session) {
  sys::Descriptor through;
  struct sockaddr_un address;
  if (!set_address(session, &through, &address)) {
    return -1;
  }
  sys::Descriptor fd(sys::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd.valid()) {
    return -1;
  }
  const struct timeval deadline = {kSilenceMs / 1000, (kSilenceMs % 1000) * 1000};
  if (sys::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline) != 0) {
    return -1;
  }
  int result;
  do {
    result = sys::connect(fd.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof address);
  } while (result == -EINTR);
  return result == 0 && is_our_user(fd.get()) ? fd.release() : -1;
}

bool send_request(int fd, const void* request, size_t bytes) {
  ssize_t sent;
  do {
    sent = sys::send(fd, request, bytes, MSG_NOSIGNAL);
  } while (sent == -EINTR);
  return sent == static_cast<ssize_t>(bytes);
}

// Waits until `fd` can be read, kSilenceMs at most, signals or not.
bool wait_readable(int fd) {
  const uint64_t deadline = sys::monotonic_ns() + kSilenceMs * kNsPerMs;
  while (true) {
    const uint64_t now = sys::monotonic_ns();
    if (now >= deadline) {
      return false;
    }
    struct pollfd waiting = {fd, POLLIN, 0};
    const int ready = sys::poll(&waiting, 1, static_cast<int>((deadline - now) / kNsPerMs) + 1);
    if (ready > 0) {
      return true;
    }
    if (ready < 0 && ready != -EINTR) {
      return false;
    }
  }
}

union Reply {
  MessageHeader header;
  MaterialiseReply materialise;
  FailedReply failed;
};

struct Received {
  bool good;  // A well-formed packet: `reply` is filled.
  int fd;     // What came with it, or -1.
};

// The descriptors of a message. More than one, or ones cut off, is no protocol of ours: all are closed.
int take_descriptor(struct msghdr* message) {
  int taken = -1;
  size_t count = 0;
  for (struct cmsghdr* part = CMSG_FIRSTHDR(message); part != nullptr; part = CMSG_NXTHDR(message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const size_t here = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < here; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      if (count++ == 0) {
        taken = fd;
      } else {
        sys::close(fd);
      }
    }
  }
  if (taken >= 0 && (count != 1 || (message->msg_flags & MSG_CTRUNC) != 0)) {
    sys::close(taken);
    taken = -1;
  }
  return taken;
}

Received receive(int socket, Reply* reply) {
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * kDescriptorsMax)];
  struct iovec piece = {reply, sizeof *reply};
  struct msghdr message;
  ssize_t bytes;
  do {
    memset(&message, 0, sizeof message);
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    bytes = sys::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  } while (bytes == -EINTR);
  if (bytes < 0) {
    return {false, -1};
  }
  const int fd = take_descriptor(&message);
  const auto got = static_cast<size_t>(bytes);
  const MessageHeader& header = reply->header;
  const bool good = got >= sizeof header && (message.msg_flags & MSG_TRUNC) == 0 &&
                    header.magic == kMessageMagic && header.version == kMessageVersion &&
                    header.body_bytes == got - sizeof header;
  return {good, fd};
}

struct Answer {
  bool done;
  bool refused;  // The server said no.
  int fd;
  Reply reply;
};

// Sends a request and reads to its end. A silent, broken or refusing server gives done = false and no
// descriptor.
Answer ask(const MappedSession& session, const void* request, size_t bytes) {
  Answer answer{false, false, -1, {}};
  const sys::Descriptor socket(connect_to_server(session));
  if (!socket.valid() || !send_request(socket.get(), request, bytes)) {
    return answer;
  }
  while (wait_readable(socket.get())) {
    const Received received = receive(socket.get(), &answer.reply);
    const auto kind =
        received.good ? static_cast<MessageKind>(answer.reply.header.kind) : MessageKind::failed;
    if (kind == MessageKind::done) {
      answer.done = true;
      answer.fd = received.fd;
      return answer;
    }
    if (received.fd >= 0) {
      sys::close(received.fd);
    }
    if (kind != MessageKind::working) {
      answer.refused = received.good && kind == MessageKind::failed;
      return answer;
    }
  }
  return answer;
}

// Which errno an open may give for what a server said. The name is there: a catalog says so.
int refusal_of(const Reply& reply) {
  if (reply.header.body_bytes != sizeof(FailedReply) - sizeof(MessageHeader)) {
    return EIO;
  }
  switch (reply.failed.errno_value) {
    case ENOENT:  // Taken away since it was listed.
    case ESTALE:
      return ESTALE;
    case EACCES:
    case EPERM:
      return EACCES;
    case ETIMEDOUT:
      return ETIMEDOUT;
    default:
      return EIO;
  }
}

// The object's published file in the buffer, open for reading alone.
bool is_object(const MappedSession& session, const WantedObject& wanted, int fd) {
  struct stat info;
  const int flags = sys::fcntl(fd, F_GETFL);
  return sys::fstat(fd, &info) == 0 && is_published_file(info, wanted.identity, wanted.bytes) &&
         info.st_dev == session.control->buffer_device && flags >= 0 &&
         (flags & (O_ACCMODE | O_PATH)) == O_RDONLY;
}

}  // namespace

bool server_answers(const MappedSession& session) {
  const ControlPage& control = *session.control;
  const auto phase = static_cast<SessionPhase>(__atomic_load_n(&control.phase, __ATOMIC_ACQUIRE));
  const uint64_t beat = __atomic_load_n(&control.heartbeat_ns, __ATOMIC_RELAXED);
  return phase == SessionPhase::serving && sys::monotonic_ns() < beat + kHeartbeatDeadMs * kNsPerMs;
}

bool wait_for_server(const MappedSession& session) {
  constexpr int kPollMs = 20;
  const uint64_t deadline = sys::monotonic_ns() + kRestartMs * kNsPerMs;
  const ControlPage& control = *session.control;
  while (!server_answers(session)) {
    if (control.restartable == 0 || sys::monotonic_ns() >= deadline ||
        __atomic_load_n(&control.phase, __ATOMIC_ACQUIRE) == static_cast<uint32_t>(SessionPhase::stopped)) {
      return false;
    }
    sys::poll(nullptr, 0, kPollMs);
  }
  return true;
}

Materialised request_object(const MappedSession& session, const WantedObject& wanted, uint32_t flags) {
  MaterialiseRequest request{};
  request.header = header_of(MessageKind::materialise, sizeof request);
  request.dataset = wanted.place.dataset;
  request.entry = session.state_entry(wanted.place);
  request.flags = flags;
  const Answer answer = ask(session, &request, sizeof request);
  if (!answer.done) {
    return {-1, HitKind::origin, answer.refused ? refusal_of(answer.reply) : EIO,
            answer.refused && answer.reply.failed.errno_value == ENOSPC};
  }
  if (answer.fd < 0 || answer.reply.header.body_bytes != sizeof(MaterialiseReply) - sizeof(MessageHeader) ||
      !is_object(session, wanted, answer.fd)) {
    if (answer.fd >= 0) {
      sys::close(answer.fd);
    }
    return {-1, HitKind::origin, EIO};
  }
  return {answer.fd, static_cast<HitKind>(answer.reply.materialise.hit), 0};
}

bool request_changed(const MappedSession& session, Place place) {
  ChangedQuestion question{};
  question.header = header_of(MessageKind::changed, sizeof question);
  question.dataset = place.dataset;
  question.entry = session.state_entry(place);
  const Answer answer = ask(session, &question, sizeof question);
  if (answer.fd >= 0) {
    sys::close(answer.fd);
  }
  return answer.done;
}

StripeAnswer request_stripe(const MappedSession& session, Place place, uint32_t stripe, uint32_t read_ahead,
                            int* refusal) {
  StripeRequest request{};
  request.header = header_of(MessageKind::stripe, sizeof request);
  request.dataset = place.dataset;
  request.entry = session.state_entry(place);
  request.stripe = stripe;
  request.read_ahead = read_ahead;
  const Answer answer = ask(session, &request, sizeof request);
  if (answer.fd >= 0) {
    sys::close(answer.fd);
  }
  *refusal = answer.refused ? refusal_of(answer.reply) : EIO;
  return answer.done ? StripeAnswer::present : answer.refused ? StripeAnswer::refused : StripeAnswer::silent;
}

void request_invalidate(const MappedSession& session, const InvalidateItem* items, uint32_t count) {
  if (!server_answers(session)) {
    return;
  }
  InvalidateRequest request{};
  request.header = header_of(MessageKind::invalidate, sizeof request);
  request.count = count < kInvalidatesMax ? count : kInvalidatesMax;
  memcpy(request.items, items, request.count * sizeof(InvalidateItem));
  (void)ask_plainly(session, &request, sizeof request);
}

int ask_plainly(const MappedSession& session, const void* request, size_t bytes) {
  const Answer answer = ask(session, request, bytes);
  if (answer.fd >= 0) {
    sys::close(answer.fd);
  }
  const bool whole =
      answer.refused && answer.reply.header.body_bytes == sizeof(FailedReply) - sizeof(MessageHeader);
  const uint32_t said = whole ? answer.reply.failed.errno_value : 0;
  return answer.done ? 0 : said > 0 && said < 4096 ? static_cast<int>(said) : EIO;
}

}  // namespace forebay
