// ListingOutput: names of an origin on standard output, as they come, for people or as lines of JSON.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace forebay {

class ListingOutput {
 public:
  explicit ListingOutput(bool json) : json_(json) {}

  // Names are any bytes; in JSON, as ipc/admin.hpp writes them.
  void directory(std::string_view path);
  void file(std::string_view path, std::uint64_t size, std::int64_t mtime_ns, std::string_view etag);
  void link(std::string_view path, std::string_view target, std::int64_t mtime_ns);
  // Said as JSON; for people only counted.
  void left_out(std::string_view name, std::string_view reason);
  // Writes what is left; when all went well, also how much it was: as the last line of JSON, or on standard
  // error.
  void finish(bool is_complete);
  // An Error when standard output takes no more (a closed pipe).
  [[nodiscard]] const Status& status() const noexcept { return status_; }

 private:
  void line(std::string_view text);
  void flush();

  const bool json_;
  std::string buffer_;
  Status status_;
  std::uint64_t files_ = 0;
  std::uint64_t bytes_ = 0;
  std::map<std::string, std::uint64_t, std::less<>> left_out_;
};

}  // namespace forebay
