// Result and Status: how anything outside the program's control reports failure.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace forebay {

// Few codes, each named by what the caller does next.
enum class Code {
  bad_argument,  // the user asked for something that cannot be: say so, exit 2
  not_found,     // it is not there
  permission,    // it is there and not ours to use
  changed,       // the origin's object is no longer the catalog's version: leave it to the origin
  no_space,      // does not fit: pass through
  io_error,      // a device or file system failed: pass through, count, report
  corrupt,       // bytes do not match their checksum: quarantine, stage again
  timed_out,     // the deadline passed
  unavailable,   // the peer, server or service is not there now
  cancelled,     // asked to stop
};

[[nodiscard]] std::string_view code_name(Code code) noexcept;

struct [[nodiscard]] Error {
  Code code;
  std::string text;      // "<problem> (<why>)[ <what to do>]", lower case, with the path or node in it.
  int errno_value = 0;   // The errno behind it, 0 where there was none.
};

// `problem` names what failed with its path: "cannot open /x". Reads errno unless given one.
Error error_from_errno(std::string_view problem, int errno_value = errno);

// Ends the program with a line that names the broken invariant: a bug, never an input.
[[noreturn]] void broken_invariant(const char* what, const char* file, int line);

#define FOREBAY_CHECK(condition) \
  ((condition) ? void(0) : ::forebay::broken_invariant(#condition, __FILE__, __LINE__))

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  [[nodiscard]] bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  [[nodiscard]] T& value() & {
    FOREBAY_CHECK(ok());
    return std::get<0>(state_);
  }
  [[nodiscard]] const T& value() const& {
    FOREBAY_CHECK(ok());
    return std::get<0>(state_);
  }
  [[nodiscard]] T&& value() && {
    FOREBAY_CHECK(ok());
    return std::get<0>(std::move(state_));
  }
  [[nodiscard]] const Error& error() const& {
    FOREBAY_CHECK(!ok());
    return std::get<1>(state_);
  }
  [[nodiscard]] Error&& error() && {
    FOREBAY_CHECK(!ok());
    return std::get<1>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Error> state_;
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : state_(std::move(error)) {}  // NOLINT: implicit by design

  [[nodiscard]] bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }
  [[nodiscard]] const Error& error() const& {
    FOREBAY_CHECK(!ok());
    return std::get<1>(state_);
  }
  [[nodiscard]] Error&& error() && {
    FOREBAY_CHECK(!ok());
    return std::get<1>(std::move(state_));
  }

 private:
  std::variant<std::monostate, Error> state_;
};

// Returns the Error of `expression` (a Result or Status lvalue or temporary) from the enclosing function.
#define FOREBAY_TRY(expression)                                     \
  do {                                                              \
    if (auto forebay_try_ = (expression); !forebay_try_.ok()) {     \
      return ::forebay::Error{std::move(forebay_try_).error()};     \
    }                                                               \
  } while (false)

// auto `name` = value of `expression`, or return its Error.
#define FOREBAY_ASSIGN(name, expression)                            \
  auto name##_result_ = (expression);                               \
  if (!name##_result_.ok()) {                                       \
    return ::forebay::Error{std::move(name##_result_).error()};     \
  }                                                                 \
  auto name = std::move(name##_result_).value()

}  // namespace forebay
