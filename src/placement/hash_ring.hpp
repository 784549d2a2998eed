// HashRing: consistent hashing over node names, weighted, with virtual nodes.
//
// Pure arithmetic: no I/O, no clock, no MPI. Names, not ranks, are hashed, so that another order of the same
// nodes moves nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/ids.hpp"

namespace forebay {

struct RingMember {
  std::string name;
  std::uint64_t weight;  // Any unit; its share of the ring is weight / sum of weights.
};

// Immutable after construction, so safe to share between threads.
class HashRing {
 public:
  // Virtual nodes of a node of mean weight; placement/hash_ring_test measures the spread this buys.
  static constexpr std::uint32_t kPointsPerNode = 512;

  // `members`: not empty, names without repeats, some weight above zero. NodeIndex i is members[i].
  // Point p of a member is at hash_bytes(name, a NUL, p as 4 bytes little endian) with a fixed seed; a member
  // has weight / mean weight * kPointsPerNode points, rounded, none for weight 0 and at least one otherwise.
  explicit HashRing(std::span<const RingMember> members);

  // The node whose point is the first at or behind `position`. O(1) on average.
  [[nodiscard]] NodeIndex owner_of(std::uint64_t position) const noexcept {
    return points_[first_point(position)].node;
  }

  // Visits nodes clockwise from `position`, each point in turn (a node may come again), until `accept`
  // returns true; returns false when the whole ring was walked.
  template <typename Accept>
  bool walk(std::uint64_t position, Accept&& accept) const {
    const std::size_t start = first_point(position);
    for (std::size_t i = start; i < points_.size(); ++i) {
      if (accept(points_[i].node)) {
        return true;
      }
    }
    for (std::size_t i = 0; i < start; ++i) {
      if (accept(points_[i].node)) {
        return true;
      }
    }
    return false;
  }

  [[nodiscard]] std::size_t point_count() const noexcept { return points_.size(); }

 private:
  struct Point {
    std::uint64_t position;
    NodeIndex node;
  };
  [[nodiscard]] std::size_t first_point(std::uint64_t position) const noexcept;

  std::vector<Point> points_;  // Sorted by position, then node name.
  // The ring cut into 2^n equal arcs, about one a point: the first point at or behind the start of each.
  std::vector<std::uint32_t> arcs_;
  unsigned arc_shift_ = 0;
};

}  // namespace forebay
