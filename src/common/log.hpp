// Log: one line an event, to standard error, "forebay[node] level: text".
#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>

namespace forebay {

enum class LogLevel { debug, info, warning, error };

// Once, at the start of main(). `who` names this process in each line ("n3"); may be empty.
// Levels below `least` are dropped.
void log_start(std::string_view who, LogLevel least);
void log_line(LogLevel level, std::string_view text);

template <typename... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::info, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace forebay
