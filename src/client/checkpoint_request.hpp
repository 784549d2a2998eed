// Asking the node's server about checkpoints (messages.hpp). Bounded as all requests are.
#pragma once

#include "client/mapped_session.hpp"
#include "shared/messages.hpp"

namespace forebay {

// `path` is relative to the tree. 0, or an errno: the server's, EIO when it is dead or silent.
int request_bring(const MappedSession& session, uint32_t checkpoint, CheckpointBring what, const char* path);

// The same where nothing else helps: a server that is started again is waited for.
int insist_on_bring(const MappedSession& session, uint32_t checkpoint, CheckpointBring what,
                    const char* path);

// The journal has a change up to `seq`. Returns when all nodes know it; or without that, when the server is
// dead, silent or slow.
void request_note(const MappedSession& session, uint32_t checkpoint, uint64_t seq);

// Waits until the content of `path` (a directory: of all in it) is as safe as the mount's FsyncMode asks for.
// 0 or an errno. Insists.
int request_sync(const MappedSession& session, uint32_t checkpoint, const char* path);

}  // namespace forebay
