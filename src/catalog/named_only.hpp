// What a list of names (catalog/name_list.hpp) leaves of listings.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "catalog/catalog.hpp"
#include "catalog/name_list.hpp"
#include "common/result.hpp"

namespace forebay {

// What becomes of a name that is not on the list, nor above or below one that is.
enum class Unnamed {
  left_to_origin,  // a file system's: programs see it there
  left_out,        // a store's, where nobody can see it otherwise
};

// `encoded` (catalog/listing_codec.hpp) with `unnamed` applied. Code: corrupt (cut or malformed).
Result<std::vector<std::byte>> named_only(std::span<const std::byte> encoded, const NameList& names,
                                          Unnamed unnamed);

// Whether all of `names` are in `catalog`. Code: bad_argument, with how many are not and the first of them.
Status check_all_found(const Catalog& catalog, const NameList& names);

}  // namespace forebay
