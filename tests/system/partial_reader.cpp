// partial_reader MOUNTED COPY WAY [SEED]: reads a file below a mount in one way and compares every byte with
// a copy elsewhere. Prints how many bytes it read; any difference, also of results and positions, ends it
// with 1.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

std::string copy;
std::string path;
std::atomic<unsigned long> bytes_read{0};

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "partial_reader: %s (%s)\n", what.c_str(), std::strerror(errno));
  std::_Exit(1);
}

void must(bool condition, const char* what) {
  if (!condition) {
    die(what);
  }
}

void compare(const char* got, std::size_t bytes, std::size_t offset, const char* what) {
  if (offset + bytes > copy.size() || std::memcmp(got, copy.data() + offset, bytes) != 0) {
    std::size_t at = 0;
    while (at < bytes && offset + at < copy.size() && got[at] == copy[offset + at]) {
      ++at;
    }
    die(std::string(what) + ": wrong byte at " + std::to_string(offset + at) + " of [" +
        std::to_string(offset) + ", +" + std::to_string(bytes) + ")");
  }
  bytes_read += bytes;
}

int open_file(int flags = 0) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
  must(fd >= 0, "open");
  return fd;
}

std::size_t expected_at(std::size_t offset, std::size_t bytes) {
  return offset >= copy.size() ? 0 : std::min(bytes, copy.size() - offset);
}

struct Random {
  explicit Random(unsigned seed) : engine(seed) {}
  std::size_t below(std::size_t end) { return end == 0 ? 0 : engine() % end; }
  std::mt19937_64 engine;
};

void sequential(unsigned) {
  const int fd = open_file();
  std::vector<char> into(300001);
  std::size_t at = 0;
  while (true) {
    const ssize_t got = ::read(fd, into.data(), into.size());
    must(got == static_cast<ssize_t>(expected_at(at, into.size())), "read: how many");
    if (got == 0) {
      break;
    }
    compare(into.data(), static_cast<std::size_t>(got), at, "read");
    at += static_cast<std::size_t>(got);
    must(::lseek(fd, 0, SEEK_CUR) == static_cast<off_t>(at), "position");
  }
  must(at == copy.size(), "the end");
  ::close(fd);
}

void random_reads(unsigned seed) {
  Random random(seed);
  const int fd = open_file();
  std::vector<char> into(3 << 20);
  for (int i = 0; i < 60; ++i) {
    const std::size_t bytes = random.below(10) == 0 ? into.size() : 1 + random.below(200000);
    const std::size_t offset = random.below(copy.size() + 1000);
    const ssize_t got = ::pread(fd, into.data(), bytes, static_cast<off_t>(offset));
    must(got == static_cast<ssize_t>(expected_at(offset, bytes)), "pread: how many");
    compare(into.data(), static_cast<std::size_t>(got), offset, "pread");
  }
  must(::lseek(fd, 0, SEEK_CUR) == 0, "pread moved the position");
  errno = 0;
  must(::pread(fd, into.data(), 10, -1) == -1 && errno == EINVAL, "pread at -1");
  must(::read(fd, nullptr, 0) == 0, "read of nothing");
  void* volatile nowhere = reinterpret_cast<void*>(8);
  must(::read(fd, nowhere, 4096) == -1 && errno == EFAULT, "read to nowhere");
  must(::lseek(fd, 0, SEEK_CUR) == 0, "a read that failed moved the position");
  ::close(fd);
  must(::read(fd, into.data(), 10) == -1 && errno == EBADF, "read of a closed descriptor");
}

void vectors(unsigned seed) {
  Random random(seed);
  const int fd = open_file();
  std::vector<std::vector<char>> parts(40);
  for (int i = 0; i < 30; ++i) {
    std::vector<iovec> pieces;
    std::size_t sum = 0;
    for (auto& part : parts) {
      part.resize(random.below(5) == 0 ? 0 : random.below(120000));
      pieces.push_back({part.data(), part.size()});
      sum += part.size();
    }
    std::size_t offset = random.below(copy.size());
    ssize_t got;
    switch (i % 3) {
      case 0:
        got = ::preadv(fd, pieces.data(), static_cast<int>(pieces.size()), static_cast<off_t>(offset));
        break;
      case 1:
        got = ::preadv2(fd, pieces.data(), static_cast<int>(pieces.size()), static_cast<off_t>(offset), 0);
        break;
      default:
        must(::lseek(fd, static_cast<off_t>(offset), SEEK_SET) == static_cast<off_t>(offset), "lseek");
        got = i % 2 == 0 ? ::readv(fd, pieces.data(), static_cast<int>(pieces.size()))
                         : ::preadv2(fd, pieces.data(), static_cast<int>(pieces.size()), -1, 0);
        must(::lseek(fd, 0, SEEK_CUR) == static_cast<off_t>(offset) + got, "readv: position");
        break;
    }
    must(got == static_cast<ssize_t>(expected_at(offset, sum)), "vectors: how many");
    auto left = static_cast<std::size_t>(got);
    for (const auto& part : parts) {
      const std::size_t here = std::min(left, part.size());
      compare(part.data(), here, offset, "vectors");
      offset += here;
      left -= here;
    }
  }
  const iovec one{parts[0].data(), parts[0].size()};
  volatile int negative = -1;
  must(::readv(fd, &one, negative) == -1 && errno == EINVAL, "a negative count");
  const auto* volatile nowhere = reinterpret_cast<const iovec*>(8);
  must(::readv(fd, nowhere, 2) == -1 && errno == EFAULT, "pieces nowhere");
  ::close(fd);
}

void seeking(unsigned) {
  const int fd = open_file();
  const off_t size = static_cast<off_t>(copy.size());
  must(::lseek(fd, 0, SEEK_END) == size, "SEEK_END");
  char byte;
  must(::read(fd, &byte, 1) == 0, "read at the end");
  must(::lseek(fd, -1, SEEK_END) == size - 1 && ::read(fd, &byte, 1) == 1 && byte == copy.back(),
       "the last byte");
  must(::lseek(fd, size + 10, SEEK_SET) == size + 10 && ::read(fd, &byte, 1) == 0, "read behind the end");
  must(::lseek(fd, -1, SEEK_SET) == -1 && errno == EINVAL, "SEEK_SET to -1");
  // What the file system says of holes must at least not hide data.
  for (off_t at = 0; at < size;) {
    const off_t data = ::lseek(fd, at, SEEK_DATA);
    const off_t until = data < 0 ? size : data;
    for (off_t hole = at; hole < until; ++hole) {
      must(copy[static_cast<std::size_t>(hole)] == 0, "data in a hole");
    }
    if (data < 0) {
      break;
    }
    at = ::lseek(fd, data, SEEK_HOLE);
    must(at > data, "SEEK_HOLE");
  }
  ::close(fd);
}

void sending(unsigned) {
  const int fd = open_file();
  const std::string other = std::string(std::getenv("TMPDIR")) + "/sent." + std::to_string(::getpid());
  const int to = ::open(other.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  must(to >= 0, "open for sending");
  std::vector<char> back(1 << 20);
  const auto check = [&](off_t at, std::size_t bytes, std::size_t offset, const char* what) {
    for (std::size_t done = 0; done < bytes;) {
      const ssize_t got =
          ::pread(to, back.data(), std::min(back.size(), bytes - done), at + static_cast<off_t>(done));
      must(got > 0, what);
      compare(back.data(), static_cast<std::size_t>(got), offset + done, what);
      done += static_cast<std::size_t>(got);
    }
  };
  // To a file, from the position and from an offset.
  must(::lseek(fd, 5000000, SEEK_SET) == 5000000, "lseek");
  must(::sendfile(to, fd, nullptr, 6000000) == 6000000, "sendfile");
  must(::lseek(fd, 0, SEEK_CUR) == 11000000, "sendfile: position");
  check(0, 6000000, 5000000, "sendfile");
  off_t offset = static_cast<off_t>(copy.size()) - 1000000;
  must(::sendfile(to, fd, &offset, 3000000) == 1000000, "sendfile to the end");
  must(offset == static_cast<off_t>(copy.size()) && ::lseek(fd, 0, SEEK_CUR) == 11000000, "sendfile: offset");
  check(6000000, 1000000, copy.size() - 1000000, "sendfile at an offset");
  // copy_file_range, both ways of saying where.
  loff_t from = 1234567;
  loff_t into = 20000000;
  must(::copy_file_range(fd, &from, to, &into, 5000000, 0) == 5000000, "copy_file_range");
  must(from == 6234567 && into == 25000000, "copy_file_range: offsets");
  check(20000000, 5000000, 1234567, "copy_file_range");
  must(::lseek(to, 0, SEEK_SET) == 0 && ::copy_file_range(fd, nullptr, to, nullptr, 4500000, 0) == 4500000,
       "copy_file_range at the positions");
  must(::lseek(fd, 0, SEEK_CUR) == 15500000 && ::lseek(to, 0, SEEK_CUR) == 4500000,
       "copy_file_range: positions");
  check(0, 4500000, 11000000, "copy_file_range at the positions");
  must(::copy_file_range(fd, nullptr, to, nullptr, 10, 77) == -1 && errno == EINVAL,
       "copy_file_range with flags");
  must(::sendfile(fd, fd, nullptr, 10) == -1, "sendfile to a descriptor for reading");
  // To a socket that takes less than is sent.
  int ends[2];
  must(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0, "socketpair");
  offset = 3000000;
  std::size_t at = 3000000;
  while (at < 9000000) {
    const ssize_t sent = ::sendfile(ends[0], fd, &offset, 9000000 - static_cast<std::size_t>(offset));
    must(sent > 0 || (sent < 0 && errno == EAGAIN) || offset == 9000000, "sendfile to a socket");
    ssize_t got;
    while ((got = ::recv(ends[1], back.data(), back.size(), 0)) > 0) {
      compare(back.data(), static_cast<std::size_t>(got), at, "sendfile to a socket");
      at += static_cast<std::size_t>(got);
    }
  }
  ::close(ends[0]);
  ::close(ends[1]);
  ::close(to);
  ::unlink(other.c_str());
  ::close(fd);
}

void splicing(unsigned) {
  const int fd = open_file();
  int ends[2];
  must(::pipe2(ends, O_CLOEXEC) == 0, "pipe");
  std::vector<char> back(1 << 20);
  loff_t offset = 2000000;
  for (std::size_t at = 2000000; at < 10000000;) {
    const ssize_t put = ::splice(fd, &offset, ends[1], nullptr, 1 << 20, SPLICE_F_MOVE);
    must(put > 0 && offset == static_cast<loff_t>(at) + put, "splice");
    for (ssize_t left = put; left > 0;) {
      const ssize_t got = ::read(ends[0], back.data(), static_cast<std::size_t>(left));
      must(got > 0, "read of the pipe");
      compare(back.data(), static_cast<std::size_t>(got), at, "splice");
      at += static_cast<std::size_t>(got);
      left -= got;
    }
  }
  must(::lseek(fd, 0, SEEK_CUR) == 0, "splice at an offset moved the position");
  const ssize_t put = ::splice(fd, nullptr, ends[1], nullptr, 50000, 0);
  must(put > 0 && ::lseek(fd, 0, SEEK_CUR) == put, "splice: position");
  must(::read(ends[0], back.data(), back.size()) == put, "the pipe");
  compare(back.data(), static_cast<std::size_t>(put), 0, "splice at the position");
  // A full pipe, without waiting.
  while (::splice(fd, nullptr, ends[1], nullptr, 65536, SPLICE_F_NONBLOCK) > 0) {
  }
  must(errno == EAGAIN, "splice into a full pipe");
  ::close(ends[0]);
  ::close(ends[1]);
  ::close(fd);
}

void streams(unsigned seed) {
  Random random(seed);
  FILE* stream = std::fopen(path.c_str(), "rb");
  must(stream != nullptr, "fopen");
  std::vector<char> into(1 << 20);
  for (int i = 0; i < 30; ++i) {
    const std::size_t offset = random.below(copy.size() - into.size());
    must(::fseeko(stream, static_cast<off_t>(offset), SEEK_SET) == 0, "fseeko");
    const std::size_t bytes = 1 + random.below(into.size());
    must(std::fread(into.data(), 1, bytes, stream) == bytes, "fread");
    compare(into.data(), bytes, offset, "fread");
  }
  std::fclose(stream);
  std::ifstream file(path, std::ios::binary);
  for (int i = 0; i < 10; ++i) {
    const std::size_t offset = random.below(copy.size() - into.size());
    file.seekg(static_cast<std::streamoff>(offset));
    must(static_cast<bool>(file.read(into.data(), static_cast<std::streamsize>(into.size()))), "ifstream");
    compare(into.data(), into.size(), offset, "ifstream");
  }
}

void mapping(unsigned) {
  const int fd = open_file();
  auto* mapped = static_cast<char*>(::mmap(nullptr, copy.size(), PROT_READ, MAP_SHARED, fd, 0));
  must(mapped != MAP_FAILED, "mmap");
  ::close(fd);
  compare(mapped, copy.size(), 0, "mmap");
  ::munmap(mapped, copy.size());
  const int again = open_file();
  mapped = static_cast<char*>(::mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE, again, 8 << 20));
  must(mapped != MAP_FAILED, "a private mapping");
  compare(mapped, 1 << 20, 8 << 20, "a private mapping");
  mapped[0] = static_cast<char>(~mapped[0]);
  must(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0) == MAP_FAILED && errno == EACCES,
       "a mapping for writing");
  must(::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, again, 1) == MAP_FAILED && errno == EINVAL,
       "an odd offset");
  ::close(again);
}

// One position, many readers: every byte is given to exactly one of them.
void sharing(unsigned) {
  const int fd = open_file();
  std::mutex mutex;
  std::map<std::size_t, std::size_t> taken;
  std::vector<std::thread> threads;
  std::atomic<std::size_t> sum{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      std::vector<char> into(static_cast<std::size_t>(100000 + i * 33333));
      while (true) {
        const ssize_t got = ::read(fd, into.data(), into.size());
        must(got >= 0, "shared read");
        if (got == 0) {
          return;
        }
        sum += static_cast<std::size_t>(got);
        bytes_read += static_cast<std::size_t>(got);
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  must(sum == copy.size(), "shared reads give each byte once");
  must(::lseek(fd, 0, SEEK_CUR) == static_cast<off_t>(copy.size()), "shared position");
  ::close(fd);
}

void children(unsigned seed) {
  const int fd = open_file();
  char head[1000];
  must(::read(fd, head, sizeof head) == sizeof head, "read before fork");
  // The child has the hint and shares the position.
  const pid_t child = ::fork();
  if (child == 0) {
    std::vector<char> into(5 << 20);
    const ssize_t got = ::read(fd, into.data(), into.size());
    must(got == static_cast<ssize_t>(into.size()), "read in a child");
    compare(into.data(), into.size(), sizeof head, "read in a child");
    random_reads(seed + 1);
    std::_Exit(0);
  }
  int status = 1;
  must(::waitpid(child, &status, 0) == child && status == 0, "the child");
  must(::lseek(fd, 0, SEEK_CUR) == static_cast<off_t>(sizeof head) + (5 << 20), "the child's position");
  // A duplicate, in place of what was a file in partial mode, too.
  const int other = ::dup(fd);
  const int third = open_file();
  must(::dup2(other, third) == third, "dup2");
  std::vector<char> into(1 << 20);
  must(::read(third, into.data(), into.size()) == static_cast<ssize_t>(into.size()), "read of a duplicate");
  compare(into.data(), into.size(), sizeof head + (5 << 20), "read of a duplicate");
  // A number that was a file in partial mode and is another one now.
  int ends[2];
  must(::pipe2(ends, O_CLOEXEC) == 0 && ::dup2(ends[0], third) == third && ::write(ends[1], "pipe", 4) == 4,
       "pipe");
  must(::read(third, into.data(), into.size()) == 4 && std::memcmp(into.data(), "pipe", 4) == 0,
       "a pipe by that number");
  // After exec.
  must(::lseek(fd, 0, SEEK_SET) == 0, "lseek");
  const pid_t executed = ::fork();
  if (executed == 0) {
    ::dup2(fd, 0);
    ::execlp("cmp", "cmp", "-", std::getenv("COPY"), static_cast<char*>(nullptr));
    std::_Exit(2);
  }
  must(::waitpid(executed, &status, 0) == executed && status == 0, "cmp of an inherited descriptor");
  ::close(fd);
}

void raw(unsigned seed) {
  Random random(seed);
  const int fd = open_file();
  std::vector<char> into(1 << 20);
  for (int i = 0; i < 20; ++i) {
    const std::size_t offset = random.below(copy.size() - into.size());
    must(::syscall(SYS_pread64, fd, into.data(), into.size(), offset) == static_cast<long>(into.size()),
         "a raw pread");
    compare(into.data(), into.size(), offset, "a raw pread");
  }
  ::close(fd);
  const int direct = ::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
  if (direct >= 0) {
    auto* aligned = static_cast<char*>(::aligned_alloc(4096, 1 << 20));
    must(::pread(direct, aligned, 1 << 20, 8 << 20) == 1 << 20, "O_DIRECT");
    compare(aligned, 1 << 20, 8 << 20, "O_DIRECT");
    std::free(aligned);
    ::close(direct);
  }
  struct stat info {};
  const int plain = open_file();
  must(::fstat(plain, &info) == 0 && info.st_size == static_cast<off_t>(copy.size()), "fstat");
  struct stat named {};
  must(::stat(path.c_str(), &named) == 0 && named.st_ino == info.st_ino && named.st_dev == info.st_dev,
       "stat and fstat");
  ::close(plain);
}

void changing(unsigned) {
  const int fd = open_file();
  std::vector<char> into(1 << 20);
  must(::read(fd, into.data(), into.size()) == static_cast<ssize_t>(into.size()), "read");
  compare(into.data(), into.size(), 0, "read before a change");
  must(::fchmod(fd, 0640) == 0, "fchmod");
  struct stat info {};
  must(::stat(path.c_str(), &info) == 0 && (info.st_mode & 07777) == 0640, "stat after fchmod");
  must(::fchmod(fd, 0644) == 0 && ::stat(path.c_str(), &info) == 0 && (info.st_mode & 07777) == 0644, "stat after that");
  must(::read(fd, into.data(), into.size()) == static_cast<ssize_t>(into.size()), "read after a change");
  compare(into.data(), into.size(), into.size(), "read after a change");
  ::close(fd);
}

// Of a store's object: what is not read through libc's functions is refused, and never reads as zeroes.
void refusing(unsigned) {
  const int fd = open_file();
  char into[4096];
  must(::syscall(SYS_pread64, fd, into, sizeof into, 0) == -1 && errno == EBADF, "a raw pread");
  must(::syscall(SYS_read, fd, into, sizeof into) == -1 && errno == EBADF, "a raw read");
  must(::syscall(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == -1 && errno == EACCES, "a raw mmap");
  must(::write(fd, into, sizeof into) == -1, "a write");
  must(::ftruncate(fd, 0) == -1, "a truncation");
  must(::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == ENODEV, "mmap");
  struct stat info {};
  struct stat named {};
  must(::fstat(fd, &info) == 0 && info.st_size == static_cast<off_t>(copy.size()) && (info.st_mode & 07777) == 0444,
       "fstat");
  must(::stat(path.c_str(), &named) == 0 && named.st_ino == info.st_ino && named.st_dev == info.st_dev &&
           named.st_mtim.tv_sec == info.st_mtim.tv_sec && named.st_blocks == info.st_blocks,
       "stat and fstat");
  must(::pread(fd, into, sizeof into, 0) == sizeof into, "pread");
  compare(into, sizeof into, 0, "pread");
  ::close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  must(argc >= 4, "usage: partial_reader MOUNTED COPY WAY [SEED]");
  path = argv[1];
  std::ifstream file(argv[2], std::ios::binary);
  copy.assign(std::istreambuf_iterator<char>(file), {});
  ::setenv("COPY", argv[2], 1);
  const std::map<std::string, std::function<void(unsigned)>> ways = {
      {"sequential", sequential}, {"random", random_reads}, {"vectors", vectors}, {"seeking", seeking},
      {"sending", sending},       {"splicing", splicing},   {"streams", streams}, {"mapping", mapping},
      {"sharing", sharing},       {"children", children},   {"raw", raw},         {"changing", changing},
      {"refusing", refusing}};
  const unsigned seed = argc > 4 ? static_cast<unsigned>(std::atoi(argv[4])) : 1;
  const std::string way = argv[3];
  for (const auto& [name, run] : ways) {
    if (way == name || way == "all") {
      run(seed);
    }
  }
  must(way == "all" || ways.count(way) == 1, "no such way");
  std::printf("%lu\n", bytes_read.load());
}
