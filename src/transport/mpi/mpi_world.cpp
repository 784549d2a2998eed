#include "transport/mpi/mpi_world.hpp"

#include "transport/mpi/check_mpi.hpp"

namespace forebay {

Result<std::unique_ptr<MpiWorld>> MpiWorld::join(std::shared_ptr<Arena> arena) {
  int initialised = 0;
  FOREBAY_TRY(check_mpi(MPI_Initialized(&initialised), "MPI_Initialized"));
  if (initialised != 0) {
    return Error{Code::bad_argument, "cannot join MPI twice (one process is one rank)"};
  }
  std::unique_ptr<MpiWorld> world(new MpiWorld(std::move(arena)));
  FOREBAY_TRY(world->set_up());
  return world;
}

Status MpiWorld::set_up() {
  int provided = 0;
  FOREBAY_TRY(
      check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread"));
  if (provided < MPI_THREAD_FUNNELED) {
    return Error{Code::unavailable, "MPI cannot be used beside threads (it gives MPI_THREAD_SINGLE only)"};
  }
  FOREBAY_TRY(
      check_mpi(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler"));
  FOREBAY_TRY(check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &comm_), "MPI_Comm_dup"));
  FOREBAY_TRY(check_mpi(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler"));
  FOREBAY_TRY(check_mpi(MPI_Comm_rank(comm_, &rank_), "MPI_Comm_rank"));
  FOREBAY_TRY(check_mpi(MPI_Comm_size(comm_, &size_), "MPI_Comm_size"));

  const auto bytes = arena_->bytes();
  FOREBAY_TRY(check_mpi(
      MPI_Win_create(bytes.data(), static_cast<MPI_Aint>(bytes.size()), 1, MPI_INFO_NULL, comm_, &window_),
      "MPI_Win_create"));
  FOREBAY_TRY(check_mpi(MPI_Win_set_errhandler(window_, MPI_ERRORS_RETURN), "MPI_Win_set_errhandler"));
  return check_mpi(MPI_Win_lock_all(MPI_MODE_NOCHECK, window_), "MPI_Win_lock_all");
}

Status MpiWorld::leave() {
  FOREBAY_TRY(check_mpi(MPI_Win_unlock_all(window_), "MPI_Win_unlock_all"));
  FOREBAY_TRY(check_mpi(MPI_Win_free(&window_), "MPI_Win_free"));
  FOREBAY_TRY(check_mpi(MPI_Comm_free(&comm_), "MPI_Comm_free"));
  return check_mpi(MPI_Finalize(), "MPI_Finalize");
}

}  // namespace forebay
