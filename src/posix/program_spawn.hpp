// posix_spawn, whichever version of it.
#pragma once

#include <spawn.h>

namespace forebay {

using Spawn = int (*)(pid_t*, const char*, const posix_spawn_file_actions_t*, const posix_spawnattr_t*,
                      char* const[], char* const[]);

// The child does its actions and finds its program inside libc: `libc` is called from the origin's directory,
// which is all it needs.
int spawn_program(Spawn libc, pid_t* pid, const char* path, const posix_spawn_file_actions_t* actions,
                  const posix_spawnattr_t* attributes, char* const arguments[], char* const environment[]);

// Searches `name`; `libc` is called for what is found below a mount, `libc_search` for the rest.
int spawn_program_by_name(Spawn libc, Spawn libc_search, pid_t* pid, const char* name,
                          const posix_spawn_file_actions_t* actions, const posix_spawnattr_t* attributes,
                          char* const arguments[], char* const environment[]);

}  // namespace forebay
