// Calls that copy from descriptor to descriptor inside the kernel: from one in partial mode, the bytes go
// through memory, because only what was checked after it was read may go on.

#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/partial_read.hpp"
#include "client/system_call.hpp"
#include "posix/hook.hpp"
#include "posix/write_room.hpp"

namespace {

using forebay::Failure;
using forebay::PartialFile;
namespace sys = forebay::sys;

constexpr size_t kBounceBytes = 256 << 10;
constexpr size_t kPipeBytes = 64 << 10;  // What a new pipe holds.
constexpr size_t kCopyMax = 0x7ffff000;

// Memory for one call.
class Bounce {
 public:
  explicit Bounce(size_t bytes)
      : bytes_(bytes), data_(sys::mmap(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1)) {}
  Bounce(const Bounce&) = delete;
  Bounce& operator=(const Bounce&) = delete;
  ~Bounce() {
    if (data_ != nullptr) {
      sys::munmap(data_, bytes_);
    }
  }
  [[nodiscard]] void* data() const { return data_; }

 private:
  const size_t bytes_;
  void* const data_;
};

// Where the bytes come from: the caller's offset, or the descriptor's position.
class Source {
 public:
  Source(const PartialFile& file, const off_t* offset)
      : file_(file), at_(offset == nullptr ? 0 : static_cast<uint64_t>(*offset)), own_(offset != nullptr) {}

  // Bytes read into `into`: 0 at the end, or -errno.
  ssize_t read(void* into, size_t bytes) {
    if (!own_) {
      const ssize_t taken = file_.take_range(bytes, &at_);
      if (taken <= 0) {
        return taken;
      }
      bytes = static_cast<size_t>(taken);
    }
    const ssize_t got = file_.read_at(into, bytes, at_);
    if (!own_) {
      file_.give_back(bytes - static_cast<size_t>(got < 0 ? 0 : got));
    }
    return got;
  }
  // Of the `got` bytes read last, `used` went on.
  void used(size_t got, size_t used) {
    if (own_) {
      at_ += used;
    } else {
      file_.give_back(got - used);
    }
  }
  [[nodiscard]] off_t at() const { return static_cast<off_t>(at_); }

 private:
  const PartialFile& file_;
  uint64_t at_;
  const bool own_;
};

// Copies with `put(data, bytes)`, which gives what went on, or -errno. The bytes copied, or -errno when there
// are none.
template <typename Put>
ssize_t copy(Source& source, size_t wanted, void* bounce, size_t bounce_bytes, Put put) {
  wanted = wanted < kCopyMax ? wanted : kCopyMax;
  size_t done = 0;
  while (done < wanted) {
    const ssize_t got = source.read(bounce, wanted - done < bounce_bytes ? wanted - done : bounce_bytes);
    if (got <= 0) {
      return done > 0 ? static_cast<ssize_t>(done) : got;
    }
    const ssize_t gone = put(bounce, static_cast<size_t>(got));
    source.used(static_cast<size_t>(got), static_cast<size_t>(gone < 0 ? 0 : gone));
    if (gone < 0) {
      return done > 0 ? static_cast<ssize_t>(done) : gone;
    }
    done += static_cast<size_t>(gone);
    if (gone < got) {
      break;
    }
  }
  return static_cast<ssize_t>(done);
}

ssize_t result_of(ssize_t result) {
  return result < 0 ? static_cast<ssize_t>(Failure{static_cast<int>(-result)}) : result;
}

// Whether `fd`, open or inherited, is in partial mode.
bool is_partial(int fd, PartialFile* file) {
  return forebay::may_be_partial() && forebay::is_partial_used() && file->find(fd);
}
// The same behind a call that the kernel refused.
bool is_adopted(ssize_t refused, int fd, PartialFile* file) {
  return refused < 0 && errno == EBADF && forebay::may_be_partial() && forebay::is_partial_used() &&
         forebay::adopt_partial(fd) && file->find(fd);
}

// What is not done here: the kernel's affair, but of a store's descriptor, which it only knows not to read.
template <typename Libc>
ssize_t refused(const PartialFile& file, Libc libc) {
  return file.is_of_store() ? static_cast<ssize_t>(Failure{EINVAL}) : libc();
}

template <typename Libc>
ssize_t send_file(int to, int from, off_t* offset, size_t bytes, Libc libc) {
  PartialFile file;
  if (bytes == 0 || (offset != nullptr && *offset < 0)) {
    return libc();
  }
  if (!is_partial(from, &file)) {
    const ssize_t sent = libc();
    if (!is_adopted(sent, from, &file)) {
      return sent;
    }
  }
  const int flags = sys::fcntl(to, F_GETFL);
  const Bounce bounce(bytes < kBounceBytes ? bytes : kBounceBytes);
  if (bounce.data() == nullptr || flags < 0 || (flags & O_ACCMODE) == O_RDONLY ||
      (flags & (O_APPEND | O_PATH | O_DIRECT)) != 0) {
    // Where the kernel would refuse, or wants aligned memory.
    return refused(file, libc);
  }
  Source source(file, offset);
  const ssize_t done =
      copy(source, bytes, bounce.data(), kBounceBytes, [to](const void* data, size_t count) -> ssize_t {
        return sys::call(SYS_write, to, sys::arg(data), static_cast<long>(count));
      });
  if (offset != nullptr && done > 0) {
    *offset = source.at();
  }
  return result_of(done);
}

}  // namespace

FOREBAY_HOOK(ssize_t, sendfile, int to, int from, off_t* offset, size_t bytes) {
  return send_file(to, from, offset, bytes, [&] {
    return forebay::write_in(to, [&] { return FOREBAY_REAL(sendfile)(to, from, offset, bytes); });
  });
}
FOREBAY_HOOK(ssize_t, sendfile64, int to, int from, off64_t* offset, size_t bytes) {
  return send_file(to, from, offset, bytes, [&] {
    return forebay::write_in(to, [&] { return FOREBAY_REAL(sendfile64)(to, from, offset, bytes); });
  });
}

// Through a pipe of our own, filled from memory and spliced on: so that a full pipe blocks, or not, and takes
// a part, as it does for any splice.
FOREBAY_HOOK(ssize_t, splice, int from, off64_t* from_offset, int to, off64_t* to_offset, size_t bytes,
             unsigned flags) {
  const auto libc = [&] { return FOREBAY_REAL(splice)(from, from_offset, to, to_offset, bytes, flags); };
  PartialFile file;
  if (bytes == 0 || to_offset != nullptr || (from_offset != nullptr && *from_offset < 0)) {
    return libc();
  }
  if (!is_partial(from, &file)) {
    const ssize_t spliced = libc();
    if (!is_adopted(spliced, from, &file)) {
      return spliced;
    }
  }
  struct stat info;
  int ends[2];
  const Bounce bounce(kPipeBytes);
  if (bounce.data() == nullptr || sys::fstat(to, &info) != 0 || !S_ISFIFO(info.st_mode) ||
      sys::call(SYS_pipe2, sys::arg(ends), O_CLOEXEC | O_NONBLOCK) != 0) {
    return refused(file, libc);
  }
  const sys::Descriptor out(ends[0]);
  const sys::Descriptor in(ends[1]);
  Source source(file, from_offset);
  const ssize_t done = copy(
      source, bytes < kPipeBytes ? bytes : kPipeBytes, bounce.data(), kPipeBytes,
      [&](const void* data, size_t count) -> ssize_t {
        const ssize_t put = sys::call(SYS_write, in.get(), sys::arg(data), static_cast<long>(count));
        return put <= 0 ? put : sys::call(SYS_splice, out.get(), 0, to, 0, put, static_cast<long>(flags));
      });
  if (from_offset != nullptr && done > 0) {
    *from_offset = source.at();
  }
  return result_of(done);
}

FOREBAY_HOOK(ssize_t, copy_file_range, int from, off64_t* from_offset, int to, off64_t* to_offset,
             size_t bytes, unsigned flags) {
  const auto libc = [&] {
    return forebay::write_in(
        to, [&] { return FOREBAY_REAL(copy_file_range)(from, from_offset, to, to_offset, bytes, flags); });
  };
  PartialFile file;
  if (bytes == 0 || flags != 0 || (from_offset != nullptr && *from_offset < 0) ||
      (to_offset != nullptr && *to_offset < 0)) {
    return libc();
  }
  if (!is_partial(from, &file)) {
    const ssize_t copied = libc();
    if (!is_adopted(copied, from, &file)) {
      return copied;
    }
  }
  struct stat info;
  const int to_flags = sys::fcntl(to, F_GETFL);
  const Bounce bounce(bytes < kBounceBytes ? bytes : kBounceBytes);
  if (bounce.data() == nullptr || to_flags < 0 || (to_flags & O_ACCMODE) == O_RDONLY ||
      (to_flags & (O_APPEND | O_PATH | O_DIRECT)) != 0 || sys::fstat(to, &info) != 0 ||
      !S_ISREG(info.st_mode)) {
    return refused(file, libc);
  }
  Source source(file, from_offset);
  off64_t at = to_offset == nullptr ? 0 : *to_offset;
  const ssize_t done =
      copy(source, bytes, bounce.data(), kBounceBytes, [&](const void* data, size_t count) -> ssize_t {
        const ssize_t put = to_offset == nullptr
                                ? sys::call(SYS_write, to, sys::arg(data), static_cast<long>(count))
                                : sys::call(SYS_pwrite64, to, sys::arg(data), static_cast<long>(count), at);
        at += put > 0 ? put : 0;
        return put;
      });
  if (done > 0) {
    if (from_offset != nullptr) {
      *from_offset = source.at();
    }
    if (to_offset != nullptr) {
      *to_offset = at;
    }
  }
  return result_of(done);
}
