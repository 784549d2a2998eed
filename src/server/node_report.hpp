// What a node's server has to report, and the job's totals made of it.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "server/node_core.hpp"
#include "shared/session_layout.hpp"

namespace forebay {

// This node's row (ipc/admin.hpp, "status"). `page` may be null: then no client ever asked anything.
// O(objects).
nlohmann::json node_row(const NodeCore& core, const ControlPage* page, const std::string& name);

// The report and the answer to "status": `rows` by node.
//   dataset_objects, dataset_bytes, origin_bytes_read, origin_read_ratio (origin_bytes_read / dataset_bytes),
//   peer_bytes, hits{local, peer, origin}, errors, left_to_origin, nodes[]
nlohmann::json job_report(const StagedDatasets& datasets, const std::vector<nlohmann::json>& rows);

}  // namespace forebay
