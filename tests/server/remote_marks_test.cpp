// What is known of other nodes' changes while the destination is listed.
#define BOOST_TEST_MODULE remote_marks
#include "server/remote_marks.hpp"

#include <sys/stat.h>

#include <boost/test/unit_test.hpp>

namespace forebay {
namespace {

constexpr std::uint64_t kHolder = 7;

TreeChange change(TreeChangeKind kind, std::uint64_t seq, const std::string& path,
                  const std::string& second = "") {
  TreeChange made;
  made.kind = kind;
  made.seq = seq;
  made.path = path;
  made.second = second;
  made.attributes.mode = S_IFREG | 0644;
  return made;
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_published_during_a_listing_is_marked_to_its_end) {
  RemoteMarks marks;
  marks.note(kHolder, change(TreeChangeKind::content, 1, "d/file"));
  marks.note(kHolder, change(TreeChangeKind::removed, 2, "d/gone"));
  marks.begin_listing();
  marks.begin_listing();
  marks.published(kHolder, "d/file", 1);
  marks.published(kHolder, "d/gone", 2);
  BOOST_TEST(marks.in_directory("d").size() == 2);
  BOOST_TEST(marks.hides("d/gone"));
  marks.end_listing();
  BOOST_TEST(marks.size() == 2);
  marks.end_listing();
  BOOST_TEST(marks.size() == 0);
}

BOOST_AUTO_TEST_CASE(a_change_after_what_was_published_stays) {
  RemoteMarks marks;
  marks.note(kHolder, change(TreeChangeKind::content, 1, "file"));
  marks.begin_listing();
  marks.published(kHolder, "file", 1);
  marks.note(kHolder, change(TreeChangeKind::content, 3, "file"));
  marks.end_listing();
  BOOST_TEST_REQUIRE(marks.in_directory("").size() == 1);
  BOOST_TEST(marks.in_directory("")[0].change.seq == 3);
}

BOOST_AUTO_TEST_CASE(where_the_destination_has_a_renamed_name_is_known_at_once) {
  RemoteMarks marks;
  TreeChange renamed = change(TreeChangeKind::renamed, 4, "tmp", "final");
  renamed.attributes.mode = S_IFDIR | 0755;
  marks.note(kHolder, renamed);
  BOOST_TEST(marks.destination_path("final/x") == "tmp/x");
  marks.begin_listing();
  marks.published(kHolder, "tmp", 4);
  BOOST_TEST(marks.destination_path("final/x") == "final/x");
  BOOST_TEST(marks.hides("tmp"));
  marks.end_listing();
  BOOST_TEST(!marks.hides("tmp"));
}

}  // namespace forebay
