#define BOOST_TEST_MODULE name_list
#include "catalog/name_list.hpp"

#include <array>
#include <cstdlib>
#include <fstream>

#include <boost/test/unit_test.hpp>

namespace forebay {
namespace {

using namespace std::string_literals;
using Names = std::vector<std::string>;

const std::array<std::string, 2> kRoots = {"s3://bucket/set", "/data/set"};

Names names_of(std::string_view text) {
  const auto list = NameList::parse(text, kRoots);
  BOOST_REQUIRE(list.ok());
  return list->names();
}

std::string refused(std::string_view text) {
  const auto list = NameList::parse(text, kRoots);
  BOOST_REQUIRE(!list.ok());
  BOOST_TEST((list.error().code == Code::bad_argument));
  return list.error().text;
}

BOOST_AUTO_TEST_CASE(lines_are_names_sorted_and_each_once) {
  BOOST_TEST((names_of("b\r\n\na/c\nb\n./d\ne/") == Names{"a/c", "b", "d", "e"}));
}

BOOST_AUTO_TEST_CASE(whole_paths_are_names_below_the_origin_or_the_mount) {
  BOOST_TEST((names_of("s3://bucket/set/a\n/data/set/b/c\nd") == Names{"a", "b/c", "d"}));
  BOOST_TEST(refused("ok\n/data/settings/a") == "line 2: '/data/settings/a' is no path below the origin");
}

BOOST_AUTO_TEST_CASE(ranges_stand_for_their_numbers) {
  BOOST_TEST((names_of("s-{08..11}.tar") == Names{"s-08.tar", "s-09.tar", "s-10.tar", "s-11.tar"}));
  BOOST_TEST((names_of("{8..10}") == Names{"10", "8", "9"}));
  BOOST_TEST(names_of("{0..010}").size() == 11);
  BOOST_TEST(names_of("{0..010}").front() == "000");
  BOOST_TEST((names_of("{1..2}/{3..4}") == Names{"1/3", "1/4", "2/3", "2/4"}));
  BOOST_TEST((names_of("s3://bucket/set/x{1..1}") == Names{"x1"}));
  BOOST_TEST(names_of("shard-{000000..009999}.tar").size() == 10000);
}

BOOST_AUTO_TEST_CASE(other_braces_are_themselves) {
  for (const auto* name :
       {"{a,b}", "{1..}", "{..2}", "{1..2", "{1.2}", "{-1..2}", "{{1..2", "{1..1234567890123456789}"}) {
    BOOST_TEST((names_of(name) == Names{name}));
  }
  BOOST_TEST((names_of("{{1..2}}") == Names{"{1}", "{2}"}));
}

BOOST_AUTO_TEST_CASE(names_that_end_in_nul_are_taken_as_they_are) {
  BOOST_TEST((names_of("a\nb\0{1..2}\0\r\0/data/set/c\0"s) == Names{"\r", "a\nb", "c", "{1..2}"}));
  BOOST_TEST((names_of("a\0b"s) == Names{"a", "b"}));
}

BOOST_AUTO_TEST_CASE(what_is_no_name_is_refused_with_its_line) {
  BOOST_TEST(refused("") == "there is no name in it");
  BOOST_TEST(refused("\n\r\n") == "there is no name in it");
  BOOST_TEST(refused("a\n\n../b\n") == "line 3: '../b' is no path below the origin");
  BOOST_TEST(refused("a\0b//c\0"s) == "name 2: 'b//c' is no path below the origin");
  for (const auto* name :
       {"/etc/passwd", ".", "..", "a/./b", "a/../b", "/", "./", "s3://bucket/other", "/data/set/"}) {
    BOOST_TEST(refused(name).ends_with("is no path below the origin"));
  }
  BOOST_TEST(refused(std::string(5000, 'x')).ends_with("is no path below the origin"));
  BOOST_TEST(refused(std::string(50000, 'x')) == "line 1 is too long");
  BOOST_TEST(refused("x{9..1}") == "line 1: '{9..1}' is an empty range");
  BOOST_TEST(refused("{0..99999999}") == "line 1: more than 67108864 names");
  BOOST_TEST(refused("{0..99999}{0..99999}") == "line 1: more than 67108864 names");
}

BOOST_AUTO_TEST_CASE(a_list_knows_what_it_has_and_where_it_leads) {
  const NameList list({"b/c/d", "a", "b!", "e/f"});
  for (const auto* path : {"a", "a/x", "a/x/y", "b/c/d", "e/f", "b!"}) {
    BOOST_TEST(list.has(path), path);
  }
  for (const auto* path : {"", "b", "b/c", "ab", "e", "e/g", "b/c/da"}) {
    BOOST_TEST(!list.has(path), path);
  }
  for (const auto* path : {"", "b", "b/c", "e"}) {
    BOOST_TEST(list.leads_on(path), path);
  }
  for (const auto* path : {"a", "b/c/d", "b!", "c", "b/"}) {
    BOOST_TEST(!list.leads_on(path), path);
  }
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_read_is_named) {
  const auto missing = NameList::read("/no/such/list", kRoots);
  BOOST_REQUIRE(!missing.ok());
  BOOST_TEST(missing.error().text.find("/no/such/list") != std::string::npos);
  char path[] = "/tmp/forebay-name-list-XXXXXX";
  BOOST_REQUIRE(::mkstemp(path) >= 0);
  std::ofstream(path) << "a\n/x\n";
  const auto wrong = NameList::read(path, kRoots);
  BOOST_REQUIRE(!wrong.ok());
  BOOST_TEST(wrong.error().text == path + ": line 2: '/x' is no path below the origin"s);
  std::ofstream(path) << "a\n";
  const auto right = NameList::read(path, kRoots);
  BOOST_REQUIRE(right.ok());
  BOOST_TEST((right->names() == Names{"a"}));
  ::unlink(path);
}

}  // namespace
}  // namespace forebay
