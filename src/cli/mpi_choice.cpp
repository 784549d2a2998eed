#include "cli/mpi_choice.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/interposer.hpp"
#include "cli/json_number.hpp"
#include "cli/run_report.hpp"
#include "cli/server_job.hpp"
#include "common/path_io.hpp"

namespace forebay {
namespace {

using nlohmann::json;

// Empty where there is no home: then nothing is remembered.
std::string cache_path() {
  if (const char* base = std::getenv("XDG_CACHE_HOME"); base != nullptr && *base == '/') {
    return std::string(base) + "/forebay/mpi-settings.json";
  }
  const char* home = std::getenv("HOME");
  return home != nullptr && *home == '/' ? std::string(home) + "/.cache/forebay/mpi-settings.json"
                                         : std::string();
}

json read_cache() {
  std::ifstream stream(cache_path());
  auto cache = stream ? json::parse(stream, nullptr, false) : json();
  return cache.is_object() ? cache : json::object();
}

// Best effort: a probe more the next time is all that a failure costs.
void note_in_cache(const std::string& site, const json& what) {
  const auto path = cache_path();
  if (path.empty() || !make_private_directory(path.substr(0, path.rfind('/'))).ok()) {
    return;
  }
  auto cache = read_cache();
  if (!cache[site].is_object()) {
    cache[site] = json::object();
  }
  cache[site].update(what);
  static_cast<void>(write_report_file(path, cache));
}

json known_of(const Launcher& launcher) {
  const auto cache = read_cache();
  const auto at = cache.find(launcher.site());
  return at != cache.end() && at->is_object() ? *at : json::object();
}

MpiChoice choice_of(const MpiSetting& settings) {
  return MpiChoice{
      .name = settings.name, .variables = environment_of(settings), .remembered = false, .outcomes = {}};
}

}  // namespace

std::vector<MpiSetting> mpi_candidates(const Launcher& launcher) {
  return mpi_settings(launcher.is_simulated() ? MpiReach::one_host : MpiReach::several_hosts);
}

Environment environment_of(const MpiSetting& setting) {
  Environment variables;
  for (const auto& [name, value] : rank_environment(setting)) {
    variables.push_back(fmt::format("{}={}", name, value));
  }
  return variables;
}

std::string remembered_mpi(const Launcher& launcher) {
  const auto known = known_of(launcher);
  const auto name = known.find("name");
  return name != known.end() && name->is_string() ? name->get<std::string>() : std::string();
}

std::optional<std::chrono::duration<double>> remembered_start(const Launcher& launcher) {
  const auto known = known_of(launcher);
  const auto at = known.find("heard_after_s");
  const double seconds = at != known.end() && at->is_number() ? at->get<double>() : 0;
  constexpr double kHour = 3600;
  if (!(seconds > 0 && seconds < kHour) || number_in(known, "heard_nodes") != launcher.node_count()) {
    return std::nullopt;
  }
  return std::chrono::duration<double>(seconds);
}

void remember_start(const Launcher& launcher, std::chrono::duration<double> heard_after) {
  const auto known = remembered_start(launcher);
  if (!known || heard_after > *known || heard_after < *known / 2) {
    note_in_cache(launcher.site(),
                  {{"heard_nodes", launcher.node_count()}, {"heard_after_s", heard_after.count()}});
  }
}

ProbeOutcome probe_settings(EventLoop& loop, const Launcher& launcher, const MpiSetting& settings,
                            const std::function<bool()>& give_up) {
  ProbeOutcome outcome;
  outcome.name = settings.name;
  auto program = own_program();
  if (!program.ok()) {
    outcome.why = program.error().text;
    return outcome;
  }
  bool ended = false;
  auto job = ServerJob::start(
      loop,
      {launcher.mpi_job(JobKind::probe, 2, {program.value(), "mpi-probe", "--config", "/dev/null"},
                        environment_of(settings)),
       false},
      {[&](const json& event) {
         outcome.works = event.value("ok", false);
         outcome.p50_us = event.value("p50_4k_us", 0.0);
         outcome.gib_per_s = event.value("gib_s", 0.0);
         outcome.why = event.value("text", "");
       },
       [&] { ended = true; }});
  if (!job.ok()) {
    outcome.why = job.error().text;
    return outcome;
  }
  const bool in_time =
      loop.wait([&] { return ended || give_up(); }, EventLoop::Clock::now() + kProbeDeadline);
  job.value()->end(std::chrono::milliseconds(200), [] { return true; });
  if (!in_time) {
    outcome.works = false;
    outcome.why = fmt::format("no result within {} s", kProbeDeadline.count());
  } else if (!outcome.works && outcome.why.empty()) {
    outcome.why = fmt::format("the launch failed (exit code {})", job.value()->exit_code());
  }
  return outcome;
}

Result<MpiChoice> choose_mpi(EventLoop& loop, const Launcher& launcher, const std::string& wanted,
                             bool remember, const std::function<bool()>& give_up) {
  const auto candidates = mpi_candidates(launcher);
  if (wanted != "auto") {
    const auto* named = find_mpi_setting(candidates, wanted);
    std::vector<std::string> names;
    std::transform(candidates.begin(), candidates.end(), std::back_inserter(names),
                   [](const auto& one) { return one.name; });
    return named != nullptr
               ? Result(choice_of(*named))
               : Error{Code::bad_argument, fmt::format("--mpi: '{}' is not known (it is auto or one of {})",
                                                       wanted, fmt::join(names, ", "))};
  }
  if (const auto* known = find_mpi_setting(candidates, remembered_mpi(launcher));
      known != nullptr && remember) {
    auto choice = choice_of(*known);
    choice.remembered = true;
    return choice;
  }
  if (launcher.node_count() == 1 && remember) {
    auto choice =
        choice_of(candidates.front());  // No peer, nothing to measure; should it fail, a probe will tell.
    choice.remembered = true;
    return choice;
  }
  std::vector<ProbeOutcome> outcomes;
  for (const auto& candidate : candidates) {
    outcomes.push_back(probe_settings(loop, launcher, candidate, give_up));
    if (outcomes.back().works && launcher.is_simulated()) {
      break;  // On one machine their order is known; between hosts the network decides.
    }
    if (give_up()) {
      return Error{Code::cancelled, "interrupted while probing MPI settings"};
    }
  }
  const auto best = std::max_element(outcomes.begin(), outcomes.end(), [](const auto& a, const auto& b) {
    return std::pair(a.works, a.gib_per_s) < std::pair(b.works, b.gib_per_s);
  });
  if (!best->works) {
    return Error{Code::unavailable, fmt::format("no MPI settings work here: {}", outcome_text(outcomes, ""))};
  }
  note_in_cache(launcher.site(),
                {{"name", best->name}, {"p50_us", best->p50_us}, {"gib_per_s", best->gib_per_s}});
  auto choice = choice_of(*find_mpi_setting(candidates, best->name));
  choice.outcomes = std::move(outcomes);
  return choice;
}

std::string outcome_text(const std::vector<ProbeOutcome>& outcomes, const std::string& chosen) {
  std::vector<std::string> parts;
  for (const auto& outcome : outcomes) {
    if (!outcome.works) {
      parts.push_back(fmt::format("{}: {}", outcome.name, outcome.why));
    } else if (outcome.name == chosen) {
      parts.insert(parts.begin(),
                   fmt::format("{:.1f} GiB/s, 4 KiB in {:.0f} us", outcome.gib_per_s, outcome.p50_us));
    } else {
      parts.push_back(fmt::format("{}: {:.1f} GiB/s", outcome.name, outcome.gib_per_s));
    }
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace forebay
