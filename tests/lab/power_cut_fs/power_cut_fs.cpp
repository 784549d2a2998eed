// power_cut_fs BACKING MOUNT CONTROL: a file system at MOUNT that shows BACKING/tree, knows what of it would
// survive a power cut (durable_tree.hpp), and makes calls fail and writes slow as ordered (troubles.hpp).
// power_cut_fs --order CONTROL WORDS...: gives an order through the socket CONTROL and prints the answer:
//
//   cut [SEED]      the power fails: every call from now on fails with EIO, BACKING/tree is what survived,
//   BACKING/lost what
//                   programs saw last. Without SEED nothing survives that was not synced, else some of it,
//                   too.
//   fail CALL NTH ERRNO TIMES [PATTERN]   the NTH call from now of CALL (open create read write fsync
//   fsyncdir rename unlink
//                   rmdir mkdir symlink link setattr fallocate) on a name like PATTERN fails, and TIMES - 1
//                   behind it (-1: all)
//   well            no call fails any more, counts are zero
//   counts          "failed N CALL N ..." since then
//   rate BYTES      writes take as long as at so many bytes a second (0: no limit)
//
// All names and contents in BACKING at the start are durable. In the foreground; ends when it is unmounted.
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "lab/power_cut_fs/machine.hpp"

namespace {

using power_cut::Machine;

std::string obey(Machine& machine, const std::string& line) {
  if (line.rfind("cut", 0) != 0) {
    const std::string answer = machine.troubles.order(line);
    return answer.empty() ? "error: no such order" : answer;
  }
  const std::unique_lock lock(machine.power);
  if (machine.off) {
    return "error: there is no power";
  }
  machine.off = true;
  return machine.tree.cut(line.size() > 4 ? std::strtoull(line.c_str() + 4, nullptr, 10) : 0);
}

sockaddr_un address_of(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  return address;
}

void take_orders(Machine& machine, int listener) {
  for (int peer; (peer = ::accept(listener, nullptr, nullptr)) >= 0; ::close(peer)) {
    char line[512];
    const ssize_t got = ::recv(peer, line, sizeof line, 0);
    if (got > 0) {
      const std::string answer = obey(machine, std::string(line, static_cast<std::size_t>(got)));
      (void)!::send(peer, answer.data(), answer.size(), MSG_NOSIGNAL);
    }
  }
}

int give_order(int argc, char** argv) {
  std::string line;
  for (int i = 3; i < argc; ++i) {
    line += (i > 3 ? " " : "") + std::string(argv[i]);
  }
  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  const sockaddr_un address = address_of(argv[2]);
  char answer[4096];
  ssize_t got = -1;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::send(fd, line.data(), line.size(), 0) > 0) {
    got = ::recv(fd, answer, sizeof answer - 1, 0);
  }
  if (got <= 0) {
    std::perror(argv[2]);
    return 1;
  }
  answer[got] = '\0';
  std::puts(answer);
  return std::strncmp(answer, "error", 5) == 0 ? 1 : 0;
}

int serve(char** argv) {
  const rlimit files{1 << 20, 1 << 20};
  ::setrlimit(RLIMIT_NOFILE, &files);
  ::umask(0);
  Machine machine(argv[1]);
  const int listener = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  const sockaddr_un address = address_of(argv[3]);
  ::unlink(argv[3]);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 8) != 0) {
    std::perror(argv[3]);
    return 1;
  }

  const fuse_lowlevel_ops calls = power_cut::file_system_calls();
  char options[] = "default_permissions,allow_other,fsname=power_cut_fs,subtype=power_cut";
  char dash_o[] = "-o";
  char* words[] = {argv[0], dash_o, options, nullptr};
  fuse_args arguments = FUSE_ARGS_INIT(3, words);
  fuse_session* session = fuse_session_new(&arguments, &calls, sizeof calls, &machine);
  if (session == nullptr || fuse_set_signal_handlers(session) != 0 ||
      fuse_session_mount(session, argv[2]) != 0) {
    return 1;
  }
  std::thread orders(take_orders, std::ref(machine), listener);
  fuse_loop_config config{};
  config.max_idle_threads = 10;
  const int code = fuse_session_loop_mt(session, &config);
  fuse_session_unmount(session);
  ::shutdown(listener, SHUT_RDWR);
  orders.join();
  fuse_remove_signal_handlers(session);
  fuse_session_destroy(session);
  return code == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 3 && std::strcmp(argv[1], "--order") == 0) {
    return give_order(argc, argv);
  }
  if (argc != 4) {
    std::fprintf(stderr,
                 "usage: power_cut_fs BACKING MOUNT CONTROL\n       power_cut_fs --order CONTROL WORDS...\n");
    return 2;
  }
  return serve(argv);
}
