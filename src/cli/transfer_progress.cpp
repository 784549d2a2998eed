#include "cli/transfer_progress.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "common/size_text.hpp"

namespace forebay {

std::string format_duration(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::max(seconds, 0.0));
  if (whole >= 3600) {
    return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
  }
  if (whole >= 60) {
    return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  }
  return seconds < 10 ? fmt::format("{:.1f} s", seconds) : fmt::format("{} s", whole);
}

std::string format_count(std::uint64_t count) {
  const auto digits = std::to_string(count);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) {
      text += ',';
    }
    text += digits[i];
  }
  return text;
}

std::string TransferProgress::line_for(const Amount& amount, Clock::time_point now) {
  if (!terminal_ && now - last_line_ < kLineEvery) {
    return {};
  }
  last_line_ = now;
  const double seconds = std::max(std::chrono::duration<double>(now - start_).count(), 1e-3);
  const double rate = static_cast<double>(amount.bytes) / seconds;
  const double objects_rate = static_cast<double>(amount.objects) / seconds;
  // By bytes; where all objects are empty, by objects.
  const double left =
      amount.bytes_total > amount.bytes && rate > 0
          ? static_cast<double>(amount.bytes_total - amount.bytes) / rate
      : objects_rate > 0
          ? static_cast<double>(amount.objects_total - std::min(amount.objects, amount.objects_total)) /
                objects_rate
          : 0;
  const auto text = fmt::format(
      "forebay: {0} {2} of {3}, {4} of {5} {1}, {6}/s, {7:.0f} {1}/s, {8} left", words_.done, words_.objects,
      format_size(amount.bytes), format_size(amount.bytes_total), format_count(amount.objects),
      format_count(amount.objects_total), format_size(static_cast<std::uint64_t>(rate)), objects_rate,
      amount.bytes + amount.objects == 0 ? "?" : format_duration(left));
  line_open_ = terminal_;
  return terminal_ ? "\r" + text + "\x1b[K" : text + "\n";
}

std::string TransferProgress::finish() {
  const bool open = line_open_;
  line_open_ = false;
  return open ? "\r\x1b[K" : "";
}

}  // namespace forebay
