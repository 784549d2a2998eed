#include "client/partial_read.hpp"

#include <errno.h>
#include <limits.h>

#include "client/buffer_path.hpp"
#include "client/server_request.hpp"
#include "client/system_call.hpp"
#include "shared/seal.hpp"

namespace forebay {
namespace {

constexpr uint64_t kNsPerSecond = 1000000000;
constexpr uint64_t kQuietAfterRefusalNs = kNsPerSecond;
constexpr uint64_t kQuietAfterSilenceNs = 5 * kNsPerSecond;
// A stripe that is asked for again so soon was evicted before it was read: there is no room for this.
constexpr uint64_t kThrashNs = kNsPerSecond;
constexpr uint32_t kReadAhead = 4;
constexpr uint64_t kRunIsSequential = 2;
// Between two looks at a stripe's word; far less than may be read within kPartialReadNsMax.
constexpr size_t kReadOnceMax = 4 << 20;
constexpr int kStoreAttempts = 20;
constexpr size_t kKernelReadMax = 0x7ffff000;
constexpr int kPiecesAtOnce = 16;

ssize_t preadv(int fd, const struct iovec* pieces, int count, uint64_t offset) {
  return sys::call(SYS_preadv, fd, sys::arg(pieces), count, static_cast<long>(offset), 0);
}

struct Cursor {
  const struct iovec* pieces;
  int left;
  size_t inside = 0;  // of the first piece
  void skip(size_t bytes) {
    inside += bytes;
    while (left > 0 && inside >= pieces->iov_len) {
      inside -= pieces->iov_len;
      ++pieces;
      --left;
    }
  }
  // Up to kPiecesAtOnce of the next `bytes`.
  int cut(size_t bytes, struct iovec into[kPiecesAtOnce]) const {
    int count = 0;
    size_t start = inside;
    for (int i = 0; i < left && bytes > 0 && count < kPiecesAtOnce; ++i, start = 0) {
      const size_t here = pieces[i].iov_len - start < bytes ? pieces[i].iov_len - start : bytes;
      if (here > 0) {
        into[count++] = {static_cast<char*>(pieces[i].iov_base) + start, here};
        bytes -= here;
      }
    }
    return count;
  }
};

// Bytes, fewer when the file or what the memory takes ends; -errno when there are none for that reason.
ssize_t read_pieces(int fd, const struct iovec* pieces, int count, size_t from, size_t bytes,
                    uint64_t offset) {
  Cursor cursor{pieces, count};
  cursor.skip(from);
  size_t done = 0;
  while (done < bytes) {
    struct iovec now[kPiecesAtOnce];
    const int cut = cursor.cut(bytes - done, now);
    const ssize_t got = preadv(fd, now, cut, offset + done);
    if (got < 0) {
      return done > 0 ? static_cast<ssize_t>(done) : got;
    }
    if (got == 0) {
      break;
    }
    done += static_cast<size_t>(got);
    cursor.skip(static_cast<size_t>(got));
  }
  return static_cast<ssize_t>(done);
}

uint64_t load(const uint64_t& field) {
  return __atomic_load_n(&field, __ATOMIC_RELAXED);
}
void store(uint64_t& field, uint64_t value) {
  __atomic_store_n(&field, value, __ATOMIC_RELAXED);
}

}  // namespace

ssize_t bytes_of_pieces(const struct iovec* pieces, int count) {
  if (count < 0 || count > IOV_MAX) {
    return -1;
  }
  size_t sum = 0;
  for (int i = 0; i < count; ++i) {
    if (pieces[i].iov_len > SSIZE_MAX - sum) {
      return -1;
    }
    sum += pieces[i].iov_len;
  }
  return static_cast<ssize_t>(sum < kKernelReadMax ? sum : kKernelReadMax);
}

bool PartialFile::find(int fd) {
  session_ = forebay::session();
  if (session_ == nullptr) {
    return false;
  }
  hint_ = partial_hint(*session_, fd, &place_);
  if (hint_ == nullptr) {
    return false;
  }
  fd_ = fd;
  const MappedDataset& dataset = session_->dataset_of(place_);
  const CatalogEntry& entry = dataset.catalog.entry(session_->state_entry(place_));
  size_ = entry.size;
  stripe_bytes_ = dataset.catalog.header().stripe_bytes;
  first_stripe_ = entry.first;
  of_store_ = !dataset.origin_is_posix;
  return true;
}

ssize_t PartialFile::read_at(void* into, size_t bytes, uint64_t offset) const {
  const struct iovec piece = {into, bytes};
  return read_at(&piece, 1, offset);
}

ssize_t PartialFile::read_at(const struct iovec* pieces, int count, uint64_t offset) const {
  const ssize_t wanted = bytes_of_pieces(pieces, count);
  if (of_store_ && (wanted <= 0 || offset >= size_)) {
    return wanted < 0 ? -EINVAL : 0;
  }
  if (wanted <= 0 || offset >= size_) {
    return preadv(fd_, pieces, count, offset);
  }
  const uint64_t left = size_ - offset;
  const size_t bytes = static_cast<uint64_t>(wanted) < left ? static_cast<size_t>(wanted) : left;
  look_ahead(offset, bytes);
  size_t done = 0;
  size_t from_buffer = 0;
  while (done < bytes) {
    const uint64_t at = offset + done;
    const uint64_t stripe_left = stripe_bytes_ - at % stripe_bytes_;
    size_t step = bytes - done < kReadOnceMax ? bytes - done : kReadOnceMax;
    step = step < stripe_left ? step : stripe_left;
    int error = 0;
    const size_t here = read_stripe(pieces, count, done, step, at, &error);
    from_buffer += here;
    done += here;
    if (here < step && of_store_) {  // There is nothing else to read.
      if (done == 0) {
        return error != 0 ? -error : -EIO;
      }
      break;
    }
    if (here < step) {
      const ssize_t native = read_pieces(fd_, pieces, count, done, step - here, at + here);
      if (native < 0 && done == 0) {
        return native;
      }
      done += native > 0 ? static_cast<size_t>(native) : 0;
      if (native < static_cast<ssize_t>(step - here)) {
        break;
      }
    }
  }
  __atomic_fetch_add(&session_->counters().partial_bytes, from_buffer, __ATOMIC_RELAXED);
  return static_cast<ssize_t>(done);
}

// Of one stripe, what the buffer gives: all of it, or less when it cannot be had; `error` may say why.
size_t PartialFile::read_stripe(const struct iovec* pieces, int count, size_t from, size_t bytes,
                                uint64_t offset, int* error) const {
  const auto number = static_cast<uint32_t>(offset / stripe_bytes_);
  const uint32_t stripe = first_stripe_ + number;
  const StateView& state = session_->dataset_of(place_).state;
  // Again when it went while it was read: a store's for longer, as it is to be had nowhere else.
  const int attempts = of_store_ ? kStoreAttempts : 2;
  for (int attempt = 0; attempt < attempts; ++attempt) {
    uint32_t word = state.stripe_word(stripe);
    if (StateView::phase_of(word) != StripePhase::present) {
      if (!bring(number, error)) {
        return 0;
      }
      word = state.stripe_word(stripe);
    }
    const uint64_t begun_ns = sys::monotonic_ns();
    const sys::Descriptor buffer(open_in_buffer());
    if (!buffer.valid() && of_store_ && !state.still_present(stripe, word)) {
      continue;
    }
    if (!buffer.valid()) {
      return 0;
    }
    const ssize_t got = read_pieces(buffer.get(), pieces, count, from, bytes, offset);
    if (got < 0) {
      *error = static_cast<int>(-got);
    }
    if (state.still_present(stripe, word) && sys::monotonic_ns() - begun_ns < kPartialReadNsMax) {
      return got > 0 ? static_cast<size_t>(got) : 0;
    }
  }
  return 0;
}

int PartialFile::open_in_buffer() const {
  const MappedDataset& dataset = session_->dataset_of(place_);
  const uint32_t state_entry = session_->state_entry(place_);
  const CatalogEntry& entry = dataset.catalog.entry(state_entry);
  const uint64_t whole_inode = dataset.state.buffer_inode(state_entry);
  BufferPath path;
  write_buffer_path(*session_, identity_of(entry), whole_inode == 0, &path);
  sys::Descriptor fd(sys::openat(AT_FDCWD, path.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat info;
  if (!fd.valid() || sys::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode) ||
      info.st_dev != session_->control->buffer_device || static_cast<uint64_t>(info.st_size) != size_ ||
      (whole_inode != 0 &&
       (info.st_ino != whole_inode || !is_published_file(info, identity_of(entry), size_)))) {
    return -1;
  }
  return fd.release();
}

// Makes a stripe present, if the server can.
bool PartialFile::bring(uint32_t number, int* error) const {
  bool done = false;
  const uint32_t read_ahead = load(hint_->run) >= kRunIsSequential ? kReadAhead : 0;
  if (of_store_) {
    ask(number, read_ahead, &done, error);
    return done;
  }
  const StateView& state = session_->dataset_of(place_).state;
  if (state.owner(first_stripe_ + number) == kNoOwner) {
    return false;
  }
  const uint64_t now = sys::monotonic_ns();
  if (now < load(hint_->quiet_until_ns)) {
    return false;
  }
  if (load(hint_->asked) == uint64_t{number} + 1 && now - load(hint_->asked_ns) < kThrashNs) {
    store(hint_->quiet_until_ns, now + kQuietAfterRefusalNs);
    return false;
  }
  ask(number, read_ahead, &done, error);
  return done;
}

void PartialFile::ask(uint32_t number, uint32_t read_ahead, bool* done, int* error) const {
  if (!server_answers(*session_)) {
    return;
  }
  const StripeAnswer answer = request_stripe(*session_, place_, number, read_ahead, error);
  const uint64_t now = sys::monotonic_ns();
  *done = answer == StripeAnswer::present;
  store(hint_->asked, uint64_t{number} + 1);
  store(hint_->asked_ns, now);
  if (answer != StripeAnswer::present) {
    store(hint_->quiet_until_ns,
          now + (answer == StripeAnswer::refused ? kQuietAfterRefusalNs : kQuietAfterSilenceNs));
  }
}

// Follows the reader; a sequential one that comes into a stripe has those behind it brought.
void PartialFile::look_ahead(uint64_t offset, uint64_t bytes) const {
  const uint64_t before = load(hint_->next_offset);
  const uint64_t run = offset == before ? load(hint_->run) + 1 : 0;
  store(hint_->run, run);
  store(hint_->next_offset, offset + bytes);
  const uint64_t last = (offset + bytes - 1) / stripe_bytes_;
  const uint64_t stripes = (size_ + stripe_bytes_ - 1) / stripe_bytes_;
  if (run < kRunIsSequential || (before > 0 && (before - 1) / stripe_bytes_ == last) || last + 1 >= stripes) {
    return;
  }
  const StateView& state = session_->dataset_of(place_).state;
  const auto number = static_cast<uint32_t>(last);
  const uint32_t next = first_stripe_ + number + 1;
  // An absent stripe is asked for anyway, and those behind it with it.
  if (state.phase(first_stripe_ + number) == StripePhase::present &&
      state.phase(next) == StripePhase::absent && (of_store_ || state.owner(next) != kNoOwner) &&
      sys::monotonic_ns() >= load(hint_->quiet_until_ns)) {
    bool done = false;
    int error = 0;
    ask(number, kReadAhead, &done, &error);
  }
}

ssize_t PartialFile::take_range(size_t bytes, uint64_t* offset) const {
  const off_t position = sys::lseek(fd_, 0, SEEK_CUR);
  if (position < 0 || static_cast<uint64_t>(position) >= size_) {
    return 0;
  }
  const uint64_t left = size_ - static_cast<uint64_t>(position);
  const size_t taken = bytes < left ? bytes : left;
  const off_t end = sys::lseek(fd_, static_cast<off_t>(taken), SEEK_CUR);
  if (end < static_cast<off_t>(taken)) {
    return 0;
  }
  *offset = static_cast<uint64_t>(end) - taken;
  if (static_cast<uint64_t>(end) > size_) {  // Another thread took a range between the two.
    const uint64_t over = static_cast<uint64_t>(end) - size_;
    give_back(over < taken ? over : taken);
    return over < taken ? static_cast<ssize_t>(taken - over) : 0;
  }
  return static_cast<ssize_t>(taken);
}

void PartialFile::give_back(size_t bytes) const {
  if (bytes > 0) {
    sys::lseek(fd_, -static_cast<off_t>(bytes), SEEK_CUR);
  }
}

ssize_t PartialFile::read_on(const struct iovec* pieces, int count) const {
  const ssize_t wanted = bytes_of_pieces(pieces, count);
  uint64_t offset = 0;
  const ssize_t taken = wanted <= 0 ? 0 : take_range(static_cast<size_t>(wanted), &offset);
  if (taken == 0 && of_store_) {
    return wanted < 0 ? -EINVAL : 0;
  }
  if (taken == 0) {
    return sys::call(SYS_readv, fd_, sys::arg(pieces), count);  // Nothing, the end, or an error.
  }
  struct iovec first = pieces[0];
  ssize_t got;
  if (count == 1) {
    first.iov_len = static_cast<size_t>(taken);
    got = read_at(&first, 1, offset);
  } else {
    got = read_at(pieces, count, offset);
    if (got > taken) {
      got = taken;
    }
  }
  give_back(static_cast<size_t>(got < 0 ? taken : taken - got));
  return got;
}

}  // namespace forebay
