#include "server/control.hpp"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "ipc/admin.hpp"
#include "server/ask_peers.hpp"
#include "server/supervision.hpp"

namespace forebay {

namespace {

constexpr std::size_t kCommandBytesMax = 64u << 10;
// A launcher that dies ends this server's input and, within this time, sends it a signal; when `run` dies, no
// signal comes.
constexpr std::chrono::milliseconds kSignalAfterInput{1000};

sigset_t control_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    ::sigaddset(&set, signal);
  }
  return set;
}

}  // namespace

void block_control_signals() {
  const sigset_t set = control_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGIO, SIG_IGN);  // Of leases on files of checkpoints, which are looked at besides.
}

Control::Control(bool supervised, Ends ends) : supervised_(supervised), ends_(std::move(ends)) {
  const sigset_t set = control_signals();
  signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  FOREBAY_CHECK(signals_.valid() && wake_.valid());
  thread_ = std::thread([this] { listen(); });
  ::pthread_setname_np(thread_.native_handle(), "forebay-control");
}

Control::~Control() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  wake();
  thread_.join();
}

void Control::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

void Control::serving() {
  const std::lock_guard lock(mutex_);
  serving_ = true;
}

Control::Event Control::wait(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [this] {
    return (stop_ && !stop_told_) || stop_now_ || report_ || staged_ || (drain_ && !drain_told_);
  });
  if (stop_now_) {
    return Event::stop_now;
  }
  if (drain_ && !drain_told_) {
    drain_told_ = true;
    return Event::drain;
  }
  if (staged_) {
    staged_ = false;
    return Event::staged;
  }
  if (report_) {
    report_ = false;
    return Event::report;
  }
  if (stop_ && !stop_told_) {
    stop_told_ = true;
    return Event::stop;
  }
  return Event::none;
}

Control::Drain Control::take_drain() {
  const std::lock_guard lock(mutex_);
  return drain_.value_or(Drain{});
}

void Control::keep_serving() {
  const std::lock_guard lock(mutex_);
  keeps_serving_ = true;
  leave_at_ = std::chrono::steady_clock::time_point::max();
}

void Control::request_stop() {
  {
    const std::lock_guard lock(mutex_);
    if (!stop_) {
      stop_ = true;
      stop_by_ = std::min(stop_by_, std::chrono::steady_clock::now() + kStopDeadline);
    }
  }
  changed_.notify_all();
  wake();
}

void Control::failed() {
  {
    const std::lock_guard lock(mutex_);
    failed_ = true;
  }
  stop_now();
}

void Control::exchange_failed() {
  bool stopping = false;
  {
    const std::lock_guard lock(mutex_);
    stopping = stop_ || stop_now_;
  }
  if (ends_.leave && !stopping) {
    ends_.leave();
  }
  stop_now();
}

void Control::stop_now() {
  {
    const std::lock_guard lock(mutex_);
    stop_now_ = true;
    stop_by_ = std::min(stop_by_, std::chrono::steady_clock::now() + kStopDeadline);
  }
  changed_.notify_all();
  wake();
}

std::vector<std::string> Control::take_names() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return names_ended_; });
  return std::move(names_);
}

void Control::notify_staged() {
  {
    const std::lock_guard lock(mutex_);
    staged_ = true;
  }
  changed_.notify_all();
}

int Control::milliseconds_left() {
  using std::chrono::steady_clock;
  const std::lock_guard lock(mutex_);
  const auto next = std::min({stop_by_, input_ended_stop_, leave_at_});
  if (next == steady_clock::time_point::max()) {
    return -1;
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - steady_clock::now()).count();
  return static_cast<int>(std::max<decltype(left)>(0, left));
}

void Control::listen() {
  bool input_open = supervised_;
  while (true) {
    std::array<pollfd, 3> fds{
        {{signals_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}, {input_open ? STDIN_FILENO : -1, POLLIN, 0}}};
    ::poll(fds.data(), fds.size(), milliseconds_left());
    if (fds[0].revents != 0) {
      read_signal();
    }
    if (fds[1].revents != 0) {
      std::uint64_t count = 0;
      [[maybe_unused]] const auto got = ::read(wake_.get(), &count, sizeof count);
    }
    if (fds[2].revents != 0 && !read_commands()) {
      input_open = false;
      input_ended();
    }
    bool abandons = false;
    bool leaves = false;
    bool stops = false;
    {
      const std::lock_guard lock(mutex_);
      if (ended_) {
        return;
      }
      const auto now = std::chrono::steady_clock::now();
      abandons = (stop_ && !serving_) || now >= stop_by_;
      leaves = failed_ && ends_.leave;
      if (now >= leave_at_) {
        leave_at_ = std::chrono::steady_clock::time_point::max();
        abandons = leaves = !stop_ && !stop_now_;
      }
      if (now >= input_ended_stop_) {
        input_ended_stop_ = std::chrono::steady_clock::time_point::max();
        stops = true;
      }
    }
    if (abandons) {
      leaves ? ends_.leave() : ends_.abandon();
    }
    if (stops) {
      request_stop();
    }
  }
}

void Control::read_signal() {
  signalfd_siginfo info{};
  if (::read(signals_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) {
    return;
  }
  bool stopping = false;
  {
    const std::lock_guard lock(mutex_);
    stopping = stop_ || stop_now_;
    if (ends_.leave && ends_.drains && serving_ && !stopping) {
      if (!keeps_serving_) {
        leave_at_ = std::min(
            leave_at_, std::chrono::steady_clock::now() + std::chrono::milliseconds(kDrainAfterSignalMs));
      }
      return;
    }
  }
  if (ends_.leave && !stopping) {
    ends_.leave();
  }
  request_stop();
}

// Nobody gives commands any more: `run` is gone, or what launched this server is.
void Control::input_ended() {
  const auto run_lives = ends_.run_lives ? ends_.run_lives() : std::optional<bool>(false);
  bool stopping = false;
  {
    const std::lock_guard lock(mutex_);
    stopping = stop_ || stop_now_;
    if (!stopping && ends_.leave && !run_lives) {
      input_ended_stop_ = std::chrono::steady_clock::now() + kSignalAfterInput;
      return;
    }
  }
  if (!stopping && ends_.leave && *run_lives) {
    ends_.leave();
  }
  request_stop();
}

// False at the end of the input.
bool Control::read_commands() {
  std::array<char, 4096> piece{};
  const auto got = ::read(STDIN_FILENO, piece.data(), piece.size());
  if (got < 0) {
    return errno == EINTR || errno == EAGAIN;
  }
  if (got == 0) {
    return false;
  }
  input_.append(piece.data(), static_cast<std::size_t>(got));
  for (auto end = input_.find('\n'); end != std::string::npos; end = input_.find('\n')) {
    obey(input_.substr(0, end));
    input_.erase(0, end + 1);
  }
  return input_.size() <= kCommandBytesMax;
}

void Control::obey(const std::string& line) {
  const auto command = json_parse(line);
  const auto name_at = command.is_object() ? command.find("command") : command.end();
  const std::string name =
      name_at != command.end() && name_at->is_string() ? name_at->get<std::string>() : "";
  if (name == "stop") {
    request_stop();
  } else if (name == "report") {
    {
      const std::lock_guard lock(mutex_);
      report_ = true;
    }
    changed_.notify_all();
  } else if (name == "drain") {
    Drain drain;
    drain.id = command.value("id", nlohmann::json());
    if (const auto limit = command.find("deadline_s"); limit != command.end() && limit->is_number()) {
      constexpr double kLongest = 1e9;
      drain.deadline =
          std::chrono::steady_clock::now() + std::chrono::milliseconds(static_cast<std::int64_t>(
                                                 1000.0 * std::clamp(limit->get<double>(), 0.0, kLongest)));
    }
    {
      const std::lock_guard lock(mutex_);
      drain_ = std::move(drain);
      drain_told_ = false;
    }
    keep_serving();
    changed_.notify_all();
  } else if (name == "names" && !names_ended_) {
    for (const auto& one : command.value("names", nlohmann::json::array())) {
      names_.push_back(one.is_string() ? bytes_of_json_text(one.get<std::string>()) : "");
    }
  } else if (name == "names_end") {
    {
      const std::lock_guard lock(mutex_);
      names_ended_ = true;
    }
    changed_.notify_all();
  }
}

void emit_event(const nlohmann::json& event) {
  static std::mutex one_line_at_a_time;
  const std::string line = json_dump(event) + "\n";
  const std::lock_guard lock(one_line_at_a_time);
  for (std::size_t done = 0; done < line.size();) {
    const auto put = ::write(STDOUT_FILENO, line.data() + done, line.size() - done);
    if (put < 0 && errno != EINTR) {
      return;
    }
    done += put > 0 ? static_cast<std::size_t>(put) : 0;
  }
}

}  // namespace forebay
