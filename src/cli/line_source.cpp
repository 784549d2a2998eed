#include "cli/line_source.hpp"

#include <fcntl.h>

#include <array>

namespace forebay {

LineSource::LineSource(EventLoop& loop, UniqueFd fd, std::function<void(std::string_view)> on_line)
    : loop_(loop), fd_(std::move(fd)), on_line_(std::move(on_line)) {
  ::fcntl(fd_.get(), F_SETFL, ::fcntl(fd_.get(), F_GETFL) | O_NONBLOCK);
  loop_.watch(fd_.get(), [this] { read_some(); });
}

LineSource::~LineSource() {
  if (fd_.valid()) {
    loop_.unwatch(fd_.get());
  }
}

void LineSource::read_some() {
  std::array<char, 64 << 10> piece;
  const auto got = ::read(fd_.get(), piece.data(), piece.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
    return;
  }
  if (got > 0) {
    partial_.append(piece.data(), static_cast<std::size_t>(got));
  }
  std::size_t start = 0;
  for (auto end = partial_.find('\n'); end != std::string::npos; end = partial_.find('\n', start)) {
    on_line_(std::string_view(partial_).substr(start, end - start));
    start = end + 1;
  }
  partial_.erase(0, start);
  if (partial_.size() > kLineBytesMax || (got <= 0 && !partial_.empty())) {
    on_line_(partial_);
    partial_.clear();
  }
  if (got <= 0) {
    loop_.unwatch(fd_.get());
    fd_.reset();
  }
}

}  // namespace forebay
