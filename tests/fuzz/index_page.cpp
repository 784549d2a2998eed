// What a web server answers as a directory's page, in HTML (first byte even) or JSON: any bytes end in names
// that files can have, or in an error.
#include "origin/index_page.hpp"

#include "fuzz/fuzz_target.hpp"

namespace forebay::fuzz {

std::vector<std::string> seeds() {
  return {
      "\2<html><pre><a href=\"../\">../</a>\r\n<a href=\"a%20b.bin\">a b.bin</a> 23-Nov-2026 10:00 "
      "1234\r\n<a href='sub/'>sub/</a>",
      "\2<!-- x --><a class=x href=\"/d/it&#39;s&amp;x\">x</a><a href=./plain>x</a><a href=\"%2F\">x</a>",
      "\1[{\"name\":\"sub\",\"type\":\"directory\",\"mtime\":\"Sun, 06 Nov 1994 08:49:37 GMT\"},"
      "{\"name\":\"a\\u00fc\",\"type\":\"file\",\"mtime\":\"Sun, 06 Nov 1994 08:49:37 GMT\",\"size\":1234}]"};
}

bool run(std::string_view input) {
  if (input.empty()) {
    return false;
  }
  const bool is_json = (input[0] & 1) != 0;
  input.remove_prefix(1);
  auto page = is_json ? parse_index_json(input) : parse_index_html(input, "/d/");
  if (!page.ok()) {
    FOREBAY_CHECK(is_json && page.error().code == Code::io_error);
    return false;
  }
  std::size_t bytes = 0;
  for (const auto& entry : page->entries) {
    FOREBAY_CHECK(is_file_name(entry.name) && entry.name.size() <= 255);
    bytes += entry.name.size();
  }
  FOREBAY_CHECK(bytes + page->unusable <= input.size());
  return true;
}

}  // namespace forebay::fuzz
