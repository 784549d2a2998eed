#include "config/effective_settings.hpp"

#include <sstream>

#include <fmt/format.h>

namespace forebay {
namespace {

// A variable holds a list as lines, because a path may hold every separator but a newline is rare in one.
std::vector<std::string> texts_of_variable(const Setting& setting, const char* value) {
  if (!setting.is_list) {
    return {value};
  }
  std::vector<std::string> lines;
  std::istringstream stream(value);
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty()) {
      lines.push_back(line);
    }
  }
  return lines;
}

}  // namespace

std::string_view source_name(SettingSource source) noexcept {
  switch (source) {
    case SettingSource::default_value:
      return "default";
    case SettingSource::file:
      return "file";
    case SettingSource::environment:
      return "environment";
    case SettingSource::flag:
      return "flag";
  }
  return "default";
}

Result<EffectiveSettings> EffectiveSettings::merge(const Texts& flags, const Environment& environment,
                                                   const std::string& file_path, const Texts& file) {
  for (const auto& [name, texts] : file) {
    if (find_setting(name) == nullptr) {
      return Error{
          Code::bad_argument,
          fmt::format("{}: unknown setting '{}' (`forebay config` lists them all)", file_path, name)};
    }
  }
  EffectiveSettings effective;
  effective.file_path_ = file_path;
  for (const Setting& setting : all_settings()) {
    auto source = SettingSource::default_value;
    std::vector<std::string> texts;
    const auto variable = environment(setting.variable());
    if (const auto flag = flags.find(setting.name); flag != flags.end()) {
      source = SettingSource::flag;
      texts = flag->second;
    } else if (variable != nullptr && *variable != '\0') {
      source = SettingSource::environment;
      texts = texts_of_variable(setting, variable);
    } else if (const auto line = file.find(setting.name); line != file.end()) {
      source = SettingSource::file;
      texts = line->second;
    }
    effective.sources_[std::string(setting.name)] = source;
    if (source == SettingSource::default_value) {
      continue;
    }
    const auto place = effective.place_of(setting.name);
    const auto where = source == SettingSource::file ? fmt::format("{}: {}", place, setting.name) : place;
    if (!setting.is_list && texts.size() != 1) {
      return Error{Code::bad_argument, fmt::format("{}: {} values (it takes one)", where, texts.size())};
    }
    if (auto assigned = setting.assign(effective.values_, texts); !assigned.ok()) {
      return Error{Code::bad_argument, fmt::format("{}: {}", where, assigned.error().text)};
    }
  }
  return effective;
}

SettingSource EffectiveSettings::source_of(std::string_view name) const {
  const auto at = sources_.find(name);
  return at == sources_.end() ? SettingSource::default_value : at->second;
}

std::string EffectiveSettings::place_of(std::string_view name) const {
  switch (source_of(name)) {
    case SettingSource::flag:
      return fmt::format("--{}", name);
    case SettingSource::environment:
      return find_setting(name)->variable();
    case SettingSource::file:
      return file_path_;
    case SettingSource::default_value:
      break;
  }
  return "default";
}

}  // namespace forebay
