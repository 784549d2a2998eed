// The promises of PeerTransport, as checks that run against every implementation.
//
// Every node of a network runs the same cases at the same time, each on a thread of its own that is not the
// transport's. A case collects what was wrong as text, so that it can run in any rank of an MPI job.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "transport/peer_transport.hpp"

namespace forebay::contract {

// What a request tells the answering node to do. Requests are this struct, then any number of bytes.
enum class Act : std::uint32_t {
  answer,       // with `bytes` bytes of pattern `seed`
  answer_with,  // the same, without the executor
  fail,         // with code not_found, errno ENOENT and a text
  drop,         // destroy the Responder
  fail_fill,    // respond, and let the fill fail with io_error
  hold,         // keep the Responder until this node says `let_go`
  let_go,       // answer what is held for this node, the last first, then this
  checksum,     // answer with the 8 bytes of the request's checksum
  farewell,     // answer with nothing, and let wait_for_farewell return
};
struct Script {
  Act act = Act::answer;
  std::uint32_t reserved = 0;
  std::uint64_t bytes = 0;
  std::uint64_t seed = 0;
};

// Byte `i` of the answer to `seed`.
std::byte pattern_byte(std::uint64_t seed, std::size_t i);

class ScriptedHandler final : public RequestHandler {
 public:
  void on_request(NodeIndex from, std::span<const std::byte> request,
                  std::unique_ptr<Responder> responder) override;
  // Until any node said farewell. False after 60 s.
  bool wait_for_farewell();

 private:
  struct Held {
    Script script;
    std::unique_ptr<Responder> responder;
  };
  std::mutex mutex_;
  std::condition_variable said_;
  bool farewell_ = false;
  std::map<NodeIndex, std::vector<Held>> held_;
};

// What was wrong. From one thread.
class Findings {
 public:
  void expect(bool condition, const std::string& text) {
    if (!condition) {
      texts_.push_back(text);
    }
  }
  [[nodiscard]] const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::vector<std::string> texts_;
};

// One node, as its cases see it.
struct Node {
  PeerTransport& transport;
  ScriptedHandler& handler;
};

struct Case {
  const char* name;
  void (*run)(Node& node, Findings& findings);
};

// In the order in which all nodes run them. The first calls serve(), the last stop().
const std::vector<Case>& cases();

// The outcome of one fetch, for tests that wait for it.
struct Outcome {
  bool came = false;  // `done` ran within 60 s.
  Result<std::size_t> result = Error{Code::timed_out, "done did not run"};
  std::vector<std::byte> landed;  // All of the memory given.
};
Outcome fetch_and_wait(PeerTransport& transport, NodeIndex peer, const Script& script, std::size_t room);

}  // namespace forebay::contract
