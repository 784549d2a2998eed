#include "cli/checkpoint_options.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include <fmt/format.h>

#include "s3/s3_address.hpp"

namespace forebay {
namespace {

Error unusable(const std::string& destination, const std::string& why) {
  return Error{Code::bad_argument, fmt::format("--checkpoint: {} ({})", destination, why)};
}

Error unusable_by_errno(const std::string& destination, const std::string& what) {
  return unusable(destination, error_from_errno(what).text);
}

// The directory itself, or the nearest above it that is there.
Status check_directory(const std::string& destination) {
  std::filesystem::path path = destination;
  struct stat info {};
  while (::stat(path.c_str(), &info) != 0) {
    if (errno != ENOENT || !path.has_relative_path()) {
      return unusable_by_errno(destination, "cannot look at " + path.string());
    }
    path = path.has_filename() ? path.parent_path() : path.parent_path().parent_path();
  }
  if (!S_ISDIR(info.st_mode)) {
    return unusable(destination, path.string() + " is no directory");
  }
  if (::access(path.c_str(), W_OK | X_OK) != 0) {
    return unusable_by_errno(destination, "cannot write to " + path.string());
  }
  return {};
}

}  // namespace

std::span<const std::string_view> drain_setting_names() {
  static constexpr std::array<std::string_view, 6> kNames = {
      "fsync", "partners", "checkpoint-capacity", "checkpoint-full", "drain-bandwidth", "drain-threads"};
  return kNames;
}

void add_checkpoint_settings(CommandLine& line, CLI::App& verb) {
  line.add_settings(verb, {"checkpoint", "checkpoint-last"});
  for (const auto name : drain_setting_names()) {
    line.add_settings(verb, {name});
  }
}

Status check_destinations(const CheckpointSettings& settings) {
  for (const auto& spec : settings.mounts) {
    if (!is_url(spec.destination)) {
      FOREBAY_TRY(check_directory(spec.destination));
    } else if (auto location = parse_s3_url(spec.destination); !location.ok()) {
      return unusable(spec.destination, location.error().text);
    }
  }
  return {};
}

Status make_destinations(const CheckpointSettings& settings) {
  for (const auto& spec : settings.mounts) {
    std::error_code failed;
    if (!is_url(spec.destination) && !std::filesystem::create_directories(spec.destination, failed) &&
        failed) {
      return unusable(spec.destination, error_from_errno("cannot make it", failed.value()).text);
    }
  }
  return {};
}

}  // namespace forebay
