// The verbs: each function adds one to the command line, with its options, help and handler.
#pragma once

#include "cli/command_line.hpp"

namespace forebay {

void add_run_verb(CommandLine& line);
void add_exec_verb(CommandLine& line);
void add_serve_verb(CommandLine& line);
void add_prefetch_verb(CommandLine& line);
void add_check_verb(CommandLine& line);
void add_status_verb(CommandLine& line);
void add_locate_verb(CommandLine& line);
void add_ls_verb(CommandLine& line);
void add_evict_verb(CommandLine& line);
void add_refresh_verb(CommandLine& line);
void add_drain_verb(CommandLine& line);
void add_checkpoints_verb(CommandLine& line);
void add_verify_checkpoint_verb(CommandLine& line);
void add_plan_verb(CommandLine& line);
void add_doctor_verb(CommandLine& line);
void add_config_verb(CommandLine& line);
void add_version_verb(CommandLine& line);
void add_mpi_probe_verb(CommandLine& line);
void add_end_servers_verb(CommandLine& line);

}  // namespace forebay
