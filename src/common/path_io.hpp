// Whole transfers on descriptors, and directories that are safely ours.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace forebay {

// Reads until `into` is full or the file ends; returns the bytes read. EINTR is retried. `what` names the file in errors.
Result<std::size_t> read_fully_at(int fd, std::span<std::byte> into, off_t offset, const std::string& what);
// Writes all of `from`. Codes: no_space, io_error.
Status write_fully_at(int fd, std::span<const std::byte> from, off_t offset, const std::string& what);

// Makes `path` and its missing parents; the last component is a directory of this user, mode 0700, not a link.
// An existing one of another user or a link is refused (permission); one of ours is made private.
Status make_private_directory(const std::string& path);

// Opens the directory `name` of `at` for reading. A link, or one of another user, is refused (permission). `what` names
// it in errors.
Result<UniqueFd> open_own_directory(int at, const char* name, const std::string& what);

// Removes `path` with all below it, following no link. A missing `path` is not an error.
Status remove_tree(const std::string& path);

}  // namespace forebay
