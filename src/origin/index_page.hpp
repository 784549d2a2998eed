// Index pages: what web servers say of a directory. Pure functions of bytes that a stranger chose.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace forebay {

struct PageEntry {
  std::string name;  // as a file system has it: no '/', no NUL, not . or .., at most 255 bytes
  bool is_directory = false;
  // Where the page says it exactly.
  std::optional<std::uint64_t> size;
  std::optional<std::int64_t> modified_s;  // since 1970 UTC
};

struct IndexPage {
  std::vector<PageEntry> entries;  // each name once
  std::size_t unusable = 0;        // names that no file can have, special files
};

// A page in HTML (nginx's autoindex, Apache's, Python's): each link to a direct child of the page is an
// entry, a directory when it ends with '/'. Links to elsewhere, with a query or a fragment, and to parents
// are not meant. Sizes and times are not taken from such pages: they are rounded. `page_path`: of the page's
// address, percent-encoded, with '/' at its end.
[[nodiscard]] IndexPage parse_index_html(std::string_view html, std::string_view page_path);

// nginx's `autoindex_format json`: [{"name", "type": "file" or "directory", "mtime", "size"}]. Code: io_error
// (no such document, a name that is not UTF-8).
Result<IndexPage> parse_index_json(std::string_view json);

// Whether a file or directory can have this name.
[[nodiscard]] bool is_file_name(std::string_view name) noexcept;

}  // namespace forebay
