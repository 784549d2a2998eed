// A catalog entry as the kernel's structures.
#pragma once

#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include "client/mapped_session.hpp"

namespace forebay {

void fill_stat(const MappedSession& session, Place place, struct stat* into);
// Everything the catalog knows, whatever was asked for, as the kernel does; without mount id and attributes.
void fill_statx(const MappedSession& session, Place place, struct statx* into);
void fill_statfs(const MappedSession& session, Place place, struct statfs* into);
void fill_statvfs(const MappedSession& session, Place place, struct statvfs* into);

// The attributes of an open descriptor of ours, of which the kernel's are in `into`. What has changed at the
// origin since without changing the object's version (its mode, its links) is asked there; the bytes of an
// older version keep the catalog's attributes.
void fill_stat_of_open(const MappedSession& session, Place place, struct stat* into);
void fill_statx_of_open(const MappedSession& session, Place place, int fd, struct statx* into);

}  // namespace forebay
