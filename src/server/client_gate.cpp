#include "server/client_gate.hpp"

#include <utility>

namespace forebay {

ClientService::Progress ClientGate::materialise(std::uint32_t dataset, std::uint32_t entry,
                                                std::function<void(Materialised)> done) {
  if (!names_object(core_.datasets, dataset, entry)) {
    done({Error{Code::bad_argument, "no such object"}, HitKind::local, {}});
    return nullptr;
  }
  auto flight = attempt(object_of(core_.datasets, dataset, entry), kAttempts, std::move(done));
  if (!flight) {
    return nullptr;
  }
  return [flight] { return Materialiser::progress(*flight); };
}

std::shared_ptr<Materialiser::Flight> ClientGate::attempt(ObjectKey object, int attempts_left,
                                                          std::function<void(Materialised)> done) {
  return core_.materialiser.materialise(object, [this, object, attempts_left, done = std::move(done)](
                                                    const Materialiser::Outcome& outcome) {
    if (!outcome.status.ok()) {
      if (outcome.status.error().code != Code::corrupt || attempts_left <= 1 || core_.stager.stopping()) {
        return done({outcome.status, outcome.hit, {}});
      }
      return core_.wanted_now->post([this, object, attempts_left, done, why = outcome.status.error().text] {
        core_.damage.take_out(object, why);
        attempt(object, attempts_left - 1, done);
      });
    }
    const StagedDataset& set = core_.datasets[object.dataset];
    const std::uint64_t inode = set.state.buffer_inode(object.entry);
    auto opened = core_.store.open_object(shape_of(set, set.view().entry(object.entry)), inode);
    if (opened.ok()) {
      return done({{}, outcome.hit, std::move(opened).value()});
    }
    if (opened.error().code == Code::unavailable || attempts_left <= 1 || core_.stager.stopping()) {
      return done({opened.error(), outcome.hit, {}});
    }
    // Evicted meanwhile, or damaged; a client that says so costs this look at the file and no more.
    const bool damaged = inode != 0 && set.state.buffer_inode(object.entry) == inode;
    core_.wanted_now->post([this, object, attempts_left, done, damaged, why = opened.error().text] {
      if (damaged) {
        core_.damage.take_out(object, why);
      }
      attempt(object, attempts_left - 1, done);
    });
  });
}

ClientService::Progress ClientGate::stripe(std::uint32_t dataset, std::uint32_t entry, std::uint32_t number,
                                           std::uint32_t read_ahead, std::function<void(Status)> done) {
  if (!names_object(core_.datasets, dataset, entry)) {
    done(Error{Code::bad_argument, "no such object"});
    return nullptr;
  }
  const ObjectKey object = object_of(core_.datasets, dataset, entry);
  if (number >= stripe_total(shape_of(core_.datasets[dataset], entry_of(core_.datasets, object)))) {
    done(Error{Code::bad_argument, "no such stripe"});
    return nullptr;
  }
  auto progress = core_.partial_reads.read(
      StripeRef{object, number}, read_ahead,
      [done = std::move(done)](const Stager::Outcome& outcome) { done(outcome.status); });
  if (!progress) {
    return nullptr;
  }
  return [progress] { return progress->load(std::memory_order_relaxed); };
}

void ClientGate::invalidate(std::vector<InvalidateItem> items, std::function<void(Status)> done) {
  // A subtree may be large: off the socket's thread.
  core_.wanted_now->post([this, items = std::move(items), done = std::move(done)] {
    core_.invalidator.invalidate(items, [done](const Status& status) { done(status); });
  });
}

}  // namespace forebay
