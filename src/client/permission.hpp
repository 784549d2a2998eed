// Whether the caller may use a place, as the origin would judge.
#pragma once

#include "client/mapped_session.hpp"

namespace forebay {

enum class AsWhom { effective, real };
enum class Verdict {
  allowed,
  refused,     // EACCES
  ask_origin,  // extended attributes may say more than the mode bits
};

// `wanted`: R_OK, W_OK, X_OK or their sum. Mode bits, owner, groups and capabilities.
Verdict judge(const MappedSession& session, Place place, int wanted, AsWhom whom);

// The same by a mode and owners alone.
bool judge_mode(uint32_t mode, uid_t owner, gid_t group, int wanted, AsWhom whom);

// Whether the caller may look up names in directory `place`.
bool may_search(const MappedSession& session, Place place, AsWhom whom);

// Whether the caller owns `place`, or has its owner's rights: what O_NOATIME asks for.
bool owns(const MappedSession& session, Place place);

// Whether the origin's file system was mounted read-only when it was scanned.
bool is_read_only(const MappedSession& session, Place place);

}  // namespace forebay
