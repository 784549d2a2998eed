#include "transport/mpi/vigil.hpp"

#include <algorithm>

namespace forebay {

void Vigil::owes(std::uint32_t index, Clock::time_point now) {
  Peer& peer = peers_[index];
  if (peer.owed++ == 0 && !peer.silent) {
    peer.since = now;
    peer.pings = 0;
  }
  if (!peer.watched) {
    peer.watched = true;
    watched_.push_back(index);
  }
}

void Vigil::heard(std::uint32_t index, Clock::time_point now) {
  Peer& peer = peers_[index];
  peer.since = now;
  peer.pings = 0;
  peer.silent = false;
}

const Vigil::Findings& Vigil::look(Clock::time_point now) {
  findings_.to_ping.clear();
  findings_.fell_silent.clear();
  const auto step = silence_ / (kPingsBeforeSilence + 1);
  const auto away = now - looked_;
  if (away < step / 4) {
    return findings_;
  }
  looked_ = now;
  for (std::size_t i = 0; i < watched_.size();) {
    const std::uint32_t index = watched_[i];
    Peer& peer = peers_[index];
    if (peer.owed == 0 && !peer.silent) {
      peer.watched = false;
      watched_[i] = watched_.back();
      watched_.pop_back();
      continue;
    }
    ++i;
    if (away > step && !peer.silent) {
      peer.since = std::max(peer.since, now - step);
    }
    const auto quiet = now - peer.since;
    if (!peer.silent && quiet >= silence_) {
      peer.silent = true;
      findings_.fell_silent.push_back(index);
    }
    const auto every = peer.silent ? std::chrono::duration_cast<Clock::duration>(kPingSilentEvery)
                                   : std::chrono::duration_cast<Clock::duration>(step);
    if (quiet >= step && peer.pings < kPingsUnanswered && (peer.pings == 0 || now - peer.pinged >= every)) {
      ++peer.pings;
      peer.pinged = now;
      findings_.to_ping.push_back(index);
    }
  }
  return findings_;
}

}  // namespace forebay
