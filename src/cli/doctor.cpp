#include <signal.h>

#include <algorithm>
#include <array>
#include <memory>

#include <fmt/format.h>

#include "cli/exit_code.hpp"
#include "cli/finding.hpp"
#include "cli/mpi_choice.hpp"
#include "cli/origin_findings.hpp"
#include "cli/session_request.hpp"
#include "cli/store_settings.hpp"
#include "cli/verbs.hpp"

namespace forebay {
namespace {

// What carries the most bytes would be used; a reachable target that idles is part of the probe.
Finding mpi_finding(const std::vector<ProbeOutcome>& outcomes, const std::string& where) {
  const auto best = std::max_element(outcomes.begin(), outcomes.end(), [](const auto& a, const auto& b) {
    return std::pair(a.works, a.gib_per_s) < std::pair(b.works, b.gib_per_s);
  });
  if (best == outcomes.end() || !best->works) {
    return {"mpi", FindingVerdict::fail, fmt::format("no settings work on {}", where),
            "is Open MPI 4.1 installed on all nodes, can they reach each other, is this program at the same "
            "path?"};
  }
  return {"mpi", FindingVerdict::ok, fmt::format("{} is the fastest on {}", best->name, where), ""};
}

void print_table(const std::vector<ProbeOutcome>& outcomes) {
  fmt::print("{:<12} {:<6} {:>14} {:>10}  {}\n", "MPI SETTINGS", "WORKS", "4 KiB P50 (us)", "GiB/s", "");
  for (const auto& one : outcomes) {
    if (one.works) {
      fmt::print("{:<12} {:<6} {:>14.1f} {:>10.2f}\n", one.name, "yes", one.p50_us, one.gib_per_s);
    } else {
      fmt::print("{:<12} {:<6} {:>14} {:>10}  {}\n", one.name, "no", "-", "-", one.why);
    }
  }
}

int print_all(const std::vector<Finding>& findings, const std::vector<ProbeOutcome>& outcomes, bool as_json) {
  const bool failed = std::any_of(findings.begin(), findings.end(),
                                  [](const Finding& one) { return one.verdict == FindingVerdict::fail; });
  if (as_json) {
    auto list = nlohmann::json::array();
    for (const auto& one : findings) {
      list.push_back({{"what", one.what},
                      {"verdict", verdict_name(one.verdict)},
                      {"found", one.found},
                      {"advice", one.advice}});
    }
    auto probes = nlohmann::json::array();
    for (const auto& one : outcomes) {
      probes.push_back({{"name", one.name},
                        {"works", one.works},
                        {"p50_us", one.p50_us},
                        {"gib_per_s", one.gib_per_s},
                        {"why", one.why}});
    }
    print_json({{"ok", !failed}, {"findings", list}, {"mpi", probes}});
  } else {
    if (!outcomes.empty()) {
      print_table(outcomes);
    }
    for (const auto& one : findings) {
      fmt::print("{:<5} {:<9} {}{}\n", verdict_name(one.verdict), one.what, one.found,
                 one.advice.empty() ? "" : "\n                -> " + one.advice);
    }
  }
  return static_cast<int>(failed ? ExitCode::failed : ExitCode::done);
}

int doctor(const Settings& settings, const std::string& origin, bool as_json) {
  if (!origin.empty()) {
    return print_all(examine_origin(origin, settings.store), {}, as_json);
  }
  auto launchers = launchers_for(settings);
  if (!launchers.ok()) {
    return fail_with(launchers.error());
  }
  constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP};
  auto loop = EventLoop::create(kSignals);
  if (!loop.ok()) {
    return fail_with(loop.error());
  }
  bool interrupted = false;
  loop->on_signal([&](const signalfd_siginfo&) { interrupted = true; });
  auto findings = examine_machine(settings);
  const Launcher& launcher = *launchers->front();
  std::vector<ProbeOutcome> outcomes;
  for (const auto& candidate : mpi_candidates(launcher)) {
    outcomes.push_back(probe_settings(loop.value(), launcher, candidate, [&] { return interrupted; }));
    if (interrupted) {
      return fail_with(Error{Code::cancelled, "interrupted"});
    }
  }
  findings.insert(findings.begin(), mpi_finding(outcomes, launcher.description()));
  return print_all(findings, outcomes, as_json);
}

}  // namespace

void add_doctor_verb(CommandLine& line) {
  const auto as_json = std::make_shared<bool>(false);
  const auto origin = std::make_shared<std::string>();
  auto& verb = line.add_verb(
      "doctor", "say whether this machine or allocation is fit, and what to change",
      "Examples:\n"
      "  forebay doctor --buffer /local/nvme\n"
      "  forebay doctor --hostfile hosts        probe MPI between the hosts\n"
      "  forebay doctor --origin s3://training/imagenet\n"
      "Probes each MPI setting that may work with two ranks, one of them idle, and looks at the buffer, "
      "limits and\n"
      "the preloaded library. With --origin it looks at that alone: whose keys are used, how long a listing "
      "and a read\n"
      "take, whether the store throttles. Exit code 1 when something must be changed.",
      [as_json, origin](const Invocation& invocation) {
        return doctor(invocation.settings.values(), *origin, *as_json);
      });
  verb.add_flag("--json", *as_json, "as JSON");
  verb.add_option("--origin", *origin,
                  "look at this origin: s3://BUCKET[/PREFIX], an http(s) address, "
                  "manifest:PLACE or a directory");
  add_store_settings(line, verb);
  line.add_settings(verb, {"buffer", "nodes", "hostfile", "launcher"});
}

}  // namespace forebay
