// What programs see of objects that have no owner, mode or inode of their own: those of stores behind HTTP.
//
// Files are 0444 and directories 0555, of the user who stages them. The times of a file are those of the
// store, directories are of 1970. An inode number follows from the path and the version, so that it is the
// same on every node and in every run, and another when the object was replaced.
#pragma once

#include <string_view>

#include "origin/origin.hpp"

namespace forebay {

// `origin`: its canonical name. `version`: what the store calls the version (an ETag).
[[nodiscard]] OriginAttributes store_file_attributes(std::string_view origin, std::string_view path,
                                                     std::string_view version, std::uint64_t size,
                                                     std::int64_t mtime_ns);
[[nodiscard]] OriginAttributes store_directory_attributes(std::string_view origin, std::string_view path);
[[nodiscard]] CatalogFileSystem store_file_system(std::string_view origin);

}  // namespace forebay
