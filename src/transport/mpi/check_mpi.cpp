#include "transport/mpi/check_mpi.hpp"

#include <fmt/format.h>
#include <mpi.h>

namespace forebay {

Status check_mpi(int code, const char* what) {
  if (code == MPI_SUCCESS) {
    return {};
  }
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) {
    length = 0;
  }
  return Error{Code::unavailable,
               fmt::format("{} failed ({})", what, std::string_view(text, static_cast<std::size_t>(length)))};
}

}  // namespace forebay
