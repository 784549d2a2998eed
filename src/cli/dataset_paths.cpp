#include "cli/dataset_paths.hpp"

#include <filesystem>

#include "config/stage_spec.hpp"
#include "ipc/admin.hpp"

namespace forebay {

std::vector<std::string> absolute_paths(const std::vector<std::string>& paths) {
  std::error_code failed;
  const auto here = std::filesystem::current_path(failed).string();
  std::vector<std::string> absolute;
  for (const auto& path : paths) {
    absolute.push_back(absolute_path(path, here));
  }
  return absolute;
}

nlohmann::json server_paths(const std::vector<std::string>& paths) {
  auto texts = nlohmann::json::array();
  for (const auto& path : absolute_paths(paths)) {
    texts.push_back(json_text_of_bytes(path));
  }
  return texts;
}

}  // namespace forebay
