// What earlier runs left in the buffers: taken up here, and found on other nodes.
#pragma once

#include <cstdint>
#include <span>

#include "stage/staged_dataset.hpp"
#include "transport/peer_transport.hpp"

namespace forebay {

// To be called before a buffer is opened again under clients that read by stripe: what it lost track of may
// be made a hole then. mark_kept() says what is present after all.
void mark_all_absent(const StateView& state);

// Makes the state tables say what this node's buffer kept of the job's objects, whatever they said before:
// what is bypassed or not there is absent. Clients may be reading them. Returns how many stripes are present.
std::uint64_t mark_kept(const StagedDatasets& datasets, ObjectStore& store);

// Notes, for what this node owns and does not have, which other node kept it (set_kept_elsewhere), so that
// another number of nodes reads nothing from the origin that is somewhere already. `kept`: what mark_kept()
// returned, by node. Blocks; a node that does not answer is passed over.
void find_kept_elsewhere(const StagedDatasets& datasets, PeerTransport& transport,
                         std::span<const std::uint64_t> kept);

}  // namespace forebay
