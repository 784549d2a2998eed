#include "stage/materialiser.hpp"

#include <algorithm>
#include <utility>

namespace forebay {

class Materialiser::Flight {
 public:
  ObjectKey object;
  ObjectShape shape;
  std::uint32_t first_stripe;
  std::vector<Done> dones;  // Under the Materialiser's mutex.
  bool held = false;
  std::shared_ptr<Landing> landing;

  std::mutex mutex;  // Guards what follows.
  std::vector<Stager::Progress> progress;
  std::uint32_t next = 0;
  std::uint32_t in_flight = 0;
  bool pumping = false;
  bool ended = false;
  Status failure;
  HitKind hit = HitKind::local;
};

std::uint64_t Materialiser::progress(Flight& flight) {
  const std::lock_guard lock(flight.mutex);
  std::uint64_t sum = flight.next;
  for (const auto& stripe : flight.progress) {
    sum += stripe->load(std::memory_order_relaxed);
  }
  return sum;
}

std::shared_ptr<Materialiser::Flight> Materialiser::materialise(ObjectKey object, Done done) {
  const StagedDataset& dataset = datasets_[object.dataset];
  if (dataset.state.buffer_inode(object.entry) != 0 && !dataset.state.bypassed(object.entry)) {
    done(Outcome{});
    return nullptr;
  }
  FlightPtr flight;
  {
    const std::lock_guard lock(mutex_);
    auto& slot = flights_[object.packed()];
    if (slot) {
      slot->dones.push_back(std::move(done));
      return slot;
    }
    slot = std::make_shared<Flight>();
    flight = slot;
    flight->object = object;
    const CatalogEntry& entry = dataset.view().entry(object.entry);
    flight->shape = shape_of(dataset, entry);
    flight->first_stripe = entry.first;
    flight->dones.push_back(std::move(done));
  }
  if (stripe_total(flight->shape) == 1) {
    start_small(flight);
  } else {
    executor_.post([this, flight] { start(flight); });
  }
  return flight;
}

// Of one stripe: nothing to reserve. Held all the same, so that it is not evicted between arriving and being
// named.
void Materialiser::start_small(const FlightPtr& flight) {
  if (residents_.hold(flight->object, [this, flight] { start_small(flight); })) {
    flight->held = true;
    pump(flight);
  }
}

// Room for all that is missing is taken before the first byte moves: an object that does not fit costs
// nothing.
void Materialiser::start(const FlightPtr& flight) {
  if (!residents_.hold(flight->object,
                       [this, flight] { executor_.post([this, flight] { start(flight); }); })) {
    return;
  }
  flight->held = true;
  const StateView& state = datasets_[flight->object.dataset].state;
  std::uint64_t missing = 0;
  std::uint64_t replica_bytes = 0;
  for (std::uint32_t number = 0; number < stripe_total(flight->shape); ++number) {
    if (state.phase(flight->first_stripe + number) != StripePhase::present) {
      missing += stripe_size(flight->shape, number);
    }
    if (state.owner(flight->first_stripe + number) != self_) {
      replica_bytes += stripe_size(flight->shape, number);
    }
  }
  // An object that can never fit beside what this node owns drives nothing out in vain.
  Result<std::shared_ptr<Landing>> landing =
      replica_bytes > replica_room_bytes_
          ? Error{Code::no_space, "the object is larger than the room for objects of other nodes"}
          : stager_.begin(flight->object, missing);
  if (landing.ok()) {
    flight->landing = std::move(landing).value();
  } else {
    const std::lock_guard lock(flight->mutex);
    flight->failure = std::move(landing).error();
  }
  pump(flight);
}

// Keeps kStripesInFlightMax on their way. bring() may call back at once: `pumping` keeps that from nesting.
void Materialiser::pump(const FlightPtr& flight) {
  std::unique_lock lock(flight->mutex);
  if (flight->pumping) {
    return;
  }
  flight->pumping = true;
  const std::uint32_t stripes = stripe_total(flight->shape);
  while (flight->failure.ok() && flight->next < stripes && flight->in_flight < kStripesInFlightMax) {
    const StripeRef ref{flight->object, flight->next++};
    ++flight->in_flight;
    lock.unlock();
    auto progress =
        stager_.bring(ref, Stager::Urgency::wanted_now, flight->landing,
                      [this, flight](const Stager::Outcome& outcome) { stripe_done(flight, outcome); });
    lock.lock();
    if (progress) {
      flight->progress.push_back(std::move(progress));
    }
  }
  flight->pumping = false;
  const bool over = flight->in_flight == 0 && (!flight->failure.ok() || flight->next == stripes);
  const bool ends_here = over && !flight->ended;
  flight->ended = flight->ended || over;
  lock.unlock();
  if (ends_here) {
    executor_.post([this, flight] { finish(flight); });
  }
}

void Materialiser::stripe_done(const FlightPtr& flight, const Stager::Outcome& outcome) {
  {
    const std::lock_guard lock(flight->mutex);
    --flight->in_flight;
    if (!outcome.status.ok()) {
      if (flight->failure.ok()) {
        flight->failure = outcome.status;
      }
    } else if (outcome.source == Stager::Source::origin) {
      flight->hit = HitKind::origin;
    } else if (outcome.source == Stager::Source::peer && flight->hit == HitKind::local) {
      flight->hit = HitKind::peer;
    }
  }
  pump(flight);
}

void Materialiser::finish(const FlightPtr& flight) {
  Outcome outcome{flight->failure, flight->hit};
  const StateView& state = datasets_[flight->object.dataset].state;
  if (outcome.status.ok() && state.buffer_inode(flight->object.entry) == 0) {
    outcome.status = stager_.publish(flight->object);
  }
  flight->landing.reset();
  std::vector<Done> dones;
  {
    const std::lock_guard lock(mutex_);
    dones = std::move(flight->dones);
    flights_.erase(flight->object.packed());
  }
  if (flight->held) {
    residents_.release(flight->object);
  }
  for (auto& done : dones) {
    done(outcome);
  }
}

}  // namespace forebay
