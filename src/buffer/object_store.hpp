// ObjectStore: the node-local burst buffer. How an object is kept there is known to this interface alone.
//
// Every byte in it can be staged again, so nothing is fsynced; every stripe has a checksum in an append-only
// index, so that a later run, of any number of nodes, takes up what is there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "shared/hashing.hpp"

namespace forebay {

// The shape of one object.
struct ObjectShape {
  Identity identity;
  std::uint64_t bytes;
  std::uint64_t stripe_bytes;
};

// One object being brought in: some or all of its stripes. Thread-safe. While it lives, its object is not
// evicted. Destroyed before publish(), completed stripes stay (readable with ObjectStore::read), incomplete
// ones do not count.
//
// A file system that fails while it is written to is left alone for a while: `begin` and what follows answer
// `unavailable` at once until it is tried again (buffer_health.hpp).
//
// Several may live for one object at once and share its file; each stripe is written by one of them (the
// first that writes to it), others get `unavailable` for it. Chunks of a stripe that is complete already are
// taken and ignored. Once the object is removed, every call answers `cancelled`. A landing must not outlive
// its store.
class Landing {
 public:
  virtual ~Landing() = default;
  // One chunk: `offset` a multiple of kChunkBytes from the start of the object, `bytes` kChunkBytes or up to
  // the end of its stripe. stripe_bytes is a multiple of kChunkBytes. An empty object has one empty chunk.
  // Codes: no_space, io_error, unavailable, cancelled.
  virtual Status write_chunk(std::uint64_t offset, std::span<const std::byte> bytes) = 0;
  // Every chunk of `stripe` was written: records it in the index, returns its checksum (common/chunk.hpp).
  // `expected`: what it has to be. Codes: no_space (of the index), io_error, cancelled, changed (it was
  // complete, with other bytes than now written), corrupt (not as expected: its chunks may be written again).
  virtual Result<std::uint64_t> complete_stripe(std::uint32_t stripe,
                                                std::optional<std::uint64_t> expected) = 0;
  Result<std::uint64_t> complete_stripe(std::uint32_t stripe) {
    return complete_stripe(stripe, std::nullopt);
  }
  // Every stripe is complete: gives the object its final name; returns its inode, which entry words publish.
  // Again, and by another landing of the object, it does nothing. Codes: no_space, io_error, cancelled.
  virtual Result<std::uint64_t> publish() = 0;
};

// What a warm buffer holds, one call a stripe.
struct KeptStripe {
  Identity object;
  std::uint32_t stripe;
  std::uint64_t bytes;         // of this stripe
  std::uint64_t stripe_bytes;  // of the run that brought it: where it is not this job's, `stripe` and
                               // `checksum` mean nothing here
  std::uint64_t checksum;
  std::uint64_t whole_inode;  // of the published object; 0 when it is not whole
  std::uint64_t object_bytes;
};

struct StoreUsage {
  std::uint64_t capacity_bytes;
  std::uint64_t used_bytes;   // in objects and landings, published or not
  std::uint64_t free_bytes;   // of the file system, now
  std::uint64_t floor_bytes;  // free space that is never taken
};

// What open() found.
struct TakenUp {
  std::uint64_t kept_stripes;
  std::uint64_t verified_stripes;  // of all that were recorded, those whose bytes were read: not of this boot
  std::uint64_t dropped_stripes;   // recorded, but their bytes are gone or not what they were
  std::uint64_t unknown_files;     // not recorded, or cut: removed
};

class ObjectStore {
 public:
  struct Options {
    std::string directory;         // the buffer; objects live in <directory>/<uid>/
    std::uint64_t capacity_bytes;  // 0: what is free now less the floor
    std::uint64_t floor_bytes;     // 0: the default, 5 % of the file system, at most 10 GiB
    std::string previous = {};     // objects_directory() of a store that died and is to be taken up, or empty
  };

  virtual ~ObjectStore() = default;

  // Takes up what an earlier run left: after a clean stop or a crash on the same boot as it is, otherwise
  // each stripe is verified against its checksum first (on all cores); so is what lost its seal
  // (shared/seal.hpp). A second store on the same directory, while the first lives, gets an empty slot of its
  // own beside it, that is removed with it (buffer_directory.hpp). Codes: permission (not ours, a link),
  // no_space, io_error, unavailable.
  static Result<std::unique_ptr<ObjectStore>> open(const Options& options);

  // Absolute path; an object's published file is <objects>/<first 2>/<32 hex digits>, mode kBufferFileMode.
  [[nodiscard]] virtual const std::string& objects_directory() const = 0;
  [[nodiscard]] virtual std::uint64_t device() const = 0;

  // What the last open() found and did.
  [[nodiscard]] virtual TakenUp taken_up() const = 0;

  // Each stripe that was here at open() and still is. `visit` returns whether this job wants the object (any
  // of its stripes); what nobody wants is the first to be evicted. To be called once: until then nothing is
  // evicted, and afterwards the list is no longer kept (a second call visits nothing).
  virtual void visit_kept(const std::function<bool(const KeptStripe&)>& visit) = 0;

  // Starts or continues bringing an object in, reserving `reserve_bytes` of capacity (the sum of the stripes
  // that will be written; writing more reserves more as it goes). Makes room by evicting unwanted objects
  // first. An object that is published already is brought in anew and replaced. Completed stripes of an
  // unpublished object that came in another stripe size are dropped. Codes: no_space (the caller may evict
  // and ask again), io_error, unavailable (the buffer failed just now), corrupt (the
  // file with its completed stripes is gone: quarantine()), bad_argument.
  virtual Result<std::unique_ptr<Landing>> begin(const ObjectShape& shape, std::uint64_t reserve_bytes) = 0;

  // Reads from completed stripes; returns fewer bytes only at the object's end. Codes: not_found (also when
  // one of the stripes is not complete), io_error.
  virtual Result<std::size_t> read(const Identity& object, std::uint64_t offset,
                                   std::span<std::byte> into) = 0;
  // A new read-only descriptor of the published object, its offset its own. `inode`: what publish() returned,
  // or 0. Codes: not_found; corrupt (it cannot be opened, or is not the file that was published:
  // quarantine()); unavailable (too many open files).
  virtual Result<UniqueFd> open_object(const ObjectShape& shape, std::uint64_t inode) = 0;
  // Verifies one completed stripe against `checksum`. Codes: corrupt, not_found, io_error.
  virtual Status verify(const ObjectShape& shape, std::uint32_t stripe, std::uint64_t checksum) = 0;

  // Removes an object and its records; open descriptors stay good. Not found is not an error.
  // `published_bytes`: its size if it had been published, which is free then also when the file is gone; 0
  // when that is not known.
  virtual Status remove(const Identity& object, std::uint64_t published_bytes) = 0;
  Status remove(const Identity& object) { return remove(object, 0); }
  // The same for one that was found damaged: its file is moved to where people can look at it
  // (quarantine.hpp).
  virtual Status quarantine(const ObjectShape& shape, bool was_published) = 0;
  // Gives the room of one completed stripe of an unpublished object back: its bytes are gone from the file,
  // also for who has it open, while landings of its other stripes go on. A read() that began before fails
  // rather than give what is no longer there. Codes: not_found (no such stripe, or the object is published),
  // no_space (of the index), io_error (the file system cannot make holes, ...); then the stripe is still
  // there.
  virtual Status evict_stripe(const Identity& object, std::uint32_t stripe) = 0;
  [[nodiscard]] virtual StoreUsage usage() const = 0;
};

}  // namespace forebay
