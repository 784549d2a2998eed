// A checkpoint session made by hand, and a server of which one can ask anything: what the interposer's tests
// of checkpoints run against. Nothing is drained.
//
//   checkpoint_session DESTINATION MOUNT SESSION STORE [--behave HOW] [--fsync N] [--when-full N]
//   [--restartable N] [--holder destination|other|none]
//   checkpoint_session journal STORE
//
// Makes SESSION, and STORE (which may be "": there is none) unless it is there, with a tree of which nothing
// is listed; prints "ready", lists and brings from DESTINATION, and prints a line a request: "list PATH",
// "content PATH", "note", "sync PATH". Its standard input says "full N", N a StoreRoom (it answers
// "full"), and ends it. HOW: serve, refuse, hang (accepts, never answers), none (no socket, no heartbeat). Holder: who
// placeholders say has the file; `none` makes the destination no directory, as an S3 one. The second form
// prints the records of a journal.
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "common/mapped_file.hpp"
#include "common/unique_fd.hpp"
#include "shared/messages.hpp"
#include "shared/session_layout.hpp"

namespace forebay {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string destination;
  std::string mount;
  std::string session;
  std::string store;
  std::string behave = "serve";
  std::uint32_t fsync = 0;
  std::uint32_t when_full = 0;
  std::uint32_t restartable = 0;
  std::string holder = "destination";
};

[[noreturn]] void die(const std::string& text) {
  std::cerr << "checkpoint_session: " << text << ": " << std::strerror(errno) << "\n";
  std::exit(1);
}
void must(bool good, const std::string& text) {
  if (!good) {
    die(text);
  }
}

std::uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

std::string below(const std::string& directory, const std::string& path) {
  return path.empty() ? directory : directory + "/" + path;
}

class CheckpointFixture {
 public:
  explicit CheckpointFixture(Options options) : options_(std::move(options)) {
    must(::mkdir(options_.session.c_str(), 0700) == 0, "cannot create " + options_.session);
    if (!options_.store.empty() && !fs::exists(options_.store)) {
      for (const char* name : {"", "/tree", "/tmp"}) {
        must(::mkdir((options_.store + name).c_str(), 0700) == 0, "cannot create the store");
      }
      const UniqueFd journal(::open((options_.store + "/journal").c_str(), O_WRONLY | O_CREAT, 0600));
      struct stat info {};
      must(::stat(options_.destination.c_str(), &info) == 0, "no destination");
      ::chmod(tree("").c_str(), (info.st_mode & 0777) | kUnlistedBits);
    }
    publish();
  }

  void serve() {
    UniqueFd listening;
    std::vector<UniqueFd> hanging;
    for (bool said = false; true; said = true) {
      if (options_.behave != "none") {
        listening = listening.valid() ? std::move(listening) : listen_on(options_.session + "/socket");
        __atomic_store_n(&control().heartbeat_ns, now_ns(), __ATOMIC_RELAXED);
      }
      if (!said) {
        std::cout << "ready" << std::endl;
      }
      pollfd waiting[2] = {{STDIN_FILENO, POLLIN, 0}, {listening.get(), POLLIN, 0}};
      ::poll(waiting, 2, kHeartbeatEveryMs);
      if (waiting[0].revents != 0 && !take_command()) {
        return;
      }
      if ((waiting[1].revents & POLLIN) != 0) {
        UniqueFd client(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (options_.behave == "hang") {
          hanging.push_back(std::move(client));
        } else if (client.valid()) {
          answer(client.get());
        }
      }
    }
  }

 private:
  ControlPage& control() { return *reinterpret_cast<ControlPage*>(control_file_.data()); }
  std::string tree(const std::string& path) const { return below(options_.store + "/tree", path); }
  std::string destination(const std::string& path) const { return below(options_.destination, path); }

  bool take_command() {
    char text[64] = {};
    if (::read(STDIN_FILENO, text, sizeof text - 1) <= 0) {
      return false;
    }
    if (std::strncmp(text, "full ", 5) == 0) {
      __atomic_store_n(&control().checkpoints[0].room, static_cast<std::uint32_t>(text[5] - '0'),
                       __ATOMIC_RELEASE);
      std::cout << "full" << std::endl;
    } else if (std::strncmp(text, "serve", 5) == 0) {
      options_.behave = "serve";
    }
    return true;
  }

  void publish() {
    control_file_ = MappedFile::create(options_.session + "/control", sizeof(ControlPage)).value();
    ControlPage& page = control();
    page.version = kControlVersion;
    page.bytes = sizeof(ControlPage);
    page.phase = static_cast<std::uint32_t>(SessionPhase::serving);
    page.node_count = 1;
    page.server_pid = static_cast<std::uint32_t>(::getpid());
    struct stat info {};
    ::stat(options_.session.c_str(), &info);
    page.tree_device = info.st_dev;
    page.restartable = options_.restartable;
    page.checkpoint_count = 1;
    CheckpointRecord& record = page.checkpoints[0];
    const bool is_posix = options_.holder != "none";
    std::strncpy(record.mount, options_.mount.c_str(), kMountBytesMax - 1);
    std::strncpy(record.destination, is_posix ? options_.destination.c_str() : "s3://bucket/prefix",
                 kMountBytesMax - 1);
    std::strncpy(record.store, options_.store.c_str(), kMountBytesMax - 1);
    record.destination_is_posix = is_posix ? 1 : 0;
    record.fsync = options_.fsync;
    record.when_full = options_.when_full;
    ::stat((options_.store.empty() ? options_.session : options_.store).c_str(), &info);
    record.device = info.st_dev;
    __atomic_store_n(&page.magic, kControlMagic, __ATOMIC_RELEASE);
  }

  static UniqueFd listen_on(const std::string& path) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    must(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
             ::listen(fd.get(), 16) == 0,
         "cannot listen on " + path);
    return fd;
  }

  static void reply(int client, int error) {
    FailedReply failed{};
    const std::size_t bytes = error == 0 ? sizeof failed.header : sizeof failed;
    failed.header = {kMessageMagic, kMessageVersion,
                     static_cast<std::uint16_t>(error == 0 ? MessageKind::done : MessageKind::failed),
                     static_cast<std::uint32_t>(bytes - sizeof failed.header), 0};
    failed.errno_value = static_cast<std::uint32_t>(error);
    (void)::send(client, &failed, bytes, MSG_NOSIGNAL);
  }

  void answer(int client) {
    CheckpointRequest request{};
    const auto bytes = ::recv(client, &request, sizeof request, 0);
    if (bytes < static_cast<ssize_t>(offsetof(CheckpointRequest, path)) ||
        request.header.magic != kMessageMagic ||
        request.header.body_bytes != static_cast<std::size_t>(bytes) - sizeof request.header ||
        request.path_bytes != static_cast<std::size_t>(bytes) - offsetof(CheckpointRequest, path)) {
      return;
    }
    const std::string path(request.path, request.path_bytes);
    switch (static_cast<MessageKind>(request.header.kind)) {
      case MessageKind::checkpoint_note:
        std::cout << "note" << std::endl;
        return reply(client, 0);
      case MessageKind::checkpoint_sync:
        std::cout << "sync " << path << std::endl;
        return reply(client, options_.behave == "refuse" ? EDQUOT : 0);
      default:
        return reply(client, options_.behave == "refuse" ? EACCES : bring(request.what, path));
    }
  }

  int bring(std::uint32_t what, const std::string& path) {
    static constexpr const char* kWhat[] = {"list", "list_all", "content", "truncate", "direct", "look"};
    std::cout << kWhat[what] << " " << path << std::endl;
    switch (static_cast<CheckpointBring>(what)) {
      case CheckpointBring::list:
        return list(path);
      case CheckpointBring::list_all:
        return list_all(path);
      case CheckpointBring::content:
      case CheckpointBring::truncate:
        return bring_content(path, what == static_cast<std::uint32_t>(CheckpointBring::truncate));
      case CheckpointBring::direct:
        fs::create_directories(fs::path(destination(path)).parent_path());
        return 0;
      case CheckpointBring::look:
        make_placeholder(path);
        return 0;
    }
    return EINVAL;
  }

  int list_all(const std::string& path) {
    list(path);
    for (const auto& entry : fs::directory_iterator(tree(path))) {
      if (entry.is_directory() && !entry.is_symlink()) {
        list_all(below(path, entry.path().filename()));
      }
    }
    return 0;
  }

  int list(const std::string& path) {
    struct stat info {};
    if (::lstat(tree(path).c_str(), &info) != 0 || !is_unlisted_mode(info.st_mode)) {
      return 0;
    }
    for (const auto& entry : fs::directory_iterator(destination(path))) {
      make_name(path.empty() ? entry.path().filename().string()
                             : path + "/" + entry.path().filename().string());
    }
    return ::chmod(tree(path).c_str(), info.st_mode & 07777 & ~kUnlistedBits) == 0 ? 0 : errno;
  }

  void make_name(const std::string& path) {
    struct stat info {};
    struct stat there {};
    if (::lstat(destination(path).c_str(), &info) != 0 || ::lstat(tree(path).c_str(), &there) == 0) {
      return;
    }
    if (S_ISDIR(info.st_mode)) {
      ::mkdir(tree(path).c_str(), 0700);
      ::chmod(tree(path).c_str(), (info.st_mode & 0777) | kUnlistedBits);
    } else if (S_ISLNK(info.st_mode)) {
      std::string target = fs::read_symlink(destination(path));
      if (target.rfind(options_.mount + "/", 0) == 0) {
        target = tree(target.substr(options_.mount.size() + 1));
      }
      must(::symlink(target.c_str(), tree(path).c_str()) == 0, "symlink");
    } else if (S_ISREG(info.st_mode)) {
      make_placeholder(path);
    }
  }

  void make_placeholder(const std::string& path) {
    struct stat info {};
    if (::lstat(destination(path).c_str(), &info) != 0) {
      return;
    }
    std::string bytes(sizeof(PlaceholderRecord), '\0');
    PlaceholderRecord record{};
    record.magic = kPlaceholderMagic;
    record.holder = options_.holder == "other" ? holder_hash("other", 5) : kHolderDestination;
    record.size = static_cast<std::uint64_t>(info.st_size);
    record.mtime_ns = info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec;
    record.mode = info.st_mode;
    record.uid = info.st_uid;
    record.gid = info.st_gid;
    record.path_bytes = static_cast<std::uint32_t>(path.size());
    std::memcpy(bytes.data(), &record, sizeof record);
    bytes += path;
    record.checksum = placeholder_checksum(bytes.data(), bytes.size());
    std::memcpy(bytes.data(), &record, sizeof record);
    const std::string temporary = options_.store + "/tmp/new";
    std::ofstream(temporary) << bytes;
    ::chmod(temporary.c_str(), kPlaceholderMode);
    must(::rename(temporary.c_str(), tree(path).c_str()) == 0, "rename");
  }

  int bring_content(const std::string& path, bool empty) {
    struct stat info {};
    if (::lstat(tree(path).c_str(), &info) != 0) {
      return errno;
    }
    if (!is_placeholder_mode(info.st_mode)) {
      return 0;
    }
    std::ifstream in(tree(path));
    const std::string bytes(std::istreambuf_iterator<char>(in), {});
    PlaceholderRecord record;
    std::memcpy(&record, bytes.data(), sizeof record);
    const std::string from = destination(bytes.substr(sizeof record));
    const std::string temporary = options_.store + "/tmp/new";
    fs::remove(temporary);
    if (empty) {
      std::ofstream{temporary};
    } else {
      fs::copy_file(from, temporary);
    }
    const timespec times[2] = {{0, UTIME_NOW},
                               {record.mtime_ns / 1'000'000'000, record.mtime_ns % 1'000'000'000}};
    ::utimensat(AT_FDCWD, temporary.c_str(), times, 0);
    ::chmod(temporary.c_str(), record.mode & 07777);
    return ::rename(temporary.c_str(), tree(path).c_str()) == 0 ? 0 : errno;
  }

  Options options_;
  MappedFile control_file_;
};

int print_journal(const std::string& store) {
  std::ifstream in(store + "/journal");
  const std::string text(std::istreambuf_iterator<char>(in), {});
  static const char* const kNames[] = {"?",          "opened",         "closed",
                                       "attributes", "made_directory", "made_symlink",
                                       "linked",     "renamed",        "removed"};
  std::uint64_t before = 0;
  for (std::size_t at = 0; at < text.size();) {
    JournalRecord record;
    const std::size_t bytes = decode_journal_record(text.data() + at, text.size() - at, &record);
    if (bytes == 0 || record.kind > 8) {
      std::cout << "damaged\n";
      return 1;
    }
    const std::string path = text.substr(at + sizeof record, record.path_bytes);
    const std::string second = text.substr(at + sizeof record + record.path_bytes, record.second_bytes);
    std::cout << kNames[record.kind]
              << ((record.flags & kJournalBegin) != 0    ? " begin"
                  : (record.flags & kJournalDone) != 0   ? " done"
                  : (record.flags & kJournalFailed) != 0 ? " failed"
                                                         : "")
              << ((record.flags & kJournalExchanged) != 0 ? " exchanged" : "") << " <" << path << ">";
    std::cout << (second.empty() ? "" : " <" + second + ">") << (record.seq > before ? "" : " out of order")
              << "\n";
    at += bytes;
    before = record.seq;
  }
  return 0;
}

}  // namespace
}  // namespace forebay

int main(int argc, char** argv) {
  if (argc == 3 && argv[1] == std::string("journal")) {
    return forebay::print_journal(argv[2]);
  }
  if (argc < 5) {
    std::cerr << "usage: checkpoint_session DESTINATION MOUNT SESSION STORE [OPTION VALUE]...\n";
    return 2;
  }
  forebay::Options options{argv[1], argv[2], argv[3], argv[4]};
  for (int i = 5; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--behave") {
      options.behave = argv[i + 1];
    } else if (flag == "--fsync") {
      options.fsync = static_cast<std::uint32_t>(std::stoul(argv[i + 1]));
    } else if (flag == "--when-full") {
      options.when_full = static_cast<std::uint32_t>(std::stoul(argv[i + 1]));
    } else if (flag == "--restartable") {
      options.restartable = static_cast<std::uint32_t>(std::stoul(argv[i + 1]));
    } else if (flag == "--holder") {
      options.holder = argv[i + 1];
    }
  }
  forebay::CheckpointFixture(options).serve();
}
