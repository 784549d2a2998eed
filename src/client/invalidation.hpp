// What a write makes stale: bypassed here at once, and on every node as soon as the server has told them.
#pragma once

#include "client/mapped_session.hpp"
#include "client/path_resolver.hpp"
#include "shared/messages.hpp"

namespace forebay {

// Collects what one call is about to change, under all the mounts it is seen at. commit() before the call, so
// that no reader gets the old bytes after it.
class Invalidation {
 public:
  explicit Invalidation(const MappedSession& session) : session_(session) {}

  // The object, symlink or directory itself: its data and attributes.
  void touch(Place place);
  // It and all below it.
  void touch_subtree(Place place);
  // What `resolution` found, if the catalog knows it.
  void touch_entry(const Resolution& resolution);
  // The directory whose listing changes because a name in it comes or goes.
  void touch_holder(const Resolution& resolution);
  // Asks the server to tell the others, if anything was new to this node. Blocks, for kSilenceMs at most
  // without a word.
  void commit();

 private:
  void add(Place place, InvalidateScope scope);
  void mark(Place place);
  void mark_subtree(Place place);
  void mark_twins(Place place, InvalidateScope scope);
  const MappedSession& session_;
  InvalidateItem items_[kInvalidatesMax];
  uint32_t count_ = 0;
};

}  // namespace forebay
