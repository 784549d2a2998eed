#include "transport/mpi/messenger.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "transport/mpi/check_mpi.hpp"

namespace forebay {

namespace {

constexpr int kTag = 1;

int rank_of(NodeIndex node) {
  return static_cast<int>(node.value);
}

WireHeader header_of(const std::byte* message) {
  WireHeader header;
  std::memcpy(&header, message, sizeof header);
  return header;
}

}  // namespace

Status Messenger::post_receives() {
  for (std::size_t i = 0; i < kReceives; ++i) {
    requests_.push_back(MPI_REQUEST_NULL);
    operations_.push_back({Kind::receive, {}, 0, std::make_unique_for_overwrite<std::byte[]>(kWireBytesMax)});
    FOREBAY_TRY(post_receive(i));
  }
  return {};
}

Status Messenger::post_receive(std::size_t index) {
  return check_mpi(MPI_Irecv(operations_[index].message.get(), static_cast<int>(kWireBytesMax), MPI_BYTE,
                             MPI_ANY_SOURCE, kTag, world_.comm(), &requests_[index]),
                   "MPI_Irecv");
}

void Messenger::send(NodeIndex to, WireHeader header, std::span<const std::byte> payload) {
  FOREBAY_CHECK(payload.size() <= kRequestBytesMax);
  header.payload_bytes = static_cast<std::uint32_t>(payload.size());
  auto message = std::make_unique_for_overwrite<std::byte[]>(sizeof header + payload.size());
  std::memcpy(message.get(), &header, sizeof header);
  if (!payload.empty()) {
    std::memcpy(message.get() + sizeof header, payload.data(), payload.size());
  }
  MPI_Request request = MPI_REQUEST_NULL;
  const int code = MPI_Isend(message.get(), static_cast<int>(sizeof header + payload.size()), MPI_BYTE,
                             rank_of(to), kTag, world_.comm(), &request);
  ++sends_in_flight_;
  started(code, "MPI_Isend", request, {Kind::send, to, header.id, std::move(message)});
}

void Messenger::get(NodeIndex peer, std::uint64_t offset, std::span<std::byte> into, std::uint64_t fetch) {
  FOREBAY_CHECK(into.size() <= kChunkBytes);
  MPI_Request request = MPI_REQUEST_NULL;
  const int count = static_cast<int>(into.size());
  const int code = MPI_Rget(into.data(), count, MPI_BYTE, rank_of(peer), static_cast<MPI_Aint>(offset), count,
                            MPI_BYTE, world_.window(), &request);
  started(code, "MPI_Rget", request, {Kind::get, peer, fetch, nullptr});
}

Status Messenger::publish_window() {
  return check_mpi(MPI_Win_sync(world_.window()), "MPI_Win_sync");
}

Status Messenger::start_barrier() {
  MPI_Request request = MPI_REQUEST_NULL;
  FOREBAY_TRY(check_mpi(MPI_Ibarrier(world_.comm(), &request), "MPI_Ibarrier"));
  started(MPI_SUCCESS, "MPI_Ibarrier", request, {Kind::barrier, {}, 0, nullptr});
  return {};
}

Status Messenger::cancel_receives() {
  for (std::size_t i = 0; i < kReceives; ++i) {
    FOREBAY_TRY(check_mpi(MPI_Cancel(&requests_[i]), "MPI_Cancel"));
    FOREBAY_TRY(check_mpi(MPI_Wait(&requests_[i], MPI_STATUS_IGNORE), "MPI_Wait"));
  }
  return {};
}

void Messenger::started(int code, const char* what, MPI_Request request, Operation operation) {
  if (auto status = check_mpi(code, what); !status.ok()) {
    failures_.push_back({std::move(operation), status.error()});
    return;
  }
  requests_.push_back(request);
  operations_.push_back(std::move(operation));
}

Result<std::size_t> Messenger::poll(Events& events) {
  for (auto& failure : std::exchange(failures_, {})) {
    tell(std::move(failure.operation), failure.error, events);
  }
  ended_.resize(requests_.size());
  statuses_.resize(requests_.size());
  int count = 0;
  const int code = MPI_Testsome(static_cast<int>(requests_.size()), requests_.data(), &count, ended_.data(),
                                statuses_.data());
  if (code != MPI_SUCCESS && code != MPI_ERR_IN_STATUS) {
    return check_mpi(code, "MPI_Testsome").error();
  }
  if (count == MPI_UNDEFINED || count == 0) {
    return std::size_t{0};
  }
  std::vector<std::size_t> gone;
  for (int i = 0; i < count; ++i) {
    const auto index = static_cast<std::size_t>(ended_[i]);
    const Status outcome =
        code == MPI_SUCCESS ? Status() : check_mpi(statuses_[i].MPI_ERROR, "an MPI transfer");
    if (operations_[index].kind == Kind::receive) {
      ended(index, statuses_[i], outcome, events);
      FOREBAY_TRY(post_receive(index));
    } else {
      auto operation = std::move(operations_[index]);
      gone.push_back(index);
      tell(std::move(operation), outcome, events);
    }
  }
  remove(gone);
  return static_cast<std::size_t>(count);
}

void Messenger::ended(std::size_t index, const MPI_Status& status, const Status& outcome, Events& events) {
  if (!outcome.ok()) {
    return;  // The sender learns of it too, and its fetch ends at the deadline at the latest.
  }
  int bytes = 0;
  if (MPI_Get_count(&status, MPI_BYTE, &bytes) != MPI_SUCCESS ||
      bytes < static_cast<int>(sizeof(WireHeader))) {
    return;
  }
  // The buffer stays where it is while on_message adds operations: only the vector of pointers to it may
  // move.
  const std::byte* const message = operations_[index].message.get();
  const auto header = header_of(message);
  if (sizeof header + header.payload_bytes != static_cast<std::size_t>(bytes)) {
    return;
  }
  events.on_message(NodeIndex{static_cast<std::uint32_t>(status.MPI_SOURCE)}, header,
                    {message + sizeof header, header.payload_bytes});
}

void Messenger::tell(Operation operation, const Status& outcome, Events& events) {
  switch (operation.kind) {
    case Kind::send:
      --sends_in_flight_;
      if (!outcome.ok()) {
        events.on_send_failed(operation.peer, header_of(operation.message.get()), outcome.error());
      }
      return;
    case Kind::get:
      return events.on_got(operation.fetch, outcome);
    case Kind::barrier:
      return events.on_barrier(outcome);
    case Kind::receive:
      break;
  }
  FOREBAY_CHECK(operation.kind != Kind::receive);
}

void Messenger::remove(std::vector<std::size_t>& indices) {
  std::sort(indices.rbegin(), indices.rend());
  for (const auto index : indices) {
    requests_[index] = requests_.back();
    requests_.pop_back();
    if (index != operations_.size() - 1) {
      operations_[index] = std::move(operations_.back());
    }
    operations_.pop_back();
  }
}

}  // namespace forebay
