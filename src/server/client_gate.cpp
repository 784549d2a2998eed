#include "server/client_gate.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace forebay {

ClientService::Progress ClientGate::materialise(std::uint32_t dataset, std::uint32_t entry,
                                                std::function<void(Materialised)> done) {
  if (!names_object(core_.datasets, dataset, entry)) {
    done({Error{Code::bad_argument, "no such object"}, HitKind::local, {}});
    return nullptr;
  }
  const ObjectKey object = object_of(core_.datasets, dataset, entry);
  if (core_.changed.rereads(object)) {
    auto progress = core_.changed.bring(object, [done = std::move(done)](Result<UniqueFd> brought) {
      done(brought.ok() ? Materialised{{}, HitKind::origin, std::move(brought).value()}
                        : Materialised{Status(brought.error()), HitKind::origin, {}});
    });
    return [progress] { return progress->load(std::memory_order_relaxed); };
  }
  auto flight = attempt(object, kAttempts, Clock::now() + kCrowdedMax, std::move(done));
  if (!flight) {
    return nullptr;
  }
  return [flight] { return Materialiser::progress(*flight); };
}

std::shared_ptr<Materialiser::Flight> ClientGate::attempt(ObjectKey object, int attempts_left,
                                                          Clock::time_point until,
                                                          std::function<void(Materialised)> done) {
  return core_.materialiser.materialise(object, [this, object, attempts_left, until, done = std::move(done)](
                                                    const Materialiser::Outcome& outcome) {
    const bool is_one =
        stripe_total(shape_of(core_.datasets[object.dataset], entry_of(core_.datasets, object))) == 1;
    if (is_one && retries(object, outcome.status, until, [this, object, attempts_left, until, done] {
          attempt(object, attempts_left, until, done);
        })) {
      return;
    }
    if (!outcome.status.ok()) {
      if (outcome.status.error().code != Code::corrupt || attempts_left <= 1 || core_.stager.stopping()) {
        return done({outcome.status, outcome.hit, {}});
      }
      return core_.wanted_now->post(
          [this, object, attempts_left, until, done, why = outcome.status.error().text] {
            core_.damage.take_out(object, why);
            attempt(object, attempts_left - 1, until, done);
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
    core_.wanted_now->post([this, object, attempts_left, until, done, damaged, why = opened.error().text] {
      if (damaged) {
        core_.damage.take_out(object, why);
      }
      attempt(object, attempts_left - 1, until, done);
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
  const auto turns = std::make_shared<std::atomic<std::uint64_t>>(0);
  const auto first =
      read_stripe(StripeRef{object, number}, read_ahead, Clock::now() + kCrowdedMax, turns, std::move(done));
  return [first, turns] {
    return turns->load(std::memory_order_relaxed) + (first ? first->load(std::memory_order_relaxed) : 0);
  };
}

Stager::Progress ClientGate::read_stripe(StripeRef stripe, std::uint32_t read_ahead, Clock::time_point until,
                                         const Stager::Progress& turns, std::function<void(Status)> done) {
  return core_.partial_reads.read(
      stripe, read_ahead,
      [this, stripe, read_ahead, until, turns, done = std::move(done)](const Stager::Outcome& outcome) {
        const auto again = [this, stripe, read_ahead, until, turns, done] {
          turns->fetch_add(1, std::memory_order_relaxed);
          read_stripe(stripe, read_ahead, until, turns, done);
        };
        if (!retries(stripe.object, outcome.status, until, again)) {
          done(outcome.status);
        }
      });
}

// One stripe of it, or all of an object of one.
bool ClientGate::retries(ObjectKey object, const Status& status, Clock::time_point until,
                         std::function<void()> again) {
  const StagedDataset& set = core_.datasets[object.dataset];
  if (status.ok() || status.error().code != Code::no_space || set.origin->is_posix()) {
    return false;
  }
  const ObjectShape shape = shape_of(set, entry_of(core_.datasets, object));
  if (Clock::now() < until && !core_.stager.stopping() &&
      std::min(shape.bytes, shape.stripe_bytes) <= core_.store.usage().capacity_bytes) {
    const std::lock_guard lock(mutex_);
    crowded_.push_back(std::move(again));
    return true;
  }
  log_.warning(fmt::format("{}/{} cannot be read ({})", set.origin->canonical_name(),
                           set.catalog->path_of(object.entry), status.error().text));
  return false;
}

void ClientGate::retry_crowded() {
  std::vector<std::function<void()>> crowded;
  {
    const std::lock_guard lock(mutex_);
    crowded.swap(crowded_);
  }
  for (const auto& again : crowded) {
    again();
  }
}

void ClientGate::changed(std::uint32_t dataset, std::uint32_t entry, std::function<void(Status)> done) {
  if (!names_object(core_.datasets, dataset, entry) ||
      !core_.changed.rereads(object_of(core_.datasets, dataset, entry))) {
    return done(Error{Code::bad_argument, "no object that is read anew"});
  }
  core_.changed.find(object_of(core_.datasets, dataset, entry),
                     [done = std::move(done)](const Result<ChangedObjects::Version>& found) {
                       done(found.ok() ? Status() : Status(found.error()));
                     });
}

void ClientGate::invalidate(std::vector<InvalidateItem> items, std::function<void(Status)> done) {
  // A subtree may be large: off the socket's thread.
  core_.wanted_now->post([this, items = std::move(items), done = std::move(done)] {
    core_.invalidator.invalidate(items, [done](const Status& status) { done(status); });
  });
}

}  // namespace forebay
