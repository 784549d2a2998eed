// Eviction of single stripes from objects that are not whole, and readers that go on meanwhile.
#define BOOST_TEST_MODULE evict_stripe
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <random>
#include <thread>

#include "buffer/index_log.hpp"
#include "buffer/store_fixture.hpp"
#include "shared/state_layout.hpp"

namespace forebay {

namespace {

std::uint64_t disk_bytes_of(const std::string& path) {
  struct stat info {};
  BOOST_REQUIRE_EQUAL(::stat(path.c_str(), &info), 0);
  return static_cast<std::uint64_t>(info.st_blocks) * 512;
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(an_evicted_stripe_gives_its_room_back_and_the_others_stay, StoreFixture) {
  open();
  const ObjectShape of = shape(1, 3 * kTestStripeBytes + 12345);
  for (std::uint32_t stripe = 0; stripe < 4; ++stripe) {
    REQUIRE_OK(land_stripe(*store, of, stripe));
  }
  BOOST_TEST(store->usage().used_bytes == of.bytes);
  const std::uint64_t before = disk_bytes_of(file_of(of, ".part"));
  REQUIRE_OK(store->evict_stripe(of.identity, 1));
  REQUIRE_OK(store->evict_stripe(of.identity, 3));
  BOOST_TEST(store->usage().used_bytes == 2 * kTestStripeBytes);
  BOOST_TEST(disk_bytes_of(file_of(of, ".part")) <= before - kTestStripeBytes - 8192);
  BOOST_TEST(holds(*store, of, 0));
  BOOST_TEST(holds(*store, of, 2));
  std::vector<std::byte> got(16);
  REQUIRE_CODE(store->read(of.identity, kTestStripeBytes, got), Code::not_found);
  REQUIRE_CODE(store->evict_stripe(of.identity, 1), Code::not_found);
  REQUIRE_CODE(store->evict_stripe(of.identity, 4), Code::not_found);
  REQUIRE_CODE(store->evict_stripe(identity(2), 0), Code::not_found);
}

BOOST_FIXTURE_TEST_CASE(an_evicted_stripe_can_come_in_again, StoreFixture) {
  open();
  const ObjectShape of = shape(1, 2 * kTestStripeBytes);
  REQUIRE_OK(land_stripe(*store, of, 0));
  REQUIRE_OK(land_stripe(*store, of, 1));
  for (int round = 0; round < 3; ++round) {
    REQUIRE_OK(store->evict_stripe(of.identity, 0));
    REQUIRE_OK(land_stripe(*store, of, 0));
  }
  auto landing = store->begin(of, 0);
  REQUIRE_OK(landing);
  REQUIRE_OK((*landing)->publish());
  BOOST_TEST(holds(*store, of, 0));
  BOOST_TEST(store->usage().used_bytes == of.bytes);
  REQUIRE_CODE(store->evict_stripe(of.identity, 0), Code::not_found);
  BOOST_TEST(holds(*store, of, 0));
}

BOOST_FIXTURE_TEST_CASE(the_file_goes_with_its_last_stripe, StoreFixture) {
  open();
  const ObjectShape of = shape(1, 2 * kTestStripeBytes);
  REQUIRE_OK(land_stripe(*store, of, 0));
  REQUIRE_OK(land_stripe(*store, of, 1));
  REQUIRE_OK(store->evict_stripe(of.identity, 0));
  REQUIRE_OK(store->evict_stripe(of.identity, 1));
  BOOST_TEST(store->usage().used_bytes == 0u);
  BOOST_TEST(::access(file_of(of, ".part").c_str(), F_OK) != 0);
  REQUIRE_OK(land_stripe(*store, of, 1));
  BOOST_TEST(holds(*store, of, 1));
}

BOOST_FIXTURE_TEST_CASE(a_landing_of_another_stripe_goes_on, StoreFixture) {
  open();
  const ObjectShape of = shape(1, 2 * kTestStripeBytes);
  auto landing = store->begin(of, of.bytes);
  REQUIRE_OK(landing);
  REQUIRE_OK(write_stripe(**landing, of, 0));
  REQUIRE_OK((*landing)->complete_stripe(0));
  REQUIRE_OK(store->evict_stripe(of.identity, 0));
  REQUIRE_OK(write_stripe(**landing, of, 1));
  REQUIRE_OK((*landing)->complete_stripe(1));
  landing->reset();
  BOOST_TEST(holds(*store, of, 1));
  BOOST_TEST(store->usage().used_bytes == kTestStripeBytes);
}

BOOST_FIXTURE_TEST_CASE(a_stripe_that_goes_while_a_landing_takes_it_for_complete_is_not_complete,
                        StoreFixture) {
  open();
  const ObjectShape of = shape(1, 2 * kTestStripeBytes);
  REQUIRE_OK(land_stripe(*store, of, 0));
  REQUIRE_OK(land_stripe(*store, of, 1));
  auto landing = store->begin(of, 0);
  REQUIRE_OK(landing);
  REQUIRE_OK(write_stripe(**landing, of, 0));  // Taken and ignored.
  REQUIRE_OK(store->evict_stripe(of.identity, 0));
  REQUIRE_CODE((*landing)->complete_stripe(0), Code::unavailable);
  BOOST_TEST(!holds(*store, of, 0));
}

BOOST_FIXTURE_TEST_CASE(a_later_run_finds_the_stripes_that_stayed_and_no_other, StoreFixture) {
  open();
  const ObjectShape of = shape(1, 3 * kTestStripeBytes);
  for (std::uint32_t stripe = 0; stripe < 3; ++stripe) {
    REQUIRE_OK(land_stripe(*store, of, stripe));
  }
  REQUIRE_OK(store->evict_stripe(of.identity, 2));
  REQUIRE_OK(land_stripe(*store, of, 2));
  REQUIRE_OK(store->evict_stripe(of.identity, 1));
  for (int run = 0; run < 2; ++run) {
    open();
    const auto found = kept(*store);
    BOOST_TEST_REQUIRE(found.size() == 2u);
    BOOST_TEST(store->taken_up().verified_stripes == 0u);
    BOOST_TEST(found[0].stripe == 0u);
    BOOST_TEST(found[1].stripe == 2u);
    BOOST_TEST(holds(*store, of, 0));
    BOOST_TEST(holds(*store, of, 2));
    BOOST_TEST(store->usage().used_bytes == 2 * kTestStripeBytes);
  }
}

BOOST_FIXTURE_TEST_CASE(a_published_file_that_is_open_keeps_its_bytes_whatever_the_index_lost, StoreFixture) {
  open();
  const ObjectShape of = shape(1, 2 * kTestStripeBytes + 777);
  const auto inode = land(*store, of);
  REQUIRE_OK(inode);
  auto opened = store->open_object(of, *inode);
  REQUIRE_OK(opened);
  store.reset();
  std::filesystem::resize_file(index_path(), std::filesystem::file_size(index_path()) - sizeof(IndexRecord));
  open();
  BOOST_TEST(kept(*store).size() == 2u);
  BOOST_TEST(holds(*store, of, 0));
  BOOST_TEST(holds(*store, of, 1));
  const auto bytes_of_open = [&] {
    std::vector<std::byte> got(of.bytes);
    BOOST_REQUIRE_EQUAL(::pread(opened->get(), got.data(), got.size(), 0), static_cast<ssize_t>(got.size()));
    return got;
  };
  BOOST_TEST((bytes_of_open() == bytes_of(of, 0, of.bytes)));
  REQUIRE_OK(land_stripe(*store, of, 2));
  REQUIRE_OK(store->evict_stripe(of.identity, 0));
  BOOST_TEST((bytes_of_open() == bytes_of(of, 0, of.bytes)));
  open();
  BOOST_TEST(kept(*store).size() == 2u);
  BOOST_TEST(store->usage().used_bytes == kTestStripeBytes + 777);
}

// What clients and the server do, without either: readers load the stripe's word, read the file, load the
// word again; meanwhile stripes are evicted and brought in. Every byte that counts as read is compared.
BOOST_FIXTURE_TEST_CASE(no_reader_takes_a_byte_of_a_stripe_that_goes, StoreFixture) {
  open();
  constexpr std::uint32_t kStripes = 3;
  const ObjectShape of = shape(7, (kStripes - 1) * kTestStripeBytes + 300001);
  std::vector<std::uint64_t> memory(StateView::file_bytes(1, kStripes) / 8 + 1);
  StateView::format(memory.data(), 1, kStripes);
  const StateView state(memory.data());
  const auto bring = [&](std::uint32_t stripe) {
    state.set_phase(stripe, StripePhase::staging);
    REQUIRE_OK(land_stripe(*store, of, stripe));
    state.set_present(stripe, 1);
  };
  for (std::uint32_t stripe = 0; stripe < kStripes; ++stripe) {
    bring(stripe);
  }
  const std::vector<std::byte> expected = bytes_of(of, 0, of.bytes);
  const std::string path = file_of(of, ".part");
  std::atomic<bool> over{false};
  std::atomic<std::uint64_t> good{0};
  std::atomic<std::uint64_t> discarded{0};
  std::atomic<std::uint64_t> wrong{0};
  std::vector<std::thread> readers;
  for (unsigned number = 0; number < 3; ++number) {
    readers.emplace_back([&, number] {
      std::mt19937 random(number);
      std::vector<std::byte> got(256 << 10);
      while (!over) {
        const auto stripe = static_cast<std::uint32_t>(random() % kStripes);
        const std::uint64_t length = stripe_length(of, stripe);
        const std::uint64_t bytes = std::min<std::uint64_t>(length, 1 + random() % got.size());
        const std::uint64_t offset = stripe * of.stripe_bytes + random() % (length - bytes + 1);
        const std::uint32_t word = state.stripe_word(stripe);
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        const auto count = fd < 0 ? -1 : ::pread(fd, got.data(), bytes, static_cast<off_t>(offset));
        ::close(fd);
        if (!state.still_present(stripe, word)) {
          ++discarded;
        } else if (count != static_cast<ssize_t>(bytes) ||
                   !std::equal(got.begin(), got.begin() + count,
                               expected.begin() + static_cast<off_t>(offset))) {
          ++wrong;
        } else {
          ++good;
        }
      }
    });
  }
  // Peers read through the store itself.
  readers.emplace_back([&] {
    std::mt19937 random(99);
    std::vector<std::byte> got(64 << 10);
    while (!over) {
      const std::uint64_t offset = random() % (of.bytes - got.size());
      const auto read = store->read(of.identity, offset, got);
      if (!read.ok()) {
        ++discarded;
      } else if (!std::equal(got.begin(), got.end(), expected.begin() + static_cast<off_t>(offset))) {
        ++wrong;
      } else {
        ++good;
      }
    }
  });
  std::mt19937 random(1000);
  for (int round = 0; round < 60 || good < 200 || discarded < 20; ++round) {
    const auto stripe = static_cast<std::uint32_t>(random() % kStripes);
    state.set_absent(stripe);
    REQUIRE_OK(store->evict_stripe(of.identity, stripe));
    bring(stripe);
  }
  over = true;
  for (auto& reader : readers) {
    reader.join();
  }
  BOOST_TEST_MESSAGE(good << " reads good, " << discarded << " discarded");
  BOOST_TEST(wrong == 0u);
}

}  // namespace forebay
