#include "placement/hash_ring.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include "common/result.hpp"
#include "placement/wide_integer.hpp"
#include "shared/hashing.hpp"

namespace forebay {
namespace {

constexpr std::uint64_t kPointSeed = 0x666f726562617931;  // "forebay1"

std::uint64_t position_of(std::string_view name, std::uint32_t point, std::string& scratch) {
  scratch.assign(name);
  scratch.push_back('\0');
  for (unsigned byte = 0; byte < 4; ++byte) {
    scratch.push_back(static_cast<char>(point >> (8 * byte) & 0xff));
  }
  return hash_bytes(scratch.data(), scratch.size(), kPointSeed);
}

}  // namespace

HashRing::HashRing(std::span<const RingMember> members) {
  FOREBAY_CHECK(!members.empty());
  Uint128 sum = 0;
  for (const RingMember& member : members) {
    sum += member.weight;
  }
  FOREBAY_CHECK(sum > 0);

  std::string scratch;
  for (std::uint32_t i = 0; i < members.size(); ++i) {
    const Uint128 share = static_cast<Uint128>(members[i].weight) * kPointsPerNode * members.size();
    auto count = static_cast<std::uint64_t>((share + sum / 2) / sum);
    if (count == 0 && members[i].weight > 0) {
      count = 1;
    }
    for (std::uint32_t point = 0; point < count; ++point) {
      points_.push_back(Point{position_of(members[i].name, point, scratch), NodeIndex{i}});
    }
  }
  FOREBAY_CHECK(points_.size() <= std::numeric_limits<std::uint32_t>::max());
  std::sort(points_.begin(), points_.end(), [&](const Point& a, const Point& b) {
    return a.position != b.position ? a.position < b.position
                                    : members[a.node.value].name < members[b.node.value].name;
  });

  const unsigned arc_bits = std::max(1U, static_cast<unsigned>(std::bit_width(points_.size())));
  arc_shift_ = 64 - arc_bits;
  arcs_.resize(std::size_t{1} << arc_bits);
  std::uint32_t point = 0;
  for (std::size_t arc = 0; arc < arcs_.size(); ++arc) {
    const std::uint64_t start = static_cast<std::uint64_t>(arc) << arc_shift_;
    while (point < points_.size() && points_[point].position < start) {
      ++point;
    }
    arcs_[arc] = point;
  }
}

std::size_t HashRing::first_point(std::uint64_t position) const noexcept {
  std::size_t point = arcs_[position >> arc_shift_];
  while (point < points_.size() && points_[point].position < position) {
    ++point;
  }
  return point == points_.size() ? 0 : point;
}

}  // namespace forebay
