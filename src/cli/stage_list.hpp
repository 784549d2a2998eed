// The list of names that `--stage-list` gives, for the dataset that is staged with it.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "catalog/name_list.hpp"
#include "common/result.hpp"
#include "config/stage_spec.hpp"

namespace forebay {

// Whether `stages` can be staged with a list. Code: bad_argument (not one dataset).
Status check_stage_list(const std::string& file, std::span<const StageSpec> stages);
// Code: bad_argument (what check_stage_list() and NameList::read() find).
Result<NameList> read_stage_list(const std::string& file, std::span<const StageSpec> stages);
// The same of `file` as the setting has it: nothing where that is empty.
Result<std::optional<NameList>> stage_list_of(const std::string& file, std::span<const StageSpec> stages);

}  // namespace forebay
