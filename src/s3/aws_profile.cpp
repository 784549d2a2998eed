#include "s3/aws_profile.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "common/text_file.hpp"

namespace forebay {
namespace {

constexpr std::string_view kBlanks = " \t\r";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kBlanks);
  return first == std::string_view::npos ? std::string_view{}
                                         : text.substr(first, text.find_last_not_of(kBlanks) + 1 - first);
}

// Of "[profile x]" the name a profile has; empty for sections that are none.
std::string profile_name(std::string_view section, bool is_config) {
  if (!is_config || section == "default") {
    return std::string(section);
  }
  constexpr std::string_view kPrefix = "profile";
  if (!section.starts_with(kPrefix) || section.size() == kPrefix.size() ||
      kBlanks.find(section[kPrefix.size()]) == std::string_view::npos) {
    return {};
  }
  return std::string(trimmed(section.substr(kPrefix.size())));
}

Result<AwsSections> load_file(const std::string& path, bool is_config) {
  if (path.empty()) {
    return AwsSections{};
  }
  auto text = read_text_file(path);
  if (!text.ok()) {
    return text.error().code == Code::not_found ? Result<AwsSections>(AwsSections{}) : Error{text.error()};
  }
  auto sections = parse_aws_file(*text, is_config);
  if (!sections.ok()) {
    return Error{sections.error().code, fmt::format("{}: {}", path, sections.error().text)};
  }
  return sections;
}

std::string file_path(const AwsEnvironment& environment, const std::string& variable, const char* name) {
  if (auto path = variable_of(environment, variable); !path.empty()) {
    return path;
  }
  const auto home = variable_of(environment, "HOME");
  return home.empty() ? home : fmt::format("{}/.aws/{}", home, name);
}

}  // namespace

std::string variable_of(const AwsEnvironment& environment, const std::string& name) {
  const char* value = environment(name);
  return value == nullptr ? "" : value;
}

Result<AwsSections> parse_aws_file(std::string_view text, bool is_config) {
  AwsSections sections;
  AwsSection* section = nullptr;
  bool is_section_known = false;
  std::size_t number = 0;
  const auto bad = [&](const char* why) {
    return Error{Code::bad_argument, fmt::format("line {} cannot be read ({})", number, why)};
  };
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    const auto words = trimmed(line);
    if (words.empty() || words[0] == '#' || words[0] == ';') {
      continue;
    }
    if (words[0] == '[') {
      const auto close = words.find(']');
      if (close == std::string_view::npos) {
        return bad("a section without ]");
      }
      const auto name = profile_name(trimmed(words.substr(1, close - 1)), is_config);
      section = name.empty() ? nullptr : &sections[name];
      is_section_known = true;
      continue;
    }
    if (!is_section_known) {
      return bad("a setting before the first section");
    }
    if (kBlanks.find(line[0]) != std::string_view::npos) {
      continue;  // A setting of a setting.
    }
    const auto equals = words.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return bad("no setting: it has no name and =");
    }
    if (section != nullptr) {
      std::string name(trimmed(words.substr(0, equals)));
      std::transform(name.begin(), name.end(), name.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
      (*section)[name] = std::string(trimmed(words.substr(equals + 1)));
    }
  }
  return sections;
}

std::string AwsProfile::get(std::string_view setting) const {
  const auto at = settings.find(setting);
  return at == settings.end() ? "" : at->second;
}

Result<AwsProfile> load_aws_profile(const AwsEnvironment& environment, const std::string& name) {
  AwsProfile profile;
  profile.name = !name.empty() ? name : variable_of(environment, "AWS_PROFILE");
  profile.is_named = !profile.name.empty();
  if (!profile.is_named) {
    profile.name = "default";
  }
  FOREBAY_ASSIGN(credentials,
                 load_file(file_path(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials"), false));
  FOREBAY_ASSIGN(config, load_file(file_path(environment, "AWS_CONFIG_FILE", "config"), true));
  bool is_there = false;
  for (const auto* sections : {&credentials, &config}) {
    if (const auto at = sections->find(profile.name); at != sections->end()) {
      is_there = true;
      profile.settings.insert(at->second.begin(), at->second.end());
    }
  }
  if (profile.is_named && !is_there) {
    return Error{
        Code::bad_argument,
        fmt::format("there is no AWS profile '{}' (neither the credentials nor the config file has it)",
                    profile.name)};
  }
  return profile;
}

}  // namespace forebay
