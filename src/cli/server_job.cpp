#include "cli/server_job.hpp"

#include <fcntl.h>
#include <signal.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/child_process.hpp"
#include "cli/process_table.hpp"
#include "cli/say.hpp"
#include "cli/supervision_event.hpp"
#include "ipc/admin.hpp"
#include "server/ask_peers.hpp"

namespace forebay {
namespace {

struct Pipe {
  UniqueFd out;  // to read from
  UniqueFd in;   // to write to
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return error_from_errno("cannot make a pipe");
  }
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace

Result<std::unique_ptr<ServerJob>> ServerJob::start(EventLoop& loop, const Options& options,
                                                    Listener listener) {
  FOREBAY_ASSIGN(input, make_pipe());
  FOREBAY_ASSIGN(output, make_pipe());
  FOREBAY_ASSIGN(error, make_pipe());
  FOREBAY_ASSIGN(pid, start_child(ChildOptions{.argv = options.command.argv,
                                               .environment = options.command.environment,
                                               .input = input.out.get(),
                                               .output = output.in.get(),
                                               .error = error.in.get(),
                                               .own_session = true,
                                               .death_signal = 0}));
  std::unique_ptr<ServerJob> job(new ServerJob(loop, std::move(listener)));
  job->pid_ = job->session_ = pid;
  job->input_ = std::move(input.in);
  ::fcntl(job->input_.get(), F_SETFL, O_NONBLOCK);
  ServerJob* self = job.get();
  job->output_ = std::make_unique<LineSource>(loop, std::move(output.out),
                                              [self](std::string_view line) { self->on_output(line); });
  job->error_ = std::make_unique<LineSource>(
      loop, std::move(error.out),
      [self, all = options.forward_all_lines](std::string_view line) { self->on_error(line, all); });
  loop.on_exit(pid, [self](int status) {
    self->pid_ = -1;
    self->exit_code_ = exit_code_of(status);
    self->close_input();
    self->listener_.on_end();
  });
  return job;
}

ServerJob::~ServerJob() {
  if (running()) {
    kill();
    loop_.wait([this] { return !running(); });
  }
}

void ServerJob::on_output(std::string_view line) {
  if (const auto event = event_of_line(line)) {
    listener_.on_event(*event);
  } else if (!line.empty()) {
    on_error(line, false);
  }
}

void ServerJob::on_error(std::string_view line, bool forward_all) {
  lines_.emplace_back(line);
  if (lines_.size() > kLinesKept) {
    lines_.pop_front();
  }
  if (forward_all || line.starts_with("forebay")) {
    say_raw(std::string(line) + "\n");
  }
}

void ServerJob::ask(std::string_view command) {
  send(fmt::format("{{\"command\":\"{}\"}}\n", command));
}

void ServerJob::ask_drain(std::uint64_t id, bool newest_first, std::optional<double> deadline_s) {
  nlohmann::json command = {{"command", "drain"}, {"id", id}, {"newest_first", newest_first}};
  if (deadline_s) {
    command["deadline_s"] = *deadline_s;
  }
  send(json_dump(command) + "\n");
}

void ServerJob::send_names(const NameList& names) {
  constexpr std::size_t kLineBytes = 16u << 10;  // far below what a server takes in a line
  const std::string_view begin = "{\"command\":\"names\",\"names\":[";
  std::string text;
  std::size_t line_at = 0;
  for (const auto& name : names.names()) {
    text += text.size() == line_at ? begin : ",";
    text += json_dump(json_text_of_bytes(name));
    if (text.size() - line_at >= kLineBytes) {
      text += "]}\n";
      line_at = text.size();
    }
  }
  text += text.size() == line_at ? "" : "]}\n";
  send(text + "{\"command\":\"names_end\"}\n");
}

void ServerJob::send(std::string_view text) {
  if (input_.valid()) {
    unsent_ += text;
    send_more();
  }
}

void ServerJob::send_more() {
  while (sent_ < unsent_.size()) {
    const auto put = ::write(input_.get(), unsent_.data() + sent_, unsent_.size() - sent_);
    if (put < 0 && errno == EAGAIN) {
      loop_.watch_writable(input_.get(), [this] { send_more(); });
      return;
    }
    if (put < 0 && errno != EINTR) {
      return close_input();  // SIGPIPE is ignored; they are gone.
    }
    sent_ += put > 0 ? static_cast<std::size_t>(put) : 0;
  }
  unsent_ = {};
  sent_ = 0;
  loop_.unwatch_writable(input_.get());
}

void ServerJob::close_input() {
  if (input_.valid()) {
    loop_.unwatch_writable(input_.get());
    input_.reset();
  }
}

void ServerJob::kill() {
  close_input();
  signal_session(session_, SIGKILL);
}

void ServerJob::end(EventLoop::Clock::duration patience, const std::function<bool()>& hurry) {
  close_input();
  const auto gone = [this] { return !running(); };
  const auto gone_or_hurry = [&] { return gone() || hurry(); };
  loop_.wait(gone_or_hurry, EventLoop::Clock::now() + patience);
  if (running() && !hurry()) {
    ::kill(pid_, SIGTERM);
    loop_.wait(gone_or_hurry, EventLoop::Clock::now() + std::chrono::seconds(3));
  }
  if (running()) {
    kill();
    loop_.wait(gone, EventLoop::Clock::now() + std::chrono::seconds(5));
  }
  // A launcher that died alone leaves its ranks: end them too.
  const auto deadline = EventLoop::Clock::now() + std::chrono::seconds(5);
  while (signal_session(session_, SIGKILL) > 0 && EventLoop::Clock::now() < deadline) {
    loop_.wait([] { return false; }, EventLoop::Clock::now() + std::chrono::milliseconds(10));
  }
}

std::string ServerJob::last_words() const {
  return fmt::format("{}", fmt::join(lines_, "\n"));
}

}  // namespace forebay
