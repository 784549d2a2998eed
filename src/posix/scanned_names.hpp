// The names of a directory, in memory of malloc, as scandir gives them.
#pragma once

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

namespace forebay {

// No destructor: scandir's caller takes the memory. Else drop() it.
class ScannedNames {
 public:
  bool add(const struct dirent64& entry) {
    if (count_ == room_) {
      const size_t more = room_ == 0 ? 32 : room_ * 2;
      auto** grown = static_cast<struct dirent64**>(realloc(names_, more * sizeof *names_));
      if (grown == nullptr) {
        return false;
      }
      names_ = grown;
      room_ = more;
    }
    auto* copy = static_cast<struct dirent64*>(malloc(entry.d_reclen));
    if (copy == nullptr) {
      return false;
    }
    memcpy(copy, &entry, entry.d_reclen);
    names_[count_++] = copy;
    return true;
  }
  // False with errno.
  bool add_all(DIR* stream) {
    while (true) {
      errno = 0;
      const struct dirent64* entry = readdir64(stream);
      if (entry == nullptr) {
        return errno == 0;
      }
      if (!add(*entry)) {
        return false;
      }
    }
  }
  size_t count() const { return count_; }
  const struct dirent64& at(size_t i) const { return *names_[i]; }
  struct dirent64** names() const {
    return names_;
  }
  void drop() {
    for (size_t i = 0; i < count_; ++i) {
      free(names_[i]);
    }
    free(names_);
    names_ = nullptr;
    count_ = room_ = 0;
  }

 private:
  struct dirent64** names_ = nullptr;
  size_t count_ = 0;
  size_t room_ = 0;
};

}  // namespace forebay
