#define BOOST_TEST_MODULE index_page
#include <boost/test/unit_test.hpp>

#include "origin/index_page.hpp"

using namespace forebay;

namespace {

std::string names_of(const IndexPage& page) {
  std::string names;
  for (const auto& entry : page.entries) {
    names += entry.name + (entry.is_directory ? "/|" : "|");
  }
  return names;
}

}  // namespace

BOOST_AUTO_TEST_CASE(links_to_direct_children_are_entries) {
  const auto page = parse_index_html(
      "<html>\r\n<head><title>Index of /data/</title></head>\r\n<body>\r\n<h1>Index of "
      "/data/</h1><hr><pre><a href=\"../\">../</a>\r\n"
      "<a href=\"sub/\">sub/</a>                    23-Nov-2026 10:00        -\r\n"
      "<a href=\"a%20b%25%2B%23%3F.bin\">a b%+#?.bin</a>   23-Nov-2026 10:00      1234\r\n"
      "<A class=x HREF = 'it&#39;s'>it</A><a href=plain>x</a><a href=\"./dotted\">x</a>"
      "<a href=\"%C3%BC\">u</a><a href=\"q&amp;a\">q</a><a name=\"nothing\">x</a>",
      "/data/");
  BOOST_TEST(names_of(page) == "sub/|a b%+#?.bin|it's|plain|dotted|\u00fc|q&a|");
  BOOST_TEST(page.unusable == 0u);
  for (const auto& entry : page.entries) {
    BOOST_TEST(!entry.size.has_value());
  }
}

BOOST_AUTO_TEST_CASE(other_links_are_not_meant) {
  const auto page = parse_index_html(
      "<a href=\"?C=M;O=A\">sort</a><a href='#top'>top</a><a href=\"http://elsewhere/x\">x</a>"
      "<a href=\"//elsewhere/x\">x</a><a href=\"mailto:me\">x</a><a href=\"/other/x\">x</a><a "
      "href=\"deep/er\">x</a><a href=\"\">x</a><a href=\"./\">x</a><a href=\"/my%20data/\">here</a>"
      "<!-- <a href=\"hidden\">x</a> --><abbr href=\"no\">x</abbr><a href=\"/my%20data/x\">x</a><a "
      "href=\"x\">again</a><a href=\"/my data/y/\">y</a>",
      "/my%20data/");
  BOOST_TEST(names_of(page) == "x|y/|");
}

BOOST_AUTO_TEST_CASE(names_that_no_file_has_are_counted) {
  const auto page =
      parse_index_html("<a href=\"a%2Fb\">x</a><a href=\"%00\">x</a><a href=\"%2e%2E\">x</a><a href=\"" +
                           std::string(256, 'n') + "\">x</a><a href=\"%zz\">x</a>",
                       "/");
  BOOST_TEST(names_of(page) == "");
  BOOST_TEST(page.unusable == 5u);
}

BOOST_AUTO_TEST_CASE(pages_that_end_early_are_read_as_far_as_they_go) {
  const std::string html = "<a href=\"one\">one</a><!-- x --><a title=\"a>b\" href='two'>two</a>";
  for (std::size_t bytes = 0; bytes <= html.size(); ++bytes) {
    BOOST_TEST(parse_index_html(html.substr(0, bytes), "/").entries.size() <= 2u);
  }
  BOOST_TEST(names_of(parse_index_html(html, "/")) == "one|two|");
}

BOOST_AUTO_TEST_CASE(json_says_sizes_and_times_exactly) {
  const auto page = parse_index_json(
      R"([{"name":"sub","type":"directory","mtime":"Sun, 06 Nov 1994 08:49:37 GMT"},
          {"name":"a \"b\" \u00fc","type":"file","mtime":"Sun, 06 Nov 1994 08:49:37 GMT","size":1234},
          {"name":"odd","type":"file","mtime":"yesterday","size":-1},
          {"name":"a/b","type":"file"}, {"name":"pipe","type":"other"}])");
  BOOST_TEST_REQUIRE(page.ok());
  BOOST_TEST(names_of(*page) == "sub/|a \"b\" \u00fc|odd|");
  BOOST_TEST(page->unusable == 2u);
  BOOST_TEST(page->entries[1].size.value() == 1234u);
  BOOST_TEST(page->entries[1].modified_s.value() == 784111777);
  BOOST_TEST(!page->entries[2].size.has_value());
  BOOST_TEST(!page->entries[2].modified_s.has_value());
  BOOST_TEST(parse_index_json("[]")->entries.empty());
}

BOOST_AUTO_TEST_CASE(what_is_no_listing_in_json_is_an_error) {
  for (const auto* text : {"", "{}", "[", "[1]", "[{}]", "[{\"name\":\"x\"}]",
                           "[{\"name\":1,\"type\":\"file\"}]", "[{\"name\":\"\xff\",\"type\":\"file\"}]"}) {
    const auto page = parse_index_json(text);
    BOOST_TEST_REQUIRE(!page.ok(), text);
    BOOST_TEST((page.error().code == Code::io_error));
  }
}
