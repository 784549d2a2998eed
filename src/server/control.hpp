// Control: what the world outside asks of this server: signals, the supervisor's lines, a peer's stop.
//
// One thread listens from the first moment to the last, so that a server can be ended whatever else it waits
// for.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace forebay {

// Blocks the signals that Control takes, in this thread and those it starts; ignores SIGPIPE. First thing in
// main.
void block_control_signals();

class Control {
 public:
  // From the stop to the process's end, whatever hangs.
  static constexpr std::chrono::milliseconds kStopDeadline{8000};

  enum class Event {
    none,      // the time is over
    stop,      // this server is asked to stop: the job should
    stop_now,  // the job stops
    report,    // the supervisor asks for a report
    staged,    // notify_staged() was called
    drain,     // take_drain() has a command
  };
  // The supervisor's (server/supervision.hpp).
  struct Drain {
    nlohmann::json id;
    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  };

  // How the process ends without the help of the others: on Control's thread; they do not return.
  struct Ends {
    // A stop before serving(), or after kStopDeadline.
    std::function<void()> abandon;
    // Where servers that end are started again: at a signal, which is not meant for this one alone, and at
    // the end of the input while `run` lives. What this server shares stays as it is. May be empty: then
    // these mean stop.
    std::function<void()> leave;
    // Whether `run` lives; nothing where this host cannot know.
    std::function<std::optional<bool>()> run_lives;
    // There are checkpoints: a signal leaves kDrainAfterSignalMs for a drain, with which the server serves
    // on.
    bool drains = false;
  };

  // `supervised`: commands come on standard input, and its end means stop.
  Control(bool supervised, Ends ends);
  ~Control();

  // From now on a stop is an event and no longer the end.
  void serving();
  Event wait(std::chrono::milliseconds time);

  // The names that the supervisor sends, once all are there. Does not return where they never come: then the
  // process ends as at any stop before serving().
  std::vector<std::string> take_names();

  // After Event::drain: the last one.
  Drain take_drain();
  // The job drains what checkpoints have: a signal does not end this server any more.
  void keep_serving();

  void request_stop();
  // The server could not start and ends by itself: within kStopDeadline, or at once as at a signal.
  void failed();
  // The exchange with the other nodes is broken: this server cannot go on. Where servers are started again it
  // ends as at a signal (and this does not return); elsewhere it stops by itself.
  void exchange_failed();
  void stop_now();
  void notify_staged();

 private:
  void listen();
  void read_signal();
  bool read_commands();
  void input_ended();
  void obey(const std::string& line);
  void wake() const;
  [[nodiscard]] int milliseconds_left();

  const bool supervised_;
  const Ends ends_;
  UniqueFd signals_;
  UniqueFd wake_;
  std::string input_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool serving_ = false;
  bool ended_ = false;
  bool stop_ = false;
  bool stop_told_ = false;
  bool stop_now_ = false;
  bool failed_ = false;
  std::chrono::steady_clock::time_point input_ended_stop_ = std::chrono::steady_clock::time_point::max();
  bool report_ = false;
  std::vector<std::string> names_;  // of the listening thread until names_ended_
  bool names_ended_ = false;
  bool staged_ = false;
  std::optional<Drain> drain_;
  bool drain_told_ = false;
  bool keeps_serving_ = false;
  std::chrono::steady_clock::time_point leave_at_ = std::chrono::steady_clock::time_point::max();
  std::chrono::steady_clock::time_point stop_by_ = std::chrono::steady_clock::time_point::max();
  std::thread thread_;
};

// One line of JSON on standard output, whole. What nobody reads any more is dropped.
void emit_event(const nlohmann::json& event);

}  // namespace forebay
