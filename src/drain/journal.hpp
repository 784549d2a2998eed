// Journal: the server's side of a store's journal (shared/checkpoint_layout.hpp).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
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
  // Appends, durably. Codes: no_space, io_error; with these some of the entries may be in the journal.
  Status append(std::span<const JournalEntry> entries);
  // Makes the journal these entries alone, at once and durably, if nothing was appended that read_new() has
  // not returned; code unavailable otherwise, or where a client holds it longer than `patience`. Not while an
  // Exclusive lives. An entry whose paths are too long for a record is a broken invariant, as in append().
  Status rewrite(std::span<const JournalEntry> entries, std::chrono::milliseconds patience);
  // Keeps clients from beginning a change of names; append() works meanwhile. Code: unavailable.
  class Exclusive {
   public:
    Exclusive(UniqueFd fd, std::shared_ptr<bool> held) : fd_(std::move(fd)), held_(std::move(held)) {}
    Exclusive(Exclusive&&) = default;
    Exclusive& operator=(Exclusive&& other) noexcept;
    ~Exclusive();

   private:
    UniqueFd fd_;
    std::shared_ptr<bool> held_;  // the Journal's
  };
  Result<Exclusive> lock(std::chrono::milliseconds patience);

  [[nodiscard]] std::uint64_t bytes() const noexcept { return read_to_; }
  [[nodiscard]] std::uint64_t torn_records() const noexcept { return torn_; }

 private:
  Journal() = default;
  Status write_entries(int fd, std::span<const JournalEntry> entries, const std::string& what);

  int store_ = -1;
  std::string path_;
  UniqueFd file_;
  std::shared_ptr<bool> held_ = std::make_shared<bool>(false);  // an Exclusive lives
  std::uint64_t read_to_ = 0;                                   // behind the last whole record
  std::uint64_t torn_ = 0;
};

}  // namespace forebay
