#define BOOST_TEST_MODULE drain_changes
#include <boost/test/unit_test.hpp>
#include <set>

#include "drain/drain_queue.hpp"
#include "drain/tree_path.hpp"

using namespace forebay;

// A server was killed behind a directory's rename; then what came into it is replaced, and the journal is
// rewritten.
BOOST_AUTO_TEST_CASE(names_that_a_mark_had_before_are_not_those_of_what_came_later) {
  const DrainTime now{};
  DrainQueue queue({1, {}, std::chrono::milliseconds(0), 4});
  const auto note = [&](JournalKind kind, std::uint64_t seq, const std::string& path,
                        const std::string& second = "") {
    JournalEntry entry;
    entry.kind = kind;
    entry.seq = seq;
    entry.about = seq;
    entry.path = path;
    entry.second = second;
    entry.flags = kind == JournalKind::closed ? 0 : kJournalDone;
    queue.note(entry, now);
  };
  note(JournalKind::closed, 1, "d.tmp/a");
  note(JournalKind::closed, 2, "d.tmp/b");
  note(JournalKind::renamed, 3, "d.tmp", "d");
  queue.begin();
  for (const char* source : {"d/a", "d/b"}) {
    const DrainMark* mark = queue.at_source(source);
    BOOST_REQUIRE(mark != nullptr);
    BOOST_TEST(queue.set_path(mark->id, mark->version, source));  // it is there already
  }
  note(JournalKind::removed, 4, "d/a");
  note(JournalKind::renamed, 5, "d/b", "d/c");

  std::set<std::string> ended;
  for (const auto& [path, seq] : queue.take_ended()) {
    ended.insert(path + " " + std::to_string(seq));
  }
  BOOST_TEST(ended.contains("d.tmp/a 1"));
  BOOST_TEST(ended.contains("d.tmp/b 2"));
  for (const JournalEntry& entry : queue.entries()) {
    BOOST_TEST((entry.seq < 4 || is_at_or_below(entry.path, "d")), entry.path << " is not what was changed");
  }
}
