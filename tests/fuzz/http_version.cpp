// What a catalog keeps of a version on the web: read as what is written again, or refused.
#include "origin/http_version.hpp"

#include "fuzz/fuzz_target.hpp"

namespace forebay::fuzz {

std::vector<std::string> seeds() {
  return {"etag \"e\"\nmodified 784111777\n", "etag W/\"e\"\nchecksum md5:00\nurl http://h/x\n"};
}

bool run(std::string_view input) {
  const auto version = HttpVersion::parse(input);
  if (!version.ok()) {
    FOREBAY_CHECK(version.error().code == Code::corrupt);
    return false;
  }
  FOREBAY_CHECK(HttpVersion::parse(version->text()).value() == *version);
  return true;
}

}  // namespace forebay::fuzz
