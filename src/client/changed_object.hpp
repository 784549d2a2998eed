// Objects of stores that are no longer what their catalog says, and are read anew
// (shared/changed_layout.hpp).
#pragma once

#include "client/mapped_session.hpp"
#include "shared/changed_layout.hpp"

namespace forebay {

// Whether `place` is such an object: its attributes and bytes are those that find_changed() tells.
inline bool is_changed(const MappedSession& session, Place place) {
  const MappedDataset& dataset = session.dataset_of(place);
  const CatalogEntry& entry = session.entry_of(place);
  return !dataset.origin_is_posix && CatalogView::is_object(entry) &&
         dataset.state.bypassed(session.state_entry(place)) &&
         __atomic_load_n(&session.control->rereads_changed, __ATOMIC_RELAXED) != 0;
}

// Which version of it is read. Asks the server where this node does not know yet. False: none is to be had.
bool find_changed(const MappedSession& session, Place place, ChangedObject* into);

}  // namespace forebay
