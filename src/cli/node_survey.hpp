// NodeSurvey: which hosts of a job still answer, and the end of what its servers left there. One question
// does both: a host answers by having killed what was left.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cli/event_loop.hpp"
#include "cli/launcher.hpp"

namespace forebay {

struct SurveyQuestion {
  std::string session_id;
  bool remove_sessions;  // for good: nobody will take them up
};

// A host that has not answered by then is lost; the second where no other host has answered either.
inline constexpr std::chrono::seconds kAnswerDeadline{2};
inline constexpr std::chrono::seconds kFirstAnswerDeadline{5};

// Asks all of launcher.hosts() at once; returns those that answered, in their order. This machine is looked
// after in any case, and without another process. `loop` outlives the call.
std::vector<std::string> survey_nodes(EventLoop& loop, const Launcher& launcher,
                                      const SurveyQuestion& question);

}  // namespace forebay
