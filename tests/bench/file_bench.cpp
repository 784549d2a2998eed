// file_bench: one measurement of one way to read files, as a plain program that knows nothing of forebay.
// bench.py runs it with and without the interposer, in turn, and prints the ratios.
//
//   file_bench sequential FILE THREADS   256 KiB reads of the whole file, each thread from its own start  -> bytes/s
//   file_bench random FILE THREADS       4 KiB pread at random places, 200,000 a thread                   -> reads/s
//   file_bench small DIR                 open+fstat+read+close of every file below DIR                    -> p50, us
//   file_bench stat DIR                  lstat of every name below DIR, by full path                      -> p50, us
//   file_bench walk DIR                  opendir/readdir of the tree with fstatat of each name            -> names/s
// Prints one number, larger or smaller being better as the unit says. Exit 2 on misuse, 1 when a call fails.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& what) {
  std::perror(what.c_str());
  std::exit(1);
}

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

template <typename Work>
double seconds_of_threads(int threads, Work work) {
  const auto start = Clock::now();
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i) {
    running.emplace_back(work, i);
  }
  for (auto& thread : running) {
    thread.join();
  }
  return seconds_since(start);
}

std::uint64_t size_of(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    fail(path);
  }
  return static_cast<std::uint64_t>(info.st_size);
}

double sequential(const std::string& path, int threads) {
  constexpr std::size_t kRead = 256 << 10;
  std::uint64_t bytes = 0;
  const double seconds = seconds_of_threads(threads, [&](int index) {
    const int fd = ::open(path.c_str(), O_RDONLY);
    if (fd < 0) {
      fail(path);
    }
    const std::uint64_t size = size_of(fd, path);
    std::vector<char> buffer(kRead);
    const std::uint64_t start = size / threads * index / kRead * kRead;
    for (std::uint64_t done = 0; done < size;) {
      const auto got = ::pread(fd, buffer.data(), kRead, static_cast<off_t>((start + done) % size));
      if (got <= 0) {
        fail(path);
      }
      done += static_cast<std::uint64_t>(got);
    }
    ::close(fd);
    __atomic_fetch_add(&bytes, size, __ATOMIC_RELAXED);
  });
  return static_cast<double>(bytes) / seconds;
}

double random_reads(const std::string& path, int threads) {
  constexpr int kReads = 200'000;
  const double seconds = seconds_of_threads(threads, [&](int index) {
    const int fd = ::open(path.c_str(), O_RDONLY);
    if (fd < 0) {
      fail(path);
    }
    std::mt19937_64 random(static_cast<std::uint64_t>(index));
    const std::uint64_t pages = size_of(fd, path) / 4096;
    char buffer[4096];
    for (int i = 0; i < kReads; ++i) {
      if (::pread(fd, buffer, sizeof buffer, static_cast<off_t>(random() % pages * 4096)) != sizeof buffer) {
        fail(path);
      }
    }
    ::close(fd);
  });
  return static_cast<double>(kReads) * threads / seconds;
}

void collect(const std::string& directory, bool files_only, std::vector<std::string>& into) {
  DIR* stream = ::opendir(directory.c_str());
  if (stream == nullptr) {
    fail(directory);
  }
  while (const dirent* item = ::readdir(stream)) {
    const std::string name = item->d_name;
    if (name == "." || name == "..") {
      continue;
    }
    const std::string path = directory + "/" + name;
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) {
      fail(path);
    }
    if (S_ISREG(info.st_mode) || !files_only) {
      into.push_back(path);
    }
    if (S_ISDIR(info.st_mode)) {
      collect(path, files_only, into);
    }
  }
  ::closedir(stream);
}

template <typename Work>
double median_us(const std::vector<std::string>& paths, Work work) {
  std::vector<double> times;
  times.reserve(paths.size());
  for (const auto& path : paths) {
    const auto start = Clock::now();
    work(path);
    times.push_back(seconds_since(start) * 1e6);
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

double small_files(const std::string& directory) {
  std::vector<std::string> paths;
  collect(directory, true, paths);
  std::shuffle(paths.begin(), paths.end(), std::mt19937_64(1));
  std::vector<char> buffer(1 << 20);
  return median_us(paths, [&](const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY);
    struct stat info {};
    if (fd < 0 || ::fstat(fd, &info) != 0 || ::read(fd, buffer.data(), buffer.size()) < 0) {
      fail(path);
    }
    ::close(fd);
  });
}

double stats(const std::string& directory) {
  std::vector<std::string> paths;
  collect(directory, false, paths);
  std::shuffle(paths.begin(), paths.end(), std::mt19937_64(1));
  return median_us(paths, [](const std::string& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) {
      fail(path);
    }
  });
}

std::uint64_t walk_below(int parent, const char* name) {
  const int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR* stream = fd < 0 ? nullptr : ::fdopendir(fd);
  if (stream == nullptr) {
    fail(name);
  }
  std::uint64_t names = 0;
  while (const dirent* item = ::readdir(stream)) {
    if (std::strcmp(item->d_name, ".") == 0 || std::strcmp(item->d_name, "..") == 0) {
      continue;
    }
    struct stat info {};
    if (::fstatat(::dirfd(stream), item->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
      fail(item->d_name);
    }
    ++names;
    if (S_ISDIR(info.st_mode)) {
      names += walk_below(::dirfd(stream), item->d_name);
    }
  }
  ::closedir(stream);
  return names;
}

double walk(const std::string& directory) {
  const auto start = Clock::now();
  const std::uint64_t names = walk_below(AT_FDCWD, directory.c_str());
  return static_cast<double>(names) / seconds_since(start);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string kind = argc > 2 ? argv[1] : "";
  const int threads = argc > 3 ? std::atoi(argv[3]) : 1;
  double result = 0;
  if (kind == "sequential" && threads > 0) {
    result = sequential(argv[2], threads);
  } else if (kind == "random" && threads > 0) {
    result = random_reads(argv[2], threads);
  } else if (kind == "small") {
    result = small_files(argv[2]);
  } else if (kind == "stat") {
    result = stats(argv[2]);
  } else if (kind == "walk") {
    result = walk(argv[2]);
  } else {
    std::fprintf(stderr, "usage: file_bench sequential|random FILE THREADS | small|stat|walk DIR\n");
    return 2;
  }
  std::printf("%.6g\n", result);
  return 0;
}
