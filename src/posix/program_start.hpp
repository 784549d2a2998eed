// What a program that is about to be executed will be: with the interposer and the session, or without.
#pragma once

#include "client/mapped_session.hpp"

namespace forebay {

// Whether the program at `path` (for the kernel, relative to `directory`) will run with this library and its
// session when it gets `environment`: the session is there still, the program dynamically linked, not setuid,
// and told of both. Scripts are judged by their interpreters. Safe in a vfork child.
bool starts_with_interposer(const MappedSession& session, int directory, const char* path,
                            char* const environment[]);

}  // namespace forebay
