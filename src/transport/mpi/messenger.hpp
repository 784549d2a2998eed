// Messenger: the MPI operations in flight, and what becomes of them.
//
// Messages, one-sided Gets and barriers are all MPI requests in one array, tested together: that test is also
// what moves data of others through this rank where MPI has no progress thread. Engine thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/ids.hpp"
#include "common/result.hpp"
#include "transport/mpi/message.hpp"
#include "transport/mpi/mpi_world.hpp"

namespace forebay {

class Messenger {
 public:
  // Told by poll(). They may call the Messenger, but not poll().
  class Events {
   public:
    virtual ~Events() = default;
    // `payload` is valid during the call only.
    virtual void on_message(NodeIndex from, const WireHeader& header, std::span<const std::byte> payload) = 0;
    virtual void on_send_failed(NodeIndex to, const WireHeader& header, const Error& error) = 0;
    virtual void on_got(std::uint64_t fetch, const Status& status) = 0;
    virtual void on_barrier(const Status& status) = 0;
  };

  // Receives posted ahead. More messages than these wait inside MPI, where small ones are buffered.
  static constexpr std::size_t kReceives = 32;

  // `world` outlives it.
  explicit Messenger(MpiWorld& world) : world_(world) {}

  Status post_receives();
  // `payload` is copied; header.payload_bytes is set from it.
  void send(NodeIndex to, WireHeader header, std::span<const std::byte> payload = {});
  // Gets from the peer's window straight into `into`, which stays valid until on_got.
  void get(NodeIndex peer, std::uint64_t offset, std::span<std::byte> into, std::uint64_t fetch);
  // Makes what was written to this rank's window before visible to Gets of others.
  Status publish_window();
  Status start_barrier();
  // Takes the receives back. Afterwards nothing is received any more.
  Status cancel_receives();

  // Tells `events` what has ended; returns how many operations did. An Error: MPI itself is broken.
  Result<std::size_t> poll(Events& events);

  [[nodiscard]] std::size_t sends_in_flight() const { return sends_in_flight_; }

 private:
  enum class Kind : std::uint8_t { receive, send, get, barrier };
  struct Operation {
    Kind kind{};
    NodeIndex peer{};
    std::uint64_t fetch = 0;
    std::unique_ptr<std::byte[]> message;  // Of a send or a receive.
  };
  struct Failure {
    Operation operation;
    Error error;
  };

  Status post_receive(std::size_t index);
  void started(int code, const char* what, MPI_Request request, Operation operation);
  void ended(std::size_t index, const MPI_Status& status, const Status& outcome, Events& events);
  void tell(Operation operation, const Status& outcome, Events& events);
  void remove(std::vector<std::size_t>& indices);

  MpiWorld& world_;
  std::vector<MPI_Request> requests_;
  std::vector<Operation> operations_;  // operations_[i] is what requests_[i] is.
  std::vector<Failure> failures_;      // Could not even be started; told by the next poll.
  std::vector<int> ended_;             // poll()'s, kept to not allocate them each time.
  std::vector<MPI_Status> statuses_;
  std::size_t sends_in_flight_ = 0;
};

}  // namespace forebay
