#define BOOST_TEST_MODULE client_path_filter
#include "client/path_filter.hpp"

#include <sys/mman.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <random>
#include <string>

namespace forebay {
namespace {

// Two pages of which the second may not be read.
class EndOfMemory {
 public:
  EndOfMemory()
      : page_(static_cast<char*>(
            ::mmap(nullptr, 2 * kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    BOOST_TEST_REQUIRE(page_ != MAP_FAILED);
    BOOST_TEST_REQUIRE(::mprotect(page_ + kPageBytes, kPageBytes, PROT_NONE) == 0);
  }
  EndOfMemory(const EndOfMemory&) = delete;
  EndOfMemory& operator=(const EndOfMemory&) = delete;
  ~EndOfMemory() { ::munmap(page_, 2 * kPageBytes); }

  // A copy that ends `before_end` bytes before what may not be read.
  const char* place(const std::string& text, std::size_t before_end) {
    char* at = page_ + kPageBytes - before_end - text.size() - 1;
    std::memcpy(at, text.c_str(), text.size() + 1);
    return at;
  }
  char* begin() { return page_; }

 private:
  char* page_;
};

struct Mounted {
  Mounted() {
    session.mount_count = 2;
    session.working_directory = &working_directory;
    mount(0, "/data/set");
    mount(1, "/scratch/a.b/other");
  }
  void mount(std::uint32_t k, const char* path) {
    session.mounts[k] = {path, static_cast<std::uint32_t>(std::strlen(path)), path[std::strlen(path) - 1], k,
                         kNoMount};
  }
  bool quickly(const char* path) { return is_quickly_elsewhere(session, AT_FDCWD, path); }

  WorkingDirectoryCache working_directory{};
  MappedSession session{};
};

BOOST_AUTO_TEST_CASE(what_is_plainly_elsewhere_is_so_at_a_first_look_and_nothing_else_is) {
  Mounted here;
  EndOfMemory memory;
  BOOST_TEST(is_readable(memory.begin()));
  std::mt19937 random(3);
  const char* parts[] = {"/",  "/",  "/data", "/set", "/data/set", "/scratch/a.b/other",
                         "/.", "..", ".",     "x",    "/xyzzy",    "settle"};
  unsigned elsewhere = 0;
  for (int k = 0; k < 200'000; ++k) {
    std::string path;
    for (unsigned n = random() % 12; n > 0; --n) {
      path += parts[random() % std::size(parts)];
    }
    const bool far_from_end = random() % 2 == 0;
    const char* placed = memory.place(path, far_from_end ? 300 + random() % 64 : random() % 64);
    const bool plainly = is_plainly_elsewhere(here.session, placed);
    const bool quickly = here.quickly(placed);
    elsewhere += quickly ? 1 : 0;
    BOOST_TEST_REQUIRE((!quickly || plainly), path);
    if (far_from_end && plainly) {
      // One that ends as a mount may want the closer look.
      const bool ends_alike = path.size() >= 9 && (path[8] == 't' || (path.size() >= 18 && path[17] == 'r'));
      BOOST_TEST_REQUIRE((quickly || ends_alike), path);
    }
  }
  BOOST_TEST(elsewhere > 1000u);
}

BOOST_AUTO_TEST_CASE(a_mount_and_what_is_below_it_is_never_elsewhere) {
  Mounted here;
  EndOfMemory memory;
  BOOST_TEST(is_readable(memory.begin()));
  for (const char* path :
       {"/data/set", "/data/set/", "/data/set/x", "/scratch/a.b/other/deep/er/and/deeper/still"}) {
    BOOST_TEST(!here.quickly(memory.place(path, 1000)), path);
    BOOST_TEST(!is_plainly_elsewhere(here.session, memory.place(path, 1000)), path);
  }
  for (const char* path : {"/data/sets", "/data/se", "/data", "/", "/usr/lib/x86_64-linux-gnu/libc.so.6"}) {
    BOOST_TEST(here.quickly(memory.place(path, 1000)), path);
  }
}

BOOST_AUTO_TEST_CASE(no_length_makes_a_look_leave_the_page) {
  Mounted here;
  EndOfMemory memory;
  BOOST_TEST(is_readable(memory.begin()));
  for (std::size_t bytes = 1; bytes < 600; ++bytes) {
    for (std::size_t before_end = 0; before_end < 300; before_end += bytes % 7 + 1) {
      const char* path = memory.place('/' + std::string(bytes, 'x'), before_end);
      BOOST_TEST_REQUIRE(is_plainly_elsewhere(here.session, path));
      here.quickly(path);
    }
  }
}

BOOST_AUTO_TEST_CASE(nothing_is_read_where_nothing_is_known_to_be_readable) {
  Mounted here;
  EndOfMemory memory;
  BOOST_TEST(!here.quickly(nullptr));
  BOOST_TEST(!here.quickly(reinterpret_cast<const char*>(64)));
  BOOST_TEST(!here.quickly(memory.begin() + kPageBytes));
}

BOOST_AUTO_TEST_CASE(a_relative_path_is_elsewhere_when_the_working_directory_is_known_to_be) {
  Mounted here;
  EndOfMemory memory;
  BOOST_TEST(is_readable(memory.begin()));
  const char* path = memory.place("some/file", 1000);
  BOOST_TEST(!here.quickly(path));
  here.working_directory.word = WorkingDirectoryCache::kInside << WorkingDirectoryCache::kTagShift;
  BOOST_TEST(!here.quickly(path));
  here.working_directory.word = WorkingDirectoryCache::kUnrelated << WorkingDirectoryCache::kTagShift;
  BOOST_TEST(here.quickly(path));
  BOOST_TEST(!is_quickly_elsewhere(here.session, 3, path));
  for (const char* other : {"", ".", "..", "../x", ".hidden", "some/../../data/set", "some//file"}) {
    BOOST_TEST(!here.quickly(memory.place(other, 1000)), other);
  }
}

}  // namespace
}  // namespace forebay
