// EffectiveSettings: the settings in force and where each came from: flag > environment > file > default.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "config/settings.hpp"

namespace forebay {

enum class SettingSource { default_value, file, environment, flag };
[[nodiscard]] std::string_view source_name(SettingSource source) noexcept;

class EffectiveSettings {
 public:
  using Environment = std::function<const char*(const std::string& name)>;
  using Texts = std::map<std::string, std::vector<std::string>, std::less<>>;

  // Texts by setting name. All codes bad_argument, each text naming where it was said: a setting that `flags`
  // or `file` have and the table does not, a value that cannot be. The sources are weighed before any value
  // is used: a bad value in the file does no harm where a flag says otherwise.
  static Result<EffectiveSettings> merge(const Texts& flags, const Environment& environment,
                                         const std::string& file_path, const Texts& file);

  [[nodiscard]] const Settings& values() const noexcept { return values_; }
  [[nodiscard]] SettingSource source_of(std::string_view name) const;
  // Where exactly: "--buffer", "FOREBAY_BUFFER", the file's path, "default".
  [[nodiscard]] std::string place_of(std::string_view name) const;
  [[nodiscard]] const std::string& file_path() const noexcept { return file_path_; }

 private:
  Settings values_ = Settings::defaults();
  std::map<std::string, SettingSource, std::less<>> sources_;
  std::string file_path_;
};

}  // namespace forebay
