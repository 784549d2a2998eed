// The skeleton of real, empty directories that stands for a dataset's directories in the session.
#pragma once

#include <string>

#include "common/result.hpp"
#include "shared/catalog_view.hpp"
#include "shared/state_layout.hpp"

namespace forebay {

// Makes `root` and below it a directory for each of the catalog's, and publishes their inodes in the entry
// words. Works for any depth and any names: it never handles a whole path. Directories that are left to the
// origin get none. Codes: no_space, io_error.
Status make_session_tree(const std::string& root, const CatalogView& catalog, const StateView& state);

// Removes a tree of any depth, following no link. A missing one is not an error.
Status remove_deep_tree(const std::string& root);

}  // namespace forebay
