#define BOOST_TEST_MODULE pending_stores
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "cli/pending_stores.hpp"

using namespace forebay;

namespace {

JournalEntry entry(JournalKind kind, std::uint64_t seq, const char* path, std::uint64_t about = 0) {
  JournalEntry made;
  made.kind = kind;
  made.seq = seq;
  made.about = about;
  made.path = path;
  return made;
}

using Names = std::vector<std::string>;

}  // namespace

BOOST_AUTO_TEST_CASE(what_was_published_as_it_is_now_is_not_pending) {
  const std::vector<JournalEntry> entries = {
      entry(JournalKind::opened, 1, "d/a"),       entry(JournalKind::closed, 2, "d/a"),
      entry(JournalKind::closed, 3, "d/b"),       entry(JournalKind::published, 4, "d/a", 2),
      entry(JournalKind::published, 5, "d/b", 3), entry(JournalKind::closed, 6, "d/b"),
  };
  BOOST_TEST(pending_names(entries) == Names{"d/b"}, boost::test_tools::per_element());
  BOOST_TEST(pending_names({}).empty());
}

BOOST_AUTO_TEST_CASE(of_a_rename_both_names_are_pending) {
  auto begin = entry(JournalKind::renamed, 5, "new");
  begin.path = "old";
  begin.second = "new";
  begin.flags = kJournalBegin;
  auto done = begin;
  done.seq = 6;
  done.about = 5;
  done.flags = kJournalDone;
  std::vector<JournalEntry> entries = {begin, done};
  BOOST_TEST(pending_names(entries) == (Names{"new", "old"}), boost::test_tools::per_element());
  entries.push_back(entry(JournalKind::published, 7, "old", 5));
  entries.push_back(entry(JournalKind::dropped, 8, "new", 5));
  BOOST_TEST(pending_names(entries).empty());
}

BOOST_AUTO_TEST_CASE(stores_of_a_buffer_and_of_simulated_nodes_are_found) {
  std::string buffer = (std::filesystem::temp_directory_path() / "forebay-pending.XXXXXX").string();
  BOOST_TEST_REQUIRE(::mkdtemp(buffer.data()) != nullptr);
  const auto own = std::to_string(::geteuid()) + "/checkpoints/";
  for (const auto& place : {own + "0123456789abcdef", "node1/" + own + "0123456789abcdef"}) {
    const auto store = buffer + "/" + place;
    std::filesystem::create_directories(store);
    std::ofstream(store + "/destination") << "/lustre/run1";
    const UniqueFd directory(::open(store.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    auto journal = Journal::open(directory.get(), store);
    BOOST_TEST_REQUIRE(journal.ok());
    const std::vector<JournalEntry> entries = {entry(JournalKind::closed, 1, "step-1/rank0.pt")};
    BOOST_TEST(journal->append(entries).ok());
  }
  std::filesystem::create_directories(buffer + "/" + own + "ffffffffffffffff");
  const auto found = pending_stores(buffer);
  BOOST_TEST_REQUIRE(found.size() == 2u);
  BOOST_TEST(found[1].destination == "/lustre/run1");
  BOOST_TEST(found[1].names == Names{"step-1/rank0.pt"}, boost::test_tools::per_element());
  BOOST_TEST(pending_stores(buffer + "/none").empty());
  std::filesystem::remove_all(buffer);
}
