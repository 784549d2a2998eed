#define BOOST_TEST_MODULE result
#include "common/result.hpp"

#include <boost/test/unit_test.hpp>
#include <memory>

using namespace forebay;

namespace {

Result<std::unique_ptr<int>> make(bool works) {
  if (!works) {
    return Error{Code::no_space, "no room"};
  }
  return std::make_unique<int>(5);
}

Result<int> doubled(bool works) {
  FOREBAY_ASSIGN(made, make(works));
  return *made * 2;
}

Status checked(bool works) {
  FOREBAY_TRY(doubled(works));
  return {};
}

}  // namespace

BOOST_AUTO_TEST_CASE(values_and_errors_pass_through_callers) {
  BOOST_TEST(doubled(true).value() == 10);
  BOOST_TEST(checked(true).ok());
  BOOST_REQUIRE(!checked(false).ok());
  BOOST_TEST((checked(false).error().code == Code::no_space));
  BOOST_TEST(doubled(false).error().text == "no room");
}

BOOST_AUTO_TEST_CASE(errnos_become_codes_by_what_the_caller_does_next) {
  const std::pair<int, Code> cases[] = {{ENOENT, Code::not_found},   {EACCES, Code::permission},
                                        {ENOSPC, Code::no_space},    {EDQUOT, Code::no_space},
                                        {EIO, Code::io_error},       {ESTALE, Code::changed},
                                        {ETIMEDOUT, Code::timed_out}};
  for (const auto& [value, code] : cases) {
    const Error error = error_from_errno("cannot open /x", value);
    BOOST_TEST((error.code == code));
    BOOST_TEST(error.errno_value == value);
    BOOST_TEST(error.text.starts_with("cannot open /x ("));
  }
}

BOOST_AUTO_TEST_CASE(every_code_has_a_name) {
  for (int code = 0; code <= static_cast<int>(Code::cancelled); ++code) {
    BOOST_TEST(code_name(static_cast<Code>(code)) != "unknown");
  }
}
