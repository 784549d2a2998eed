// MPI's return codes as Status. Errors are returned, never fatal: the engine sets MPI_ERRORS_RETURN.
#pragma once

#include "common/result.hpp"

namespace forebay {

// `code` is what the call named `what` returned. An error is `unavailable`, with MPI's own text.
Status check_mpi(int code, const char* what);

}  // namespace forebay
