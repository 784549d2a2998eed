#include "common/text_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <vector>

#include <fmt/format.h>

#include "common/unique_fd.hpp"

namespace forebay {

Result<std::string> read_text(int fd, const std::string& what, std::size_t bytes_max) {
  constexpr std::size_t kPartBytes = 64u << 10;
  std::string text;
  std::vector<char> part(kPartBytes);
  for (;;) {
    const auto bytes = ::read(fd, part.data(), part.size());
    if (bytes < 0 && errno == EINTR) {
      continue;
    }
    if (bytes < 0) {
      return error_from_errno("cannot read " + what);
    }
    if (bytes == 0) {
      return text;
    }
    text.append(part.data(), static_cast<std::size_t>(bytes));
    if (text.size() > bytes_max) {
      return Error{Code::bad_argument, fmt::format("{} is too large (above {} bytes)", what, bytes_max)};
    }
  }
}

Result<std::string> read_text_file(const std::string& path, std::size_t bytes_max) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    return error_from_errno("cannot open " + path);
  }
  return read_text(fd.get(), path, bytes_max);
}

}  // namespace forebay
