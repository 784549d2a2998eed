// What runs left in this machine's checkpoint stores (shared/checkpoint_layout.hpp), as their journals have
// it: for when no server says so.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "drain/journal.hpp"

namespace forebay {

struct PendingStore {
  std::string destination;         // as the store has it
  std::vector<std::string> names;  // below it, sorted; of a renamed one both
};

// Of all stores of this user below the buffer, also below those of simulated nodes, those with names that may
// not be durable. Unreadable ones are left out.
std::vector<PendingStore> pending_stores(const std::string& buffer_directory);

// The names that the entries, a whole journal, say have changed and not that they are durable since.
std::vector<std::string> pending_names(std::span<const JournalEntry> entries);

}  // namespace forebay
