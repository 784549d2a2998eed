// Everything at once on two nodes: threads that open and read as clients do, by the state table's words,
// while objects are brought in, evicted, replaced by damaged files, invalidated and prefetched. Bounded by
// operations, not by time; FOREBAY_STRESS_OPERATIONS=N for more of them. Under a thread sanitizer this is
// where data races show.
#define BOOST_TEST_MODULE eviction_stress
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <random>
#include <thread>

#include "shared/seal.hpp"
#include "stage/staging_lab.hpp"

namespace forebay {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kNodes = 2;
constexpr int kSmall = 40;
constexpr int kLarge = 3;  // Of two stripes.
constexpr int kInvalidated = 4;
// Less than all objects on every node.
constexpr std::uint64_t kCapacity = 26u << 20;

int operations() {
  if (const char* given = std::getenv("FOREBAY_STRESS_OPERATIONS"); given != nullptr) {
    return std::atoi(given);
  }
  return 300;
}

std::string name_of(int i) {
  return "object" + std::to_string(i);
}
std::string content_of(int i) {
  const bool is_large = i >= kSmall;
  std::string text(is_large ? 2 * kChunkBytes + 11 : static_cast<std::size_t>(i) * 7001, '\0');
  for (std::size_t at = 0; at < text.size(); ++at) {
    text[at] = static_cast<char>(at * 7 + (at >> 9) + static_cast<std::size_t>(i) * 13);
  }
  return text;
}

// A file as long and with the mode of what it replaces, under its name, and all its bytes wrong. Another
// inode: what was opened before stays what it was.
void damage(const std::string& path, std::uint64_t bytes) {
  static std::atomic<int> number{0};
  const std::string other = path.substr(0, path.rfind("/objects/")) + "/damaged" + std::to_string(number++);
  const UniqueFd fd(::open(other.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  const std::string wrong(bytes, '!');
  FOREBAY_CHECK(fd.valid() &&
                ::pwrite(fd.get(), wrong.data(), wrong.size(), 0) == static_cast<ssize_t>(bytes));
  FOREBAY_CHECK(::fchmod(fd.get(), kBufferFileMode) == 0);
  // Only where there is one: what is evicted meanwhile stays gone.
  static_cast<void>(::renameat2(AT_FDCWD, other.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE));
  ::unlink(other.c_str());
}

class Stress {
 public:
  Stress() {
    fs::create_directory(scratch_.path() / "tree");
    for (int i = 0; i < kSmall + kLarge; ++i) {
      contents_.push_back(content_of(i));
      std::ofstream(scratch_.path() / "tree" / name_of(i), std::ios::binary) << contents_.back();
    }
    lab_ = std::make_unique<test::StagingLab>(scratch_.path() / "tree", scratch_.path() / "buffers",
                                              test::LabOptions{kNodes, kCapacity, kChunkBytes});
  }

  void run() {
    std::vector<std::thread> threads;
    const auto start = [&](void (Stress::*what)(std::mt19937&), unsigned number) {
      threads.emplace_back([this, what, number] {
        std::mt19937 random(number);
        for (int i = 0; i < operations(); ++i) {
          (this->*what)(random);
        }
        --working_;
      });
      ++working_;
    };
    start(&Stress::bring, 4);
    start(&Stress::bring, 5);
    start(&Stress::evict, 6);
    start(&Stress::make_room, 7);
    start(&Stress::damage_some, 8);
    // Readers go on for as long as something happens: alone, they would be through before there is anything
    // to read.
    for (unsigned number = 11; number < 14; ++number) {
      threads.emplace_back([this, number] {
        for (std::mt19937 random(number); working_ > 0;) {
          read(random);
        }
      });
    }
    std::thread prefetching([this] { prefetch(); });
    std::thread invalidating([this] { invalidate(); });
    for (auto& thread : threads) {
      thread.join();
    }
    prefetching.join();
    invalidating.join();
  }

  // Once nothing moves any more: what the words say is so.
  void check_the_end() {
    for (std::uint32_t node = 0; node < kNodes; ++node) {
      const StateView& state = lab_->state(node);
      for (std::uint32_t stripe = 0; stripe < state.header().stripe_count; ++stripe) {
        BOOST_TEST(
            (state.phase(stripe) == StripePhase::absent || state.phase(stripe) == StripePhase::present));
      }
      const StoreUsage usage = lab_->core(node).store.usage();
      BOOST_TEST(usage.used_bytes <= usage.capacity_bytes);
      for (int i = 0; i < kSmall + kLarge; ++i) {
        // What is damaged still is dropped as by a client's report, and can be had again.
        const auto found = open_as_client(node, i);
        if (found.damaged) {
          lab_->core(node).residents.remove({0, entry(i)});
        }
        if (i < kInvalidated) {
          BOOST_TEST(state.bypassed(entry(i)));
          continue;
        }
        const auto outcome = lab_->materialise(node, name_of(i));
        if (outcome.status.ok()) {
          BOOST_TEST((lab_->read(node, name_of(i)) == contents_[static_cast<std::size_t>(i)]),
                     "node " << node << ", " << name_of(i));
        } else {
          BOOST_TEST((outcome.status.error().code == Code::no_space), outcome.status.error().text);
        }
      }
      for (int i = 0; i < kSmall + kLarge; ++i) {
        lab_->core(node).residents.remove({0, entry(i)});
      }
      BOOST_TEST(lab_->core(node).store.usage().used_bytes == 0u,
                 "node " << node << " still counts bytes as used");
    }
  }

  std::atomic<int> verified{0};
  std::atomic<int> wrong{0};
  std::atomic<int> brought{0};
  std::atomic<int> evicted{0};
  std::atomic<int> damaged_seen{0};
  std::atomic<int> errors{0};

 private:
  struct Found {
    UniqueFd fd;
    bool damaged = false;
  };

  [[nodiscard]] std::uint32_t entry(int i) const { return lab_->entry(name_of(i)); }
  [[nodiscard]] const CatalogEntry& catalog_entry(int i) {
    return lab_->core(0).datasets[0].view().entry(entry(i));
  }
  [[nodiscard]] std::string path_of(std::uint32_t node, int i) {
    char name[kIdentityTextBytes];
    identity_to_text(identity_of(catalog_entry(i)), name);
    return lab_->core(node).store.objects_directory() + "/" + std::string(name, 2) + "/" + name;
  }
  // As client/object_open.cpp.
  Found open_as_client(std::uint32_t node, int i) {
    const StateView& state = lab_->state(node);
    const CatalogEntry& object = catalog_entry(i);
    const std::uint64_t word = state.entry_word(entry(i));
    if ((word & kEntryBypass) != 0 || (word & kEntryInodeMask) == 0) {
      return {};
    }
    UniqueFd fd(::open(path_of(node, i).c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info {};
    if (!fd.valid() || ::fstat(fd.get(), &info) != 0) {
      return {};
    }
    if (info.st_ino == (word & kEntryInodeMask) &&
        is_published_file(info, identity_of(object), object.size)) {
      return {std::move(fd), false};
    }
    return {{}, state.buffer_inode(entry(i)) == (word & kEntryInodeMask)};
  }

  void read(std::mt19937& random) {
    const auto node = static_cast<std::uint32_t>(random() % kNodes);
    const int i = static_cast<int>(random() % (kSmall + kLarge));
    const Found found = open_as_client(node, i);
    if (found.damaged) {
      ++damaged_seen;
      lab_->core(node).residents.remove({0, entry(i)});  // As the server does at a client's report.
    }
    if (!found.fd.valid()) {
      return;
    }
    const std::string& expected = contents_[static_cast<std::size_t>(i)];
    std::string bytes(expected.size(), '\0');
    const auto got = ::pread(found.fd.get(), bytes.data(), bytes.size(), 0);
    (got == static_cast<ssize_t>(bytes.size()) && bytes == expected ? verified : wrong) += 1;
  }
  void bring(std::mt19937& random) {
    const auto outcome = lab_->materialise(static_cast<std::uint32_t>(random() % kNodes),
                                           name_of(static_cast<int>(random() % (kSmall + kLarge))));
    if (outcome.status.ok()) {
      ++brought;
      return;
    }
    const Code code = outcome.status.error().code;
    if (code != Code::no_space && code != Code::changed && code != Code::cancelled) {
      ++errors;
      std::cerr << outcome.status.error().text << "\n";
    }
  }
  void evict(std::mt19937& random) {
    const ObjectKey object{0, entry(static_cast<int>(random() % (kSmall + kLarge)))};
    evicted += lab_->core(random() % kNodes).residents.remove(object) ? 1 : 0;
  }
  void make_room(std::mt19937& random) {
    auto& core = lab_->core(random() % kNodes);
    core.evictor.note_replica();
    core.evictor.make_room(random() % (8u << 20));
  }
  void damage_some(std::mt19937& random) {
    if (random() % 4 != 0) {
      std::this_thread::yield();
      return;
    }
    const int i = static_cast<int>(random() % (kSmall + kLarge));
    const auto node = static_cast<std::uint32_t>(random() % kNodes);
    // Not an owner's: that a peer copies from a damaged file is for the buffer's own tests.
    if (!lab_->core(node).residents.owned_here({0, entry(i)})) {
      damage(path_of(node, i), catalog_entry(i).size);
    }
  }
  void prefetch() {
    for (int round = 0; round < 1 + operations() / 50; ++round) {
      auto first = lab_->start_prefetch(0);
      auto second = lab_->start_prefetch(1);
      first.get();
      second.get();
    }
  }
  void invalidate() {
    for (int i = 0; i < kInvalidated; ++i) {
      const InvalidateItem item{0, entry(i), 0};
      std::promise<void> told;
      lab_->core(static_cast<std::uint32_t>(i) % kNodes)
          .invalidator.invalidate(std::span(&item, 1), [&](const Status&) { told.set_value(); });
      told.get_future().get();
    }
  }

  std::atomic<int> working_{0};
  test::ScratchDirectory scratch_;
  std::vector<std::string> contents_;
  std::unique_ptr<test::StagingLab> lab_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(whatever_happens_at_once_a_descriptor_found_by_its_word_reads_the_object_s_bytes) {
  Stress stress;
  stress.run();
  BOOST_TEST(stress.wrong == 0);
  BOOST_TEST(stress.errors == 0);
  BOOST_TEST(stress.verified > operations() / 10);
  BOOST_TEST(stress.brought > operations() / 10);
  BOOST_TEST(stress.evicted > operations() / 20);
  stress.check_the_end();
  std::cout << stress.verified << " objects verified, " << stress.brought << " brought, " << stress.evicted
            << " evicted, " << stress.damaged_seen << " damaged files not used\n";
}

}  // namespace forebay
