// Verifying a whole catalog once, so that none of its many readers has to check anything.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "common/result.hpp"

namespace forebay {

// Whether `file` is a catalog in which every reference leads where the layout (shared/catalog_layout.hpp)
// says: sections, checksum, texts, parents and children (so: no cycle), stripes, names of one file, and the
// index. O(size), on all cores. `what` names it in errors. Code: corrupt.
Status verify_catalog(std::span<const std::byte> file, const std::string& what);

}  // namespace forebay
