// Journal: the server's side of a store's journal (shared/checkpoint_layout.hpp).
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "shared/checkpoint_layout.hpp"

namespace forebay {

struct JournalEntry {
  JournalKind kind{};
  std::uint32_t flags = 0;
  std::uint64_t seq = 0;
  std::uint64_t time_ns = 0;
  std::uint64_t about = 0;
  std::uint64_t size = 0;
  std::uint64_t sum = 0;
  std::string path;
  std::string second;
};

// Not thread-safe.
class Journal {
 public:
  // `store_fd`: the store's directory; outlives this. Makes an empty journal where there is none. Codes:
  // permission (another user's, a link), no_space, io_error.
  static Result<Journal> open(int store_fd, std::string store_path);

  // What was appended since the last call, in order; from the beginning at the first. Torn records are passed
  // over and counted.
  Result<std::vector<JournalEntry>> read_new();
  // Appends, durably. Codes: no_space, io_error.
  Status append(std::span<const JournalEntry> entries);
  // Makes the journal these entries alone, at once and durably, if nothing was appended that read_new() has
  // not returned; code unavailable otherwise, or where a client holds it longer than `patience`.
  Status rewrite(std::span<const JournalEntry> entries, std::chrono::milliseconds patience);
  // Keeps clients from beginning a change of names. Code: unavailable.
  class Exclusive {
   public:
    explicit Exclusive(UniqueFd fd) : fd_(std::move(fd)) {}
    Exclusive(Exclusive&&) = default;
    Exclusive& operator=(Exclusive&&) = default;
    ~Exclusive();

   private:
    UniqueFd fd_;
  };
  Result<Exclusive> lock(std::chrono::milliseconds patience);

  [[nodiscard]] std::uint64_t bytes() const noexcept { return read_to_; }
  [[nodiscard]] std::uint64_t torn_records() const noexcept { return torn_; }

 private:
  Journal() = default;
  int store_ = -1;
  std::string path_;
  UniqueFd file_;
  std::uint64_t read_to_ = 0;
  std::uint64_t torn_ = 0;
};

}  // namespace forebay
