// URLs: percent-encoding, and a form that may be shown.
#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"

namespace forebay {

// Of one hexadecimal digit; -1 when it is none.
[[nodiscard]] int hex_value(char c) noexcept;

// Every byte but A-Z a-z 0-9 - . _ ~ as %XX, upper case (RFC 3986; what AWS signatures want). `kept` holds
// further bytes that stay, for instance "/".
[[nodiscard]] std::string percent_encoded(std::string_view bytes, std::string_view kept = {});
// The other way. Code: bad_argument (a % without two hexadecimal digits).
Result<std::string> percent_decoded(std::string_view text);

// `url` without what may be a secret: user and password, and the query, of which "?..." is left.
[[nodiscard]] std::string shown_url(std::string_view url);

struct UrlParts {
  std::string scheme;  // "http" or "https"
  std::string host;    // as in the Host header: with the port, when one is given
  std::string path;    // as given, without query and fragment; may be empty
};
// Code: bad_argument (no http or https URL, user and password in it, control characters or spaces).
Result<UrlParts> parse_url(std::string_view url);

}  // namespace forebay
