#define BOOST_TEST_MODULE nth_failure
#include "failing_calls.hpp"

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <filesystem>
#include <thread>

#include "private_mounts.hpp"
#include "store_fixture.hpp"

using namespace forebay;

namespace {

constexpr std::uint64_t kCapacity = 1ULL << 30;

// Hundreds of buffers: in memory.
struct ScratchInMemory {
  ScratchInMemory() {
    enter_private_mounts();
    mount_tmpfs("/tmp", 256 << 20);
  }
};

const std::vector<ObjectShape>& objects() {
  static const std::vector<ObjectShape> all = {
      shape(1, 0), shape(2, 3000), {identity(3), kChunkBytes + 100, kChunkBytes}, shape(4, 70000)};
  return all;
}

// Computed once: there are hundreds of rounds.
std::span<const std::byte> right_bytes(const ObjectShape& of, std::uint32_t stripe) {
  static std::map<std::uint64_t, std::vector<std::byte>> all;
  std::vector<std::byte>& whole = all[of.identity.path];
  if (whole.empty() && of.bytes > 0) {
    whole = bytes_of(of, 0, of.bytes);
  }
  return std::span(whole).subspan(stripe * of.stripe_bytes, stripe_length(of, stripe));
}

bool equal(std::span<const std::byte> a, std::span<const std::byte> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

Status bring(ObjectStore& store, const ObjectShape& of, bool publish = true) {
  FOREBAY_ASSIGN(landing, store.begin(of, of.bytes));
  for (std::uint32_t stripe = 0; stripe < stripe_count(of); ++stripe) {
    FOREBAY_TRY(landing->write_chunk(stripe * of.stripe_bytes, right_bytes(of, stripe)));
    FOREBAY_TRY(landing->complete_stripe(stripe));
  }
  if (publish) {
    FOREBAY_TRY(landing->publish());
  }
  return {};
}

// A round: a buffer that is filled, read, emptied a little, closed, opened again, filled again, while calls
// fail.
struct Round : StoreFixture {
  std::uint64_t wrong_reads = 0;

  // A read that succeeds gives the right bytes.
  void look_at(const ObjectShape& of, std::uint32_t stripe) {
    std::vector<std::byte> got(stripe_length(of, stripe));
    const auto read = store->read(of.identity, stripe * of.stripe_bytes, got);
    if (read.ok() && (*read != got.size() || !equal(got, right_bytes(of, stripe)))) {
      ++wrong_reads;
    }
    // So does a descriptor that a client gets.
    const auto opened = store->open_object(of, 0);
    if (opened.ok() && (::syscall(SYS_pread64, opened->get(), got.data(), got.size(),
                                  stripe * of.stripe_bytes) != static_cast<ssize_t>(got.size()) ||
                        !equal(got, right_bytes(of, stripe)))) {
      ++wrong_reads;
    }
  }
  bool gives(const ObjectShape& of, std::uint32_t stripe) {
    std::vector<std::byte> got(stripe_length(of, stripe));
    const auto read = store->read(of.identity, stripe * of.stripe_bytes, got);
    return read.ok() && *read == got.size() && equal(got, right_bytes(of, stripe));
  }
  void look_at_all() {
    for (const ObjectShape& of : objects()) {
      for (std::uint32_t stripe = 0; stripe < stripe_count(of); ++stripe) {
        look_at(of, stripe);
      }
    }
  }
  bool try_open() {
    store.reset();
    auto opened = ObjectStore::open({scratch.path(), kCapacity, 1});
    if (!opened.ok()) {
      return false;
    }
    store = std::move(opened).value();
    return true;
  }
  void work() {
    if (try_open()) {
      for (const ObjectShape& of : objects()) {
        static_cast<void>(bring(*store, of, &of != &objects()[2]).ok());  // One stays in parts.
      }
      look_at_all();
      static_cast<void>(store->evict_stripe(objects()[2].identity, 1).ok());
      static_cast<void>(store->remove(objects()[1].identity, 0).ok());
      static_cast<void>(store->quarantine(objects()[3], true).ok());
      look_at_all();
    }
    if (try_open()) {
      store->visit_kept([&](const KeptStripe& stripe) {
        for (const ObjectShape& of : objects()) {
          if (of.identity == stripe.object) {
            look_at(of, stripe.stripe);
          }
        }
        return stripe.bytes != 0;
      });
      static_cast<void>(bring(*store, objects()[1]).ok());
      static_cast<void>(bring(*store, objects()[2]).ok());
      look_at_all();
    }
  }
  // After the failures: what is taken up is right, so is the account, and everything can be brought again.
  void recover() {
    BOOST_REQUIRE(try_open());
    std::uint64_t bytes = 0;
    for (const KeptStripe& stripe : kept(*store)) {
      bool right = false;
      for (const ObjectShape& of : objects()) {
        right = right || (of.identity == stripe.object && gives(of, stripe.stripe));
      }
      BOOST_REQUIRE(right);
      bytes += stripe.bytes;
    }
    std::uint64_t put_aside = 0;
    if (std::filesystem::exists(root() + "/quarantine")) {
      for (const auto& entry : std::filesystem::directory_iterator(root() + "/quarantine")) {
        struct stat info {};
        BOOST_REQUIRE(::stat(entry.path().c_str(), &info) == 0);
        put_aside += static_cast<std::uint64_t>(info.st_blocks) * 512;
      }
    }
    BOOST_REQUIRE(store->usage().used_bytes == bytes + put_aside);
    for (const ObjectShape& of : objects()) {
      REQUIRE_OK(store->remove(of.identity));
      REQUIRE_OK(bring(*store, of));
      for (std::uint32_t stripe = 0; stripe < stripe_count(of); ++stripe) {
        BOOST_REQUIRE(gives(of, stripe));
      }
    }
  }
};

// Fails the Nth call, N = 1, 2, 3, ... until a round passes without failure. Returns how many rounds failed
// something.
std::uint64_t fail_each(failing::Call call, bool all, int with) {
  std::uint64_t number = 1;
  for (;; ++number) {
    BOOST_REQUIRE(number < 1000);
    Round round;
    failing::fail(call, number, all, with);
    round.work();
    const bool failed = failing::stop();
    BOOST_TEST_CONTEXT(failing::name_of(call) << " number " << number << (all ? " and all behind it" : "")) {
      BOOST_REQUIRE(round.wrong_reads == 0U);
      round.recover();
    }
    if (!failed) {
      return number - 1;
    }
  }
}

}  // namespace

BOOST_TEST_GLOBAL_FIXTURE(ScratchInMemory);

BOOST_AUTO_TEST_CASE(whichever_call_fails_once_no_byte_is_wrong_and_all_recovers) {
  for (const failing::Call call : failing::kCalls) {
    const std::uint64_t rounds = fail_each(call, false, EIO);
    BOOST_TEST_MESSAGE(failing::name_of(call) << ": " << rounds << " rounds");
    BOOST_TEST(rounds > 0U, failing::name_of(call));
  }
}

BOOST_AUTO_TEST_CASE(from_whichever_call_on_a_device_fails_no_byte_is_wrong_and_all_recovers) {
  for (const failing::Call call :
       {failing::Call::pwrite, failing::Call::openat, failing::Call::pread, failing::Call::rename}) {
    BOOST_TEST(fail_each(call, true, EIO) > 0U, failing::name_of(call));
  }
}

BOOST_AUTO_TEST_CASE(from_whichever_call_on_there_is_no_room_no_byte_is_wrong_and_all_recovers) {
  for (const int with : {ENOSPC, EDQUOT, EROFS}) {
    BOOST_TEST(fail_each(failing::Call::pwrite, true, with) > 0U);
  }
}

BOOST_FIXTURE_TEST_CASE(a_store_that_failed_is_left_alone_for_a_while_and_works_again_by_itself, Round) {
  const ObjectShape& there = objects()[1];
  const ObjectShape& later = objects()[3];
  BOOST_REQUIRE(try_open());
  REQUIRE_OK(bring(*store, there));
  failing::fail(failing::Call::pwrite, 1, true, EROFS);
  REQUIRE_CODE(bring(*store, later), Code::io_error);
  // Nothing is even tried: what is brought in would be read from the origin in vain.
  REQUIRE_CODE(store->begin(later, later.bytes), Code::unavailable);
  BOOST_TEST(gives(there, 0));
  REQUIRE_OK(store->open_object(there, 0));
  BOOST_TEST(store->usage().used_bytes == there.bytes);
  BOOST_TEST(failing::stop());
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  auto brought = bring(*store, later);
  while (!brought.ok() && std::chrono::steady_clock::now() < deadline) {
    BOOST_REQUIRE((brought.error().code == Code::unavailable));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    brought = bring(*store, later);
  }
  REQUIRE_OK(brought);
  BOOST_TEST(gives(later, 0));
}

BOOST_FIXTURE_TEST_CASE(who_removes_the_objects_may_go_on_when_they_are_made_anew, Round) {
  const ObjectShape& object = objects()[1];
  BOOST_REQUIRE(try_open());
  // The first creation fails as the directory is gone; then any one call on the new one, as if that went,
  // too.
  std::uint64_t number = 0;
  for (bool failed = true; failed;) {
    BOOST_TEST_CONTEXT("ENOENT number " << ++number) {
      std::filesystem::remove_all(root() + "/objects");
      failing::fail(failing::Call::openat, number, false, ENOENT);
      auto landing = store->begin(object, object.bytes);
      failed = failing::stop();
      REQUIRE_OK(landing);
    }
  }
  BOOST_TEST(number > 4U);
}
