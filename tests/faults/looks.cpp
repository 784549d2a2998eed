// The ways of looking at an object or a name.
#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <set>

#include "faults/reader.hpp"

extern char** environ;

namespace forebay::faults {

namespace {

constexpr std::size_t kPieceBytes = 256 << 10;
constexpr std::size_t kKeptMax = 24;

std::string parent_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}
std::string last_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

void Reader::look_once() {
  if (load(table_->lets_go) != 0) {
    let_go();
  }
  const auto object = static_cast<std::uint32_t>(
      options_.object >= 0 ? static_cast<std::uint64_t>(options_.object) : random_.below(objects_.size()));
  const std::uint64_t way = random_.below(1000);
  if (way < 430) {
    look_by_descriptor(object);
  } else if (way < 500) {
    look_by_stream(object);
  } else if (way < 700) {
    look_by_name(object);
  } else if (way < 850) {
    keep_or_look_again(object);
  } else if (way < 870) {
    look_from_child(object);
  } else if (way < 872) {
    look_by_program(object);
  } else if (way < 930) {
    look_at_directory(directories_[random_.below(directories_.size())]);
  } else {
    look_at_link(links_[random_.below(links_.size())]);
  }
}

int Reader::open_object(const Look& look) {
  const std::string& path = objects_[look.object];
  const auto open_by_path = [&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); };
  if (random_.below(4) > 0) {
    return timed(open_by_path);
  }
  const std::uint32_t may_fail = load(table_->names_may_fail);
  const int directory =
      timed([&] { return ::open(parent_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (directory < 0 && (may_fail | load(table_->names_may_fail)) != 0) {
    count(record_->errors_of_origin);  // A directory that changed is the origin's; what is in it need not be.
    return timed(open_by_path);
  }
  if (directory < 0) {
    return -1;
  }
  const int fd = timed([&] { return ::openat(directory, last_of(path).c_str(), O_RDONLY | O_CLOEXEC); });
  const int error = errno;
  ::close(directory);
  errno = error;
  return fd;
}

void Reader::look_by_descriptor(std::uint32_t object) {
  static constexpr const char* kHow[] = {"read", "pread", "mmap", "sendfile"};
  const std::uint64_t way = random_.below(4);
  Look look = begin_look(object, kHow[way]);
  const int fd = open_object(look);
  if (fd < 0) {
    found_error(look, "open", errno);
    judge(look);
    return;
  }
  settle_descriptor(look, fd);
  struct stat info {};
  if (timed([&] { return ::fstat(fd, &info); }) != 0) {
    found_error(look, "fstat", errno);
  } else {
    found_attributes(look, info);
  }
  switch (way) {
    case 0:
      read_whole(fd, look);
      break;
    case 1:
      read_pieces(fd, look);
      break;
    case 2:
      read_mapped(fd, look);
      break;
    default:
      read_sent(fd, look);
  }
  if (::close(fd) != 0) {
    found_error(look, "close", errno);
  }
  judge(look);
}

void Reader::read_whole(int fd, Look& look) {
  std::string piece(1 + random_.below(kPieceBytes), '\0');
  std::uint64_t offset = 0;
  for (;;) {
    const ssize_t bytes = timed([&] { return ::read(fd, piece.data(), piece.size()); });
    if (bytes < 0) {
      found_error(look, "read", errno);
      return;
    }
    if (bytes == 0) {
      found_end(look, offset);
      return;
    }
    found_bytes(look, offset, piece.data(), static_cast<std::size_t>(bytes));
    offset += static_cast<std::uint64_t>(bytes);
    if (look.agree == 0 || piece.size() < 512) {
      piece.resize(kPieceBytes);
    }
  }
}

void Reader::read_pieces(int fd, Look& look) {
  std::string piece(1 + random_.below(kPieceBytes), '\0');
  for (std::uint64_t left = 1 + random_.below(6); left > 0; --left) {
    const std::uint64_t end = table_->object[look.object].versions[look.highest].bytes + 10;
    const std::uint64_t offset = random_.below(end);
    const ssize_t bytes =
        timed([&] { return ::pread(fd, piece.data(), piece.size(), static_cast<off_t>(offset)); });
    if (bytes < 0) {
      found_error(look, "pread", errno);
      return;
    }
    if (bytes > 0) {
      found_bytes(look, offset, piece.data(), static_cast<std::size_t>(bytes));
    }
    // A file's end is where a read ends early, when it began before it.
    if (bytes > 0 && static_cast<std::size_t>(bytes) < piece.size()) {
      found_end(look, offset + static_cast<std::uint64_t>(bytes));
    }
  }
}

void Reader::read_mapped(int fd, Look& look) {
  struct stat info {};
  if (::fstat(fd, &info) != 0 || info.st_size == 0) {
    return;
  }
  const auto bytes = static_cast<std::size_t>(info.st_size);
  void* map = timed([&] { return ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0); });
  if (map == MAP_FAILED) {
    found_error(look, "mmap", errno);
    return;
  }
  for (std::uint64_t left = 1 + random_.below(4); left > 0; --left) {
    const std::size_t offset = random_.below(bytes);
    found_mapped(look, static_cast<const char*>(map), offset, std::min(bytes - offset, kPieceBytes));
  }
  ::munmap(map, bytes);
}

void Reader::read_sent(int fd, Look& look) {
  const int memory = ::memfd_create("sent", MFD_CLOEXEC);
  std::uint64_t total = 0;
  ssize_t bytes = 0;
  while ((bytes = timed([&] { return ::sendfile(memory, fd, nullptr, 1 << 20); })) > 0) {
    total += static_cast<std::uint64_t>(bytes);
  }
  if (bytes < 0) {
    found_error(look, "sendfile", errno);
  } else {
    found_end(look, total);
    if (total > 0) {
      void* map = ::mmap(nullptr, total, PROT_READ, MAP_SHARED, memory, 0);
      found_mapped(look, static_cast<const char*>(map), 0, total);
      ::munmap(map, total);
    }
  }
  ::close(memory);
}

void Reader::look_by_stream(std::uint32_t object) {
  Look look = begin_look(object, "stdio");
  FILE* file = timed([&] { return std::fopen(objects_[object].c_str(), "re"); });
  if (file == nullptr) {
    found_error(look, "fopen", errno);
    judge(look);
    return;
  }
  settle_descriptor(look, ::fileno(file));
  std::string piece(1 + random_.below(kPieceBytes), '\0');
  std::uint64_t offset = 0;
  std::size_t bytes = 0;
  while ((bytes = timed([&] { return std::fread(piece.data(), 1, piece.size(), file); })) > 0) {
    found_bytes(look, offset, piece.data(), bytes);
    offset += bytes;
  }
  if (std::ferror(file) != 0) {
    found_error(look, "fread", errno);
  } else {
    found_end(look, offset);
  }
  std::fclose(file);
  judge(look);
}

void Reader::look_by_name(std::uint32_t object) {
  static constexpr const char* kHow[] = {"stat", "lstat", "fstatat", "statx", "access"};
  const char* path = objects_[object].c_str();
  const std::uint64_t way = random_.below(5);
  Look look = begin_look(object, kHow[way]);
  struct stat info {};
  struct statx extended {};
  int result = 0;
  switch (way) {
    case 0:
      result = timed([&] { return ::stat(path, &info); });
      break;
    case 1:
      result = timed([&] { return ::lstat(path, &info); });
      break;
    case 2:
      result = timed([&] { return ::fstatat(AT_FDCWD, path, &info, AT_SYMLINK_NOFOLLOW); });
      break;
    case 3:
      result = timed([&] { return ::statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &extended); });
      info.st_size = static_cast<off_t>(extended.stx_size);
      info.st_mode = extended.stx_mode;
      info.st_nlink = extended.stx_nlink;
      info.st_uid = extended.stx_uid;
      info.st_gid = extended.stx_gid;
      info.st_ino = extended.stx_ino;
      info.st_mtim = {extended.stx_mtime.tv_sec, extended.stx_mtime.tv_nsec};
      info.st_ctim = {extended.stx_ctime.tv_sec, extended.stx_ctime.tv_nsec};
      break;
    default:
      result = timed([&] { return ::access(path, F_OK); });
  }
  const int error = errno;
  settle(look, Place::name);
  if (result != 0) {
    found_error(look, kHow[way], error);
  } else if (way < 4) {
    found_attributes(look, info);
  } else {
    for (std::uint32_t version = look.lowest; version <= look.highest; ++version) {
      look.agree &= table_->object[object].versions[version].exists != 0 ? ~0u : ~(1u << version);
    }
    look.seen = "it exists";
  }
  judge(look);
}

// A descriptor opened here is read in a child.
void Reader::look_from_child(std::uint32_t object) {
  Look look = begin_look(object, "a child's read");
  const int fd = open_object(look);
  if (fd < 0) {
    found_error(look, "open", errno);
    judge(look);
    return;
  }
  settle_descriptor(look, fd);
  const pid_t child = ::fork();
  if (child == 0) {
    read_whole(fd, look);
    judge(look);
    ::_exit(0);
  }
  while (child > 0 && ::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  ::close(fd);
}

// Programs that are started inherit the interposer.
void Reader::look_by_program(std::uint32_t object) {
  Look look = begin_look(object, "a program");
  const int out = ::memfd_create("program", 0);
  const std::string script = "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())";
  const bool python = random_.below(3) == 0;
  std::vector<std::string> words =
      python ? std::vector<std::string>{"/usr/bin/python3", "-S", "-c", script, objects_[object]}
             : std::vector<std::string>{"/bin/cat", objects_[object]};
  std::vector<char*> argv;
  for (auto& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  int status = -1;
  if (::posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ) == 0) {
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
  }
  ::posix_spawn_file_actions_destroy(&actions);
  struct stat info {};
  settle(look, Place::unknown);
  if (status != 0) {
    found_error(look, "exit code", ENOENT);
  } else if (::fstat(out, &info) == 0) {
    const auto bytes = static_cast<std::size_t>(info.st_size);
    found_end(look, bytes);
    if (bytes > 0) {
      void* map = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, out, 0);
      found_mapped(look, static_cast<const char*>(map), 0, bytes);
      ::munmap(map, bytes);
    }
  }
  ::close(out);
  judge(look);
}

void Reader::look_at_directory(const Name& name) {
  // Which names must and may be there: what the table said before and after.
  std::vector<std::uint32_t> inside;
  std::vector<Look> before;
  const std::uint32_t may_fail = load(table_->names_may_fail);
  for (std::uint32_t object = 0; object < objects_.size(); ++object) {
    if (parent_of(objects_[object]) == name.path) {
      inside.push_back(object);
      before.push_back(begin_look(object, "readdir"));
    }
  }
  DIR* directory = timed([&] { return ::opendir(name.path.c_str()); });
  int error = errno;
  std::set<std::string> names;
  struct stat info {};
  if (directory != nullptr) {
    if (::fstat(::dirfd(directory), &info) != 0 || info.st_mode != name.mode || info.st_ino != name.inode) {
      fail(name.path, "fstat of the directory: mode " + std::to_string(info.st_mode) + " inode " +
                          std::to_string(info.st_ino));
    }
    errno = 0;
    while (const struct dirent* entry = timed([&] { return ::readdir(directory); })) {
      names.insert(entry->d_name);
    }
    error = errno;
    ::closedir(directory);
  }
  if (directory == nullptr || error != 0) {
    if ((may_fail | load(table_->names_may_fail)) != 0) {
      count(record_->errors_of_origin);
    } else {
      fail(name.path, std::string("listing: ") + std::strerror(error));
    }
    return;
  }
  for (std::size_t i = 0; i < inside.size(); ++i) {
    Look& look = before[i];
    settle(look, Place::name);
    const bool there = names.erase(last_of(objects_[inside[i]])) > 0;
    for (std::uint32_t version = look.lowest; version <= look.highest; ++version) {
      if ((table_->object[inside[i]].versions[version].exists != 0) != there) {
        look.agree &= ~(1u << version);
      }
    }
    look.seen = there ? "is listed" : "is not listed";
    judge(look);
  }
  for (const auto* other : {&directories_, &links_}) {
    for (const Name& entry : *other) {
      if (parent_of(entry.path) == name.path && names.erase(last_of(entry.path)) == 0) {
        fail(entry.path, "is not listed");
      }
    }
  }
  names.erase(".");
  names.erase("..");
  for (const auto& extra : names) {
    fail(name.path, "lists a name that never was there: " + extra);
  }
}

void Reader::look_at_link(const Name& name) {
  char target[4096];
  const std::uint32_t may_fail = load(table_->names_may_fail);
  const ssize_t bytes = timed([&] { return ::readlink(name.path.c_str(), target, sizeof target); });
  if (bytes < 0) {
    if ((may_fail | load(table_->names_may_fail)) != 0) {
      count(record_->errors_of_origin);
    } else {
      fail(name.path, std::string("readlink: ") + std::strerror(errno));
    }
  } else if (name.target != std::string(target, static_cast<std::size_t>(bytes))) {
    fail(name.path, "readlink: " + std::string(target, static_cast<std::size_t>(bytes)));
  }
}

// What is open keeps its version, whatever happens to the name.
void Reader::keep_or_look_again(std::uint32_t object) {
  if (kept_.size() < kKeptMax || random_.below(10) == 0) {
    if (kept_.size() == kKeptMax) {
      drop_kept(random_.below(kKeptMax));
    }
    keep(object);
    return;
  }
  const std::size_t index = random_.below(kept_.size());
  Kept& kept = kept_[index];
  if (in_flux(kept.look)) {
    count(record_->unjudged);
    drop_kept(index);
    return;
  }
  if (kept.map != nullptr) {
    const std::size_t offset = random_.below(kept.bytes);
    found_mapped(kept.look, static_cast<const char*>(kept.map), offset,
                 std::min(kept.bytes - offset, kPieceBytes));
  } else {
    read_pieces(kept.fd, kept.look);
  }
  struct stat info {};
  if (kept.look.place != Place::origin && timed([&] { return ::fstat(kept.fd, &info); }) == 0) {
    found_attributes(kept.look, info);
  }
  if (!judge(kept.look)) {
    drop_kept(index);
  }
}

void Reader::let_go() {
  for (std::size_t index = kept_.size(); index-- > 0;) {
    if (kept_[index].look.place != Place::buffer) {
      drop_kept(index);
    }
  }
}

void Reader::keep(std::uint32_t object) {
  Kept kept;
  kept.look = begin_look(object, "kept open");
  kept.fd = open_object(kept.look);
  if (kept.fd < 0) {
    found_error(kept.look, "open", errno);
    judge(kept.look);
    return;
  }
  settle_descriptor(kept.look, kept.fd);
  struct stat info {};
  if (random_.below(2) == 0 && ::fstat(kept.fd, &info) == 0 && info.st_size > 0) {
    kept.bytes = static_cast<std::size_t>(info.st_size);
    kept.map = ::mmap(nullptr, kept.bytes, PROT_READ, MAP_SHARED, kept.fd, 0);
    kept.look.how = "kept mapped";
    if (kept.map == MAP_FAILED) {
      kept.map = nullptr;
      found_error(kept.look, "mmap", errno);
    }
  }
  kept_.push_back(kept);
}

void Reader::drop_kept(std::size_t index) {
  const Kept gone = kept_[index];
  kept_[index] = kept_.back();
  kept_.pop_back();
  if (gone.map != nullptr) {
    ::munmap(gone.map, gone.bytes);
  }
  ::close(gone.fd);
}

}  // namespace forebay::faults
