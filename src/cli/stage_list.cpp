#include "cli/stage_list.hpp"

#include <array>

#include <fmt/format.h>

namespace forebay {

Status check_stage_list(const std::string& file, std::span<const StageSpec> stages) {
  if (!file.empty() && stages.size() != 1) {
    return Error{Code::bad_argument,
                 fmt::format("--stage-list names files of one dataset ({} are staged)", stages.size())};
  }
  return {};
}

Result<NameList> read_stage_list(const std::string& file, std::span<const StageSpec> stages) {
  FOREBAY_TRY(check_stage_list(file, stages));
  std::string_view origin = stages.front().origin;
  while (origin.ends_with('/')) {
    origin.remove_suffix(1);
  }
  const std::array<std::string, 2> roots = {std::string(origin), stages.front().mount};
  auto names = NameList::read(file, roots);
  if (!names.ok()) {
    return Error{Code::bad_argument, "--stage-list: " + names.error().text};
  }
  return names;
}

Result<std::optional<NameList>> stage_list_of(const std::string& file, std::span<const StageSpec> stages) {
  if (file.empty()) {
    return std::optional<NameList>();
  }
  FOREBAY_ASSIGN(names, read_stage_list(file, stages));
  return std::optional<NameList>(std::move(names));
}

}  // namespace forebay
