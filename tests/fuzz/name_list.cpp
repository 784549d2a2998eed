// A stage list: its names are canonical paths that it has, each once, in order, or an error that says where.
#include "catalog/name_list.hpp"

#include <algorithm>
#include <array>

#include "catalog/listing_codec.hpp"
#include "fuzz/fuzz_target.hpp"

namespace forebay::fuzz {

std::vector<std::string> seeds() {
  using namespace std::string_literals;
  return {"a\nb/c\n\nd/\n", "shard-{0000..0123}.tar\r\n", "s3://bucket/set/x{1..2}y{08..10}\n/data/a",
          "a\0b\nc\0{1..2}\0"s, "{1..2}{3..4}{5..6}{"};
}

bool run(std::string_view input) {
  const std::array<std::string, 2> roots = {"s3://bucket/set", "/data"};
  const auto list = NameList::parse(input, roots);
  if (!list.ok()) {
    FOREBAY_CHECK(list.error().code == Code::bad_argument);
    return false;
  }
  const auto& names = list->names();
  FOREBAY_CHECK(!names.empty());
  FOREBAY_CHECK(std::adjacent_find(names.begin(), names.end(), std::greater_equal<>()) == names.end());
  for (const auto& name : names) {
    FOREBAY_CHECK(!name.empty() && is_canonical_relative_path(name) && list->has(name));
    FOREBAY_CHECK(list->leads_on(name.substr(0, name.find('/'))) || name.find('/') == std::string::npos);
  }
  return true;
}

}  // namespace forebay::fuzz
