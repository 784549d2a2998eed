// nftw as glibc does it, over what the hooks answer.
#pragma once

#include <ftw.h>

namespace forebay {

using TreeVisit = int (*)(const char* path, const struct stat* info, int flag, struct FTW* where);

// Whether a walk that begins at `start` is not libc's.
bool begins_in_mount(const char* start);

// The walk's result, as nftw's. `flags` are known ones.
int walk_tree(const char* start, TreeVisit visit, int descriptors, int flags);

}  // namespace forebay
