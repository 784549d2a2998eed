#include "transport/mpi/fetches.hpp"

#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace forebay {

namespace {

Status compare(std::span<const std::byte> bytes, std::uint64_t checksum, NodeIndex peer) {
  if (checksum_bytes(bytes.data(), bytes.size()) == checksum) {
    return {};
  }
  return Error{Code::corrupt, fmt::format("answer of node {} is damaged (its checksum differs)", peer.value)};
}

std::string silence_text(NodeIndex peer) {
  return fmt::format("node {} gives no sign of life", peer.value);
}

}  // namespace

Fetches::Fetches(Messenger& messenger, Executor& executor, std::shared_ptr<CommandQueue> queue,
                 NodeIndex self, std::uint32_t nodes, Options options)
    : messenger_(messenger),
      executor_(executor),
      queue_(std::move(queue)),
      self_(self),
      options_(options),
      peers_(nodes),
      vigil_(nodes, options.silence) {}

std::optional<std::uint64_t> Fetches::start(command::Fetch&& fetch, Clock::time_point now) {
  const auto refuse = [&fetch](Code code, std::string text) {
    fetch.done(Error{code, std::move(text)});
    return std::nullopt;
  };
  if (fetch.peer.value >= peers_.size()) {
    return refuse(Code::bad_argument,
                  fmt::format("node {} is no peer (there are {} nodes)", fetch.peer.value, peers_.size()));
  }
  if (fetch.request.size() > kRequestBytesMax) {
    return refuse(Code::bad_argument, fmt::format("request of {} bytes is too large (the most is {})",
                                                  fetch.request.size(), kRequestBytesMax));
  }
  if (fetches_.size() >= options_.in_flight_max) {
    return refuse(Code::unavailable, fmt::format("too many fetches in flight ({})", fetches_.size()));
  }
  if (vigil_.silent(fetch.peer.value)) {
    return refuse(Code::unavailable, silence_text(fetch.peer));
  }
  const auto id = next_id_++;
  const auto entry =
      fetches_
          .try_emplace(id, InFlight{std::move(fetch), now + options_.deadline, State::waiting, 0, {}, false})
          .first;
  const auto peer = entry->second.fetch.peer;
  if (peer != self_) {
    vigil_.owes(peer.value, now);
  }
  if (peer == self_) {
    entry->second.state = State::asked;
  } else if (peers_[peer.value].asked < options_.asked_per_peer_max) {
    ask(entry);
  } else {
    peers_[peer.value].waiting.push_back(id);
  }
  return id;
}

void Fetches::ask(Entry entry) {
  auto& [id, in_flight] = *entry;
  in_flight.state = State::asked;
  ++peers_[in_flight.fetch.peer.value].asked;
  WireHeader header;
  header.kind = WireKind::request;
  header.id = id;
  header.room = in_flight.fetch.into.size();
  header.checksum = checksum_bytes(in_flight.fetch.request.data(), in_flight.fetch.request.size());
  messenger_.send(in_flight.fetch.peer, header, in_flight.fetch.request);
}

void Fetches::replied(NodeIndex peer) {
  auto& [asked, waiting] = peers_[peer.value];
  FOREBAY_CHECK(asked > 0);
  --asked;
  while (!waiting.empty() && asked < options_.asked_per_peer_max) {
    const auto next = fetches_.find(waiting.front());
    waiting.pop_front();
    if (next != fetches_.end()) {
      ask(next);
    }
  }
}

void Fetches::on_reply(NodeIndex from, const WireHeader& header, std::span<const std::byte> payload) {
  replied(from);
  const auto entry = fetches_.find(header.id);
  if (entry == fetches_.end() || entry->second.state != State::asked || entry->second.fetch.peer != from) {
    // Too late: the fetch has ended, and its memory is not ours any more.
    if (header.kind == WireKind::reply_slot) {
      release(from, header);
    }
    return;
  }
  switch (header.kind) {
    case WireKind::reply_inline:
      return land_inline(entry, header, payload);
    case WireKind::reply_slot:
      return land_slot(entry, header);
    default:
      return end(entry, Error{static_cast<Code>(header.code),
                              std::string(reinterpret_cast<const char*>(payload.data()), payload.size()),
                              header.errno_value});
  }
}

void Fetches::land_inline(Entry entry, const WireHeader& header, std::span<const std::byte> payload) {
  const auto into = entry->second.fetch.into;
  if (payload.size() > into.size()) {
    return end(entry,
               Error{Code::corrupt, fmt::format("answer of node {} is damaged (its length is too large)",
                                                entry->second.fetch.peer.value)});
  }
  if (const auto intact = compare(payload, header.checksum, entry->second.fetch.peer); !intact.ok()) {
    return end(entry, intact.error());
  }
  if (!payload.empty()) {
    std::memcpy(into.data(), payload.data(), payload.size());
  }
  end(entry, payload.size());
}

void Fetches::land_slot(Entry entry, const WireHeader& header) {
  auto& in_flight = entry->second;
  if (header.bytes > in_flight.fetch.into.size() || header.bytes > kChunkBytes) {
    release(in_flight.fetch.peer, header);
    return end(entry,
               Error{Code::corrupt, fmt::format("answer of node {} is damaged (its length is too large)",
                                                in_flight.fetch.peer.value)});
  }
  in_flight.state = State::landing;
  in_flight.bytes = header.bytes;
  in_flight.reply = header;
  ++landing_;
  messenger_.get(in_flight.fetch.peer, header.offset, in_flight.fetch.into.first(header.bytes), entry->first);
}

void Fetches::on_got(std::uint64_t id, const Status& status) {
  const auto entry = fetches_.find(id);
  FOREBAY_CHECK(entry != fetches_.end() && entry->second.state >= State::landing);
  auto& in_flight = entry->second;
  release(in_flight.fetch.peer, in_flight.reply);
  if (in_flight.state == State::orphaned) {
    --landing_;
    fetches_.erase(entry);
    return;
  }
  in_flight.got = true;
  if (!status.ok()) {
    return end(entry, status.error());
  }
  const std::span<const std::byte> landed = in_flight.fetch.into.first(in_flight.bytes);
  if (landed.size() <= kVerifiedHereMax) {
    return finish(id, compare(landed, in_flight.reply.checksum, in_flight.fetch.peer));
  }
  executor_.post(
      [queue = queue_, id, landed, checksum = in_flight.reply.checksum, peer = in_flight.fetch.peer] {
        queue->push(command::Verified{id, compare(landed, checksum, peer)});
      });
}

void Fetches::on_request_not_sent(NodeIndex peer, std::uint64_t id, const Error& error) {
  replied(peer);
  fail(id, error);
}

void Fetches::fail(std::uint64_t id, const Error& error) {
  const auto entry = fetches_.find(id);
  if (entry != fetches_.end() && entry->second.state < State::landing) {
    end(entry, error);
  }
}

std::optional<std::span<std::byte>> Fetches::begin_local_fill(std::uint64_t id, std::size_t bytes) {
  const auto entry = fetches_.find(id);
  if (entry == fetches_.end()) {
    return std::nullopt;
  }
  entry->second.state = State::landing;
  entry->second.bytes = bytes;
  ++landing_;
  return entry->second.fetch.into.first(bytes);
}

void Fetches::finish(std::uint64_t id, const Status& status) {
  const auto entry = fetches_.find(id);
  FOREBAY_CHECK(entry != fetches_.end() && entry->second.state == State::landing);
  if (status.ok()) {
    end(entry, entry->second.bytes);
  } else {
    end(entry, status.error());
  }
}

void Fetches::expire(Clock::time_point now) {
  for (auto entry = fetches_.begin(); entry != fetches_.end() && entry->second.deadline <= now;) {
    const auto expired = entry++;
    if (expired->second.state >= State::landing) {
      continue;
    }
    auto& waiting = peers_[expired->second.fetch.peer.value].waiting;
    if (!waiting.empty() && waiting.front() == expired->first) {
      waiting.pop_front();
    }
    end(expired,
        Error{Code::timed_out, fmt::format("node {} did not answer within {} ms",
                                           expired->second.fetch.peer.value, options_.deadline.count())});
  }
}

void Fetches::watch(Clock::time_point now) {
  const auto& found = vigil_.look(now);
  for (const auto peer : found.fell_silent) {
    end_silent(NodeIndex{peer});
  }
  for (const auto peer : found.to_ping) {
    WireHeader header;
    header.kind = WireKind::ping;
    messenger_.send(NodeIndex{peer}, header);
  }
}

void Fetches::end_silent(NodeIndex peer) {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, in_flight] : fetches_) {
    if (in_flight.fetch.peer == peer && in_flight.state != State::orphaned && !in_flight.got) {
      ids.push_back(id);
    }
  }
  peers_[peer.value].waiting.clear();
  const Error error{Code::unavailable, silence_text(peer)};
  for (const auto id : ids) {
    const auto entry = fetches_.find(id);
    if (entry->second.state < State::landing) {
      end(entry, error);
    } else {
      // Only MPI's own end of the transfer gives the memory back.
      entry->second.state = State::orphaned;
      vigil_.owes_less(peer.value);
      entry->second.fetch.done(error);
    }
  }
}

void Fetches::end_all(const Error& error) {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, in_flight] : fetches_) {
    if (in_flight.state < State::landing) {
      ids.push_back(id);
    }
  }
  for (auto& peer : peers_) {
    peer.waiting.clear();
  }
  for (const auto id : ids) {
    fail(id, error);
  }
}

void Fetches::release(NodeIndex peer, const WireHeader& reply) {
  WireHeader header;
  header.kind = WireKind::release;
  header.slot = reply.slot;
  header.generation = reply.generation;
  messenger_.send(peer, header);
}

void Fetches::end(Entry entry, Result<std::size_t> result) {
  auto ended = std::move(entry->second);
  fetches_.erase(entry);
  if (ended.fetch.peer != self_) {
    vigil_.owes_less(ended.fetch.peer.value);
  }
  if (ended.state == State::landing) {
    --landing_;
  }
  ended.fetch.done(std::move(result));
}

}  // namespace forebay
