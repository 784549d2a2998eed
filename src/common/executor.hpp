// Executor: where work that may block runs.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace forebay {

class Executor {
 public:
  virtual ~Executor() = default;
  // Runs `task` later, on a thread of the executor. Never blocks, never runs it inline. From any thread.
  // The queue is bounded by its callers: each keeps a named number of tasks in flight.
  virtual void post(std::function<void()> task) = 0;
};

// A fixed number of threads and one FIFO queue. The destructor runs what is queued, then joins.
class ThreadPool final : public Executor {
 public:
  // `name` (at most 15 bytes) is what `top -H` shows.
  ThreadPool(const char* name, std::size_t threads);
  ~ThreadPool() override;
  void post(std::function<void()> task) override;

 private:
  void work();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// For tests: tasks wait until run_one() or run_all() runs them on the calling thread.
class ManualExecutor final : public Executor {
 public:
  void post(std::function<void()> task) override { tasks_.push_back(std::move(task)); }
  bool run_one() {
    if (tasks_.empty()) {
      return false;
    }
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    task();
    return true;
  }
  void run_all() {
    while (run_one()) {
    }
  }

 private:
  std::deque<std::function<void()>> tasks_;
};

}  // namespace forebay
