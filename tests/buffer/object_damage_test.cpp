#define BOOST_TEST_MODULE object_damage
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <functional>

#include "buffer/quarantine.hpp"
#include "index_file.hpp"
#include "shared/seal.hpp"
#include "store_fixture.hpp"

using namespace forebay;

namespace {

struct stat stat_of(const std::string& path) {
  struct stat info {};
  BOOST_REQUIRE(::lstat(path.c_str(), &info) == 0);
  return info;
}

// What can happen to a published file: name, and how it is done to the first of two.
struct Damage {
  const char* name;
  std::function<void(const std::string& file, const std::string& other)> inflict;
};

void make_writable(const std::string& file, const std::function<void()>& change) {
  ::chmod(file.c_str(), 0600);
  change();
  ::chmod(file.c_str(), kBufferFileMode);
}

const std::vector<Damage>& damages() {
  namespace fs = std::filesystem;
  static const std::vector<Damage> all = {
      {"a byte is written",
       [](const auto& file, const auto&) { make_writable(file, [&] { flip_byte(file, 17); }); }},
      {"cut", [](const auto& file, const auto&) { make_writable(file, [&] { fs::resize_file(file, 99); }); }},
      {"emptied",
       [](const auto& file, const auto&) { make_writable(file, [&] { fs::resize_file(file, 0); }); }},
      {"extended",
       [](const auto& file, const auto&) { make_writable(file, [&] { fs::resize_file(file, 5001); }); }},
      {"touched", [](const auto& file,
                     const auto&) { BOOST_REQUIRE(::utimensat(AT_FDCWD, file.c_str(), nullptr, 0) == 0); }},
      {"made writable",
       [](const auto& file, const auto&) { BOOST_REQUIRE(::chmod(file.c_str(), 0600) == 0); }},
      {"swapped with another",
       [](const auto& file, const auto& other) {
         BOOST_REQUIRE(::renameat2(AT_FDCWD, file.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE) == 0);
       }},
      {"linked to another",
       [](const auto& file, const auto& other) {
         fs::remove(file);
         fs::create_hard_link(other, file);
       }},
      {"a symbolic link",
       [](const auto& file, const auto& other) {
         fs::remove(file);
         fs::create_symlink(other, file);
       }},
      {"a FIFO",
       [](const auto& file, const auto&) {
         fs::remove(file);
         BOOST_REQUIRE(::mkfifo(file.c_str(), 01400) == 0);
       }},
      {"a directory",
       [](const auto& file, const auto&) {
         fs::remove(file);
         fs::create_directories(file + "/with/more");
       }},
      {"a socket",
       [](const auto& file, const auto&) {
         fs::remove(file);
         const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
         const UniqueFd at(::open(fs::path(file).parent_path().c_str(), O_PATH));
         sockaddr_un address{};
         address.sun_family = AF_UNIX;
         std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/s", at.get());
         BOOST_REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
         fs::rename(fs::path(file).parent_path() / "s", file);
       }},
  };
  return all;
}

struct TwoObjects : StoreFixture {
  const ObjectShape first = shape(1, 5000);
  const ObjectShape second = shape(2, 5000);
  std::uint64_t inode = 0;
  void bring() {
    inode = *land(*store, first);
    REQUIRE_OK(land(*store, second));
  }
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_published_file_carries_its_seal, TwoObjects) {
  open();
  bring();
  const struct stat info = stat_of(file_of(first));
  BOOST_TEST(is_published_file(info, first.identity, first.bytes));
  BOOST_TEST(!is_published_file(info, second.identity, first.bytes));
  BOOST_TEST(!is_published_file(info, first.identity, first.bytes + 1));
  BOOST_TEST(info.st_mtim.tv_sec < static_cast<time_t>(kSealSecondsMax));
  BOOST_TEST(info.st_mtim.tv_nsec == 0);
  BOOST_TEST((::fcntl(store->open_object(first, inode)->get(), F_GETFL) & (O_ACCMODE | O_NONBLOCK)) ==
             O_RDONLY);
}

BOOST_FIXTURE_TEST_CASE(a_damaged_file_is_not_opened_and_comes_again_after_quarantine, TwoObjects) {
  open();
  for (const Damage& damage : damages()) {
    BOOST_TEST_CONTEXT(damage.name) {
      bring();
      REQUIRE_OK(store->open_object(first, inode));
      damage.inflict(file_of(first), file_of(second));
      REQUIRE_CODE(store->open_object(first, inode), Code::corrupt);
      REQUIRE_OK(store->quarantine(first, true));
      REQUIRE_OK(store->quarantine(second, true));
      REQUIRE_CODE(store->open_object(first, inode), Code::not_found);
      REQUIRE_OK(land(*store, first));
      BOOST_TEST(holds(*store, first, 0));
      REQUIRE_OK(store->remove(first.identity, first.bytes));
    }
  }
  // What is left of the account is the quarantine's.
  std::filesystem::remove_all(root() + "/quarantine");
  open();
  BOOST_TEST(store->usage().used_bytes == 0U);
}

BOOST_FIXTURE_TEST_CASE(a_file_that_looks_right_but_is_another_is_told_by_its_inode, TwoObjects) {
  open();
  bring();
  const std::string copy = scratch.path() + "/copy";
  std::filesystem::copy_file(file_of(first), copy);
  BOOST_REQUIRE(::chmod(copy.c_str(), kBufferFileMode) == 0);
  const timespec times[2] = {{0, UTIME_OMIT}, seal_of(first.identity)};
  BOOST_REQUIRE(::utimensat(AT_FDCWD, copy.c_str(), times, 0) == 0);
  std::filesystem::rename(copy, file_of(first));
  REQUIRE_CODE(store->open_object(first, inode), Code::corrupt);
}

BOOST_FIXTURE_TEST_CASE(bytes_that_changed_behind_the_seal_are_found_by_verifying, TwoObjects) {
  open();
  bring();
  const auto checksum = kept(open())[0].checksum;
  const bool first_is_first = kept(open())[0].object == first.identity;
  const ObjectShape& of = first_is_first ? first : second;
  make_writable(file_of(of), [&] { flip_byte(file_of(of), 4321); });
  const timespec times[2] = {{0, UTIME_OMIT}, seal_of(of.identity)};
  BOOST_REQUIRE(::utimensat(AT_FDCWD, file_of(of).c_str(), times, 0) == 0);
  REQUIRE_OK(store->open_object(of, 0));
  REQUIRE_CODE(store->verify(of, 0, checksum), Code::corrupt);
}

BOOST_FIXTURE_TEST_CASE(right_bytes_in_a_file_that_cannot_be_opened_as_ours_are_found_by_verifying,
                        TwoObjects) {
  open();
  bring();
  const auto kept_now = kept(open())[0];
  const ObjectShape& of = kept_now.object == first.identity ? first : second;
  REQUIRE_OK(store->verify(of, 0, kept_now.checksum));
  BOOST_REQUIRE(::chmod(file_of(of).c_str(), 0644) == 0);
  REQUIRE_CODE(store->open_object(of, 0), Code::corrupt);
  REQUIRE_CODE(store->verify(of, 0, kept_now.checksum), Code::corrupt);
}

BOOST_FIXTURE_TEST_CASE(a_damaged_file_is_not_taken_up, TwoObjects) {
  for (const Damage& damage : damages()) {
    BOOST_TEST_CONTEXT(damage.name) {
      std::filesystem::remove_all(root());
      open();
      bring();
      store.reset();
      damage.inflict(file_of(first), file_of(second));
      open();
      std::uint64_t bytes = 0;
      for (const KeptStripe& stripe : kept(*store)) {
        const ObjectShape& of = stripe.object == first.identity ? first : second;
        BOOST_TEST(holds(*store, of, 0));
        REQUIRE_OK(store->open_object(of, stripe.whole_inode));
        bytes += stripe.bytes;
      }
      BOOST_TEST(store->usage().used_bytes == bytes);
      bring();
      BOOST_TEST(holds(*store, first, 0));
      BOOST_TEST(holds(*store, second, 0));
    }
  }
}

BOOST_FIXTURE_TEST_CASE(an_untouched_file_is_taken_up_without_reading_and_a_touched_one_is_read, TwoObjects) {
  open();
  bring();
  store.reset();
  BOOST_REQUIRE(::utimensat(AT_FDCWD, file_of(first).c_str(), nullptr, 0) == 0);
  BOOST_TEST(kept(open()).size() == 2U);
  BOOST_TEST(store->taken_up().verified_stripes == 1U);
  REQUIRE_OK(store->open_object(first, inode));  // It was sealed again.
  BOOST_TEST(kept(open()).size() == 2U);
  BOOST_TEST(store->taken_up().verified_stripes == 0U);
}

BOOST_FIXTURE_TEST_CASE(a_part_that_was_written_by_others_is_read_before_it_is_offered, StoreFixture) {
  const ObjectShape of = shape(7, 2 * kTestStripeBytes);
  REQUIRE_OK(land_stripe(open(), of, 0));
  BOOST_TEST(kept(open()).size() == 1U);
  BOOST_TEST(store->taken_up().verified_stripes == 0U);
  store.reset();
  flip_byte(file_of(of, ".part"), 1000);
  BOOST_TEST(kept(open()).empty());
  BOOST_TEST(store->usage().used_bytes == 0U);
}

BOOST_FIXTURE_TEST_CASE(quarantine_is_bounded_and_gives_way, StoreFixture) {
  constexpr std::uint64_t kCapacity = 64 << 20;
  open(kCapacity);
  std::uint64_t number = 0;
  for (; number < 3 * Quarantine::kFilesMax; ++number) {
    const ObjectShape of = shape(number, 10000);
    REQUIRE_OK(land(*store, of));
    make_writable(file_of(of), [&] { flip_byte(file_of(of), 5); });
    REQUIRE_OK(store->quarantine(of, true));
  }
  const auto names = [&] {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(root() + "/quarantine")) {
      found.push_back(entry.path().filename());
    }
    return found;
  };
  BOOST_TEST(names().size() == Quarantine::kFilesMax);
  const std::uint64_t used = store->usage().used_bytes;
  BOOST_TEST(used >= Quarantine::kFilesMax * 10000);
  BOOST_TEST(used <= kCapacity / Quarantine::kCapacityShare);
  // One that is larger than all of it may be is not kept.
  const ObjectShape large = shape(number++, kCapacity / Quarantine::kCapacityShare + 8192);
  REQUIRE_OK(land(*store, large));
  REQUIRE_OK(store->quarantine(large, true));
  BOOST_TEST(!std::filesystem::exists(file_of(large)));
  BOOST_TEST(store->usage().used_bytes <= used);
  // The next store counts it, too; and it goes when its room is needed.
  BOOST_TEST(open(kCapacity).usage().used_bytes == names().size() * 12288);
  const ObjectShape filling = shape(number++, kCapacity);
  REQUIRE_OK(store->begin(filling, filling.bytes));
  BOOST_TEST(names().empty());
}
