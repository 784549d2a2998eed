#include "drain/parallel_calls.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>

namespace forebay {
namespace {

class Calls {
 public:
  Calls(std::size_t count, const std::function<Status(std::size_t)>& call) : count_(count), call_(call) {}

  void work() {
    std::unique_lock lock(mutex_);
    while (failed_.ok() && next_ < count_) {
      const auto number = next_++;
      lock.unlock();
      auto status = call_(number);
      lock.lock();
      if (failed_.ok()) {
        failed_ = std::move(status);
      }
    }
    // Under the lock: who waits ends this object.
    if (--working_ == 0) {
      done_.notify_all();
    }
  }
  void will_work(std::size_t threads) { working_ = threads; }
  Status wait() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return working_ == 0; });
    return std::move(failed_);
  }

 private:
  const std::size_t count_;
  const std::function<Status(std::size_t)>& call_;
  std::mutex mutex_;
  std::condition_variable done_;
  std::size_t next_ = 0;
  std::size_t working_ = 0;
  Status failed_;
};

}  // namespace

Status in_parallel(Executor& executor, std::size_t width, std::size_t count,
                   const std::function<Status(std::size_t)>& call) {
  Calls calls(count, call);
  const auto threads = std::min(width, count);
  calls.will_work(threads);
  for (std::size_t i = 0; i < threads; ++i) {
    executor.post([&calls] { calls.work(); });
  }
  return calls.wait();
}

}  // namespace forebay
