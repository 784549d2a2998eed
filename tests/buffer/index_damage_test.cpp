#define BOOST_TEST_MODULE index_damage
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "index_file.hpp"
#include "store_fixture.hpp"

using namespace forebay;

namespace {

// Five small objects and one in parts, each with a second link, so that every round begins with the same
// files.
struct DamagedIndex : StoreFixture {
  static constexpr std::size_t kRecords = 6;
  std::vector<ObjectShape> objects;
  ObjectShape in_parts = shape(5, kTestStripeBytes + 9);
  std::vector<char> index;
  std::size_t offered_of_sound = 0;
  std::size_t rounds = 0;

  DamagedIndex() {
    open();
    for (std::uint64_t i = 0; i < kRecords - 1; ++i) {
      objects.push_back(shape(i, 100 * i));
      REQUIRE_OK(land(*store, objects.back()));
    }
    REQUIRE_OK(land_stripe(*store, in_parts, 1));
    store.reset();
    index = file_bytes(index_path());
    BOOST_REQUIRE(index.size() == record_offset(kRecords));
    std::filesystem::create_directory(scratch.path() + "/links");
    for (const ObjectShape& of : objects) {
      std::filesystem::create_hard_link(file_of(of), link_of(of));
    }
    std::filesystem::create_hard_link(file_of(in_parts, ".part"), link_of(in_parts));
    offered_of_sound = round(index);
    BOOST_TEST(offered_of_sound == kRecords);
    BOOST_TEST(store->taken_up().verified_stripes == 0U);
  }

  [[nodiscard]] std::string link_of(const ObjectShape& of) const {
    return scratch.path() + "/links/" + std::to_string(of.bytes);
  }
  void link_again(const ObjectShape& of, const std::string& suffix) const {
    std::filesystem::remove(file_of(of));
    std::filesystem::remove(file_of(of, ".part"));
    std::filesystem::create_hard_link(link_of(of), file_of(of, suffix));
  }

  // Opens the buffer with this index; returns how many stripes are offered, all of which must hold their
  // bytes.
  std::size_t round(const std::vector<char>& damaged) {
    ++rounds;
    store.reset();
    for (const ObjectShape& of : objects) {
      link_again(of, "");
    }
    link_again(in_parts, ".part");
    set_file_bytes(index_path(), damaged);
    open();
    std::uint64_t bytes = 0;
    const auto all = kept(*store);
    for (const KeptStripe& stripe : all) {
      const ObjectShape* of = &in_parts;
      for (const ObjectShape& object : objects) {
        of = object.identity == stripe.object ? &object : of;
      }
      BOOST_REQUIRE((stripe.object == of->identity));
      BOOST_REQUIRE(stripe.object_bytes == of->bytes);
      BOOST_REQUIRE(holds(*store, *of, stripe.stripe));
      BOOST_REQUIRE(stripe.whole_inode == 0 || store->open_object(*of, stripe.whole_inode).ok());
      bytes += stripe.bytes;
    }
    BOOST_REQUIRE(store->usage().used_bytes == bytes);
    return all.size();
  }

  [[nodiscard]] static std::size_t record_at(std::size_t offset) {
    return offset < sizeof(IndexHeader) ? 0 : (offset - sizeof(IndexHeader)) / sizeof(IndexRecord);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(whichever_byte_of_the_index_is_flipped_what_is_offered_is_right, DamagedIndex) {
  for (std::size_t at = 0; at < index.size(); ++at) {
    std::vector<char> damaged = index;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
    BOOST_TEST_CONTEXT("byte " << at) {
      // What was recorded before the damage is kept.
      BOOST_REQUIRE(round(damaged) == record_at(at));
    }
  }
  BOOST_TEST(rounds == index.size() + 1);
}

BOOST_FIXTURE_TEST_CASE(wherever_the_index_is_cut_what_is_offered_is_right, DamagedIndex) {
  for (std::size_t bytes = 0; bytes < index.size(); ++bytes) {
    const std::vector<char> cut(index.begin(), index.begin() + static_cast<std::ptrdiff_t>(bytes));
    BOOST_TEST_CONTEXT(bytes << " bytes") {
      BOOST_REQUIRE(round(cut) == record_at(bytes));
    }
  }
}

BOOST_FIXTURE_TEST_CASE(records_that_were_swapped_or_copied_count_as_damage, DamagedIndex) {
  const auto record = [](std::vector<char>& of, std::size_t number) {
    return of.begin() + static_cast<std::ptrdiff_t>(record_offset(number));
  };
  for (std::size_t a = 0; a < kRecords; ++a) {
    for (std::size_t b = 0; b < kRecords; ++b) {
      if (a == b) {
        continue;
      }
      std::vector<char> swapped = index;
      std::swap_ranges(record(swapped, a), record(swapped, a) + sizeof(IndexRecord), record(swapped, b));
      BOOST_TEST(round(swapped) == std::min(a, b));
      std::vector<char> copied = index;
      std::copy(record(index, a), record(index, a) + sizeof(IndexRecord), record(copied, b));
      BOOST_TEST(round(copied) == b);
    }
  }
  std::vector<char> appended = index;
  appended.insert(appended.end(), record(index, 0), record(index, 0) + sizeof(IndexRecord));
  BOOST_TEST(round(appended) == kRecords);
}

BOOST_FIXTURE_TEST_CASE(records_of_another_index_count_as_damage, DamagedIndex) {
  // The same objects in another buffer: the same entries at the same places, but another salt.
  StoreFixture other;
  other.open();
  for (const ObjectShape& of : objects) {
    REQUIRE_OK(land(*other.store, of));
  }
  other.store.reset();
  const std::vector<char> foreign = file_bytes(other.index_path());
  for (std::size_t number = 0; number < objects.size(); ++number) {
    std::vector<char> mixed = index;
    const auto at = static_cast<std::ptrdiff_t>(record_offset(number));
    std::copy(foreign.begin() + at, foreign.begin() + at + static_cast<std::ptrdiff_t>(sizeof(IndexRecord)),
              mixed.begin() + at);
    BOOST_TEST(round(mixed) == number);
  }
  // The other's index as a whole: nothing here has the inodes it tells of, so all is verified, and is the
  // same.
  BOOST_TEST(round(foreign) == objects.size());
  BOOST_TEST(store->taken_up().verified_stripes == objects.size());
}
