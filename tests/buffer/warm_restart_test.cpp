#define BOOST_TEST_MODULE warm_restart
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "index_file.hpp"
#include "shared/session_layout.hpp"
#include "store_fixture.hpp"

using namespace forebay;

namespace {

struct WarmFixture : StoreFixture {
  // Objects 0 to 4, small; object 5, of three stripes, whole; object 6, with only stripe 1 of three.
  std::vector<ObjectShape> smalls;
  ObjectShape large = shape(5, 2 * kTestStripeBytes + 77);
  ObjectShape partial = shape(6, 2 * kTestStripeBytes + 99);

  WarmFixture() {
    open();
    for (std::uint64_t i = 0; i < 5; ++i) {
      smalls.push_back(shape(i, 1000 * i));
      REQUIRE_OK(land(*store, smalls.back()));
    }
    REQUIRE_OK(land(*store, large));
    REQUIRE_OK(land_stripe(*store, partial, 1));
    store.reset();
  }

  // Opens, and checks that each offered stripe holds its bytes. Returns how many are offered.
  std::size_t offered() {
    open();
    std::map<std::uint64_t, ObjectShape> shapes;
    for (const ObjectShape& of : smalls) {
      shapes.emplace(of.identity.path, of);
    }
    shapes.emplace(large.identity.path, large);
    shapes.emplace(partial.identity.path, partial);
    const auto all = kept(*store);
    std::uint64_t bytes = 0;
    for (const KeptStripe& stripe : all) {
      const ObjectShape& of = shapes.at(stripe.object.path);
      BOOST_TEST(stripe.object_bytes == of.bytes);
      BOOST_TEST(stripe.stripe_bytes == of.stripe_bytes);
      BOOST_TEST(stripe.bytes == stripe_length(of, stripe.stripe));
      BOOST_TEST(holds(*store, of, stripe.stripe));
      REQUIRE_OK(store->verify(of, stripe.stripe, stripe.checksum));
      struct stat info {};
      if (stripe.whole_inode != 0) {
        BOOST_REQUIRE(::stat(file_of(of).c_str(), &info) == 0);
        BOOST_TEST(info.st_ino == stripe.whole_inode);
        BOOST_TEST((info.st_mode & 07777) == kBufferFileMode);
      } else {
        BOOST_TEST(::stat(file_of(of).c_str(), &info) == -1);
      }
      bytes += stripe.bytes;
    }
    BOOST_TEST(store->usage().used_bytes == bytes);
    return all.size();
  }

  [[nodiscard]] std::size_t files() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root() + "/objects")) {
      count += entry.is_directory() ? 0 : 1;
    }
    return count;
  }
};

constexpr std::size_t kAll = 5 + 3 + 1;

}  // namespace

BOOST_FIXTURE_TEST_SUITE(warm_restart, WarmFixture)

BOOST_AUTO_TEST_CASE(everything_is_there_after_a_stop) {
  const auto index = file_bytes(index_path());
  BOOST_TEST(offered() == kAll);
  BOOST_TEST(store->taken_up().verified_stripes == 0U);
  BOOST_TEST(store->taken_up().dropped_stripes == 0U);
  store.reset();
  BOOST_TEST((file_bytes(index_path()) == index));  // Nothing to write anew.
  BOOST_TEST(offered() == kAll);
}

BOOST_AUTO_TEST_CASE(bringing_in_goes_on_where_it_stopped) {
  BOOST_TEST(offered() == kAll);
  REQUIRE_OK(land_stripe(*store, partial, 0));
  BOOST_TEST(offered() == kAll + 1);
  auto landing = store->begin(partial, 99);
  REQUIRE_OK(landing);
  REQUIRE_OK(write_stripe(*landing.value(), partial, 2));
  REQUIRE_OK(landing.value()->complete_stripe(2));
  REQUIRE_OK(landing.value()->publish());
  landing.value().reset();
  BOOST_TEST(offered() == kAll + 2);
}

BOOST_AUTO_TEST_CASE(a_stop_between_the_last_stripe_and_publishing_loses_nothing) {
  REQUIRE_OK(open().remove(partial.identity));
  const ObjectShape small = shape(2, 2000);
  REQUIRE_OK(store->remove(small.identity));
  REQUIRE_OK(land_stripe(*store, small, 0));
  for (const std::uint32_t stripe : {0U, 1U, 2U}) {
    REQUIRE_OK(land_stripe(*store, partial, stripe));
  }
  BOOST_TEST(offered() == kAll + 2);
  BOOST_TEST(std::filesystem::exists(file_of(small)));
  BOOST_TEST(std::filesystem::exists(file_of(partial)));
}

BOOST_AUTO_TEST_CASE(removed_objects_stay_removed) {
  open();
  REQUIRE_OK(store->remove(smalls[1].identity));
  REQUIRE_OK(store->remove(partial.identity));
  BOOST_TEST(offered() == kAll - 2);
  BOOST_TEST(files() == 5U);
}

BOOST_AUTO_TEST_CASE(an_object_removed_before_the_visit_is_not_visited) {
  open();
  REQUIRE_OK(store->remove(smalls[1].identity));
  BOOST_TEST(kept(*store).size() == kAll - 1);
}

BOOST_AUTO_TEST_CASE(an_object_removed_and_brought_in_again_is_there) {
  open();
  REQUIRE_OK(store->remove(large.identity));
  REQUIRE_OK(land(*store, large));
  BOOST_TEST(offered() == kAll);
}

BOOST_AUTO_TEST_CASE(after_a_reboot_every_stripe_is_verified) {
  pretend_reboot(index_path());
  BOOST_TEST(offered() == kAll);
  BOOST_TEST(store->taken_up().verified_stripes == kAll);
  BOOST_TEST(offered() == kAll);  // The index is now one of this boot.
  BOOST_TEST(store->taken_up().verified_stripes == 0U);
}

BOOST_AUTO_TEST_CASE(after_a_reboot_damaged_stripes_are_not_offered) {
  flip_byte(file_of(smalls[3]), 1234);
  flip_byte(file_of(large), kTestStripeBytes + 5);
  flip_byte(file_of(partial, ".part"), kTestStripeBytes + 5);
  pretend_reboot(index_path());
  BOOST_TEST(offered() == kAll - 3);
  BOOST_TEST(store->taken_up().dropped_stripes == 3U);
  BOOST_TEST(!std::filesystem::exists(file_of(smalls[3])));
  BOOST_TEST(!std::filesystem::exists(file_of(large)));  // In parts again, and can be completed.
  REQUIRE_OK(land_stripe(*store, large, 1));
  BOOST_TEST(offered() == kAll - 2);
}

BOOST_AUTO_TEST_CASE(a_cut_file_is_not_offered) {
  std::filesystem::resize_file(file_of(smalls[4]), 3999);
  std::filesystem::resize_file(file_of(large), 100);
  std::filesystem::resize_file(file_of(partial, ".part"), partial.bytes - 1);
  BOOST_TEST(offered() == 4U);
  BOOST_TEST(files() == 4U);
}

BOOST_AUTO_TEST_CASE(files_exchanged_behind_its_back_are_verified) {
  // Another inode with the same size: once with the right bytes, once without.
  std::filesystem::copy_file(file_of(smalls[4]), file_of(smalls[4]) + ".copy");
  std::filesystem::rename(file_of(smalls[4]) + ".copy", file_of(smalls[4]));
  set_file_bytes(file_of(smalls[3]) + ".copy", std::vector<char>(3000));
  std::filesystem::rename(file_of(smalls[3]) + ".copy", file_of(smalls[3]));
  // The copy of the first has the mode that copying gives it.
  ::chmod(file_of(smalls[4]).c_str(), kBufferFileMode);
  BOOST_TEST(offered() == kAll - 1);
  BOOST_TEST(store->taken_up().verified_stripes == 2U);
}

BOOST_AUTO_TEST_CASE(files_nobody_recorded_are_removed) {
  set_file_bytes(file_of(shape(77, 10)), std::vector<char>(10));
  set_file_bytes(file_of(shape(78, 10), ".part"), std::vector<char>(10));
  set_file_bytes(root() + "/objects/00/what", std::vector<char>(10));
  std::filesystem::create_symlink("/etc/passwd", file_of(shape(79, 10)));
  set_file_bytes(file_of(smalls[1], ".part"), std::vector<char>(10));
  BOOST_TEST(offered() == kAll);
  BOOST_TEST(store->taken_up().unknown_files == 5U);
  BOOST_TEST(files() == 7U);
}

BOOST_AUTO_TEST_CASE(missing_files_are_not_offered_and_their_records_go) {
  std::filesystem::remove(file_of(smalls[1]));
  std::filesystem::remove(file_of(large));
  BOOST_TEST(offered() == kAll - 4);
  BOOST_TEST(store->taken_up().dropped_stripes == 4U);
  BOOST_TEST(file_bytes(index_path()).size() == record_offset(kAll - 4));
}

BOOST_AUTO_TEST_CASE(a_torn_record_ends_the_index) {
  const auto bytes = file_bytes(index_path());
  BOOST_REQUIRE(bytes.size() == record_offset(kAll));
  for (const std::size_t cut :
       {record_offset(kAll) - 1, record_offset(kAll - 1) + 1, record_offset(kAll - 1)}) {
    set_file_bytes(index_path(), {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(cut)});
    BOOST_TEST(offered() == kAll - 1);
    REQUIRE_OK(land_stripe(*store, partial, 1));  // Records go on behind the last sound one.
    BOOST_TEST(offered() == kAll);
    store.reset();
    BOOST_TEST(file_bytes(index_path()).size() == record_offset(kAll));
  }
}

BOOST_AUTO_TEST_CASE(a_flipped_record_hides_those_behind_it) {
  flip_byte(index_path(), record_offset(2) + 20);
  BOOST_TEST(offered() == 2U);
  BOOST_TEST(files() == 2U);
}

BOOST_AUTO_TEST_CASE(exchanged_records_hide_those_behind_them) {
  auto bytes = file_bytes(index_path());
  std::swap_ranges(bytes.begin() + static_cast<std::ptrdiff_t>(record_offset(3)),
                   bytes.begin() + static_cast<std::ptrdiff_t>(record_offset(4)),
                   bytes.begin() + static_cast<std::ptrdiff_t>(record_offset(4)));
  set_file_bytes(index_path(), bytes);
  BOOST_TEST(offered() == 3U);
}

BOOST_AUTO_TEST_CASE(a_damaged_header_is_an_empty_index) {
  flip_byte(index_path(), 8);
  BOOST_TEST(offered() == 0U);
  BOOST_TEST(files() == 0U);
  REQUIRE_OK(land(*store, large));
  BOOST_TEST(offered() == 3U);
}

BOOST_AUTO_TEST_CASE(a_missing_or_empty_index_is_an_empty_one) {
  set_file_bytes(index_path(), {});
  BOOST_TEST(offered() == 0U);
  store.reset();
  std::filesystem::remove(index_path());
  BOOST_TEST(offered() == 0U);
}

BOOST_AUTO_TEST_CASE(no_single_flipped_byte_of_the_index_offers_wrong_bytes) {
  const auto bytes = file_bytes(index_path());
  const std::string saved = scratch.path() + "/saved";
  std::filesystem::copy(root(), saved, std::filesystem::copy_options::recursive);
  for (std::size_t at = 3; at < bytes.size(); at += 97) {
    auto flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    set_file_bytes(index_path(), flipped);
    BOOST_TEST(offered() <= kAll);
    store.reset();
    std::filesystem::remove_all(root());
    std::filesystem::copy(saved, root(), std::filesystem::copy_options::recursive);
  }
}

BOOST_AUTO_TEST_CASE(the_index_is_written_anew_when_most_of_it_is_past) {
  open();
  for (int i = 0; i < 10; ++i) {
    REQUIRE_OK(store->remove(smalls[2].identity));
    REQUIRE_OK(land(*store, smalls[2]));
  }
  store.reset();
  BOOST_TEST(file_bytes(index_path()).size() == record_offset(kAll + 20));
  BOOST_TEST(offered() == kAll);
  BOOST_TEST(file_bytes(index_path()).size() == record_offset(kAll));
  BOOST_TEST(offered() == kAll);
}

BOOST_AUTO_TEST_SUITE_END()
