// A request of another server: whatever it says, it is answered, and the servers go on. Not among them: to
// stop, and the rendezvous, whose answer waits for others.
#include <cstring>
#include <future>

#include "fuzz/fuzz_target.hpp"
#include "fuzz/job.hpp"
#include "server/ask_peers.hpp"
#include "stage/peer_messages.hpp"
#include "stage/scan_messages.hpp"

namespace forebay::fuzz {
namespace {

Result<std::size_t> ask(std::string_view request, std::vector<std::byte>& into) {
  return fetch_and_wait(job().transport(0), NodeIndex{0}, std::as_bytes(std::span(request)), into);
}

std::string question(std::string_view json) {
  return bytes_of(PeerOp::admin).append(json);
}

}  // namespace

std::vector<std::string> seeds() {
  ReadChunkRequest chunk;
  chunk.entry = 2;
  chunk.bytes = 10;
  ReadChunkRequest checked = chunk;
  checked.with_checksum = 1;
  KeptStripesRequest kept;
  kept.count = 3;
  ScanBatchRequest batch;
  batch.directories = 2;
  const std::string paths = text_piece("") + text_piece("d");
  CatalogChunkRequest catalog;
  CatalogChunkRequest size;
  size.offset = kAskCatalogBytes;
  const InvalidateItem item{0, 1, 1};
  return {bytes_of(chunk),
          bytes_of(checked),
          bytes_of(StageStripeRequest{}),
          bytes_of(kept),
          bytes_of(batch) + paths,
          bytes_of(catalog),
          bytes_of(size),
          bytes_of(PeerOp::invalidate) + bytes_of(item),
          question(R"({"op":"status"})"),
          question(R"({"op":"check","paths":[],"verify":true})"),
          question(R"({"op":"locate","dataset":0,"entry":2})"),
          question(R"({"op":"evict","paths":[]})"),
          question(R"({"op":"progress"})"),
          question(R"({"op":"prefetch","id":"0.1","paths":[],"wait":false})")};
}

bool run(std::string_view input) {
  input = input.substr(0, kRequestBytesMax);
  const auto op = peer_op_of(std::as_bytes(std::span(input)));
  if (op == PeerOp::stop || op == PeerOp::rendezvous) {
    return false;
  }
  static std::vector<std::byte> into(kChunkBytes);
  const auto answer = ask(input, into);
  FOREBAY_CHECK(!answer.ok() || *answer <= kChunkBytes);
  // The servers go on.
  const auto status = ask(question(R"({"op":"status"})"), into);
  FOREBAY_CHECK(status.ok() && *status > 0);
  return true;  // What earlier inputs took away is not there to be answered with.
}

}  // namespace forebay::fuzz
