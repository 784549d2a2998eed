// What checkpoints take of a buffer: copies make room, and programs are told where there is none.
#define BOOST_TEST_MODULE checkpoint_room
#include <sys/mman.h>

#include <boost/test/unit_test.hpp>

#include "server/checkpoint_lab.hpp"

namespace forebay {
namespace {

using test::CheckpointJob;
using test::CheckpointProgram;

constexpr std::size_t kBlock = 400'000;

std::string block(char of) {
  return std::string(kBlock, of);
}

struct RoomJob : CheckpointJob {
  RoomJob() {
    settings.capacity_bytes = 1'000'000;
    settings.partners = 0;
  }
  static StoreRoom room(const CheckpointProgram& program) {
    return static_cast<StoreRoom>(__atomic_load_n(&program.record().room, __ATOMIC_ACQUIRE));
  }
  static bool is_told(const CheckpointProgram& program, StoreRoom what) {
    return becomes([&] { return room(program) == what; });
  }
  // What a program does that has it open until it closes it.
  static UniqueFd open_for_writing(const CheckpointProgram& program, const std::string& path) {
    program.append(JournalKind::opened, 0, path);
    UniqueFd fd(::open(program.tree(path).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    FOREBAY_CHECK(fd.valid());
    return fd;
  }
  static void fill(const UniqueFd& fd, std::size_t blocks) {
    for (std::size_t k = 0; k < blocks; ++k) {
      const std::string bytes = block(static_cast<char>('a' + k));
      FOREBAY_CHECK(::write(fd.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    }
  }
  static void close(const CheckpointProgram& program, const std::string& path, UniqueFd fd) {
    program.append(JournalKind::closed, 0, path);
    fd.reset();
    program.note();
  }
  void write_durably(const CheckpointProgram& program, const std::string& path, char of) const {
    program.write(path, block(of));
    BOOST_TEST(becomes([&] { return at_destination(path) == block(of); }));
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(checkpoint_room, RoomJob)

BOOST_AUTO_TEST_CASE(durable_files_become_placeholders_oldest_first_and_are_read_again) {
  const auto job = start(1);
  const CheckpointProgram a(*job, 0);
  for (const char name : {'a', 'b', 'c', 'd', 'e'}) {
    write_durably(a, std::string(1, name), name);
  }
  BOOST_TEST(
      becomes([&] { return a.is_placeholder("a") && a.is_placeholder("b") && a.is_placeholder("c"); }));
  BOOST_TEST(!a.is_placeholder("e"));
  BOOST_TEST(is_told(a, StoreRoom::enough));
  BOOST_TEST((a.read("a") == block('a')));
  BOOST_TEST((a.read("e") == block('e')));
}

BOOST_AUTO_TEST_CASE(what_is_pending_stays_and_programs_are_told_that_it_is_full) {
  destination_fails(true);
  const auto job = start(1);
  const CheckpointProgram a(*job, 0);
  for (const char name : {'a', 'b', 'c'}) {
    a.write(std::string(1, name), block(name));
  }
  BOOST_TEST(is_told(a, StoreRoom::draining));
  BOOST_TEST(!a.is_placeholder("a"));
  destination_fails(false);
  BOOST_TEST(is_told(a, StoreRoom::enough));
  BOOST_TEST(at_destination("a") == block('a'));
  BOOST_TEST(at_destination("c") == block('c'));
}

BOOST_AUTO_TEST_CASE(for_a_file_larger_than_the_capacity_nobody_waits_and_it_goes_when_it_is_durable) {
  const auto job = start(1);
  const CheckpointProgram a(*job, 0);
  a.list_above("large");
  UniqueFd fd = open_for_writing(a, "large");
  fill(fd, 5);
  BOOST_TEST(is_told(a, StoreRoom::held));
  close(a, "large", std::move(fd));
  BOOST_TEST(becomes([&] { return at_destination("large").size() == 5 * kBlock; }));
  BOOST_TEST(becomes([&] { return a.is_placeholder("large"); }));
  BOOST_TEST(is_told(a, StoreRoom::enough));
  const auto text = a.read("large");
  BOOST_TEST(text.has_value());
  BOOST_TEST((text->substr(4 * kBlock) == block('e')));
}

BOOST_AUTO_TEST_CASE(what_is_open_mapped_or_has_two_names_stays) {
  const auto job = start(1);
  const CheckpointProgram a(*job, 0);
  write_durably(a, "linked", 'l');
  const auto begun = a.append(JournalKind::linked, kJournalBegin, "linked", "second");
  BOOST_REQUIRE(::link(a.tree("linked").c_str(), a.tree("second").c_str()) == 0);
  a.append(JournalKind::linked, kJournalDone, "linked", "second", begun);
  a.note();
  write_durably(a, "read", 'r');
  const UniqueFd reader(::open(a.tree("read").c_str(), O_RDONLY | O_CLOEXEC));
  UniqueFd writer = open_for_writing(a, "mapped");
  fill(writer, 1);
  auto* mapped =
      static_cast<char*>(::mmap(nullptr, kBlock, PROT_READ | PROT_WRITE, MAP_SHARED, writer.get(), 0));
  BOOST_REQUIRE(mapped != MAP_FAILED);
  close(a, "mapped", std::move(writer));
  write_durably(a, "free", 'f');
  BOOST_TEST(becomes([&] { return a.is_placeholder("free"); }));
  BOOST_TEST(is_told(a, StoreRoom::held));
  BOOST_TEST(!a.is_placeholder("read"));
  BOOST_TEST(!a.is_placeholder("mapped"));
  BOOST_TEST(!a.is_placeholder("linked"));
  BOOST_TEST(!a.is_placeholder("second"));
  ::munmap(mapped, kBlock);
  BOOST_TEST(becomes([&] { return a.is_placeholder("mapped"); }));
  BOOST_TEST(is_told(a, StoreRoom::enough));
  BOOST_TEST(!a.is_placeholder("read"));
}

BOOST_AUTO_TEST_CASE(what_the_destination_has_not_as_it_is_here_stays) {
  settings.capacity_bytes = 500'000;
  const auto job = start(1);
  const CheckpointProgram a(*job, 0);
  write_durably(a, "gone", 'g');
  std::filesystem::remove(base + "/dest/gone");
  write_durably(a, "other", 'o');
  std::ofstream(base + "/dest/other") << "of somebody else";
  write_durably(a, "last", 'l');
  BOOST_TEST(becomes([&] { return a.is_placeholder("last"); }));
  BOOST_TEST(!a.is_placeholder("gone"));
  BOOST_TEST(!a.is_placeholder("other"));
  BOOST_TEST((a.read("gone") == block('g')));
}

BOOST_AUTO_TEST_CASE(files_of_a_directory_that_was_renamed_go_by_their_new_name) {
  const auto job = start(1);
  const CheckpointProgram a(*job, 0);
  a.make_directory("new");
  for (const char name : {'a', 'b', 'c'}) {
    a.write(std::string("new/") + name, block(name));
  }
  a.rename("new", "step");
  BOOST_TEST(becomes([&] { return at_destination("step/c") == block('c'); }));
  BOOST_TEST(becomes([&] {
    return a.is_placeholder("step/a") || a.is_placeholder("step/b") || a.is_placeholder("step/c");
  }));
  a.rename("step", "kept");
  for (const char name : {'a', 'b', 'c'}) {
    BOOST_TEST((a.read(std::string("kept/") + name) == block(name)));
    BOOST_TEST(becomes([&] { return at_destination(std::string("kept/") + name) == block(name); }));
  }
}

BOOST_AUTO_TEST_CASE(what_is_kept_for_other_nodes_counts) {
  settings.partners = 1;
  destination_fails(true);
  const auto job = start(2);
  const CheckpointProgram a(*job, 0);
  const CheckpointProgram b(*job, 1);
  for (const char name : {'a', 'b', 'c'}) {
    a.write(std::string(1, name), block(name));
  }
  BOOST_TEST(is_told(b, StoreRoom::draining));
  destination_fails(false);
  BOOST_TEST(is_told(b, StoreRoom::enough));
}

BOOST_AUTO_TEST_CASE(a_new_file_goes_to_the_destination_when_nothing_was_closed_before_it_in_its_directory) {
  settings.last = {"latest"};
  const auto job = start(1);
  const CheckpointProgram a(*job, 0);
  a.make_directory("step");
  BOOST_TEST(becomes([&] { return std::filesystem::is_directory(base + "/dest/step"); }));
  const auto may = [&](const std::string& path) {
    return a.ask(MessageKind::checkpoint_bring, path, CheckpointBring::direct) == 0;
  };
  BOOST_TEST(becomes([&] { return may("step/direct"); }));
  destination_fails(true);
  a.write("step2", "no directory");
  BOOST_TEST(may("step/direct"));
  BOOST_TEST(!may("step/latest"));
  BOOST_TEST(!may("other"));
  destination_fails(false);
  BOOST_TEST(becomes([&] { return may("step/latest") && may("other"); }));
}

// As the hooks do it: the journal is locked while a file is looked at and opened.
BOOST_AUTO_TEST_CASE(what_a_program_opens_for_writing_while_files_go_is_not_lost) {
  settings.capacity_bytes = 1;
  const auto job = start(1);
  const CheckpointProgram a(*job, 0);
  const auto content = [](int round) { return std::to_string(round) + block('.'); };
  a.write("file", content(0));
  int rounds = 0;
  int placeholders = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (placeholders < 3 && std::chrono::steady_clock::now() < deadline) {
    if (a.is_placeholder("file")) {
      ++placeholders;
      FOREBAY_CHECK(a.ask(MessageKind::checkpoint_bring, "file", CheckpointBring::content) == 0);
    }
    const UniqueFd lock(::open((a.store() + "/journal").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    FOREBAY_CHECK(lock.valid() && ::flock(lock.get(), LOCK_SH) == 0);
    if (a.is_placeholder("file")) {
      continue;
    }
    a.append(JournalKind::opened, 0, "file");
    UniqueFd fd(::open(a.tree("file").c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
    FOREBAY_CHECK(fd.valid());
    ::flock(lock.get(), LOCK_UN);
    const std::string text = content(++rounds);
    BOOST_TEST_REQUIRE(::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    close(a, "file", std::move(fd));
    becomes([&] { return at_destination("file") == content(rounds); });
    // The next round begins about when it goes.
    const auto soon =
        std::chrono::steady_clock::now() + RoomKeeper::kStays + std::chrono::milliseconds(30 * (rounds % 12));
    while (!a.is_placeholder("file") && std::chrono::steady_clock::now() < soon) {
      std::this_thread::yield();
    }
  }
  BOOST_TEST(placeholders == 3);
  BOOST_TEST(becomes([&] { return at_destination("file") == content(rounds); }));
  BOOST_TEST((a.read("file") == content(rounds)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace forebay
