// LineSource: the lines that come out of a child's pipe, without ever blocking.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "cli/event_loop.hpp"
#include "common/unique_fd.hpp"

namespace forebay {

class LineSource {
 public:
  // A longer line is delivered in pieces, so that a child without newlines cannot fill our memory.
  static constexpr std::size_t kLineBytesMax = 16u << 20;

  // Reads `fd` (made non-blocking) whenever `loop` says so. `loop` outlives this.
  LineSource(EventLoop& loop, UniqueFd fd, std::function<void(std::string_view)> on_line);
  ~LineSource();
  LineSource(const LineSource&) = delete;
  LineSource& operator=(const LineSource&) = delete;

  // Everything the child wrote was delivered.
  [[nodiscard]] bool ended() const noexcept { return !fd_.valid(); }

 private:
  void read_some();

  EventLoop& loop_;
  UniqueFd fd_;
  std::function<void(std::string_view)> on_line_;
  std::string partial_;
};

}  // namespace forebay
