#define BOOST_TEST_MODULE object_store
#include "buffer/object_store.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <thread>

#include "shared/session_layout.hpp"
#include "store_fixture.hpp"

using namespace forebay;

BOOST_FIXTURE_TEST_SUITE(object_store, StoreFixture)

BOOST_AUTO_TEST_CASE(a_published_object_has_its_bytes_inode_and_mode) {
  open();
  const std::uint64_t sizes[] = {
      0, 1, 4096, kChunkBytes, kChunkBytes + 1, kTestStripeBytes, 3 * kTestStripeBytes + 5};
  for (std::uint64_t i = 0; i < std::size(sizes); ++i) {
    const ObjectShape of = shape(i, sizes[i]);
    const auto inode = land(*store, of);
    BOOST_REQUIRE_MESSAGE(inode.ok(), (inode.ok() ? "" : inode.error().text));
    for (std::uint32_t stripe = 0; stripe < stripe_count(of); ++stripe) {
      BOOST_TEST(holds(*store, of, stripe));
    }
    struct stat info {};
    BOOST_REQUIRE(::stat(file_of(of).c_str(), &info) == 0);
    BOOST_TEST(info.st_ino == inode.value());
    BOOST_TEST(info.st_dev == store->device());
    BOOST_TEST((info.st_mode & 07777) == kBufferFileMode);
    BOOST_TEST(static_cast<std::uint64_t>(info.st_size) == of.bytes);
    BOOST_TEST(!std::filesystem::exists(file_of(of, ".part")));
    const auto fd = store->open_object(of, 0);
    BOOST_REQUIRE(fd.ok());
    BOOST_TEST(::write(fd.value().get(), "x", 1) == -1);
  }
}

BOOST_AUTO_TEST_CASE(an_umask_does_not_change_the_mode) {
  open();
  const mode_t before = ::umask(0777);
  REQUIRE_OK(land(*store, shape(1, 10)));
  REQUIRE_OK(land(*store, shape(2, kTestStripeBytes + 1)));
  ::umask(before);
  struct stat info {};
  BOOST_REQUIRE(::stat(file_of(shape(1, 10)).c_str(), &info) == 0);
  BOOST_TEST((info.st_mode & 07777) == kBufferFileMode);
}

BOOST_AUTO_TEST_CASE(what_is_not_there_is_not_found) {
  open();
  std::vector<std::byte> into(10);
  REQUIRE_CODE(store->read(identity(1), 0, into), Code::not_found);
  REQUIRE_CODE(store->open_object(shape(1, 1), 0), Code::not_found);
  REQUIRE_CODE(store->verify(shape(1, 10), 0, 0), Code::not_found);
  REQUIRE_OK(store->remove(identity(1)));
}

BOOST_AUTO_TEST_CASE(only_complete_stripes_can_be_read) {
  open();
  const ObjectShape of = shape(1, 4 * kTestStripeBytes);
  auto landing = store->begin(of, of.bytes);
  REQUIRE_OK(landing);
  REQUIRE_OK(write_stripe(*landing.value(), of, 1));
  BOOST_TEST(!holds(*store, of, 1));
  REQUIRE_OK(landing.value()->complete_stripe(1));
  BOOST_TEST(holds(*store, of, 1));
  std::vector<std::byte> across(100);
  REQUIRE_CODE(store->read(of.identity, 2 * kTestStripeBytes - 50, across), Code::not_found);
  REQUIRE_CODE(store->open_object(of, 0), Code::not_found);
  REQUIRE_CODE(landing.value()->publish(), Code::bad_argument);
  REQUIRE_CODE(landing.value()->complete_stripe(0), Code::bad_argument);
}

BOOST_AUTO_TEST_CASE(a_dropped_landing_keeps_complete_stripes_and_gives_back_the_rest) {
  open();
  const ObjectShape of = shape(1, 4 * kTestStripeBytes);
  {
    auto landing = store->begin(of, of.bytes);
    REQUIRE_OK(landing);
    BOOST_TEST(store->usage().used_bytes == of.bytes);
    REQUIRE_OK(write_stripe(*landing.value(), of, 2));
    REQUIRE_OK(landing.value()->complete_stripe(2));
    REQUIRE_OK(landing.value()->write_chunk(0, bytes_of(of, 0, kChunkBytes)));
  }
  BOOST_TEST(store->usage().used_bytes == kTestStripeBytes);
  BOOST_TEST(holds(*store, of, 2));
  struct stat info {};
  BOOST_REQUIRE(::stat(file_of(of, ".part").c_str(), &info) == 0);
  BOOST_TEST(static_cast<std::uint64_t>(info.st_blocks) * 512 <= kTestStripeBytes + 65536);

  for (const std::uint32_t stripe : {3U, 0U, 1U}) {
    REQUIRE_OK(land_stripe(*store, of, stripe));
  }
  auto last = store->begin(of, 0);
  REQUIRE_OK(last);
  REQUIRE_OK(last.value()->publish());
  for (std::uint32_t stripe = 0; stripe < 4; ++stripe) {
    BOOST_TEST(holds(*store, of, stripe));
  }
  BOOST_TEST(store->usage().used_bytes == of.bytes);
}

BOOST_AUTO_TEST_CASE(a_landing_that_wrote_nothing_leaves_nothing) {
  open();
  REQUIRE_OK(store->begin(shape(1, 100), 100));
  BOOST_TEST(store->usage().used_bytes == 0U);
  BOOST_TEST(!std::filesystem::exists(file_of(shape(1, 100), ".part")));
}

BOOST_AUTO_TEST_CASE(landings_of_one_object_share_its_file) {
  open();
  const ObjectShape of = shape(1, 2 * kTestStripeBytes);
  auto one = store->begin(of, kTestStripeBytes);
  auto two = store->begin(of, kTestStripeBytes);
  REQUIRE_OK(one);
  REQUIRE_OK(two);
  REQUIRE_OK(one.value()->write_chunk(0, bytes_of(of, 0, kChunkBytes)));
  REQUIRE_CODE(two.value()->write_chunk(0, bytes_of(of, 0, kChunkBytes)), Code::unavailable);
  REQUIRE_OK(write_stripe(*two.value(), of, 1));
  const auto checksum = two.value()->complete_stripe(1);
  REQUIRE_OK(checksum);
  REQUIRE_OK(write_stripe(*one.value(), of, 0));
  REQUIRE_OK(one.value()->complete_stripe(0));
  const auto inode = one.value()->publish();
  REQUIRE_OK(inode);
  BOOST_TEST(two.value()->publish().value() == inode.value());
  BOOST_TEST(two.value()->complete_stripe(1).value() == checksum.value());
  BOOST_TEST(holds(*store, of, 0));
  BOOST_TEST(holds(*store, of, 1));
}

BOOST_AUTO_TEST_CASE(a_complete_stripe_is_never_overwritten) {
  open();
  const ObjectShape of = shape(1, 2 * kTestStripeBytes);
  auto landing = store->begin(of, of.bytes);
  REQUIRE_OK(landing);
  REQUIRE_OK(write_stripe(*landing.value(), of, 0));
  REQUIRE_OK(landing.value()->complete_stripe(0));
  const std::vector<std::byte> other(kChunkBytes);
  REQUIRE_OK(landing.value()->write_chunk(0, other));
  REQUIRE_OK(landing.value()->write_chunk(kChunkBytes, other));
  REQUIRE_CODE(landing.value()->complete_stripe(0), Code::changed);
  BOOST_TEST(holds(*store, of, 0));
}

BOOST_AUTO_TEST_CASE(a_removed_object_stays_readable_where_it_is_open) {
  open();
  const ObjectShape of = shape(1, 5000);
  REQUIRE_OK(land(*store, of));
  const auto fd = store->open_object(of, 0);
  REQUIRE_OK(fd);
  REQUIRE_OK(store->remove(of.identity));
  BOOST_TEST(!holds(*store, of, 0));
  BOOST_TEST(store->usage().used_bytes == 0U);
  std::vector<std::byte> got(5000);
  BOOST_TEST(read_fully_at(fd.value().get(), got, 0, "it").value() == 5000U);
  BOOST_TEST((got == bytes_of(of, 0, 5000)));
}

BOOST_AUTO_TEST_CASE(removing_an_object_cancels_its_landings) {
  open();
  const ObjectShape of = shape(1, 2 * kTestStripeBytes);
  auto landing = store->begin(of, of.bytes);
  REQUIRE_OK(landing);
  REQUIRE_OK(write_stripe(*landing.value(), of, 0));
  REQUIRE_OK(landing.value()->complete_stripe(0));
  REQUIRE_OK(store->remove(of.identity));
  REQUIRE_CODE(write_stripe(*landing.value(), of, 1), Code::cancelled);
  REQUIRE_CODE(landing.value()->complete_stripe(0), Code::cancelled);
  REQUIRE_CODE(landing.value()->publish(), Code::cancelled);
  REQUIRE_OK(land(*store, of));  // Begun anew beside the old landing.
  landing.value().reset();
  BOOST_TEST(holds(*store, of, 0));
  BOOST_TEST(store->usage().used_bytes == of.bytes);
}

BOOST_AUTO_TEST_CASE(bringing_a_published_object_in_again_replaces_it) {
  open();
  const ObjectShape of = shape(1, 3000);
  REQUIRE_OK(land(*store, of));
  REQUIRE_OK(land(*store, of));
  BOOST_TEST(holds(*store, of, 0));
  BOOST_TEST(store->usage().used_bytes == 3000U);
}

BOOST_AUTO_TEST_CASE(another_stripe_size_begins_anew) {
  open();
  ObjectShape of = shape(1, 3 * kTestStripeBytes);
  REQUIRE_OK(land_stripe(*store, of, 1));
  of.stripe_bytes = kChunkBytes;
  REQUIRE_OK(land_stripe(*store, of, 0));
  BOOST_TEST(holds(*store, of, 0));
  BOOST_TEST(!holds(*store, of, 2));  // Was the first half of the old stripe 1.
  BOOST_TEST(store->usage().used_bytes == kChunkBytes);
  of.stripe_bytes = 1000;
  REQUIRE_CODE(store->begin(of, 1000), Code::bad_argument);
}

BOOST_AUTO_TEST_CASE(a_chunk_of_another_size_is_refused) {
  open();
  const ObjectShape of = shape(1, kChunkBytes + 10);
  auto landing = store->begin(of, of.bytes);
  REQUIRE_OK(landing);
  REQUIRE_CODE(landing.value()->write_chunk(0, bytes_of(of, 0, 10)), Code::bad_argument);
  REQUIRE_CODE(landing.value()->write_chunk(kChunkBytes, bytes_of(of, 0, 11)), Code::bad_argument);
  REQUIRE_CODE(landing.value()->write_chunk(3, bytes_of(of, 3, 10)), Code::bad_argument);
  REQUIRE_CODE(landing.value()->write_chunk(kTestStripeBytes, {}), Code::bad_argument);
}

BOOST_AUTO_TEST_CASE(verify_finds_a_flipped_bit) {
  open();
  const ObjectShape of = shape(1, kTestStripeBytes + 100);
  auto landing = store->begin(of, of.bytes);
  REQUIRE_OK(landing);
  REQUIRE_OK(write_stripe(*landing.value(), of, 1));
  const auto checksum = landing.value()->complete_stripe(1);
  REQUIRE_OK(checksum);
  REQUIRE_OK(store->verify(of, 1, checksum.value()));
  FILE* file = ::fopen(file_of(of, ".part").c_str(), "r+");
  BOOST_REQUIRE(file != nullptr);
  ::fseek(file, kTestStripeBytes + 50, SEEK_SET);
  ::fputc(0, file);
  ::fclose(file);
  REQUIRE_CODE(store->verify(of, 1, checksum.value()), Code::corrupt);
  landing.value().reset();
  REQUIRE_OK(store->remove(of.identity));
  REQUIRE_CODE(store->verify(of, 1, checksum.value()), Code::not_found);
}

BOOST_AUTO_TEST_CASE(capacity_is_a_hard_limit) {
  open(10'000);
  REQUIRE_OK(land(*store, shape(1, 6000)));
  REQUIRE_CODE(store->begin(shape(2, 4001), 4001), Code::no_space);
  {
    auto landing = store->begin(shape(3, 4000), 4000);
    REQUIRE_OK(landing);
    REQUIRE_CODE(store->begin(shape(4, 1), 1), Code::no_space);
  }
  // A landing that writes more than it reserved meets the limit too.
  auto landing = store->begin(shape(5, 5000), 0);
  REQUIRE_OK(landing);
  REQUIRE_CODE(landing.value()->write_chunk(0, bytes_of(shape(5, 5000), 0, 5000)), Code::no_space);
  landing.value().reset();
  BOOST_TEST(store->usage().used_bytes == 6000U);
}

BOOST_AUTO_TEST_CASE(strangers_make_room_and_wanted_objects_do_not) {
  open();
  for (std::uint64_t i = 0; i < 10; ++i) {
    REQUIRE_OK(land(*store, shape(i, 1000)));
  }
  open(10'000);
  store->visit_kept([](const KeptStripe& stripe) { return stripe.object == identity(3); });
  // Wanted after all: brought in anew, it is not evicted.
  REQUIRE_OK(store->remove(identity(4)));
  REQUIRE_OK(land(*store, shape(4, 1000)));
  for (std::uint64_t i = 20; i < 28; ++i) {
    REQUIRE_OK(land(*store, shape(i, 1000)));
  }
  REQUIRE_CODE(land(*store, shape(30, 1000)), Code::no_space);
  BOOST_TEST(holds(*store, shape(3, 1000), 0));
  BOOST_TEST(holds(*store, shape(4, 1000), 0));
  BOOST_TEST(!holds(*store, shape(5, 1000), 0));
}

BOOST_AUTO_TEST_CASE(a_smaller_capacity_evicts_strangers_at_once) {
  open();
  for (std::uint64_t i = 0; i < 10; ++i) {
    REQUIRE_OK(land(*store, shape(i, 1000)));
  }
  open(4'500);
  kept(*store, false);
  BOOST_TEST(store->usage().used_bytes == 4000U);
}

BOOST_AUTO_TEST_CASE(many_threads_bring_in_evict_and_read_at_once) {
  open();
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < 300; ++i) {
        const ObjectShape of = shape(i % 20, 1000 + i % 20);
        if (t == 0 && i % 7 == 0) {
          wrong += store->remove(of.identity).ok() ? 0 : 1;
        }
        const auto landed = land(*store, of);
        const bool expected =
            landed.ok() || landed.error().code == Code::unavailable || landed.error().code == Code::cancelled;
        wrong += expected ? 0 : 1;
        std::vector<std::byte> got(of.bytes);
        const auto read = store->read(of.identity, 0, got);
        wrong += read.ok() && got != bytes_of(of, 0, of.bytes) ? 1 : 0;
        wrong += !read.ok() && read.error().code != Code::not_found ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  BOOST_TEST(wrong == 0);
  std::uint64_t there = 0;
  for (std::uint64_t i = 0; i < 20; ++i) {
    there += holds(*store, shape(i, 1000 + i), 0) ? 1000 + i : 0;
  }
  BOOST_TEST(store->usage().used_bytes == there);
}

BOOST_AUTO_TEST_SUITE_END()
