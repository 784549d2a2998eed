// Reading an object in partial mode: stripes that are here from the buffer, those that are not after asking
// the server for them, and whatever does not work out from the origin's descriptor, as without forebay; of a
// store, whose descriptor cannot be read, that is an error.
//
// No state but the hint; no lock, no allocation, no descriptor kept. Every byte given was read while its
// stripe's word said present, the same before and after (shared/state_layout.hpp).
#pragma once

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "client/partial_hints.hpp"

namespace forebay {

class PartialFile {
 public:
  // Whether `fd` is in partial mode now; only then the rest may be called.
  bool find(int fd);

  [[nodiscard]] uint64_t size() const { return size_; }
  [[nodiscard]] const MappedSession& session() const { return *session_; }
  [[nodiscard]] Place place() const { return place_; }
  [[nodiscard]] bool is_of_store() const { return of_store_; }

  // As preadv: bytes, 0 at the end, or -errno of the origin's descriptor. Gives all that was asked for but at
  // the end of the object, or when the origin's descriptor gives less.
  ssize_t read_at(const struct iovec* pieces, int count, uint64_t offset) const;
  ssize_t read_at(void* into, size_t bytes, uint64_t offset) const;
  // As readv: at the position of the descriptor, which moves on. The range is taken first, and what was not
  // read is given back: two threads that read at once get different ranges, as with the kernel.
  ssize_t read_on(const struct iovec* pieces, int count) const;

  // Takes up to `bytes` behind the descriptor's position: how many, from *offset on.
  ssize_t take_range(size_t bytes, uint64_t* offset) const;
  void give_back(size_t bytes) const;

 private:
  size_t read_stripe(const struct iovec* pieces, int count, size_t from, size_t bytes, uint64_t offset,
                     int* error) const;
  bool bring(uint32_t number, int* error) const;
  void look_ahead(uint64_t offset, uint64_t bytes) const;
  void ask(uint32_t number, uint32_t read_ahead, bool* done, int* error) const;
  int open_in_buffer() const;

  const MappedSession* session_ = nullptr;
  PartialHint* hint_ = nullptr;
  Place place_{};
  int fd_ = -1;
  uint64_t size_ = 0;
  uint64_t stripe_bytes_ = 0;
  uint32_t first_stripe_ = 0;
  bool of_store_ = false;
};

// Of such pieces, how many bytes; -1 when the kernel would refuse them.
ssize_t bytes_of_pieces(const struct iovec* pieces, int count);

}  // namespace forebay
