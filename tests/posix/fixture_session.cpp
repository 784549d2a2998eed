// A session made by hand, and a server of which one can ask anything: what the interposer's tests run
// against.
//
//   fixture_session ORIGIN MOUNT SESSION BUFFER [--absent PATH]... [--nowhere PATH]... [--behave HOW] [--log
//   off]
//
// Scans ORIGIN, makes SESSION and BUFFER (both must not exist), stages all objects but the absent ones (their
// owner is this node) and those that fit nowhere, prints "ready", and answers requests until its standard
// input ends. Prints a line a request: "materialise PATH", "invalidate PATH entry|subtree". HOW: serve, hang
// (accepts, never answers), silent (does not accept), garbage, close (without a reply), refuse, two
// (descriptors), wrong (descriptor), none (no socket, no heartbeat), crowded (has room for an object when
// asked for the third time), full (never has).
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "catalog/catalog.hpp"
#include "catalog/catalog_builder.hpp"
#include "catalog/listing_codec.hpp"
#include "common/mapped_file.hpp"
#include "common/path_io.hpp"
#include "origin/origin.hpp"
#include "shared/messages.hpp"
#include "shared/seal.hpp"
#include "shared/session_layout.hpp"
#include "shared/state_layout.hpp"

namespace forebay {
namespace {

struct Options {
  std::string origin;
  std::string mount;
  std::string session;
  std::string buffer;
  std::set<std::string> absent;
  std::set<std::string> nowhere;
  std::string behave = "serve";
  bool quiet = false;
};

[[noreturn]] void die(const std::string& text) {
  std::cerr << "fixture_session: " << text << "\n";
  std::exit(1);
}

template <typename T>
T must(Result<T> result) {
  if (!result.ok()) {
    die(result.error().text);
  }
  return std::move(result).value();
}
void must(const Status& status) {
  if (!status.ok()) {
    die(status.error().text);
  }
}
void must_make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0) {
    die("cannot create " + path);
  }
}

std::uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

class Fixture {
 public:
  explicit Fixture(Options options)
      : options_(std::move(options)), origin_(must(open_origin(options_.origin, {}))) {
    must_make_directory(options_.session);
    must_make_directory(options_.buffer);
    scan();
    catalog_.emplace_back(must(Catalog::load(options_.session + "/catalog.0")));
    const CatalogHeader& header = view().header();
    state_file_ = must(MappedFile::create(options_.session + "/state.0",
                                          StateView::file_bytes(header.entry_count, header.stripe_count)));
    StateView::format(state_file_.data(), header.entry_count, header.stripe_count);
    state_ = StateView(state_file_.data());
    make_tree(0, AT_FDCWD, options_.session + "/tree.0");
    for (std::uint32_t entry = 0; entry < header.entry_count; ++entry) {
      stage_at_start(entry);
    }
    publish();
  }

  void serve() {
    const UniqueFd listening =
        options_.behave == "none" ? UniqueFd() : listen_on(options_.session + "/socket");
    std::vector<UniqueFd> hanging;
    for (bool said = false; true; said = true) {
      if (options_.behave != "none") {
        __atomic_store_n(&control().heartbeat_ns, now_ns(), __ATOMIC_RELAXED);
      }
      if (!said) {
        std::cout << "ready" << std::endl;  // Not before the first heartbeat: a client may come at once.
      }
      pollfd waiting[2] = {{STDIN_FILENO, POLLIN, 0},
                           {options_.behave == "silent" ? -1 : listening.get(), POLLIN, 0}};
      ::poll(waiting, 2, kHeartbeatEveryMs);
      if (waiting[0].revents != 0) {
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
  const CatalogView& view() const { return catalog_.front().view(); }
  ControlPage& control() { return *reinterpret_cast<ControlPage*>(control_file_.data()); }

  void scan() {
    CatalogBuilder builder(origin_->canonical_name(), 1 << 20);
    const OriginAttributes root = must(origin_->root_attributes());
    builder.set_root(root);
    std::map<std::uint64_t, std::string> devices{{root.device, ""}};
    std::vector<std::string> directories{""};
    while (!directories.empty()) {
      const std::string directory = directories.back();
      directories.pop_back();
      const DirectoryListing listing = must(origin_->list(directory));
      for (const auto& name : listing.names) {
        const std::string path = directory.empty() ? name.name : directory + "/" + name.name;
        devices.emplace(name.attributes.device, path);
        if (S_ISDIR(name.attributes.mode) && !name.attributes.left_to_origin) {
          directories.push_back(path);
        }
      }
      std::vector<std::byte> encoded;
      encode_listing(directory, listing, encoded);
      must(builder.add_encoded(encoded));
    }
    for (const auto& [device, path] : devices) {
      std::vector<std::byte> encoded;
      encode_file_system(must(origin_->file_system(path)), encoded);
      must(builder.add_encoded(encoded));
    }
    must(builder.write(options_.session + "/catalog.0"));
  }

  void make_tree(std::uint32_t directory, int at, const std::string& name) {
    if (::mkdirat(at, name.c_str(), 0700) != 0) {
      die("cannot create " + name);
    }
    const UniqueFd here(::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat info {};
    ::fstat(here.get(), &info);
    state_.publish_inode(directory, info.st_ino);
    const CatalogEntry& entry = view().entry(directory);
    for (std::uint32_t child = entry.first; child < entry.first + entry.count; ++child) {
      const CatalogEntry& below = view().entry(child);
      if (CatalogView::is_directory(below) && (below.flags & kEntryLeftToOrigin) == 0) {
        make_tree(child, here.get(), std::string(view().name(below), below.name.bytes()));
      }
    }
  }

  void stage_at_start(std::uint32_t entry) {
    const CatalogEntry& object = view().entry(entry);
    if (!CatalogView::is_object(object) || object.count != entry) {
      return;
    }
    const std::string path = catalog_.front().path_of(entry);
    if (options_.nowhere.count(path) != 0) {
      for (std::uint32_t i = 0; i < stripes_of(object.size, view().header().stripe_bytes); ++i) {
        state_.set_owner(object.first + i, kNoOwner);
      }
    } else if (options_.absent.count(path) == 0 && options_.absent.count("*") == 0) {
      stage(entry);
    }
  }

  // False when the origin does not let us: it stays absent.
  bool stage(std::uint32_t entry) {
    const CatalogEntry& object = view().entry(entry);
    auto reader = origin_->open(catalog_.front().path_of(entry), object, {});
    if (!reader.ok()) {
      return false;
    }
    std::vector<std::byte> bytes(object.size);
    if (!(*reader)->read(0, bytes).ok()) {
      return false;
    }
    char name[kIdentityTextBytes];
    identity_to_text(identity_of(object), name);
    const std::string directory = options_.buffer + "/" + std::string(name, 2);
    ::mkdir(directory.c_str(), 0700);
    const std::string path = directory + "/" + name;
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    must(write_fully_at(fd.get(), bytes, 0, path));
    struct stat info {};
    const timespec times[2] = {{0, UTIME_OMIT}, seal_of(identity_of(object))};
    if (::fchmod(fd.get(), kBufferFileMode) != 0 || ::futimens(fd.get(), times) != 0 ||
        ::fstat(fd.get(), &info) != 0) {
      die("cannot publish " + path);
    }
    state_.publish_inode(entry, info.st_ino);
    return true;
  }

  void publish() {
    control_file_ = must(MappedFile::create(options_.session + "/control", sizeof(ControlPage)));
    ControlPage& page = control();
    page.version = kControlVersion;
    page.bytes = sizeof(ControlPage);
    page.phase = static_cast<std::uint32_t>(SessionPhase::serving);
    page.node_count = 1;
    page.server_pid = static_cast<std::uint32_t>(::getpid());
    struct stat info {};
    ::stat(options_.buffer.c_str(), &info);
    page.buffer_device = info.st_dev;
    ::stat(options_.session.c_str(), &info);
    page.tree_device = info.st_dev;
    page.dataset_count = 1;
    std::strncpy(page.objects_directory, options_.buffer.c_str(), kMountBytesMax - 1);
    std::strncpy(page.datasets[0].mount, options_.mount.c_str(), kMountBytesMax - 1);
    std::strncpy(page.datasets[0].origin, origin_->canonical_name().c_str(), kMountBytesMax - 1);
    page.datasets[0].origin_is_posix = 1;
    __atomic_store_n(&page.magic, kControlMagic, __ATOMIC_RELEASE);
  }

  static UniqueFd listen_on(const std::string& path) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(fd.get(), 1) != 0) {
      die("cannot listen on " + path);
    }
    return fd;
  }

  union Request {
    MessageHeader header;
    MaterialiseRequest materialise;
    InvalidateRequest invalidate;
  };

  static MessageHeader header_of(MessageKind kind, std::size_t bytes) {
    return {kMessageMagic, kMessageVersion, static_cast<std::uint16_t>(kind),
            static_cast<std::uint32_t>(bytes - sizeof(MessageHeader)), 0};
  }

  static void reply(int client, const void* data, std::size_t bytes, const std::vector<int>& descriptors) {
    iovec piece{const_cast<void*>(data), bytes};
    alignas(cmsghdr) char space[CMSG_SPACE(2 * sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (!descriptors.empty()) {
      message.msg_control = space;
      message.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
      cmsghdr* part = CMSG_FIRSTHDR(&message);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
      std::memcpy(CMSG_DATA(part), descriptors.data(), descriptors.size() * sizeof(int));
    }
    ::sendmsg(client, &message, MSG_NOSIGNAL);
  }

  static void fail(int client, int error = EIO) {
    FailedReply failed{};
    failed.header = header_of(MessageKind::failed, sizeof failed);
    failed.errno_value = static_cast<std::uint32_t>(error);
    reply(client, &failed, sizeof failed, {});
  }

  std::ostream& log() { return options_.quiet ? nowhere_ : std::cout; }

  void answer(int client) {
    Request request{};
    const auto bytes = ::recv(client, &request, sizeof request, 0);
    if (bytes < static_cast<ssize_t>(sizeof(MessageHeader)) || request.header.magic != kMessageMagic) {
      return;
    }
    const auto kind = static_cast<MessageKind>(request.header.kind);
    if (kind == MessageKind::invalidate) {
      for (std::uint32_t i = 0; i < request.invalidate.count; ++i) {
        log() << "invalidate " << catalog_.front().path_of(request.invalidate.items[i].entry)
              << (request.invalidate.items[i].scope == 0 ? " entry" : " subtree") << std::endl;
      }
      const MessageHeader done = header_of(MessageKind::done, sizeof done);
      reply(client, &done, sizeof done, {});
    } else if (kind == MessageKind::materialise) {
      log() << "materialise " << catalog_.front().path_of(request.materialise.entry) << std::endl;
      materialise(client, request.materialise.entry);
    }
  }

  // When asked for the third time. What is staged then was read when asked for the first time: the origin may
  // be away.
  bool has_room(std::uint32_t entry) {
    const auto [asked, is_new] = asked_.try_emplace(entry);
    if (is_new && stage(entry)) {
      asked->second.inode = state_.buffer_inode(entry);
      state_.publish_inode(entry, 0);
    }
    if (++asked->second.times < 3) {
      return false;
    }
    state_.publish_inode(entry, asked->second.inode);
    return true;
  }

  void materialise(int client, std::uint32_t entry) {
    const std::string& how = options_.behave;
    if (how == "close") {
      return;
    }
    if (how == "garbage") {
      return reply(client, "not a message at all, only text", 31, {});
    }
    if (how == "full" || (how == "crowded" && !has_room(entry))) {
      return fail(client, ENOSPC);
    }
    if (how == "refuse" || (state_.buffer_inode(entry) == 0 && !stage(entry))) {
      return fail(client);
    }
    const MessageHeader working = header_of(MessageKind::working, sizeof working);
    reply(client, &working, sizeof working, {});
    char name[kIdentityTextBytes];
    identity_to_text(identity_of(view().entry(entry)), name);
    const std::string path =
        how == "wrong" ? "/dev/null" : options_.buffer + "/" + std::string(name, 2) + "/" + name;
    const UniqueFd object(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    MaterialiseReply done{};
    done.header = header_of(MessageKind::done, sizeof done);
    done.hit = static_cast<std::uint32_t>(HitKind::peer);
    reply(client, &done, sizeof done,
          how == "two" ? std::vector<int>{object.get(), object.get()} : std::vector<int>{object.get()});
  }

  Options options_;
  std::ostream nowhere_{nullptr};
  std::unique_ptr<Origin> origin_;
  std::vector<Catalog> catalog_;
  MappedFile state_file_;
  MappedFile control_file_;
  StateView state_;
  struct Asked {
    int times = 0;
    std::uint64_t inode = 0;
  };
  std::map<std::uint32_t, Asked> asked_;
};

}  // namespace
}  // namespace forebay

int main(int argc, char** argv) {
  if (argc < 5) {
    std::cerr << "usage: fixture_session ORIGIN MOUNT SESSION BUFFER [--absent PATH] [--nowhere PATH] "
                 "[--behave HOW]\n";
    return 2;
  }
  forebay::Options options{argv[1], argv[2], argv[3], argv[4], {}, {}, "serve", false};
  for (int i = 5; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--absent") {
      options.absent.insert(argv[i + 1]);
    } else if (flag == "--nowhere") {
      options.nowhere.insert(argv[i + 1]);
    } else if (flag == "--behave") {
      options.behave = argv[i + 1];
    } else if (flag == "--log") {
      options.quiet = argv[i + 1] == std::string("off");
    }
  }
  forebay::Fixture(options).serve();
}
