#include "s3/parallel_listing.hpp"

#include <algorithm>
#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "s3/key_ranges.hpp"

namespace forebay {
namespace {

// What a range has, in order, packed.
class ListedKeys {
 public:
  void add(const ListedObject& object, bool is_prefix) {
    texts_.append(object.key).append(object.etag);
    entries_.push_back({object.size, object.mtime_ns, static_cast<std::uint32_t>(object.key.size()),
                        static_cast<std::uint32_t>(object.etag.size()), is_prefix});
  }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  Status give(const TakeListed& take) const {
    std::string_view rest = texts_;
    for (const auto& entry : entries_) {
      ListedObject object;
      object.key = rest.substr(0, entry.key_bytes);
      object.etag = rest.substr(entry.key_bytes, entry.etag_bytes);
      object.size = entry.size;
      object.mtime_ns = entry.mtime_ns;
      rest.remove_prefix(entry.key_bytes + entry.etag_bytes);
      FOREBAY_TRY(take(object, entry.is_prefix));
    }
    return {};
  }

 private:
  struct Entry {
    std::uint64_t size;
    std::int64_t mtime_ns;
    std::uint32_t key_bytes;
    std::uint32_t etag_bytes;
    bool is_prefix;
  };
  std::string texts_;
  std::vector<Entry> entries_;
};

// Each range is one thread's, from its cut on, until it is done.
struct Range {
  std::string after;
  std::string upto;    // others move it down
  std::string first;   // empty: no page has come
  std::string cursor;  // the last that has come
  bool is_done = false;
  bool narrow_next = false;   // behind the last cut there was nothing
  Range* cut_from = nullptr;  // the range that was in front of us
  ListedKeys keys;
};

class ParallelListing {
 public:
  ParallelListing(const ListPages& pages, const S3ListQuery& query, unsigned threads)
      : pages_(pages),
        query_(query),
        threads_(std::max(threads, 1U)),
        shape_{query_.prefix, !query_.delimiter.empty()} {}

  Status run() {
    auto& whole = ranges_.emplace_back();
    whole.after = query_.start_after;
    whole.upto = query_.before;
    whole.narrow_next = true;
    list(whole);
    if (!helpers_.empty()) {
      help();
    }
    for (auto& helper : helpers_) {
      helper.join();
    }
    return failed_;
  }

  Status give(const TakeListed& take) {
    ranges_.sort([](const Range& a, const Range& b) { return a.after < b.after; });
    for (auto& range : ranges_) {
      FOREBAY_TRY(range.keys.give(take));
      range.keys = {};
    }
    return {};
  }

 private:
  void list(Range& range) {
    auto query = query_;
    query.start_after = range.after;
    const auto listed = pages_(query, [&](const ListPage& page) { return take(range, page); });
    const std::lock_guard lock(mutex_);
    if (!listed.ok() && !range.is_done && failed_.ok()) {
      failed_ = listed;
    }
    range.is_done = true;
    if (range.first.empty() && range.cut_from != nullptr) {
      range.cut_from->narrow_next = true;
    }
    changed_.notify_all();
  }

  Status take(Range& range, const ListPage& page) {
    const std::lock_guard lock(mutex_);
    // Said to pages_ alone, so that it ends.
    const Error enough{Code::cancelled, "the rest of this listing is not wanted"};
    if (!failed_.ok()) {
      return enough;
    }
    const auto known = range.keys.size();
    FOREBAY_TRY(add(range, page));
    const auto taken = range.keys.size() - known;
    keys_ += taken;
    page_keys_ = std::max(page_keys_, taken);
    if (known == 0 && taken != 0 && range.cut_from != nullptr) {
      range.cut_from->narrow_next = false;
    }
    changed_.notify_all();
    if (range.is_done) {
      return enough;
    }
    if (&range == &ranges_.front() && helpers_.empty() && !page.next_token().empty()) {
      for (std::size_t i = 1; i < threads_; ++i) {
        helpers_.emplace_back([this] { help(); });
      }
    }
    return {};
  }

  // Objects and prefixes are in order each.
  Status add(Range& range, const ListPage& page) {
    auto object = page.objects().begin();
    auto prefix = page.prefixes().begin();
    while (object != page.objects().end() || prefix != page.prefixes().end()) {
      const bool is_prefix =
          object == page.objects().end() || (prefix != page.prefixes().end() && *prefix < object->key);
      ListedObject next = is_prefix ? ListedObject{} : *object++;
      if (is_prefix) {
        next.key = *prefix++;
      }
      if (!range.upto.empty() && next.key > range.upto) {
        range.is_done = true;
        return {};
      }
      if (next.key <= (range.first.empty() ? range.after : range.cursor) ||
          !next.key.starts_with(query_.prefix)) {
        return Error{
            Code::io_error,
            fmt::format("the store lists '{}' out of order or not below '{}'", next.key, query_.prefix), EIO};
      }
      range.keys.add(next, is_prefix);
      range.cursor = next.key;
      if (range.first.empty()) {
        range.first = next.key;
      }
    }
    return {};
  }

  // What idle threads do.
  void help() {
    std::unique_lock lock(mutex_);
    for (;;) {
      const bool is_over = !failed_.ok() || std::all_of(ranges_.begin(), ranges_.end(),
                                                        [](const Range& range) { return range.is_done; });
      if (is_over) {
        return;
      }
      if (auto* range = cut()) {
        lock.unlock();
        list(*range);
        lock.lock();
      } else {
        changed_.wait(lock);
      }
    }
  }

  // Null: none can be cut now.
  Range* cut() {
    if (cuts_ >= 2 * threads_ + keys_ / page_keys_ / 2) {
      return nullptr;
    }
    std::vector<std::pair<double, Range*>> largest;
    for (auto& range : ranges_) {
      if (!range.is_done && !range.first.empty()) {
        largest.emplace_back(
            guess_keys_left(range.first, range.keys.size(), {range.cursor, range.upto}, shape_), &range);
      }
    }
    std::sort(largest.begin(), largest.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    for (const auto& [left, range] : largest) {
      // Less than half a page comes as fast with the next one.
      if (left < static_cast<double>(page_keys_) / 2) {
        return nullptr;
      }
      const KeyRange rest{range->cursor, range->upto};
      auto key = range->narrow_next ? narrowing_cut(range->first, rest, shape_) : middle_cut(rest, shape_);
      if (key) {
        ++cuts_;
        auto& behind = ranges_.emplace_back();
        behind.after = *key;
        behind.upto = std::exchange(range->upto, std::move(*key));
        behind.cut_from = range;
        return &behind;
      }
    }
    return nullptr;
  }

  const ListPages& pages_;
  const S3ListQuery& query_;
  const std::size_t threads_;
  const KeyShape shape_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Range> ranges_;
  std::vector<std::thread> helpers_;
  std::size_t keys_ = 0;
  std::size_t page_keys_ = 1;  // of a full page, as far as seen
  std::size_t cuts_ = 0;
  Status failed_;
};

}  // namespace

Status list_in_parallel(const ListPages& pages, const S3ListQuery& query, unsigned threads,
                        const TakeListed& take) {
  FOREBAY_CHECK(query.delimiter.empty() || query.delimiter == "/");
  ParallelListing listing(pages, query, threads);
  FOREBAY_TRY(listing.run());
  return listing.give(take);
}

}  // namespace forebay
