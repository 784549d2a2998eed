#define BOOST_TEST_MODULE admin
#include <boost/test/unit_test.hpp>

#include "ipc/admin.hpp"

namespace forebay {

BOOST_AUTO_TEST_CASE(utf8_stays_as_it_is_and_other_bytes_are_written_in_hexadecimal) {
  BOOST_TEST(json_text_of_bytes("a/b \xc3\xa9") == "a/b \xc3\xa9");
  BOOST_TEST(json_text_of_bytes("\xff\xc3") == "%FF%C3");
  BOOST_TEST(json_text_of_bytes("100%") == "100%25");
}

BOOST_AUTO_TEST_CASE(any_bytes_come_back) {
  std::string all;
  for (int i = 1; i < 256; ++i) {
    all += static_cast<char>(i);
  }
  all += "\xed\xa0\x80\xf4\x90\x80\x80%41%";
  BOOST_TEST(bytes_of_json_text(json_text_of_bytes(all)) == all);
}

}  // namespace forebay
