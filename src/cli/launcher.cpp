#include "cli/launcher.hpp"

#include <cstdlib>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace forebay {

Result<std::vector<std::unique_ptr<Launcher>>> launchers_for(const Settings& settings) {
  std::vector<std::unique_ptr<Launcher>> launchers;
  const bool in_allocation = std::getenv("SLURM_JOB_ID") != nullptr;
  auto kind = settings.launcher;
  if (kind == LaunchKind::automatic) {
    kind = !settings.hostfile.empty() ? LaunchKind::mpirun
           : in_allocation            ? LaunchKind::srun
                                      : LaunchKind::simulate;
  }
  if (kind == LaunchKind::simulate) {
    launchers.push_back(simulated_launcher(settings.nodes == 0 ? 1 : settings.nodes));
  } else if (kind == LaunchKind::mpirun && !settings.hostfile.empty()) {
    FOREBAY_ASSIGN(launcher, hostfile_launcher(settings.hostfile, settings.nodes));
    launchers.push_back(std::move(launcher));
  } else if (!in_allocation) {
    return Error{
        Code::bad_argument,
        "no hosts to launch on (outside a Slurm allocation) give --hostfile FILE, or --launcher simulate"};
  } else {
    if (kind == LaunchKind::srun) {
      FOREBAY_ASSIGN(launcher, srun_launcher(settings.nodes));
      launchers.push_back(std::move(launcher));
    }
    // With --launcher srun nothing else was asked for.
    if (settings.launcher != LaunchKind::srun) {
      FOREBAY_ASSIGN(launcher, slurm_mpirun_launcher(settings.nodes));
      launchers.push_back(std::move(launcher));
    }
  }
  return launchers;
}

std::string shell_text(const std::vector<std::string>& argv) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%^";
  std::vector<std::string> words;
  for (const auto& word : argv) {
    if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) {
      words.push_back(word);
      continue;
    }
    std::string quoted = "'";
    for (const char c : word) {
      quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    words.push_back(quoted + "'");
  }
  return fmt::format("{}", fmt::join(words, " "));
}

}  // namespace forebay
