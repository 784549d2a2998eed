// PosixReader: one regular file of a POSIX origin, held to the version the catalog names.
#pragma once

#include <string>

#include "common/unique_fd.hpp"
#include "origin/origin.hpp"

namespace forebay {

class PosixReader final : public OriginReader {
 public:
  // Takes `fd` when what it opens is the version `expected` describes. `what` names it in errors. Codes:
  // changed, io_error.
  static Result<std::unique_ptr<OriginReader>> of(UniqueFd fd, const CatalogEntry& expected,
                                                  std::string what);

  PosixReader(UniqueFd fd, const CatalogEntry& expected, std::string what)
      : fd_(std::move(fd)), expected_(expected), what_(std::move(what)) {}

  Status read(std::uint64_t offset, std::span<std::byte> into) override;
  Status verify_unchanged() override;

 private:
  UniqueFd fd_;
  CatalogEntry expected_;
  std::string what_;
};

}  // namespace forebay
