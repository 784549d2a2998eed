#include "s3/text_file.hpp"

#include <fcntl.h>

#include <array>

#include <fmt/format.h>

#include "common/unique_fd.hpp"

namespace forebay {

Result<std::string> read_text_file(const std::string& path) {
  constexpr std::size_t kBytesMax = 1u << 20;
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    return error_from_errno("cannot open " + path);
  }
  std::string text;
  std::array<char, 4096> part;
  for (;;) {
    const auto bytes = ::read(fd.get(), part.data(), part.size());
    if (bytes < 0 && errno == EINTR) {
      continue;
    }
    if (bytes < 0) {
      return error_from_errno("cannot read " + path);
    }
    if (bytes == 0) {
      return text;
    }
    text.append(part.data(), static_cast<std::size_t>(bytes));
    if (text.size() > kBytesMax) {
      return Error{Code::bad_argument, fmt::format("{} is too large (above {} bytes)", path, kBytesMax)};
    }
  }
}

}  // namespace forebay
