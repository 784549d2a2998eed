#include "transport/mpi/command_queue.hpp"

#include <poll.h>
#include <sys/eventfd.h>

#include <ctime>
#include <utility>

namespace forebay {

Result<std::shared_ptr<CommandQueue>> CommandQueue::create() {
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) {
    return error_from_errno("cannot create the engine's eventfd");
  }
  return std::shared_ptr<CommandQueue>(new CommandQueue(std::move(wake)));
}

bool CommandQueue::push(Command&& command) {
  const std::lock_guard lock(mutex_);
  if (closed_) {
    return false;
  }
  commands_.push_back(std::move(command));
  if (std::exchange(sleeping_, false)) {
    eventfd_write(wake_.get(), 1);  // Can only fail when the counter is full, and then it wakes anyway.
  }
  return true;
}

bool CommandQueue::take(std::vector<Command>& into) {
  into.clear();
  const std::lock_guard lock(mutex_);
  into.swap(commands_);
  return !into.empty();
}

void CommandQueue::sleep(std::chrono::microseconds longest) {
  {
    const std::lock_guard lock(mutex_);
    if (!commands_.empty()) {
      return;
    }
    sleeping_ = true;
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(longest);
  const timespec timeout{seconds.count(), std::chrono::nanoseconds(longest - seconds).count()};
  pollfd waiting{wake_.get(), POLLIN, 0};
  const bool woken = ppoll(&waiting, 1, &timeout, nullptr) > 0;
  const std::lock_guard lock(mutex_);
  if (woken || !sleeping_) {
    eventfd_t count = 0;
    eventfd_read(wake_.get(), &count);
  }
  sleeping_ = false;
}

std::vector<Command> CommandQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  return std::exchange(commands_, {});
}

}  // namespace forebay
