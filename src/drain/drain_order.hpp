// DrainOrder: who waits for whom among the changes that are not at the destination yet. Pure.
//
// A change waits for those before it in its directory, on any node, and for those before it of the names
// above its own; some wait for all before them. Everybody waits for what is before it, so the first never
// waits.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace forebay {

// Where a change stands in the order of all nodes'.
struct DrainPosition {
  std::uint64_t seq = 0;
  std::uint64_t holder = 0;
  std::uint32_t sub = 0;  // of one record
  std::uint64_t id = 0;   // of one node: makes positions of two changes different
  friend auto operator<=>(const DrainPosition&, const DrainPosition&) = default;
};

class DrainOrder {
 public:
  enum class Blocks { everything, directory };
  void add(const std::string& path, const DrainPosition& at, Blocks blocks = Blocks::everything);
  void remove(const std::string& path, const DrainPosition& at);
  // It is done but not durable: blocks only those that wait for all.
  void done(const std::string& path, const DrainPosition& at);

  // Each, whether there is nothing before `at`: in the path's directory; of the names above, and of its own;
  // anywhere.
  [[nodiscard]] bool first_in_directory(const std::string& path, const DrainPosition& at) const;
  [[nodiscard]] bool clear_above(const std::string& path, const DrainPosition& at) const;
  [[nodiscard]] bool first_of_all(const DrainPosition& at) const;

 private:
  using Places = std::map<std::string, std::set<DrainPosition>, std::less<>>;
  Places directories_;  // of the names in each
  Places names_;
  std::set<DrainPosition> all_;
};

}  // namespace forebay
