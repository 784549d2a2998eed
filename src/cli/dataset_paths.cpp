#include "cli/dataset_paths.hpp"

#include <filesystem>

#include "config/stage_spec.hpp"
#include "ipc/admin.hpp"

namespace forebay {

nlohmann::json server_paths(const std::vector<std::string>& paths) {
  std::error_code failed;
  const auto here = std::filesystem::current_path(failed).string();
  auto texts = nlohmann::json::array();
  for (const auto& path : paths) {
    texts.push_back(json_text_of_bytes(absolute_path(path, here)));
  }
  return texts;
}

}  // namespace forebay
