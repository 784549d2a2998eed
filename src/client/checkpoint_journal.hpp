// The journal of a checkpoint's store (shared/checkpoint_layout.hpp), as those write it who change the tree.
//
// It is opened for each use, and never kept: the server replaces it. While one is locked here the server
// neither replaces it nor a name of the tree.
#pragma once

#include "client/mapped_session.hpp"
#include "client/system_call.hpp"
#include "shared/checkpoint_layout.hpp"

namespace forebay {

class ChangeJournal {
 public:
  ChangeJournal(const MappedSession& session, uint32_t checkpoint)
      : session_(session), record_(session.checkpoints[checkpoint].record), checkpoint_(checkpoint) {}
  ChangeJournal(const ChangeJournal&) = delete;
  ChangeJournal& operator=(const ChangeJournal&) = delete;
  ~ChangeJournal() { close(); }

  // Opens and locks it (shared with other writers). 0 or an errno; EIO when the server has it for a minute.
  int open();
  // Paths are relative to the tree. 0 or an errno. seq() is the record's then.
  int append(JournalKind kind, uint32_t flags, uint64_t about, const char* path, const char* second = "");
  void sync() { sys::call(SYS_fdatasync, fd_.get()); }
  void close();

  uint64_t seq() const { return seq_; }
  uint32_t checkpoint() const { return checkpoint_; }
  const MappedSession& session() const { return session_; }

 private:
  const MappedSession& session_;
  CheckpointRecord* const record_;
  const uint32_t checkpoint_;
  sys::Descriptor fd_;
  uint64_t seq_ = 0;
};

// A change of names: announced before it is made, confirmed behind it, durable and known to all nodes when
// finish() is back.
class NamesChange {
 public:
  NamesChange(const MappedSession& session, uint32_t checkpoint) : journal_(session, checkpoint) {}
  // 0, or an errno: then nothing may be changed. The paths stay the caller's until finish().
  int begin(JournalKind kind, uint32_t flags, const char* path, const char* second = "");
  void finish(bool done);

 private:
  ChangeJournal journal_;
  JournalKind kind_ = JournalKind::removed;
  uint32_t flags_ = 0;
  const char* path_ = "";
  const char* second_ = "";
  uint64_t begun_ = 0;
};

}  // namespace forebay
