#include "client/checkpoint_request.hpp"

#include <errno.h>
#include <string.h>

#include "client/server_request.hpp"

namespace forebay {
namespace {

int ask(const MappedSession& session, MessageKind kind, uint32_t checkpoint, uint32_t what, uint64_t seq,
        const char* path) {
  if (!server_answers(session)) {
    return EIO;
  }
  const size_t path_bytes = strlen(path);
  CheckpointRequest request;
  if (path_bytes >= sizeof request.path) {
    return ENAMETOOLONG;
  }
  const size_t bytes = offsetof(CheckpointRequest, path) + path_bytes;
  request.header = header_of(kind, bytes);
  request.checkpoint = checkpoint;
  request.what = what;
  request.seq = seq;
  request.path_bytes = static_cast<uint32_t>(path_bytes);
  request.reserved = 0;
  memcpy(request.path, path, path_bytes);
  return ask_plainly(session, &request, bytes);
}

// Asks, and once more when the server died meanwhile.
int insist(const MappedSession& session, MessageKind kind, uint32_t checkpoint, uint32_t what,
           const char* path) {
  int error = EIO;
  for (int tries = 0; tries < 2 && error == EIO && wait_for_server(session); ++tries) {
    error = ask(session, kind, checkpoint, what, 0, path);
    if (error == EIO && server_answers(session)) {
      break;
    }
  }
  return error;
}

}  // namespace

int request_bring(const MappedSession& session, uint32_t checkpoint, CheckpointBring what, const char* path) {
  return ask(session, MessageKind::checkpoint_bring, checkpoint, static_cast<uint32_t>(what), 0, path);
}

int insist_on_bring(const MappedSession& session, uint32_t checkpoint, CheckpointBring what,
                    const char* path) {
  return insist(session, MessageKind::checkpoint_bring, checkpoint, static_cast<uint32_t>(what), path);
}

void request_note(const MappedSession& session, uint32_t checkpoint, uint64_t seq) {
  ask(session, MessageKind::checkpoint_note, checkpoint, 0, seq, "");
}

int request_sync(const MappedSession& session, uint32_t checkpoint, const char* path) {
  return insist(session, MessageKind::checkpoint_sync, checkpoint, 0, path);
}

}  // namespace forebay
