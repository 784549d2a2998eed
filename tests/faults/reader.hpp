// Reader: one process that compares what it sees below mounts with the truth. One look is at one object or
// name.
#pragma once

#include <setjmp.h>
#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <vector>

#include "faults/shared_table.hpp"

namespace forebay::faults {

std::uint32_t load(const std::uint32_t& word);

// xorshift64*: the same numbers everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 0x632be59bd9b4e019u) {}
  std::uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1du;
  }
  // Below `bound`, which is not 0.
  std::uint64_t below(std::uint64_t bound) { return (next() >> 11) % bound; }

 private:
  std::uint64_t state_;
};

class Reader {
 public:
  struct Options {
    std::string table;
    std::string manifest;
    std::string truth;
    std::string record;
    std::string log;
    std::uint64_t seed = 1;
    std::uint64_t looks = 0;  // 0: no end
    long object = -1;         // not -1: at this one only
    std::uint32_t pause_us = 0;
  };

  explicit Reader(const Options& options);
  int run();

 private:
  struct Name {
    std::string path;
    std::uint64_t mode = 0;
    std::uint64_t inode = 0;
    std::string target;
  };
  // Where a look's bytes come from, hence which changes in place are an excuse.
  enum class Place { name, buffer, origin, unknown };
  // What is known of the version being looked at: a bit for each that agrees with all that was seen.
  struct Look {
    std::uint32_t object;
    std::uint32_t lowest;
    std::uint32_t highest = 0;  // when the name was resolved: later versions cannot be what was opened
    std::uint32_t origin_flux;
    std::uint32_t buffer_flux;
    std::uint32_t may_fail;
    std::uint32_t agree = ~0u;
    Place place = Place::name;
    std::string how;
    std::string seen;  // the last observation, for the log
  };
  // A descriptor kept open across faults, and perhaps a mapping.
  struct Kept {
    int fd = -1;
    void* map = nullptr;
    std::size_t bytes = 0;
    Look look;
  };

  // reader.cpp
  void fail(const std::string& path, const std::string& what);
  [[nodiscard]] std::string truth_of(std::uint32_t object, std::uint32_t version) const;
  static void count(std::uint64_t& counter);
  void begin_call();
  void end_call();
  template <typename Call>
  auto timed(const Call& call) {
    begin_call();
    const auto result = call();
    end_call();
    return result;
  }

  // looks.cpp
  void look_once();
  void look_by_descriptor(std::uint32_t object);
  void look_by_stream(std::uint32_t object);
  void look_by_name(std::uint32_t object);
  void look_from_child(std::uint32_t object);
  void look_by_program(std::uint32_t object);
  void look_at_directory(const Name& name);
  void look_at_link(const Name& name);
  void keep_or_look_again(std::uint32_t object);
  void keep(std::uint32_t object);
  void drop_kept(std::size_t index);
  void let_go();
  int open_object(const Look& look);
  void read_whole(int fd, Look& look);
  void read_pieces(int fd, Look& look);
  void read_mapped(int fd, Look& look);
  void read_sent(int fd, Look& look);

  // verdicts.cpp
  Look begin_look(std::uint32_t object, const char* how);
  // The name was resolved just now.
  void settle(Look& look, Place place);
  // The same, with a descriptor.
  void settle_descriptor(Look& look, int fd);
  void found_attributes(Look& look, const struct stat& info);
  void found_bytes(Look& look, std::uint64_t offset, const char* data, std::size_t bytes);
  void found_end(Look& look, std::uint64_t bytes);
  // A mapping's; SIGBUS counts as a difference.
  void found_mapped(Look& look, const char* map, std::uint64_t offset, std::size_t bytes);
  void found_error(Look& look, const char* call, int error);
  // Whether no verdict is possible, because files were changed in place meanwhile.
  [[nodiscard]] bool in_flux(const Look& look) const;
  // Whether the look was right, as far as one can say.
  bool judge(const Look& look);

  Options options_;
  Random random_;
  Table* table_;
  Record* record_;
  int log_;
  std::vector<std::string> objects_;
  std::vector<Name> directories_;
  std::vector<Name> links_;
  std::vector<Kept> kept_;
};

}  // namespace forebay::faults
