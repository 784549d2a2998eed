#include <errno.h>
#include <unistd.h>

#include "client/checkpoint_bring.hpp"
#include "client/mapped_session.hpp"
#include "client/object_open.hpp"
#include "client/path_resolver.hpp"
#include "client/permission.hpp"
#include "forebay/forebay.h"

namespace forebay {
namespace {

bool is_local(const MappedSession& session, Place place) {
  return !CatalogView::is_object(session.entry_of(place)) ||
         session.dataset_of(place).state.buffer_inode(session.state_entry(place)) != 0;
}

}  // namespace
}  // namespace forebay

using forebay::MappedSession;
using forebay::Outcome;
using forebay::Resolution;

int forebay_attach(const char* session) {
  return (session == nullptr ? forebay::session() : forebay::attach_session(session)) != nullptr ? 0
                                                                                                 : -ENOENT;
}

int forebay_where(const char* path) {
  const MappedSession* session = forebay::session();
  Resolution found;
  if (session == nullptr) {
    return FOREBAY_OUTSIDE;
  }
  switch (forebay::resolve(*session, AT_FDCWD, path, forebay::Follow::yes, &found)) {
    case Outcome::failed:
      return -found.error;
    case Outcome::origin:
      return FOREBAY_AT_ORIGIN;
    case Outcome::entry:
      if (forebay::is_local(*session, found.place())) {
        return FOREBAY_LOCAL;
      }
      return forebay::fits_nowhere(*session, found.place()) ? FOREBAY_AT_ORIGIN : FOREBAY_REMOTE;
    case Outcome::checkpoint:
      if (found.mode == 0) {
        return -ENOENT;
      }
      return forebay::is_placeholder_mode(found.mode) ? FOREBAY_REMOTE : FOREBAY_LOCAL;
    case Outcome::libc:
    case Outcome::elsewhere:
      break;
  }
  return FOREBAY_OUTSIDE;
}

int forebay_fetch(const char* path) {
  const int where = forebay_where(path);
  if (where < 0 || where == FOREBAY_LOCAL) {
    return where < 0 ? where : 0;
  }
  const MappedSession* session = forebay::session();
  Resolution found;
  const Outcome outcome = where != FOREBAY_REMOTE
                              ? Outcome::libc
                              : forebay::resolve(*session, AT_FDCWD, path, forebay::Follow::yes, &found);
  if (outcome == Outcome::checkpoint) {
    return forebay::bring_content(*session, &found, forebay::CheckpointBring::content) == 0 ? 0 : -EAGAIN;
  }
  if (outcome != Outcome::entry) {
    return -EINVAL;
  }
  if (forebay::judge(*session, found.place(), R_OK, forebay::AsWhom::effective) ==
      forebay::Verdict::refused) {
    return -EACCES;
  }
  const forebay::Opened opened =
      forebay::open_object(*session, found.place(), O_RDONLY | O_CLOEXEC, &found.path);
  if (opened.fd < 0) {
    return -EAGAIN;
  }
  forebay::sys::close(opened.fd);
  return opened.partial ? -EAGAIN : 0;
}

int forebay_get_counters(struct forebay_counters* into) {
  const MappedSession* session = forebay::session();
  if (session == nullptr) {
    return -ENOENT;
  }
  *into = {};
  for (const auto& shard : session->control->counters) {
    into->opens_local += __atomic_load_n(&shard.opens_local, __ATOMIC_RELAXED);
    into->opens_peer += __atomic_load_n(&shard.opens_peer, __ATOMIC_RELAXED);
    into->opens_origin += __atomic_load_n(&shard.opens_origin, __ATOMIC_RELAXED);
    into->bypassed += __atomic_load_n(&shard.bypassed, __ATOMIC_RELAXED);
    into->failures += __atomic_load_n(&shard.failures, __ATOMIC_RELAXED);
  }
  return 0;
}
