#include "common/result.hpp"

#include <cstdio>
#include <system_error>

#include <fmt/format.h>

namespace forebay {

std::string_view code_name(Code code) noexcept {
  switch (code) {
    case Code::bad_argument: return "bad_argument";
    case Code::not_found: return "not_found";
    case Code::permission: return "permission";
    case Code::changed: return "changed";
    case Code::no_space: return "no_space";
    case Code::io_error: return "io_error";
    case Code::corrupt: return "corrupt";
    case Code::timed_out: return "timed_out";
    case Code::unavailable: return "unavailable";
    case Code::cancelled: return "cancelled";
  }
  return "unknown";
}

namespace {

Code code_of_errno(int value) {
  switch (value) {
    case ENOENT:
    case ENOTDIR: return Code::not_found;
    case EACCES:
    case EPERM: return Code::permission;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return Code::no_space;
    case EINVAL:
    case ENAMETOOLONG: return Code::bad_argument;
    case ETIMEDOUT: return Code::timed_out;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE: return Code::unavailable;
    case ESTALE: return Code::changed;
    case ECANCELED: return Code::cancelled;
    default: return Code::io_error;
  }
}

}  // namespace

Error error_from_errno(std::string_view problem, int errno_value) {
  return Error{code_of_errno(errno_value),
               fmt::format("{} ({})", problem, std::generic_category().message(errno_value)), errno_value};
}

void broken_invariant(const char* what, const char* file, int line) {
  std::fprintf(stderr, "forebay: broken invariant: %s (%s:%d)\n", what, file, line);
  std::abort();
}

}  // namespace forebay
