// What nodes say when all meet: any bytes end in an answer for all, or in a refusal of the one that said
// them; and the node that gathers the answers reads them, or says that they cannot be read.
#include "server/rendezvous.hpp"

#include <thread>

#include "common/executor.hpp"
#include "fuzz/fuzz_target.hpp"
#include "server/ask_peers.hpp"
#include "stage/peer_ops.hpp"
#include "transport/fake/in_process.hpp"

namespace forebay::fuzz {
namespace {

std::string said(std::uint16_t round, std::string_view text) {
  return bytes_of(PeerOp::rendezvous).append(bytes_of(round)).append(text);
}

}  // namespace

std::vector<std::string> seeds() {
  return {said(0, R"({"value":{"name":"node1","capacity":17}})"), said(0, R"({"value":[1,2,"three"]})"),
          said(0, R"({"error":{"code":4,"text":"no room"}})")};
}

bool run(std::string_view input) {
  static ThreadPool fills("fills", 1);
  InProcessNetwork network(2, fills);
  Rendezvous gathering(network.transport(0));
  network.transport(0).serve(gathering);
  Rendezvous unused(network.transport(1));
  network.transport(1).serve(unused);
  std::vector<std::byte> into(kChunkBytes);
  // Node 0 waits in round 0; a node that is refused there comes again and says something proper.
  Result<std::vector<nlohmann::json>> met = Error{Code::unavailable, "not met"};
  std::thread node0([&] { met = gathering.meet(0, nlohmann::json(7)); });
  std::uint16_t round = 1;
  const std::string_view said_first = input.substr(0, kRequestBytesMax);
  if (said_first.size() >= 4) {
    std::memcpy(&round, said_first.data() + 2, sizeof round);
  }
  bool taken = false;
  if (round == 0) {
    taken =
        fetch_and_wait(network.transport(1), NodeIndex{0}, std::as_bytes(std::span(said_first)), into).ok();
  }
  if (!taken) {
    const std::string proper = said(0, R"({"value":8})");
    FOREBAY_CHECK(
        fetch_and_wait(network.transport(1), NodeIndex{0}, std::as_bytes(std::span(proper)), into).ok());
  }
  node0.join();
  FOREBAY_CHECK(!met.ok() || (met->size() == 2 && met->front() == 7));
  FOREBAY_CHECK(taken || met.ok());
  FOREBAY_CHECK(network.stop_all().ok());
  return taken;
}

}  // namespace forebay::fuzz
