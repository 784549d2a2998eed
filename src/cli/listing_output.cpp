#include "cli/listing_output.hpp"

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <vector>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "cli/say.hpp"
#include "cli/transfer_progress.hpp"
#include "common/size_text.hpp"
#include "ipc/admin.hpp"

namespace forebay {
namespace {

constexpr std::size_t kBufferBytes = 64u << 10;
constexpr std::int64_t kSecond_ns = 1'000'000'000;

std::string time_text(std::int64_t mtime_ns) {
  const auto seconds = mtime_ns / kSecond_ns - (mtime_ns % kSecond_ns < 0 ? 1 : 0);
  const auto time = static_cast<std::time_t>(seconds);
  std::tm utc{};
  return ::gmtime_r(&time, &utc) == nullptr ? "?" : fmt::format("{:%Y-%m-%d %H:%M:%S}", utc);
}

std::string json_line(const nlohmann::json& document) {
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

void ListingOutput::line(std::string_view text) {
  buffer_.append(text).push_back('\n');
  if (buffer_.size() >= kBufferBytes) {
    flush();
  }
}

void ListingOutput::flush() {
  if (status_.ok() && (std::fwrite(buffer_.data(), 1, buffer_.size(), stdout) != buffer_.size() ||
                       std::fflush(stdout) != 0)) {
    status_ = error_from_errno("cannot write to standard output");
  }
  buffer_.clear();
}

void ListingOutput::directory(std::string_view path) {
  line(json_ ? json_line({{"type", "directory"}, {"path", json_text_of_bytes(path)}})
             : fmt::format("{:>14}  {:19}  {}/", "-", "", path));
}

void ListingOutput::file(std::string_view path, std::uint64_t size, std::int64_t mtime_ns,
                         std::string_view etag) {
  ++files_;
  bytes_ += size;
  if (!json_) {
    line(fmt::format("{:>14}  {}  {}", size, time_text(mtime_ns), path));
    return;
  }
  nlohmann::json document = {
      {"type", "file"}, {"path", json_text_of_bytes(path)}, {"size", size}, {"mtime_ns", mtime_ns}};
  if (!etag.empty()) {
    document["etag"] = json_text_of_bytes(etag);
  }
  line(json_line(document));
}

void ListingOutput::link(std::string_view path, std::string_view target, std::int64_t mtime_ns) {
  line(json_ ? json_line({{"type", "link"},
                          {"path", json_text_of_bytes(path)},
                          {"target", json_text_of_bytes(target)},
                          {"mtime_ns", mtime_ns}})
             : fmt::format("{:>14}  {}  {} -> {}", "-", time_text(mtime_ns), path, target));
}

void ListingOutput::left_out(std::string_view name, std::string_view reason) {
  ++left_out_.try_emplace(std::string(reason)).first->second;
  if (json_) {
    line(json_line({{"type", "left_out"}, {"path", json_text_of_bytes(name)}, {"reason", reason}}));
  }
}

void ListingOutput::finish(bool is_complete) {
  if (json_ && is_complete) {
    line(json_line({{"type", "summary"}, {"objects", files_}, {"bytes", bytes_}, {"left_out", left_out_}}));
  }
  flush();
  if (json_ || !is_complete) {
    return;
  }
  std::uint64_t sum = 0;
  std::vector<std::string> reasons;
  for (const auto& [reason, count] : left_out_) {
    sum += count;
    reasons.push_back(fmt::format("{} {}", format_count(count), reason));
  }
  say_line(fmt::format("{} objects, {}{}", format_count(files_), format_size(bytes_),
                       sum == 0 ? ""
                                : fmt::format("; {} left out ({}), --json says which", format_count(sum),
                                              fmt::join(reasons, ", "))));
}

}  // namespace forebay
