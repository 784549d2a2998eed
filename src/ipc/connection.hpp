// Connection: one client of the socket, its request, and what is still to be sent to it.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "common/unique_fd.hpp"
#include "ipc/client_service.hpp"

namespace forebay {

// One packet to a client, with a descriptor or without.
struct OutgoingPacket {
  std::vector<std::byte> bytes;
  UniqueFd descriptor;
};

OutgoingPacket bare_packet(MessageKind kind);
OutgoingPacket materialised_packet(HitKind hit, UniqueFd descriptor);
OutgoingPacket failed_packet(const Error& error);
// The pieces of `text`, then `done`.
std::vector<OutgoingPacket> text_packets(const std::string& text);

struct Connection {
  using Clock = std::chrono::steady_clock;

  UniqueFd socket;
  std::deque<OutgoingPacket> outbox;
  bool busy = false;  // A request is being served.
  bool over = false;  // It was answered before it was done: what its client asks now could get that answer.
  MessageKind request = MessageKind::working;
  ClientService::Progress progress;
  std::uint64_t seen_progress = 0;
  Clock::time_point progressed_at{};
  Clock::time_point working_at{};  // The last `working` (or the request's arrival).
  Clock::time_point active_at{};
  bool waits_to_send = false;  // EPOLLOUT is asked for.
};

// Sends what the socket takes. False: the client is gone.
bool send_outbox(Connection& connection);

}  // namespace forebay
