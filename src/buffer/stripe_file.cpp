#include "buffer/stripe_file.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "common/chunk.hpp"
#include "common/path_io.hpp"

namespace forebay {

Result<std::uint64_t> checksum_in_file(int fd, std::uint64_t offset, std::uint64_t bytes,
                                       const std::string& what) {
  std::vector<std::byte> chunk(std::min<std::uint64_t>(bytes, kChunkBytes));
  std::vector<std::uint64_t> checksums;
  for (std::uint64_t done = 0; done < bytes || checksums.empty(); done += chunk.size()) {
    chunk.resize(std::min<std::uint64_t>(bytes - done, kChunkBytes));
    FOREBAY_ASSIGN(got, read_fully_at(fd, chunk, static_cast<off_t>(offset + done), what));
    if (got != chunk.size()) {
      return Error{Code::corrupt, what + " ends early"};
    }
    checksums.push_back(checksum_bytes(chunk.data(), chunk.size()));
    if (chunk.empty()) {
      break;
    }
  }
  return stripe_checksum(checksums);
}

}  // namespace forebay
