// reader: looks at random objects in random ways, for ever, and compares each byte and attribute with the
// truth.
//
//   reader --table FILE --manifest FILE --truth DIR --record FILE --log FILE --seed N [--looks N] [--object
//   I] [--pause US]
//
// Runs under the interposer on a node. It ends, with 0 when nothing was wrong, once the table says stop, on
// SIGTERM, or after N looks. The manifest has a line each: "O path", "D path mode inode", "L path inode
// target" (paths absolute, below mounts).
#include "faults/reader.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

namespace forebay::faults {

namespace {

volatile sig_atomic_t terminated = 0;

// Maps `bytes` of the file (all of it when 0) for reading and writing.
void* map_shared(const std::string& path, std::size_t bytes, bool create) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
  struct stat info {};
  if (fd < 0 || (create && ::ftruncate(fd, static_cast<off_t>(bytes)) != 0) || ::fstat(fd, &info) != 0) {
    std::perror(path.c_str());
    std::exit(2);
  }
  void* data =
      ::mmap(nullptr, static_cast<std::size_t>(info.st_size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (data == MAP_FAILED) {
    std::perror(path.c_str());
    std::exit(2);
  }
  return data;
}

std::uint64_t open_descriptors() {
  std::uint64_t count = 0;
  if (DIR* directory = ::opendir("/proc/self/fd")) {
    while (::readdir(directory) != nullptr) {
      ++count;
    }
    ::closedir(directory);
  }
  return count;
}

}  // namespace

std::uint32_t load(const std::uint32_t& word) {
  return __atomic_load_n(&word, __ATOMIC_SEQ_CST);
}

Reader::Reader(const Options& options) : options_(options), random_(options.seed) {
  table_ = static_cast<Table*>(map_shared(options.table, 0, false));
  record_ = static_cast<Record*>(map_shared(options.record, sizeof(Record), true));
  log_ = ::open(options.log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  std::ifstream manifest(options.manifest);
  std::string line;
  while (std::getline(manifest, line)) {
    std::istringstream fields(line.substr(1));
    Name name;
    fields >> name.path;
    switch (line[0]) {
      case 'O':
        objects_.push_back(name.path);
        break;
      case 'D':
        fields >> name.mode >> name.inode;
        directories_.push_back(name);
        break;
      default:
        fields >> name.inode >> name.target;
        links_.push_back(name);
    }
  }
}

void Reader::fail(const std::string& path, const std::string& what) {
  __atomic_fetch_add(&record_->failures, 1, __ATOMIC_RELAXED);
  struct timespec now {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  std::ostringstream line;
  line << now.tv_sec << '.' << now.tv_nsec / 1000000 << " pid " << ::getpid() << ": " << path << ": " << what
       << '\n';
  const std::string text = line.str();
  if (::write(log_, text.data(), text.size()) < 0) {
    std::abort();
  }
}

std::string Reader::truth_of(std::uint32_t object, std::uint32_t version) const {
  return options_.truth + "/" + std::to_string(object) + "." + std::to_string(version);
}

void Reader::count(std::uint64_t& counter) {
  __atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED);
}

void Reader::begin_call() {
  struct timespec now {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto ns =
      static_cast<std::uint64_t>(now.tv_sec) * 1000000000u + static_cast<std::uint64_t>(now.tv_nsec);
  __atomic_store_n(&record_->call_since_ns, ns, __ATOMIC_RELAXED);
}

void Reader::end_call() {
  const int saved = errno;
  const std::uint64_t since = record_->call_since_ns;
  begin_call();
  const std::uint64_t ns = record_->call_since_ns - since;
  __atomic_store_n(&record_->call_since_ns, 0, __ATOMIC_RELAXED);
  const unsigned octave = ns < 8 ? 3 : 63 - static_cast<unsigned>(__builtin_clzll(ns));
  const unsigned bucket = octave * 8 + static_cast<unsigned>(ns >> (octave - 3) & 7);
  count(record_->delays[bucket < kDelayBuckets ? bucket : kDelayBuckets - 1]);
  if (ns > record_->longest_ns) {
    record_->longest_ns = ns;
  }
  errno = saved;
}

int Reader::run() {
  const std::uint64_t descriptors = open_descriptors();
  for (std::uint64_t look = 0; options_.looks == 0 || look < options_.looks; ++look) {
    if (terminated != 0 || load(table_->stop) != 0) {
      break;
    }
    look_once();
    count(record_->looks);
    if (options_.pause_us > 0) {
      ::usleep(static_cast<useconds_t>(random_.below(2 * options_.pause_us)));
    }
  }
  while (!kept_.empty()) {
    drop_kept(kept_.size() - 1);
  }
  record_->descriptors = open_descriptors() - descriptors;
  if (record_->descriptors != 0) {
    fail("", std::to_string(record_->descriptors) + " descriptors leaked");
  }
  return record_->failures == 0 ? 0 : 1;
}

}  // namespace forebay::faults

int main(int argc, char** argv) {
  using forebay::faults::Reader;
  struct sigaction action {};
  action.sa_handler = [](int) { forebay::faults::terminated = 1; };
  ::sigaction(SIGTERM, &action, nullptr);
  Reader::Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const char* value = argv[i + 1];
    if (name == "--table") {
      options.table = value;
    } else if (name == "--manifest") {
      options.manifest = value;
    } else if (name == "--truth") {
      options.truth = value;
    } else if (name == "--record") {
      options.record = value;
    } else if (name == "--log") {
      options.log = value;
    } else if (name == "--seed") {
      options.seed = std::strtoull(value, nullptr, 10);
    } else if (name == "--looks") {
      options.looks = std::strtoull(value, nullptr, 10);
    } else if (name == "--object") {
      options.object = std::strtol(value, nullptr, 10);
    } else if (name == "--pause") {
      options.pause_us = static_cast<std::uint32_t>(std::strtoul(value, nullptr, 10));
    } else {
      std::fprintf(stderr, "unknown option %s\n", argv[i]);
      return 2;
    }
  }
  return Reader(options).run();
}
