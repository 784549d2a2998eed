// The composition root of the one program, forebay.
#include "cli/command_line.hpp"
#include "cli/verbs.hpp"
#include "common/log.hpp"

int main(int argc, char** argv) {
  forebay::log_start("", forebay::LogLevel::info);
  forebay::CommandLine line;
  forebay::add_run_verb(line);
  forebay::add_exec_verb(line);
  forebay::add_prefetch_verb(line);
  forebay::add_check_verb(line);
  forebay::add_status_verb(line);
  forebay::add_locate_verb(line);
  forebay::add_evict_verb(line);
  forebay::add_refresh_verb(line);
  forebay::add_checkpoints_verb(line);
  forebay::add_drain_verb(line);
  forebay::add_verify_checkpoint_verb(line);
  forebay::add_ls_verb(line);
  forebay::add_plan_verb(line);
  forebay::add_doctor_verb(line);
  forebay::add_config_verb(line);
  forebay::add_serve_verb(line);
  forebay::add_version_verb(line);
  forebay::add_mpi_probe_verb(line);
  forebay::add_end_servers_verb(line);
  return line.run(argc, argv);
}
