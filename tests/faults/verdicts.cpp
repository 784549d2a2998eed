// What was seen, against the truth.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "faults/reader.hpp"

namespace forebay::faults {

namespace {

sigjmp_buf bus_jump;

void on_bus(int) {
  ::siglongjmp(bus_jump, 1);
}

std::int64_t ns_of(const struct timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * 1000000000 + time.tv_nsec;
}

bool is_version(const struct stat& info, const Version& version) {
  return version.exists != 0 && static_cast<std::uint64_t>(info.st_size) == version.bytes &&
         info.st_mode == version.mode && info.st_nlink == version.links && info.st_uid == version.owner &&
         info.st_gid == version.group && info.st_ino == version.inode &&
         ns_of(info.st_mtim) == version.mtime_ns &&
         (version.ctime_ns == 0 || ns_of(info.st_ctim) == version.ctime_ns);
}

std::string text_of(const struct stat& info) {
  return "size " + std::to_string(info.st_size) + " mode " + std::to_string(info.st_mode) + " links " +
         std::to_string(info.st_nlink) + " uid " + std::to_string(info.st_uid) + " inode " +
         std::to_string(info.st_ino) + " mtime " + std::to_string(ns_of(info.st_mtim)) + " ctime " +
         std::to_string(ns_of(info.st_ctim));
}

// The truth of one version, mapped; all of it is there, for the harness writes it first.
class Truth {
 public:
  Truth(const std::string& path, std::uint64_t bytes) : bytes_(bytes) {
    const int fd = bytes == 0 ? -1 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
      data_ = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
      ::close(fd);
    }
  }
  ~Truth() {
    if (data_ != MAP_FAILED) {
      ::munmap(data_, bytes_);
    }
  }
  Truth(const Truth&) = delete;
  Truth& operator=(const Truth&) = delete;
  // Offset of the first byte that differs, or `bytes`.
  std::size_t difference(std::uint64_t offset, const char* seen, std::size_t bytes) const {
    if (offset + bytes > bytes_ || (bytes > 0 && data_ == MAP_FAILED)) {
      return offset < bytes_ ? static_cast<std::size_t>(bytes_ - offset) : 0;
    }
    const char* truth = static_cast<const char*>(data_) + offset;
    if (bytes == 0 || std::memcmp(truth, seen, bytes) == 0) {
      return bytes;
    }
    return static_cast<std::size_t>(std::mismatch(truth, truth + bytes, seen).first - truth);
  }

 private:
  void* data_ = MAP_FAILED;
  std::uint64_t bytes_;
};

}  // namespace

Reader::Look Reader::begin_look(std::uint32_t object, const char* how) {
  const Object& row = table_->object[object];
  Look look;
  look.object = object;
  look.how = how;
  look.lowest = load(row.lowest);
  look.origin_flux = load(row.origin_flux);
  look.buffer_flux = load(row.buffer_flux);
  look.may_fail = load(row.may_fail);
  return look;
}

void Reader::settle(Look& look, Place place) {
  look.place = place;
  look.highest = load(table_->object[look.object].highest);
}

void Reader::settle_descriptor(Look& look, int fd) {
  char target[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t bytes = ::readlink(link.c_str(), target, sizeof target);
  const bool at_origin =
      bytes > 0 && objects_[look.object] == std::string(target, static_cast<std::size_t>(bytes));
  settle(look, bytes < 0 ? Place::unknown : at_origin ? Place::origin : Place::buffer);
}

void Reader::found_attributes(Look& look, const struct stat& info) {
  look.seen = text_of(info);
  for (std::uint32_t version = look.lowest; version <= look.highest; ++version) {
    if (!is_version(info, table_->object[look.object].versions[version])) {
      look.agree &= ~(1u << version);
    }
  }
}

void Reader::found_bytes(Look& look, std::uint64_t offset, const char* data, std::size_t bytes) {
  for (std::uint32_t version = look.lowest; version <= look.highest; ++version) {
    const Version& row = table_->object[look.object].versions[version];
    if ((look.agree & 1u << version) == 0) {
      continue;
    }
    const std::size_t same =
        row.exists == 0 ? 0
                        : Truth(truth_of(look.object, version), row.bytes).difference(offset, data, bytes);
    if (row.exists == 0 || same < bytes) {
      look.agree &= ~(1u << version);
      look.seen = std::to_string(bytes) + " bytes at " + std::to_string(offset) + ", of version " +
                  std::to_string(version) + " (" + std::to_string(row.bytes) + " bytes) the first " +
                  std::to_string(same);
    }
  }
}

void Reader::found_end(Look& look, std::uint64_t bytes) {
  for (std::uint32_t version = look.lowest; version <= look.highest; ++version) {
    const Version& row = table_->object[look.object].versions[version];
    if ((look.agree & 1u << version) != 0 && (row.exists == 0 || row.bytes != bytes)) {
      look.agree &= ~(1u << version);
      look.seen = "end after " + std::to_string(bytes) + " bytes";
    }
  }
}

void Reader::found_mapped(Look& look, const char* map, std::uint64_t offset, std::size_t bytes) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = on_bus;
  ::sigaction(SIGBUS, &action, &before);
  begin_call();
  if (sigsetjmp(bus_jump, 1) == 0) {
    std::string copy(map + offset, bytes);
    end_call();
    found_bytes(look, offset, copy.data(), bytes);
  } else {
    end_call();
    look.agree = 0;
    look.seen = "SIGBUS in " + std::to_string(bytes) + " bytes at " + std::to_string(offset);
  }
  ::sigaction(SIGBUS, &before, nullptr);
}

// An error is right where a version is that no file has, or where the origin fails and may have been asked.
void Reader::found_error(Look& look, const char* call, int error) {
  look.seen = std::string(call) + ": " + std::strerror(error);
  settle(look, Place::name);
  if ((look.may_fail | load(table_->object[look.object].may_fail)) != 0) {
    count(record_->errors_of_origin);
    return;
  }
  std::uint32_t agree = 0;
  for (std::uint32_t version = look.lowest; version <= look.highest; ++version) {
    if (table_->object[look.object].versions[version].exists == 0 && error == ENOENT) {
      agree |= 1u << version;
    }
  }
  look.agree &= agree;
}

// Behind a descriptor of the buffer, what happens at the origin is no excuse. One of the origin may be served
// by stripes from the buffer.
bool Reader::in_flux(const Look& look) const {
  const Object& row = table_->object[look.object];
  const bool origin = load(row.origin_flux) != look.origin_flux || look.origin_flux % 2 == 1;
  const bool buffer = load(row.buffer_flux) != look.buffer_flux || look.buffer_flux % 2 == 1;
  return look.place != Place::name && (buffer || (origin && look.place != Place::buffer));
}

bool Reader::judge(const Look& look) {
  const std::uint32_t possible = (2u << look.highest) - (1u << look.lowest);
  if (in_flux(look)) {
    count(record_->unjudged);
    return true;
  }
  if ((look.agree & possible) != 0) {
    return true;
  }
  fail(objects_[look.object], look.how + (look.place == Place::origin ? " (at the origin): " : ": ") +
                                  look.seen + " is none of the versions " + std::to_string(look.lowest) +
                                  " to " + std::to_string(look.highest));
  return false;
}

}  // namespace forebay::faults
