#define BOOST_TEST_MODULE path_selection
#include <boost/test/unit_test.hpp>

#include "server/path_selection.hpp"

namespace forebay {

BOOST_AUTO_TEST_CASE(a_star_stays_within_a_directory_and_two_do_not) {
  BOOST_TEST(glob_matches("/d/*.h5", "/d/a.h5"));
  BOOST_TEST(!glob_matches("/d/*.h5", "/d/sub/a.h5"));
  BOOST_TEST(glob_matches("/d/**.h5", "/d/sub/deep/a.h5"));
  BOOST_TEST(glob_matches("/d/**/a.h5", "/d/sub/deep/a.h5"));
  BOOST_TEST(glob_matches("/d/**", "/d/x/y"));
  BOOST_TEST(!glob_matches("/d/?", "/d//"));
}

BOOST_AUTO_TEST_CASE(stars_back_off_until_the_rest_matches) {
  BOOST_TEST(glob_matches("/*a*b", "/xaxaxb"));
  BOOST_TEST(!glob_matches("/*a*b", "/xaxaxc"));
  BOOST_TEST(glob_matches("/**/b*/c", "/b1/b2/b3/c"));
  const std::string hard(64, 'a');
  BOOST_TEST(!glob_matches("*a*a*a*a*a*a*a*a*a*a*a*ab", hard));
}

BOOST_AUTO_TEST_CASE(sets_and_escapes_are_those_of_fnmatch) {
  BOOST_TEST(glob_matches("/f[0-3].bin", "/f2.bin"));
  BOOST_TEST(!glob_matches("/f[!0-3].bin", "/f2.bin"));
  BOOST_TEST(!glob_matches("/a[!b]c", "/a/c"));
  BOOST_TEST(glob_matches("/a\\*b", "/a*b"));
  BOOST_TEST(!glob_matches("/a\\*b", "/axb"));
  BOOST_TEST(glob_matches("/a[b", "/a[b"));
}

}  // namespace forebay
