// The state table of one dataset on one node: what is here, and what must not be served any more.
//
// Written by the node's server, read by every process of the job on the node; clients write one thing, the
// bypass bit, so that a write takes effect at once even when the server is dead. All words are atomic and
// are accessed with the GCC builtins below, because the mapping is shared between processes.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace forebay {

inline constexpr uint64_t kStateMagic = 0x3145544154534246;  // "FBSTATE1"

struct StateHeader {
  uint64_t magic;
  uint64_t file_bytes;
  uint32_t entry_count;
  uint32_t stripe_count;
  uint64_t entries_offset;    // uint64_t[entry_count], entry words
  uint64_t checksums_offset;  // uint64_t[stripe_count], XXH3 of the stripe; valid when its word says present
  uint64_t stripes_offset;    // uint32_t[stripe_count], stripe words
};

// An entry's word. Objects: the inode of the whole file in the buffer, published after the data is in place.
// Directories: the inode of the real, empty directory that stands for it in the session's tree.
// The word of an object with several names is that of CatalogEntry::count.
inline constexpr uint64_t kEntryBypass = 1ull << 63;  // Ask the origin, for data, attributes and listing.
inline constexpr uint64_t kEntryInodeMask = (1ull << 62) - 1;  // 0: not here (whole)

// A stripe's word: phase in bits 0..1, generation in bits 2..11, owner (NodeIndex) in bits 12..31. A
// generation is the time that a stripe is here: set_absent() begins the next one before the bytes are
// touched. A reader in partial mode loads the word, reads the bytes, and loads the word again: the bytes are
// good when both say present and are equal, and no more than kPartialReadNsMax lie between them. That bound,
// with the pace the server keeps (stage/generation_pace.hpp), is why 1024 generations are enough: a stripe
// cannot go through all of them while one read lasts.
//
// Order: set_absent() stores the word and then fences, so that whoever sees a byte of what was done to the
// file afterwards (the kernel's page lock orders that) also sees the word changed; still_present() fences and
// then loads. set_present() releases what was written before it.
enum class StripePhase : uint32_t { absent = 0, staging = 1, present = 2 };
inline constexpr uint32_t kStripePhaseMask = 3;
inline constexpr uint32_t kStripeGenerationShift = 2;
inline constexpr uint32_t kStripeGenerations = 1u << 10;
inline constexpr uint32_t kStripeOwnerShift = 12;
inline constexpr uint32_t kStripeGenerationMask = (kStripeGenerations - 1) << kStripeGenerationShift;
inline constexpr uint32_t kNoOwner = 0xfffff;  // Fits nowhere: read from the origin.
inline constexpr uint64_t kPartialReadNsMax = 500'000'000;

class StateView {
 public:
  StateView() = default;
  explicit StateView(void* data) : base_(static_cast<char*>(data)) {}

  const StateHeader& header() const { return *reinterpret_cast<const StateHeader*>(base_); }

  uint64_t entry_word(uint32_t entry) const { return __atomic_load_n(entry_at(entry), __ATOMIC_ACQUIRE); }
  bool bypassed(uint32_t entry) const { return (entry_word(entry) & kEntryBypass) != 0; }
  uint64_t buffer_inode(uint32_t entry) const { return entry_word(entry) & kEntryInodeMask; }
  // Returns false when it was set before.
  bool set_bypass(uint32_t entry) const {
    return (__atomic_fetch_or(entry_at(entry), kEntryBypass, __ATOMIC_ACQ_REL) & kEntryBypass) == 0;
  }
  // Server only. Keeps the bypass bit. 0 = no longer here.
  void publish_inode(uint32_t entry, uint64_t inode) const {
    uint64_t* word = entry_at(entry);
    uint64_t seen = __atomic_load_n(word, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(word, &seen, (seen & kEntryBypass) | (inode & kEntryInodeMask), false,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
    }
  }

  uint32_t stripe_word(uint32_t stripe) const { return __atomic_load_n(stripe_at(stripe), __ATOMIC_ACQUIRE); }
  StripePhase phase(uint32_t stripe) const { return phase_of(stripe_word(stripe)); }
  static StripePhase phase_of(uint32_t word) { return static_cast<StripePhase>(word & kStripePhaseMask); }
  // Behind the reading of a stripe's bytes: whether they were those that `word`, loaded before, spoke of.
  bool still_present(uint32_t stripe, uint32_t word) const {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return phase_of(word) == StripePhase::present && stripe_word(stripe) == word;
  }
  uint32_t owner(uint32_t stripe) const { return stripe_word(stripe) >> kStripeOwnerShift; }
  uint64_t checksum(uint32_t stripe) const { return __atomic_load_n(checksum_at(stripe), __ATOMIC_RELAXED); }
  // Server only, as all that follow; each stripe's word has one writer at a time.
  void set_owner(uint32_t stripe, uint32_t owner) const {
    store_stripe(stripe, (stripe_word(stripe) & (kStripePhaseMask | kStripeGenerationMask)) |
                             owner << kStripeOwnerShift);
  }
  // Not from present: see set_absent().
  void set_phase(uint32_t stripe, StripePhase phase) const {
    store_stripe(stripe, (stripe_word(stripe) & ~kStripePhaseMask) | static_cast<uint32_t>(phase));
  }
  // What was present is so no longer. To be called before its bytes are touched.
  void set_absent(uint32_t stripe) const {
    const uint32_t word = stripe_word(stripe);
    const uint32_t next = (word + (1u << kStripeGenerationShift)) & kStripeGenerationMask;
    store_stripe(stripe, (word & ~(kStripePhaseMask | kStripeGenerationMask)) | next |
                             static_cast<uint32_t>(StripePhase::absent));
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
  }
  // While a stripe is absent its checksum word is the server's own (stage/staged_dataset.hpp); 0 to clear.
  void set_absent_hint(uint32_t stripe, uint64_t hint) const {
    __atomic_store_n(checksum_at(stripe), hint, __ATOMIC_RELAXED);
  }
  void set_present(uint32_t stripe, uint64_t checksum) const {
    __atomic_store_n(checksum_at(stripe), checksum, __ATOMIC_RELAXED);
    set_phase(stripe, StripePhase::present);
  }

  static uint64_t file_bytes(uint32_t entries, uint32_t stripes) {
    return sizeof(StateHeader) + 8ull * entries + 8ull * stripes + 4ull * stripes;
  }
  // Writes the header into zeroed memory of file_bytes(): everything absent, owner 0.
  static void format(void* data, uint32_t entries, uint32_t stripes) {
    auto* h = static_cast<StateHeader*>(data);
    h->file_bytes = file_bytes(entries, stripes);
    h->entry_count = entries;
    h->stripe_count = stripes;
    h->entries_offset = sizeof(StateHeader);
    h->checksums_offset = h->entries_offset + 8ull * entries;
    h->stripes_offset = h->checksums_offset + 8ull * stripes;
    __atomic_store_n(&h->magic, kStateMagic, __ATOMIC_RELEASE);
  }
  static bool valid(const void* data, size_t bytes) {
    if (bytes < sizeof(StateHeader)) {
      return false;
    }
    const auto& h = *static_cast<const StateHeader*>(data);
    return h.magic == kStateMagic && h.file_bytes == bytes &&
           file_bytes(h.entry_count, h.stripe_count) == bytes && h.entries_offset == sizeof(StateHeader) &&
           h.checksums_offset == h.entries_offset + 8ull * h.entry_count &&
           h.stripes_offset == h.checksums_offset + 8ull * h.stripe_count;
  }

 private:
  uint64_t* entry_at(uint32_t entry) const {
    return reinterpret_cast<uint64_t*>(base_ + header().entries_offset) + entry;
  }
  uint64_t* checksum_at(uint32_t stripe) const {
    return reinterpret_cast<uint64_t*>(base_ + header().checksums_offset) + stripe;
  }
  uint32_t* stripe_at(uint32_t stripe) const {
    return reinterpret_cast<uint32_t*>(base_ + header().stripes_offset) + stripe;
  }
  void store_stripe(uint32_t stripe, uint32_t word) const {
    __atomic_store_n(stripe_at(stripe), word, __ATOMIC_RELEASE);
  }

  char* base_ = nullptr;
};

}  // namespace forebay
