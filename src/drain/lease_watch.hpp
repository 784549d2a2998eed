// LeaseWatch: whether a file has a writer, and news at once when one comes.
//
// A read lease is given exactly when nobody has the file open for writing or mapped so; an open for writing
// then waits in the kernel until the lease is let go, which is done within kLookEvery. SIGIO, which the
// kernel sends as well, must be ignored.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

namespace forebay {

enum class Writers { none, some, unknown };  // unknown: the file system has no leases
// `fd` is open for reading.
[[nodiscard]] Writers writers_of(int fd);

class LeaseWatch {
 public:
  static constexpr std::chrono::milliseconds kLookEvery{10};

  LeaseWatch();
  ~LeaseWatch();
  LeaseWatch(const LeaseWatch&) = delete;
  LeaseWatch& operator=(const LeaseWatch&) = delete;

  // Lives shorter than its LeaseWatch and the descriptor.
  class Lease {
   public:
    Lease(LeaseWatch& watch, int fd);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    [[nodiscard]] Writers found() const { return found_; }
    // Lets go of it. Whether no writer came until now; true where there are no leases.
    bool end();
    [[nodiscard]] bool broken() const { return broken_; }

   private:
    friend class LeaseWatch;
    void look();  // with the watch's mutex
    LeaseWatch& watch_;
    const int fd_;
    Writers found_;
    bool held_ = false;
    std::atomic<bool> broken_ = false;
  };

 private:
  void work();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::set<Lease*> leases_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace forebay
