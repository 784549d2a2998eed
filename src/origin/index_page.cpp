#include "origin/index_page.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <unordered_set>
#include <utility>

#include <nlohmann/json.hpp>

#include "s3/key_paths.hpp"
#include "web/header_text.hpp"
#include "web/url.hpp"

namespace forebay {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\f";

// Entries in, each name once.
class Entries {
 public:
  void add(PageEntry entry) {
    if (!is_file_name(entry.name)) {
      ++page_.unusable;
    } else if (names_.insert(entry.name).second) {
      page_.entries.push_back(std::move(entry));
    }
  }
  void add_unusable() { ++page_.unusable; }
  IndexPage take() { return std::move(page_); }

 private:
  IndexPage page_;
  std::unordered_set<std::string> names_;
};

// The character of "amp", "#38", "#x26"; none when it is not one that addresses have.
std::optional<char> character_of(std::string_view entity) {
  static constexpr std::array<std::pair<std::string_view, char>, 5> kNamed = {
      {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}}};
  for (const auto& [name, character] : kNamed) {
    if (entity == name) {
      return character;
    }
  }
  if (!entity.starts_with('#')) {
    return std::nullopt;
  }
  entity.remove_prefix(1);
  const bool is_hex = entity.starts_with('x') || entity.starts_with('X');
  entity.remove_prefix(is_hex ? 1 : 0);
  int code = 0;
  for (const char c : entity) {
    const int digit = hex_value(c);
    if (digit < 0 || (!is_hex && digit > 9) || code > 127) {
      return std::nullopt;
    }
    code = code * (is_hex ? 16 : 10) + digit;
  }
  return code > 0 && code < 128 ? std::optional(static_cast<char>(code)) : std::nullopt;
}

std::string without_entities(std::string_view text) {
  constexpr std::size_t kEntityBytesMax = 8;
  std::string plain;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto end = text[at] == '&' ? text.substr(at, kEntityBytesMax).find(';') : std::string_view::npos;
    const auto character =
        end == std::string_view::npos ? std::nullopt : character_of(text.substr(at + 1, end - 1));
    plain.push_back(character.value_or(text[at]));
    at += character ? end : 0;
  }
  return plain;
}

// Takes the value of an attribute from the front of `text`, which begins behind the '='.
std::string_view take_value(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  const char quote = text.empty() ? '\0' : text[0];
  std::string_view value;
  if (quote == '"' || quote == '\'') {
    text.remove_prefix(1);
    value = text.substr(0, text.find(quote));
    text.remove_prefix(std::min(value.size() + 1, text.size()));
  } else {
    value = text.substr(0, text.find_first_of(" \t\r\n\f>"));
    text.remove_prefix(value.size());
  }
  return value;
}

// Takes a tag's attributes from the front of `text`, up to its '>', and says what its href is.
std::optional<std::string_view> take_href(std::string_view& text) {
  std::optional<std::string_view> href;
  for (;;) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n\f/"), text.size()));
    if (text.empty() || text[0] == '>') {
      return href;
    }
    const auto name = text.substr(0, std::min(text.find_first_of(" \t\r\n\f=>"), text.size()));
    text.remove_prefix(std::max<std::size_t>(name.size(), 1));
    const auto blank = std::min(text.find_first_not_of(kBlanks), text.size());
    if (blank == text.size() || text[blank] != '=') {
      continue;
    }
    text.remove_prefix(blank + 1);
    const auto value = take_value(text);
    if (!href && equal_ignoring_case(name, "href")) {
      href = value;
    }
  }
}

void add_link(std::string link, std::string_view page_path, Entries& entries) {
  std::string_view path = link;
  path.remove_prefix(std::min(path.find_first_not_of(kBlanks), path.size()));
  path = path.substr(0, path.find_last_not_of(kBlanks) + 1);
  const auto segment = path.substr(0, path.find('/'));
  if (path.empty() || path.find_first_of("?#") != std::string_view::npos || path.starts_with("//") ||
      segment.find(':') != std::string_view::npos) {
    return;
  }
  if (path.starts_with('/')) {
    // Servers may write the page's own path in another encoding than ours.
    const auto slash = path.substr(0, path.size() - 1).rfind('/');
    const auto parent = percent_decoded(path.substr(0, slash + 1));
    const auto page = percent_decoded(page_path);
    if (slash == std::string_view::npos || !parent.ok() || !page.ok() || *parent != *page) {
      return;
    }
    path.remove_prefix(slash + 1);
  } else if (path.starts_with("./")) {
    path.remove_prefix(2);
  }
  const bool is_directory = path.ends_with('/');
  path.remove_suffix(is_directory ? 1 : 0);
  if (path.empty() || path == "." || path == ".." || path.find('/') != std::string_view::npos) {
    return;
  }
  auto name = percent_decoded(path);
  if (!name.ok()) {
    return entries.add_unusable();
  }
  entries.add({std::move(name).value(), is_directory, std::nullopt, std::nullopt});
}

Error no_index(const char* why) {
  return Error{Code::io_error, std::string("it is no index page (") + why + ")", EIO};
}

}  // namespace

bool is_file_name(std::string_view name) noexcept {
  return name.find('/') == std::string_view::npos && !name.empty() && use_of_key(name, 0) == KeyUse::file;
}

IndexPage parse_index_html(std::string_view html, std::string_view page_path) {
  Entries entries;
  for (;;) {
    html.remove_prefix(std::min(html.find('<'), html.size()));
    if (html.empty()) {
      return entries.take();
    }
    if (html.starts_with("<!--")) {
      html.remove_prefix(std::min(html.find("-->", 4), html.size()));
      continue;
    }
    html.remove_prefix(1);
    if (html.size() < 2 || (html[0] != 'a' && html[0] != 'A') ||
        kBlanks.find(html[1]) == std::string_view::npos) {
      continue;
    }
    html.remove_prefix(1);
    if (const auto href = take_href(html)) {
      add_link(without_entities(*href), page_path, entries);
    }
  }
}

Result<IndexPage> parse_index_json(std::string_view text) {
  using nlohmann::json;
  const auto document = json::parse(text, nullptr, false);
  if (document.is_discarded()) {
    return no_index("malformed JSON, or a name that is not UTF-8");
  }
  if (!document.is_array()) {
    return no_index("not an array in JSON");
  }
  Entries entries;
  for (const auto& item : document) {
    const auto member = [&](const char* name) -> const json* {
      const auto found = item.is_object() ? item.find(name) : item.end();
      return item.is_object() && found != item.end() ? &*found : nullptr;
    };
    const auto string_of = [&](const char* name) {
      const auto* value = member(name);
      return value == nullptr ? nullptr : value->get_ptr<const std::string*>();
    };
    const auto* name = string_of("name");
    const auto* type = string_of("type");
    if (name == nullptr || type == nullptr) {
      return no_index("an entry without name or type");
    }
    if (*type != "file" && *type != "directory") {
      entries.add_unusable();
      continue;
    }
    PageEntry entry{*name, *type == "directory", std::nullopt, std::nullopt};
    if (const auto* mtime = string_of("mtime")) {
      entry.modified_s = parse_http_date(*mtime);
    }
    const auto* size = member("size");
    const auto* number = size == nullptr ? nullptr : size->get_ptr<const json::number_unsigned_t*>();
    if (number != nullptr && *number <= INT64_MAX) {
      entry.size = *number;
    }
    entries.add(std::move(entry));
  }
  return entries.take();
}

}  // namespace forebay
