#include "web/http_message.hpp"

#include "web/header_text.hpp"

namespace forebay {

std::string_view method_name(HttpMethod method) noexcept {
  switch (method) {
    case HttpMethod::get:
      return "GET";
    case HttpMethod::head:
      return "HEAD";
    case HttpMethod::put:
      return "PUT";
    case HttpMethod::post:
      return "POST";
    case HttpMethod::remove:
      return "DELETE";
  }
  return "GET";
}

bool HttpHeaders::add_line(std::string_view line) {
  while (line.ends_with('\n') || line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  if (line.starts_with("HTTP/")) {
    lines_.clear();
    return true;
  }
  if (line.empty()) {
    return true;
  }
  if (lines_.size() + line.size() + 1 > kBytesMax) {
    return false;
  }
  lines_.append(line).push_back('\n');
  return true;
}

std::string_view HttpHeaders::find(std::string_view name) const noexcept {
  return find_header(lines_, name);
}

}  // namespace forebay
