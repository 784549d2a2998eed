// Leaving the directories that stand for the origin's, for what would find them empty: programs without the
// interposer, and calls that libc makes within itself.
#pragma once

#include <sys/stat.h>

#include "client/mapped_session.hpp"
#include "client/system_call.hpp"

namespace forebay {

// While it lives, a working directory that is a stand-in is the origin's own directory instead; for other
// threads, too, to whom both mean the same. Does nothing where the origin's cannot be opened. Safe in a vfork
// child.
class AtOriginDirectory {
 public:
  // `trees_too`: so is one in a checkpoint's tree, for a program that would see the tree alone.
  enum class Leaves { stand_ins, trees_too };
  explicit AtOriginDirectory(const MappedSession* session, Leaves leaves = Leaves::stand_ins);
  ~AtOriginDirectory();
  AtOriginDirectory(const AtOriginDirectory&) = delete;
  AtOriginDirectory& operator=(const AtOriginDirectory&) = delete;
  // The process stays there.
  void stay();

 private:
  void go_to_destination();
  const MappedSession* const session_;
  sys::Descriptor back_;
  struct stat moved_to_;
};

// Makes `fd`, if it is of a stand-in or of the buffer, one of the origin's directory or object.
void give_descriptor_to_origin(const MappedSession& session, int fd);

// Makes every open descriptor of a stand-in one of the origin's directory, except those that end with exec if
// `inherited_only`.
void give_directories_to_origin(const MappedSession& session, bool inherited_only);

}  // namespace forebay
