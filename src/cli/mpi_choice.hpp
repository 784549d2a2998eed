// Which MPI settings to launch servers with: those that a probe of two ranks on the real nodes found to be
// the fastest, remembered for the site.
//
// Distributions' defaults fail between hosts, and what works differs by site: nobody should have to know.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cli/event_loop.hpp"
#include "cli/launcher.hpp"
#include "common/result.hpp"
#include "transport/mpi_settings.hpp"

namespace forebay {

struct ProbeOutcome {
  std::string name;
  bool works = false;
  double p50_us = 0;     // a 4 KiB Get, the target idle
  double gib_per_s = 0;  // 4 MiB Gets, several in flight
  std::string why;       // it does not work
};

struct MpiChoice {
  std::string name;
  Environment variables;
  bool remembered = false;             // from an earlier run, not probed now
  std::vector<ProbeOutcome> outcomes;  // what was probed now
};

// What may work on the launcher's nodes, the fastest first.
std::vector<MpiSetting> mpi_candidates(const Launcher& launcher);

// "NAME=value" of what `setting` sets for every rank.
Environment environment_of(const MpiSetting& setting);

// The name chosen for the launcher's site in an earlier run; empty: none.
std::string remembered_mpi(const Launcher& launcher);

// How long servers took until they were first heard of, the last time as many were started at the launcher's
// site; none when it is not known.
std::optional<std::chrono::duration<double>> remembered_start(const Launcher& launcher);
// Best effort.
void remember_start(const Launcher& launcher, std::chrono::duration<double> heard_after);

// Probes one candidate: at most kProbeDeadline. `give_up` true ends it early. `loop` outlives the call.
inline constexpr std::chrono::seconds kProbeDeadline{8};
ProbeOutcome probe_settings(EventLoop& loop, const Launcher& launcher, const MpiSetting& settings,
                            const std::function<bool()>& give_up);

// `wanted`: "auto", or the name of one. `remember`: an earlier choice for this site will do. Probes nothing
// on one node. Codes: bad_argument (no such name), unavailable (none works; the text says why), cancelled
// (`give_up`).
Result<MpiChoice> choose_mpi(EventLoop& loop, const Launcher& launcher, const std::string& wanted,
                             bool remember, const std::function<bool()>& give_up);

// "1.8 GiB/s, 4 KiB in 12 us; ucx: 1.5 GiB/s; shm: the launch failed", the chosen one first.
std::string outcome_text(const std::vector<ProbeOutcome>& outcomes, const std::string& chosen);

}  // namespace forebay
