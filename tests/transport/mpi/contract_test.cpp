// The MPI engine keeps PeerTransport's contract: every rank runs every case.
#include <string>

#include "transport/mpi/rank_main.hpp"

using namespace forebay;

namespace {

void keep_contract(MpiEngine& engine, contract::Findings& findings) {
  // Outlives the engine's use of it: Responders that are held past stop() are dropped with it.
  static contract::ScriptedHandler handler;
  contract::Node node{engine, handler};
  for (const auto& test_case : contract::cases()) {
    contract::Findings found;
    test_case.run(node, found);
    for (const auto& text : found.texts()) {
      findings.expect(false, std::string(test_case.name) + ": " + text);
    }
  }
}

}  // namespace

int main() {
  return rank_main({}, keep_contract);
}
