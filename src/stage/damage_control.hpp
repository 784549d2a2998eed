// DamageControl: what is done about an object in the buffer whose file is not what was put there.
//
// Whoever finds the damage (a client that opens the file, a peer whose copy does not match the recorded
// checksum, a verification) has it judged here: the object is taken out, counted, said, and its file
// quarantined. It comes again as anything absent does: from the origin where this node owns it, from the
// owner elsewhere.
#pragma once

#include <string>

#include "common/log_limit.hpp"
#include "stage/resident_objects.hpp"
#include "stage/stage_counters.hpp"

namespace forebay {

// Thread-safe.
class DamageControl {
 public:
  DamageControl(const StagedDatasets& datasets, ObjectStore& store, ResidentObjects& residents,
                StageCounters& counters)
      : datasets_(datasets), store_(store), residents_(residents), counters_(counters) {}

  // Takes the object out of this node's buffer. False when it is in use or being removed. Blocks on local
  // I/O.
  bool take_out(ObjectKey object, const std::string& why);

  // Compares the stripe, if it is present, with its recorded checksum; a damaged one's object is taken out.
  // Blocks on local I/O.
  bool is_sound(StripeRef ref);

 private:
  const StagedDatasets& datasets_;
  ObjectStore& store_;
  ResidentObjects& residents_;
  StageCounters& counters_;
  LogLimit log_;
};

}  // namespace forebay
