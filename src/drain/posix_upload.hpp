// PosixUpload: one file of a PosixDestination on its way.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <cstddef>
#include <span>
#include <string>

#include "common/unique_fd.hpp"
#include "drain/destination.hpp"

namespace forebay {

[[nodiscard]] timespec time_of(std::int64_t ns);

class PosixUpload {
 public:
  // Creates `temporary` in `directory`, in place of one that was left there. `what` names the file in errors.
  static Result<PosixUpload> create(UniqueFd directory, std::string temporary, std::string what);

  PosixUpload(PosixUpload&&) = default;
  PosixUpload& operator=(PosixUpload&&) = default;

  Status write(std::span<const std::byte> bytes);
  Status finish(const CheckpointAttributes& attributes);
  Status publish(int directory, const std::string& name, const std::string& what);
  // Unless it was published.
  void remove();

 private:
  PosixUpload() = default;
  // Whether the name is what was created here.
  [[nodiscard]] bool is_at(int directory, const std::string& name) const;

  UniqueFd directory_;
  UniqueFd file_;
  UniqueFd kept_;  // keeps the inode's number from being another file's
  std::string temporary_;
  std::string what_;
  std::uint64_t bytes_ = 0;
  std::uint64_t asked_to_write_ = 0;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  bool finished_ = false;
};

}  // namespace forebay
