#define BOOST_TEST_MODULE store_lock
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "buffer/buffer_directory.hpp"
#include "store_fixture.hpp"

using namespace forebay;

namespace {

struct Slots : StoreFixture {
  [[nodiscard]] Result<std::unique_ptr<ObjectStore>> try_open(const std::string& previous = {}) const {
    return ObjectStore::open({scratch.path(), 1 << 30, 1, previous});
  }
  [[nodiscard]] std::string slot(unsigned number) const {
    return number == 1 ? root() : root() + "." + std::to_string(number);
  }
  [[nodiscard]] std::string objects(unsigned number) const { return slot(number) + "/objects"; }
};

// A process that holds a slot until it is killed.
struct Holder {
  pid_t child;

  explicit Holder(const std::string& directory) {
    int ready[2];
    BOOST_REQUIRE(::pipe2(ready, O_CLOEXEC) == 0);
    child = ::fork();
    if (child == 0) {
      const auto held = BufferDirectory::open(directory);
      const char answer = held.ok() ? 'y' : 'n';
      if (::write(ready[1], &answer, 1) == 1) {
        ::pause();
      }
      ::_exit(1);
    }
    char answer = 0;
    BOOST_REQUIRE(::read(ready[0], &answer, 1) == 1);
    BOOST_TEST(answer == 'y');
    ::close(ready[0]);
    ::close(ready[1]);
  }
  void kill() {
    ::kill(child, SIGKILL);
    BOOST_REQUIRE(::waitpid(child, nullptr, 0) == child);
  }
};

}  // namespace

// Children are forked before this process first uses OpenMP, whose threads do not survive a fork.
BOOST_FIXTURE_TEST_CASE(a_store_has_its_buffer_until_it_is_gone_however_it_dies, Slots) {
  Holder first(scratch.path());
  Holder second(scratch.path());
  BOOST_TEST(std::filesystem::exists(objects(2)));
  auto third = try_open();
  REQUIRE_OK(third);
  BOOST_TEST(third.value()->objects_directory() == objects(3));
  first.kill();
  second.kill();
  auto fourth = try_open();
  REQUIRE_OK(fourth);
  BOOST_TEST(fourth.value()->objects_directory() == objects(1));
  // What was left over went, what is in use did not.
  BOOST_TEST(!std::filesystem::exists(slot(2)));
  BOOST_TEST(std::filesystem::exists(objects(3)));
}

BOOST_FIXTURE_TEST_CASE(a_second_store_has_a_slot_of_its_own_that_goes_with_it, Slots) {
  const ObjectShape of = shape(1, 5000);
  auto first = try_open();
  REQUIRE_OK(first);
  REQUIRE_OK(land(*first.value(), of));
  {
    auto second = try_open();
    REQUIRE_OK(second);
    REQUIRE_CODE(second.value()->open_object(of, 0), Code::not_found);
    REQUIRE_OK(land(*second.value(), of));
    BOOST_TEST(holds(*second.value(), of, 0));
    REQUIRE_OK(second.value()->remove(of.identity));
    BOOST_TEST(holds(*first.value(), of, 0));
  }
  BOOST_TEST(!std::filesystem::exists(slot(2)));
  first.value().reset();
  BOOST_TEST(holds(open(), of, 0));
}

BOOST_FIXTURE_TEST_CASE(there_are_so_many_slots_and_no_more, Slots) {
  std::vector<std::unique_ptr<ObjectStore>> stores;
  for (unsigned number = 1; number <= kSlots; ++number) {
    auto opened = try_open();
    REQUIRE_OK(opened);
    BOOST_TEST(opened.value()->objects_directory() == objects(number));
    stores.push_back(std::move(opened).value());
  }
  REQUIRE_CODE(try_open(), Code::unavailable);
  stores[4].reset();
  REQUIRE_OK(try_open());
}

BOOST_FIXTURE_TEST_CASE(a_store_that_died_is_taken_up_in_the_slot_it_had, Slots) {
  const ObjectShape of = shape(1, 5000);
  auto first = try_open();
  REQUIRE_OK(first);
  auto second = try_open();
  REQUIRE_OK(second);
  REQUIRE_OK(land(*second.value(), of));
  // As it is left when its process is killed.
  std::filesystem::copy(slot(2), scratch.path() + "/left", std::filesystem::copy_options::recursive);
  second.value().reset();
  std::filesystem::rename(scratch.path() + "/left", slot(2));
  first.value().reset();
  auto again = try_open(objects(2));
  REQUIRE_OK(again);
  BOOST_TEST(again.value()->objects_directory() == objects(2));
  auto other = try_open();
  REQUIRE_OK(other);
  BOOST_TEST(other.value()->objects_directory() == objects(1));
}

BOOST_FIXTURE_TEST_CASE(slots_of_others_and_planted_ones_are_left_alone, Slots) {
  const std::string victim = scratch.path() + "/victim";
  std::filesystem::create_directory(victim);
  std::filesystem::create_directory(victim + "/kept");
  std::filesystem::create_directory_symlink(victim, slot(2));
  std::filesystem::create_directory(scratch.path() + "/99999.3");
  auto first = try_open();
  REQUIRE_OK(first);
  BOOST_TEST(std::filesystem::exists(victim + "/kept"));
  BOOST_TEST(std::filesystem::exists(scratch.path() + "/99999.3"));
  // Whoever needs the slot is told.
  REQUIRE_CODE(try_open(), Code::permission);
}
