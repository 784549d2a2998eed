// A line of the servers' standard output: refused, or an event that all who read one can read to its end.
#include "cli/json_number.hpp"
#include "cli/run_report.hpp"
#include "cli/supervision_event.hpp"
#include "fuzz/fuzz_target.hpp"

namespace forebay::fuzz {

std::vector<std::string> seeds() {
  return {
      R"({"event":"plan","fits":false,"dataset_objects":3,"dataset_bytes":300,"unassigned_bytes":7,)"
      R"("nodes":[{"node":0,"name":"n0","capacity_bytes":100,"assigned_bytes":90}]})",
      R"({"event":"ready","nodes":[{"node":0,"name":"n0","host":"h","session":"/dev/shm/forebay-0/x.n0"}]})",
      R"({"event":"alive"})",
      R"({"event":"silent","node":2,"name":"n2"})",
      R"({"event":"progress","bytes":1,"bytes_total":2,"objects":3,"objects_total":4})",
      R"({"event":"staged","bytes":1,"bytes_total":2,"fetched_bytes":1,"objects":3,"failed_stripes":1,)"
      R"("left_to_origin":1,"errors":1})",
      R"({"event":"failed","code":"unavailable","text":"no"})",
      R"({"event":"report","dataset_objects":1,"dataset_bytes":9,"origin_bytes_read":9,"peer_bytes":2,"errors":0,)"
      R"("left_to_origin":0,"hits":{"local":1,"peer":2,"origin":3},"store":{"requests":1,"repeated":0,"throttled":0,)"
      R"("left_out":1},"nodes":[{"node":0,"name":"n0"}]})",
  };
}

bool run(std::string_view input) {
  const auto event = event_of_line(input);
  if (!event) {
    return false;
  }
  std::size_t characters = event->value("event", "").size() + event->value("name", "").size() +
                           event->value("text", "").size() + event->value("code", "").size();
  for (const auto& node : event->value("nodes", nlohmann::json::array())) {
    characters += node.value("session", "").size();
  }
  characters += plan_line(*event).size() + staged_line(*event, 1.5).size() + report_line(*event).size();
  const auto sum = sum_of_reports(*event, *event);
  FOREBAY_CHECK(sum.is_object() && sum_of_reports({}, *event) == *event);
  const auto complete = complete_report(sum, *event, {}, 0, {});
  FOREBAY_CHECK(!complete.contains("event") && complete.contains("elapsed_s"));
  FOREBAY_CHECK(characters > 0 && report_line(complete).find('\n') == std::string::npos);
  return true;
}

}  // namespace forebay::fuzz
