// Sizes as people write them: what parse_size() takes, format_size() says in a form that it takes again.
#include "common/size_text.hpp"

#include "fuzz/fuzz_target.hpp"

namespace forebay::fuzz {

std::vector<std::string> seeds() {
  return {"0", "17", "512K", "4GiB", "1.5T", "3 MB", "7.5E", "0.0001KiB", "1000000000000000000"};
}

bool run(std::string_view input) {
  const auto size = parse_size(input);
  if (!size.ok()) {
    FOREBAY_CHECK(size.error().code == Code::bad_argument);
    return false;
  }
  FOREBAY_CHECK(*size < std::uint64_t{1} << 63);
  const auto again = parse_size(format_size(*size));
  // At one digit behind the point, what is a little below 8 EiB is written as 8 EiB.
  if (*size < std::uint64_t{7} << 60) {
    FOREBAY_CHECK(again.ok());
    const std::uint64_t difference = *again > *size ? *again - *size : *size - *again;
    FOREBAY_CHECK(difference <= *size / 16);
  }
  return true;
}

}  // namespace forebay::fuzz
