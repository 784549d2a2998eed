#define BOOST_TEST_MODULE store_faults
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "index_file.hpp"
#include "private_mounts.hpp"
#include "store_fixture.hpp"

using namespace forebay;

namespace {

struct PrivateMounts {
  PrivateMounts() { enter_private_mounts(); }
};

// A buffer on a tmpfs of 32 MiB of its own.
struct SmallFileSystem : StoreFixture {
  static constexpr std::uint64_t kBytes = 32 << 20;
  SmallFileSystem() { mount_tmpfs(scratch.path(), kBytes); }
  ~SmallFileSystem() {
    store.reset();
    ::umount2(scratch.path().c_str(), MNT_DETACH);
  }
  void fill() const {
    std::ofstream out(scratch.path() + "/filler", std::ios::binary);
    const std::vector<char> block(1 << 16);
    while (out.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
    out.clear();
    const std::vector<char> page(4096);
    while (out.write(page.data(), 4096).flush()) {
    }
  }
};

Result<std::unique_ptr<ObjectStore>> try_open(const std::string& directory) {
  return ObjectStore::open({directory, 1 << 30, 1});
}

}  // namespace

BOOST_TEST_GLOBAL_FIXTURE(PrivateMounts);

BOOST_FIXTURE_TEST_CASE(a_file_system_filled_by_others_is_no_space_and_leaves_nothing, SmallFileSystem) {
  open();
  const ObjectShape of = shape(1, kTestStripeBytes + 10);
  auto landing = store->begin(of, of.bytes);
  REQUIRE_OK(landing);
  fill();
  REQUIRE_CODE(landing.value()->write_chunk(0, bytes_of(of, 0, kChunkBytes)), Code::no_space);
  REQUIRE_CODE(landing.value()->complete_stripe(0), Code::bad_argument);
  landing.value().reset();
  BOOST_TEST(store->usage().used_bytes == 0U);
  BOOST_TEST(!std::filesystem::exists(file_of(of, ".part")));
  REQUIRE_CODE(store->begin(of, of.bytes), Code::no_space);

  std::filesystem::remove(scratch.path() + "/filler");
  REQUIRE_OK(land(*store, of));
  BOOST_TEST(holds(*store, of, 0));
  BOOST_TEST(holds(*store, of, 1));
}

BOOST_FIXTURE_TEST_CASE(a_record_that_does_not_fit_leaves_the_stripe_incomplete, SmallFileSystem) {
  open();
  // The data fits, and then not even a page of the index does.
  std::vector<std::unique_ptr<Landing>> landings;
  std::uint64_t number = 0;
  for (; number < 200; ++number) {
    auto landing = store->begin(shape(number, 100), 100);
    REQUIRE_OK(landing);
    REQUIRE_OK(write_stripe(*landing.value(), shape(number, 100), 0));
    landings.push_back(std::move(landing).value());
  }
  fill();
  std::uint64_t complete = 0;
  Status last;
  for (std::uint64_t i = 0; i < number; ++i) {
    const auto done = landings[i]->complete_stripe(0);
    if (done.ok()) {
      REQUIRE_OK(landings[i]->publish());
      ++complete;
    } else {
      BOOST_TEST((done.error().code == Code::no_space));
    }
  }
  BOOST_TEST(complete < number);
  landings.clear();
  BOOST_TEST(store->usage().used_bytes == complete * 100);
  // A removal that cannot be recorded holds up new objects, and nothing else.
  if (complete > 0) {
    REQUIRE_OK(store->remove(identity(0)));
  }
  std::filesystem::remove(scratch.path() + "/filler");
  REQUIRE_OK(land(*store, shape(0, 100)));
  open();
  for (const KeptStripe& stripe : kept(*store)) {
    BOOST_TEST(stripe.bytes == 100U);
  }
  BOOST_TEST(holds(*store, shape(0, 100), 0));
}

BOOST_FIXTURE_TEST_CASE(the_floor_of_free_space_is_never_taken, SmallFileSystem) {
  auto opened = ObjectStore::open({scratch.path(), 0, kBytes / 2});
  REQUIRE_OK(opened);
  store = std::move(opened).value();
  BOOST_TEST(store->usage().capacity_bytes <= kBytes / 2);
  BOOST_TEST(store->usage().floor_bytes == kBytes / 2);
  std::uint64_t landed = 0;
  while (land(*store, shape(landed, 1 << 20)).ok()) {
    ++landed;
    BOOST_REQUIRE(landed < 32);
  }
  BOOST_TEST(landed >= 14U);
  BOOST_TEST(store->usage().free_bytes >= kBytes / 2);
}

BOOST_FIXTURE_TEST_CASE(the_floor_is_not_taken_while_others_fill_the_file_system, SmallFileSystem) {
  auto opened = ObjectStore::open({scratch.path(), 0, kBytes / 4});
  REQUIRE_OK(opened);
  store = std::move(opened).value();
  // Room is reserved while there is some; then others take it, down to the floor and half a chunk.
  const ObjectShape of = shape(1, kTestStripeBytes);
  auto landing = store->begin(of, of.bytes);
  REQUIRE_OK(landing);
  REQUIRE_OK(landing.value()->write_chunk(0, bytes_of(of, 0, kChunkBytes)));
  {
    std::ofstream out(scratch.path() + "/filler", std::ios::binary);
    const std::vector<char> block(1 << 16);
    while (store->usage().free_bytes > kBytes / 4 + kChunkBytes / 2) {
      out.write(block.data(), static_cast<std::streamsize>(block.size())).flush();
    }
  }
  REQUIRE_CODE(landing.value()->write_chunk(kChunkBytes, bytes_of(of, kChunkBytes, kChunkBytes)),
               Code::no_space);
  BOOST_TEST(store->usage().free_bytes >= kBytes / 4);
  landing.value().reset();
  BOOST_TEST(store->usage().used_bytes == 0U);
  REQUIRE_CODE(store->begin(shape(2, kTestStripeBytes), kTestStripeBytes), Code::no_space);
  // There is room again.
  std::filesystem::remove(scratch.path() + "/filler");
  REQUIRE_OK(land(*store, of));
  BOOST_TEST(holds(*store, of, 1));
}

BOOST_FIXTURE_TEST_CASE(strangers_make_room_on_a_full_file_system, SmallFileSystem) {
  open();
  std::uint64_t landed = 0;
  while (land(*store, shape(landed, 1 << 20)).ok()) {
    ++landed;
  }
  BOOST_TEST(landed > 25U);
  open();
  BOOST_TEST(kept(*store, false).size() == landed);
  for (std::uint64_t i = 100; i < 110; ++i) {
    REQUIRE_OK(land(*store, shape(i, 1 << 20)));
  }
}

BOOST_FIXTURE_TEST_CASE(a_read_only_file_system_is_refused, SmallFileSystem) {
  open();
  store.reset();
  BOOST_REQUIRE(::mount(nullptr, scratch.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0);
  BOOST_TEST(!try_open(scratch.path()).ok());
}

BOOST_FIXTURE_TEST_CASE(a_directory_of_objects_that_is_removed_is_made_anew, StoreFixture) {
  open();
  const ObjectShape of = shape(1, 5000);
  REQUIRE_OK(land(*store, of));
  std::filesystem::remove_all(std::filesystem::path(file_of(of)).parent_path());
  REQUIRE_CODE(store->open_object(of, 0), Code::not_found);
  REQUIRE_OK(store->quarantine(of, true));
  BOOST_TEST(store->usage().used_bytes == 0U);
  REQUIRE_OK(land(*store, of));
  BOOST_TEST(holds(*store, of, 0));
  BOOST_TEST(kept(open()).size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(the_directory_of_all_objects_is_made_anew_when_it_is_removed_alone, StoreFixture) {
  open();
  const ObjectShape of = shape(1, 5000);
  REQUIRE_OK(land(*store, of));
  std::filesystem::remove_all(root() + "/objects");
  REQUIRE_OK(store->quarantine(of, true));
  REQUIRE_OK(land(*store, of));
  BOOST_TEST(holds(*store, of, 0));
  BOOST_TEST(kept(open()).size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(a_buffer_that_is_removed_is_made_anew, StoreFixture) {
  open();
  const ObjectShape whole = shape(1, 5000);
  const ObjectShape in_parts = shape(2, kTestStripeBytes + 1);
  REQUIRE_OK(land(*store, whole));
  REQUIRE_OK(land_stripe(*store, in_parts, 1));
  std::filesystem::remove_all(root());
  // What others count on is taken out first, by who knows of it.
  REQUIRE_OK(store->begin(shape(3, 10), 10));
  REQUIRE_CODE(store->begin(in_parts, kTestStripeBytes), Code::corrupt);
  REQUIRE_OK(store->quarantine(in_parts, false));
  REQUIRE_OK(store->quarantine(whole, true));
  BOOST_TEST(store->usage().used_bytes == 0U);
  REQUIRE_OK(land(*store, whole));
  REQUIRE_OK(land_stripe(*store, in_parts, 0));
  BOOST_TEST(holds(*store, whole, 0));
  BOOST_TEST(!holds(*store, in_parts, 1));
  BOOST_TEST(kept(open()).size() == 2U);
  BOOST_TEST(store->taken_up().dropped_stripes == 0U);
  // The lock is that of the new one.
  REQUIRE_OK(try_open(scratch.path()));
  BOOST_TEST(!std::filesystem::exists(root() + ".2"));
}

BOOST_FIXTURE_TEST_CASE(a_directory_everybody_can_change_is_refused, StoreFixture) {
  BOOST_REQUIRE(::chmod(scratch.path().c_str(), 0777) == 0);
  REQUIRE_CODE(try_open(scratch.path()), Code::permission);
  BOOST_REQUIRE(::chmod(scratch.path().c_str(), 01777) == 0);
  REQUIRE_OK(try_open(scratch.path()));
}

BOOST_FIXTURE_TEST_CASE(planted_links_are_refused, StoreFixture) {
  const std::string elsewhere = scratch.path() + "/elsewhere";
  std::filesystem::create_directory(elsewhere);
  std::filesystem::create_directory_symlink(elsewhere, root());
  REQUIRE_CODE(try_open(scratch.path()), Code::permission);
  std::filesystem::remove(root());

  for (const char* name : {"objects", "objects/00"}) {
    REQUIRE_OK(try_open(scratch.path()));
    std::filesystem::remove_all(root() + "/" + name);
    std::filesystem::create_directory_symlink(elsewhere, root() + "/" + name);
    REQUIRE_CODE(try_open(scratch.path()), Code::permission);
    std::filesystem::remove(root() + "/" + name);
  }
  // Sockets and FIFOs are not waited for.
  for (const char* name : {"objects", "objects/7f", "index", "lock"}) {
    REQUIRE_OK(try_open(scratch.path()));
    std::filesystem::remove_all(root() + "/" + name);
    BOOST_REQUIRE(::mkfifo((root() + "/" + name).c_str(), 0600) == 0);
    static_cast<void>(try_open(scratch.path()).ok());
    std::filesystem::remove(root() + "/" + name);
  }
  for (const char* name : {"index", "lock"}) {
    REQUIRE_OK(try_open(scratch.path()));
    std::filesystem::remove(root() + "/" + name);
    std::filesystem::create_symlink(elsewhere + "/victim", root() + "/" + name);
    BOOST_TEST(!try_open(scratch.path()).ok());
    std::filesystem::remove(root() + "/" + name);
  }
  BOOST_TEST(std::filesystem::is_empty(elsewhere));
}

BOOST_FIXTURE_TEST_CASE(a_missing_directory_is_made_private, StoreFixture) {
  REQUIRE_OK(try_open(scratch.path() + "/a/b"));
  struct stat info {};
  BOOST_REQUIRE(::stat((scratch.path() + "/a/b").c_str(), &info) == 0);
  BOOST_TEST((info.st_mode & 07777) == 0700U);
}

BOOST_FIXTURE_TEST_CASE(a_file_in_the_place_of_the_directory_is_refused, StoreFixture) {
  set_file_bytes(scratch.path() + "/file", {});
  REQUIRE_CODE(try_open(scratch.path() + "/file"), Code::permission);
}

// Another user's directory can only be made by root; without root, the world's root directory serves.
BOOST_FIXTURE_TEST_CASE(another_users_directory_is_refused, StoreFixture) {
  std::filesystem::create_directory(root());
  if (::geteuid() == 0) {
    BOOST_REQUIRE(::chown(root().c_str(), 12345, 12345) == 0);
    REQUIRE_CODE(try_open(scratch.path()), Code::permission);
  } else {
    BOOST_TEST(!try_open("/").ok());
  }
}
