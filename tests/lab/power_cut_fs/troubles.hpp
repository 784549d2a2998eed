// Troubles: which calls of a file system fail, as they are ordered, and how fast it may write.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace power_cut {

class Troubles {
 public:
  // Counts the call; 0, or the errno it fails with.
  int met(const std::string& call, const std::string& name);
  // Waits as long as writing so many bytes takes.
  void take_time(std::size_t bytes);

  // "fail CALL NTH ERRNO TIMES [PATTERN]", "well", "counts", "rate BYTES_PER_SECOND"; the answer, or empty
  // for another order.
  std::string order(const std::string& line);

 private:
  struct Rule {
    std::string call;
    std::string pattern;  // fnmatch, of the last name that the file was known by
    long before;          // calls that pass first
    int error;
    long times;  // -1: all
  };
  std::mutex mutex_;
  std::vector<Rule> rules_;
  std::map<std::string, std::uint64_t> calls_;
  std::uint64_t failed_ = 0;
  std::uint64_t rate_ = 0;
  std::uint64_t free_at_ns_ = 0;
};

}  // namespace power_cut
