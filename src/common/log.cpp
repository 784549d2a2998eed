#include "common/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace forebay {
namespace {

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warning: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
  }
  return spdlog::level::err;
}

// The library makes its registry when it is first asked for it; who asks next sees it without a lock that a
// thread sanitizer could follow. So it is made before there are threads.
[[maybe_unused]] const spdlog::logger* const kMadeEarly = spdlog::default_logger_raw();

}  // namespace

void log_start(std::string_view who, LogLevel least) {
  const std::string name = who.empty() ? "forebay" : fmt::format("forebay[{}]", who);
  auto logger = std::make_shared<spdlog::logger>(name, std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%n %l: %v");
  logger->set_level(level_of(least));
  logger->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
}

void log_line(LogLevel level, std::string_view text) {
  spdlog::default_logger_raw()->log(level_of(level), text);
}

}  // namespace forebay
