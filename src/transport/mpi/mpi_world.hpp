// MpiWorld: this process in MPI: initialised, with its communicator and its window.
#pragma once

#include <mpi.h>

#include <memory>

#include "common/ids.hpp"
#include "common/result.hpp"
#include "transport/mpi/arena.hpp"

namespace forebay {

// Everything on the thread that called join(), which MPI calls the main thread (MPI_THREAD_FUNNELED): a
// higher level is refused by osc/pt2pt.
class MpiWorld {
 public:
  // Collective. The window is created once over `arena` and stays locked for shared access. After an error,
  // and when an MpiWorld is destroyed without leave(), the process should exit: MPI is not finalised, as that
  // could wait for ranks that are gone. Codes: unavailable (MPI cannot do it with these settings).
  static Result<std::unique_ptr<MpiWorld>> join(std::shared_ptr<Arena> arena);
  MpiWorld(const MpiWorld&) = delete;
  MpiWorld& operator=(const MpiWorld&) = delete;
  ~MpiWorld() = default;

  [[nodiscard]] NodeIndex self() const { return NodeIndex{static_cast<std::uint32_t>(rank_)}; }
  [[nodiscard]] std::uint32_t node_count() const { return static_cast<std::uint32_t>(size_); }
  [[nodiscard]] MPI_Comm comm() const { return comm_; }
  [[nodiscard]] MPI_Win window() const { return window_; }

  // Collective: frees the window and finalises MPI. Nothing may be in flight anywhere.
  Status leave();

 private:
  explicit MpiWorld(std::shared_ptr<Arena> arena) : arena_(std::move(arena)) {}
  Status set_up();

  std::shared_ptr<Arena> arena_;
  int rank_ = 0;
  int size_ = 0;
  MPI_Comm comm_ = MPI_COMM_NULL;
  MPI_Win window_ = MPI_WIN_NULL;
};

}  // namespace forebay
