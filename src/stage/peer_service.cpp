#include "stage/peer_service.hpp"

#include <utility>

#include "stage/peer_messages.hpp"

namespace forebay {
namespace {

std::size_t checksum_room(const ReadChunkRequest& request) {
  return request.with_checksum != 0 ? sizeof(std::uint64_t) : 0;
}

}  // namespace

void PeerService::on_request(NodeIndex, std::span<const std::byte> request,
                             std::unique_ptr<Responder> responder) {
  switch (peer_op_of(request)) {
    case PeerOp::read_chunk:
      return read_chunk(request, std::move(responder));
    case PeerOp::stage_stripe:
      return stage_stripe(request, std::move(responder));
    case PeerOp::kept_stripes:
      return kept_stripes(request, std::move(responder));
    case PeerOp::invalidate: {
      // A subtree may be large: off this thread.
      std::vector<std::byte> items(request.begin() + sizeof(PeerOp), request.end());
      executor_.post(
          [this, items = std::move(items), answer = std::shared_ptr<Responder>(std::move(responder))] {
            const Status status = invalidator_.apply_request(items);
            if (status.ok()) {
              answer->respond(0, [](std::span<std::byte>) { return Status{}; });
            } else {
              answer->fail(status.error());
            }
          });
      return;
    }
    default:
      responder->fail(Error{Code::bad_argument, "unknown request (is this another version of forebay?)"});
  }
}

void PeerService::read_chunk(std::span<const std::byte> bytes, std::unique_ptr<Responder> responder) {
  const auto request = request_of<ReadChunkRequest>(bytes);
  if (!request || !names_object(datasets_, request->dataset, request->entry)) {
    return responder->fail(Error{Code::bad_argument, "malformed request for a chunk"});
  }
  const StagedDataset& dataset = datasets_[request->dataset];
  const CatalogEntry& entry = dataset.view().entry(request->entry);
  const ObjectShape shape = shape_of(dataset, entry);
  const std::uint64_t start = request->stripe * shape.stripe_bytes;
  if (entry.count != request->entry || request->stripe >= stripe_total(shape) ||
      request->bytes + checksum_room(*request) > kChunkBytes || request->offset < start ||
      request->offset - start > stripe_size(shape, request->stripe) ||
      request->bytes > stripe_size(shape, request->stripe) - (request->offset - start)) {
    return responder->fail(Error{Code::bad_argument, "request for a chunk outside its stripe"});
  }
  const std::uint32_t stripe = stripe_index(entry, request->stripe);
  if (dataset.state.phase(stripe) == StripePhase::present) {
    return answer_chunk(*request, *responder);
  }
  responder->fail(Error{Code::not_found, "the stripe is not here"});
}

// Who asks first is answered: the stager, or the deadline.
struct PeerService::Waiting {
  std::unique_ptr<Responder> responder;
  std::atomic<bool> answered{false};
  Clock::time_point deadline;

  void answer(const Status& status) {
    if (answered.exchange(true)) {
      return;
    }
    if (status.ok()) {
      responder->respond_with({});
    } else {
      responder->fail(status.error());
    }
  }
};

void PeerService::stage_stripe(std::span<const std::byte> bytes, std::unique_ptr<Responder> responder) {
  const auto request = request_of<StageStripeRequest>(bytes);
  if (!request || !names_object(datasets_, request->dataset, request->entry)) {
    return responder->fail(Error{Code::bad_argument, "malformed request to stage a stripe"});
  }
  const StagedDataset& dataset = datasets_[request->dataset];
  const CatalogEntry& entry = dataset.view().entry(request->entry);
  if (entry.count != request->entry || request->stripe >= stripe_total(shape_of(dataset, entry))) {
    return responder->fail(Error{Code::bad_argument, "request to stage a stripe that does not exist"});
  }
  const StripeRef ref{ObjectKey{request->dataset, request->entry}, request->stripe};
  if (dataset.state.owner(stripe_index(entry, request->stripe)) != self_) {
    if (request->doubted != 0) {
      executor_.post([this, ref] { damage_.is_sound(ref); });
    }
    return responder->fail(Error{Code::not_found, "the stripe is another node's"});
  }
  const auto waiting = std::make_shared<Waiting>();
  waiting->responder = std::move(responder);
  waiting->deadline = Clock::now() + kStagingDeadline;
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(waiting);
  }
  if (request->doubted == 0) {
    return bring_for(ref, waiting);
  }
  executor_.post([this, ref, waiting] {
    damage_.is_sound(ref);
    bring_for(ref, waiting);
  });
}

void PeerService::bring_for(StripeRef stripe, const std::shared_ptr<Waiting>& waiting) {
  stager_.bring(stripe, Stager::Urgency::wanted_now, nullptr,
                [waiting](const Stager::Outcome& outcome) { waiting->answer(outcome.status); });
}

void PeerService::tick() {
  const auto now = Clock::now();
  std::vector<std::shared_ptr<Waiting>> late;
  {
    const std::lock_guard lock(mutex_);
    while (!waiting_.empty() && (waiting_.front()->answered || waiting_.front()->deadline <= now)) {
      late.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
  }
  for (const auto& one : late) {
    one->answer(Error{Code::timed_out, "the origin does not answer (the stripe's owner still waits for it)"});
  }
}

void PeerService::answer_chunk(const ReadChunkRequest& request, Responder& responder) {
  responder.respond(
      request.bytes + checksum_room(request), [this, request](std::span<std::byte> answer) -> Status {
        const StagedDataset& dataset = datasets_[request.dataset];
        const CatalogEntry& entry = dataset.view().entry(request.entry);
        const std::uint32_t stripe = stripe_index(entry, request.stripe);
        const std::uint32_t word = dataset.state.stripe_word(stripe);
        const std::uint64_t checksum = dataset.state.checksum(stripe);
        if (request.bytes > 0) {
          const auto got = store_.read(identity_of(entry), request.offset, answer.first(request.bytes));
          if (!got.ok() && got.error().code == Code::not_found && dataset.state.stripe_word(stripe) == word) {
            return Error{Code::io_error, got.error().text};  // It has to be there.
          }
          FOREBAY_TRY(got);
          if (*got != request.bytes) {
            return Error{Code::io_error, "an object of the buffer is short"};
          }
          counters_.peer_bytes_served.fetch_add(*got, std::memory_order_relaxed);
        }
        if (request.with_checksum != 0) {
          if (dataset.state.phase(stripe) != StripePhase::present ||
              dataset.state.stripe_word(stripe) != word) {
            return Error{Code::not_found, "the stripe was evicted meanwhile"};
          }
          std::memcpy(answer.data() + request.bytes, &checksum, sizeof checksum);
        }
        return {};
      });
}

void PeerService::kept_stripes(std::span<const std::byte> bytes, std::unique_ptr<Responder> responder) {
  const auto request = request_of<KeptStripesRequest>(bytes);
  if (!request || request->dataset >= datasets_.size() || request->count > kKeptStripesMax) {
    return responder->fail(Error{Code::bad_argument, "malformed request for kept stripes"});
  }
  const StateView& state = datasets_[request->dataset].state;
  const std::uint32_t all = state.header().stripe_count;
  if (request->first > all || request->count > all - request->first) {
    return responder->fail(Error{Code::bad_argument, "request for stripes that do not exist"});
  }
  responder->respond((request->count + 7) / 8,
                     [&state, first = request->first, count = request->count](std::span<std::byte> answer) {
                       std::fill(answer.begin(), answer.end(), std::byte{0});
                       for (std::uint32_t i = 0; i < count; ++i) {
                         if (state.phase(first + i) == StripePhase::present) {
                           answer[i / 8] |= std::byte{1} << (i % 8);
                         }
                       }
                       return Status{};
                     });
}

}  // namespace forebay
