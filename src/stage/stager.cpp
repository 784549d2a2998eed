#include "stage/stager.hpp"

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "common/log.hpp"
#include "stage/peer_messages.hpp"

namespace forebay {

// One stripe on its way.
struct Stager::Flight {
  StripeRef ref;
  ObjectShape shape;
  std::uint32_t stripe;  // in the state table
  std::uint64_t offset;  // in the object
  std::uint64_t bytes;
  Executor* executor;         // for local I/O
  Executor* origin_executor;  // for what may hang in the origin
  bool background;
  Progress progress = std::make_shared<std::atomic<std::uint64_t>>(0);
  std::vector<Done> dones;  // Under the Stager's mutex.

  std::shared_ptr<Landing> landing;
  std::unique_ptr<OriginReader> reader;
  Source source = Source::here;
  std::uint32_t peer = kNoOwner;
  bool owned = false;
  bool as_whole = false;  // Wanted as a part of its whole object.
  bool landing_is_own = false;
  int origin_attempts = 1;
  int peer_attempts = 1;
  bool doubted = false;  // What the peer sent was not what it had recorded.
  std::optional<std::uint64_t>
      expected;  // The checksum that the peer recorded, which comes with the last piece.
  std::atomic<bool> landing_failed{false};
  bool file_is_lost = false;
  std::atomic<std::uint32_t> chunks_left{0};
  std::atomic<std::uint32_t> next_chunk{0};  // from the origin
  std::mutex mutex;
  Status failure;  // The first, under `mutex` until chunks_left is 0.

  [[nodiscard]] std::uint32_t chunks() const {
    return static_cast<std::uint32_t>((bytes + kChunkBytes - 1) / kChunkBytes);
  }
  // From a peer, a checksum follows the bytes: where the last chunk has no room for it, it comes in a piece
  // of its own.
  [[nodiscard]] std::uint32_t pieces() const {
    return static_cast<std::uint32_t>((bytes + sizeof(std::uint64_t) + kChunkBytes - 1) / kChunkBytes);
  }
  [[nodiscard]] std::uint64_t start_of(std::uint32_t chunk) const {
    return std::min<std::uint64_t>(bytes, chunk * kChunkBytes);
  }
  [[nodiscard]] std::uint64_t chunk_offset(std::uint32_t chunk) const { return offset + start_of(chunk); }
  [[nodiscard]] std::size_t chunk_size(std::uint32_t chunk) const {
    return static_cast<std::size_t>(std::min<std::uint64_t>(kChunkBytes, bytes - start_of(chunk)));
  }
  [[nodiscard]] bool failed() {
    const std::lock_guard lock(mutex);
    return !failure.ok();
  }
  void begin_chunks(std::uint32_t count) {
    failure = {};
    chunks_left = count;
  }
  // The next that nobody reads from the origin; false when each has a reader.
  bool take_chunk(std::uint32_t* chunk) {
    *chunk = next_chunk.fetch_add(1);
    return *chunk < chunks();
  }
  // Notes the outcome of one chunk; true for the last.
  bool chunk_done(const Status& status) {
    if (status.ok()) {
      progress->fetch_add(1, std::memory_order_relaxed);
    } else {
      const std::lock_guard lock(mutex);
      if (failure.ok()) {
        failure = status;
      }
    }
    return chunks_left.fetch_sub(1) == 1;
  }
};

Stager::Progress Stager::bring(StripeRef ref, Urgency urgency, std::shared_ptr<Landing> landing, Done done) {
  const StagedDataset& set = dataset(ref.object);
  const CatalogEntry& entry = set.view().entry(ref.object.entry);
  const std::uint32_t stripe = stripe_index(entry, ref.number);
  const std::uint64_t key = ObjectKey{ref.object.dataset, stripe}.packed();
  FlightPtr flight;
  Outcome at_once;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = flights_.find(key); found != flights_.end()) {
      found->second->dones.push_back(std::move(done));
      return found->second->progress;
    }
    if (stopping_) {
      at_once.status = Error{Code::cancelled, "staging stopped"};
    } else if (set.state.bypassed(ref.object.entry)) {
      at_once.status = Error{Code::changed, "the object is left to the origin"};
    } else if (set.state.phase(stripe) != StripePhase::present) {
      flight = std::make_shared<Flight>();
      flight->ref = ref;
      flight->shape = shape_of(set, entry);
      flight->stripe = stripe;
      flight->offset = ref.number * flight->shape.stripe_bytes;
      flight->bytes = stripe_size(flight->shape, ref.number);
      flight->background = urgency == Urgency::background;
      flight->executor = flight->background ? &parts_.background : &parts_.wanted_now;
      const OriginExecutors& origin = parts_.origins[ref.object.dataset];
      flight->origin_executor = flight->background ? &origin.background : &origin.wanted_now;
      flight->owned = set.state.owner(stripe) == self();
      flight->as_whole = landing != nullptr;
      flight->landing = std::move(landing);
      flight->dones.push_back(std::move(done));
      flights_.emplace(key, flight);
    }
  }
  if (!flight) {
    done(at_once);
    return nullptr;
  }
  launch(flight);
  return flight->progress;
}

void Stager::launch(const FlightPtr& flight) {
  if (parts_.residents.enter(flight->ref, [this, flight] { launch(flight); })) {
    flight->executor->post([this, flight] { start(flight); });
  }
}

Result<std::shared_ptr<Landing>> Stager::begin(const ObjectShape& shape, std::uint64_t reserve_bytes) {
  while (true) {
    auto begun = parts_.store.begin(shape, reserve_bytes);
    if (begun.ok()) {
      return std::shared_ptr<Landing>(std::move(begun).value());
    }
    if (begun.error().code != Code::no_space || stopping_ ||
        reserve_bytes > parts_.store.usage().capacity_bytes || parts_.evictor.make_room(reserve_bytes) == 0) {
      return Error{std::move(begun).error()};
    }
  }
}

void Stager::wait_until_idle() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return flights_.empty(); });
}

void Stager::start(const FlightPtr& flight) {
  const StagedDataset& set = dataset(flight->ref.object);
  set.state.set_phase(flight->stripe, StripePhase::staging);
  const bool is_nobodys = set.state.owner(flight->stripe) == kNoOwner;
  if (is_nobodys ? !set.origin->is_posix()
                 : flight->owned && kept_elsewhere(set.state, flight->stripe) == kNoOwner) {
    return go_to_origin(flight);  // Of a store: nobody but servers can read it. It is the first to go again.
  }
  begin_landing_and_read(flight);
}

// Of what does not come from the origin.
void Stager::begin_landing_and_read(const FlightPtr& flight) {
  const StagedDataset& set = dataset(flight->ref.object);
  if (!flight->landing) {
    auto landing = begin(flight->ref.object, flight->bytes);
    if (!landing.ok()) {
      flight->file_is_lost = landing.error().code == Code::corrupt;
      return finish(flight, std::move(landing).error());
    }
    flight->landing = std::move(landing).value();
    flight->landing_is_own = true;
  }
  if (flight->bytes == 0 && !flight->owned) {
    auto written = flight->landing->write_chunk(flight->offset, {});
    return written.ok() ? seal(flight) : finish(flight, std::move(written));
  }
  const std::uint32_t owner = set.state.owner(flight->stripe);
  if (owner == kNoOwner) {
    return finish(flight, Error{Code::no_space, "the object fits on no node (its buffers are too small)"});
  }
  const std::uint32_t keeper =
      flight->owned && flight->bytes > 0 ? kept_elsewhere(set.state, flight->stripe) : kNoOwner;
  if (flight->owned && keeper == kNoOwner) {
    return go_to_origin(flight);
  }
  read_peer(flight, flight->owned ? keeper : owner);
}

// From the origin: on its own threads, and room in the buffer is taken only when it has answered.

void Stager::go_to_origin(const FlightPtr& flight) {
  flight->source = Source::origin;
  flight->origin_executor->post([this, flight] { read_origin(flight); });
}

Result<std::unique_ptr<OriginReader>> Stager::open_at_origin(const Flight& flight) {
  const StagedDataset& set = dataset(flight.ref.object);
  const CatalogEntry& entry = set.view().entry(flight.ref.object.entry);
  const std::string path = set.catalog->path_of(flight.ref.object.entry);
  return tried_at_origin(
      [&] {
        return set.origin->open(path, entry, {set.view().locator(entry), set.view().locator_bytes(entry)});
      },
      [&] { return !stopping_ && set.origin->is_posix(); });
}

void Stager::read_origin(const FlightPtr& flight) {
  if (stopping_) {
    return finish(flight, Error{Code::cancelled, "staging stopped"});
  }
  auto opened = open_at_origin(*flight);
  if (!opened.ok()) {
    return finish(flight, std::move(opened).error());
  }
  flight->reader = std::move(opened).value();
  if (!flight->landing) {
    auto landing = begin(flight->ref.object, flight->bytes);
    if (!landing.ok()) {
      flight->file_is_lost = landing.error().code == Code::corrupt;
      return finish(flight, std::move(landing).error());
    }
    flight->landing = std::move(landing).value();
  }
  if (flight->bytes == 0) {  // No byte to read, but its owner has seen that it stayed empty.
    auto written = flight->landing->write_chunk(flight->offset, {});
    return written.ok() ? seal(flight) : finish(flight, std::move(written));
  }
  flight->begin_chunks(flight->chunks());
  flight->next_chunk = 0;
  for (std::uint32_t helper = 1; helper < flight->chunks(); ++helper) {
    flight->origin_executor->post([this, flight] { read_next_chunk(flight); });
  }
  while (read_next_chunk(flight)) {
  }
}

// In their order, by this thread and by those that have nothing else to do: a stripe that is read by one is
// hashed as it comes. False when each has begun: then `this` may be gone.
bool Stager::read_next_chunk(const FlightPtr& flight) {
  std::uint32_t chunk = 0;
  if (!flight->take_chunk(&chunk)) {
    return false;
  }
  Status status;
  if (stopping_) {
    status = Error{Code::cancelled, "staging stopped"};
  } else if (!flight->failed()) {
    status = copy_origin_chunk(*flight, chunk);
  }
  origin_chunk_done(flight, status);
  return true;
}

bool Stager::is_stale_handle(const Flight& flight, const Error& error) const {
  return error.errno_value == ESTALE && dataset(flight.ref.object).origin->is_posix();
}

Status Stager::copy_origin_chunk(Flight& flight, std::uint32_t chunk) {
  const std::size_t bytes = flight.chunk_size(chunk);
  if (flight.background) {
    parts_.rate_limit.wait_for(bytes, stopping_);
  }
  std::unique_ptr<std::byte[]> spare;
  ChunkBuffers::Buffer buffer;
  if (!origin_buffers_.try_acquire(&buffer)) {
    spare.reset(new std::byte[bytes]);
  }
  const std::span<std::byte> into = spare ? std::span(spare.get(), bytes) : buffer.first(bytes);
  bool is_stale = false;  // Only opening anew helps.
  const auto read_once = [&] {
    Status read = flight.reader->read(flight.chunk_offset(chunk), into);
    is_stale = !read.ok() && is_stale_handle(flight, read.error());
    return read;
  };
  FOREBAY_TRY(
      tried_at_origin(read_once, [&] { return !is_stale && dataset(flight.ref.object).origin->is_posix(); }));
  parts_.counters.origin_bytes_read.fetch_add(bytes, std::memory_order_relaxed);
  return flight.landing->write_chunk(flight.chunk_offset(chunk), into);
}

void Stager::origin_chunk_done(const FlightPtr& flight, const Status& status) {
  if (!flight->chunk_done(status)) {
    return;
  }
  Status all = flight->failure;
  if (all.ok()) {
    all = flight->reader->verify_unchanged();
  }
  if (all.ok()) {
    return seal(flight);
  }
  const bool is_corrupt = all.error().code == Code::corrupt;
  if ((is_stale_handle(*flight, all.error()) || is_corrupt) && flight->origin_attempts < kOriginAttempts &&
      !stopping_) {
    ++flight->origin_attempts;  // Only opening and reading anew helps.
    return read_origin(flight);
  }
  if (is_corrupt) {  // On the way here, or there: nothing of the buffer's.
    all =
        Error{Code::io_error, all.error().text + fmt::format("; {} attempts", flight->origin_attempts), EIO};
  }
  finish(flight, std::move(all));
}

// From a peer.

void Stager::read_peer(const FlightPtr& flight, std::uint32_t peer) {
  flight->source = Source::peer;
  flight->peer = peer;
  flight->begin_chunks(flight->pieces());
  for (std::uint32_t chunk = 0; chunk < flight->pieces(); ++chunk) {
    fetch_chunk(flight, chunk, 1);
  }
}

void Stager::fetch_chunk(const FlightPtr& flight, std::uint32_t chunk, int attempt) {
  peer_buffers_.acquire([this, flight, chunk, attempt](ChunkBuffers::Buffer acquired) {
    if (stopping_ || flight->failed()) {
      return flight->executor->post([this, flight] {
        peer_chunk_done(flight, Error{Code::cancelled, "staging stopped"});
      });
    }
    ReadChunkRequest request;
    request.dataset = flight->ref.object.dataset;
    request.entry = flight->ref.object.entry;
    request.stripe = flight->ref.number;
    request.offset = flight->chunk_offset(chunk);
    request.bytes = static_cast<std::uint32_t>(flight->chunk_size(chunk));
    request.with_checksum = chunk + 1 == flight->pieces() ? 1 : 0;
    const auto buffer = std::make_shared<ChunkBuffers::Buffer>(std::move(acquired));
    const auto into = buffer->first(request.bytes + (request.with_checksum != 0 ? sizeof(std::uint64_t) : 0));
    parts_.transport.fetch(
        NodeIndex{flight->peer}, request_bytes(request), into,
        [this, flight, chunk, attempt, buffer, into](const Result<std::size_t>& landed) {
          if (!landed.ok() && landed.error().code == Code::corrupt && attempt < kAttempts) {
            return fetch_chunk(flight, chunk, attempt + 1);
          }
          Status status;
          if (!landed.ok()) {
            status = landed.error();
          } else if (*landed != into.size()) {
            status = Error{Code::corrupt, "a peer's answer is short"};
          }
          // Off the transport's thread.
          flight->executor->post([this, flight, chunk, buffer, into, status] {
            Status written = status;
            if (written.ok()) {
              written = land_piece(*flight, chunk, into);
            }
            if (status.ok()) {
              *buffer = {};
            } else {
              buffer->forfeit();  // A peer that fell silent may still wake and send.
            }
            peer_chunk_done(flight, written);
          });
        });
  });
}

Status Stager::land_piece(Flight& flight, std::uint32_t chunk, std::span<const std::byte> piece) {
  const auto bytes = piece.first(flight.chunk_size(chunk));
  if (bytes.size() < piece.size()) {
    std::uint64_t checksum;
    std::memcpy(&checksum, piece.data() + bytes.size(), sizeof checksum);
    flight.expected = checksum;
  }
  if (bytes.empty()) {
    return {};
  }
  parts_.counters.peer_bytes.fetch_add(bytes.size(), std::memory_order_relaxed);
  Status written = flight.landing->write_chunk(flight.chunk_offset(chunk), bytes);
  if (!written.ok()) {
    flight.landing_failed = true;
  }
  return written;
}

void Stager::peer_chunk_done(const FlightPtr& flight, const Status& status) {
  if (!flight->chunk_done(status)) {
    return;
  }
  if (flight->failure.ok()) {
    return seal(flight);
  }
  if (stopping_ || flight->landing_failed) {
    return finish(flight, flight->failure);
  }
  peer_failed(flight, flight->failure.error());
}

// It has the stripe no more, or not yet, or cannot read it, or reads other bytes than it had recorded.
void Stager::peer_failed(const FlightPtr& flight, const Error& error) {
  const bool doubted = error.code == Code::corrupt || error.code == Code::io_error;
  if (flight->owned) {
    // From the node that had kept it; the origin has it, too.
    if (doubted) {
      const StageStripeRequest request = stage_request(*flight, true);
      parts_.transport.fetch(NodeIndex{flight->peer}, request_bytes(request), {},
                             [](const Result<std::size_t>&) {});
    }
    dataset(flight->ref.object).state.set_absent_hint(flight->stripe, 0);
    return go_to_origin(flight);
  }
  if ((error.code == Code::not_found || doubted) && flight->peer_attempts < kAttempts) {
    ++flight->peer_attempts;
    return ask_to_stage(flight, doubted);
  }
  if (error.code == Code::not_found || doubted) {
    // Evicted, or damaged, there each time before it could be read: one more read of the origin is no error.
    return go_to_origin(flight);
  }
  finish(flight, error);
}

// Answered when the owner has it, which may take as long as an origin can hang.
void Stager::ask_to_stage(const FlightPtr& flight, bool doubted) {
  flight->doubted = doubted;
  if (flight->landing_is_own) {
    flight->landing.reset();  // Its room is others' meanwhile.
  }
  {
    const std::lock_guard lock(mutex_);
    Asked& asked = asked_[flight->peer];
    if (asked.in_flight == kStagingAskedMax) {
      asked.waiting.push_back(flight);
      return;
    }
    ++asked.in_flight;
  }
  send_ask(flight);
}

StageStripeRequest Stager::stage_request(const Flight& flight, bool doubted) {
  StageStripeRequest request;
  request.doubted = doubted ? 1 : 0;
  request.dataset = flight.ref.object.dataset;
  request.entry = flight.ref.object.entry;
  request.stripe = flight.ref.number;
  return request;
}

void Stager::send_ask(const FlightPtr& flight) {
  const StageStripeRequest request = stage_request(*flight, flight->doubted);
  parts_.transport.fetch(NodeIndex{flight->peer}, request_bytes(request), {},
                         [this, flight](const Result<std::size_t>& answered) {
                           const Status status = answered.ok() ? Status{} : Status{answered.error()};
                           flight->executor->post([this, flight, status] { ask_answered(flight, status); });
                         });
}

void Stager::ask_answered(const FlightPtr& flight, const Status& status) {
  FlightPtr next;
  {
    const std::lock_guard lock(mutex_);
    Asked& asked = asked_[flight->peer];
    if (asked.waiting.empty()) {
      --asked.in_flight;
    } else {
      next = std::move(asked.waiting.front());
      asked.waiting.pop_front();
    }
  }
  if (next) {
    send_ask(next);
  }
  if (!status.ok()) {
    return finish(flight, status);
  }
  begin_landing_and_read(flight);
}

// The end.

void Stager::seal(const FlightPtr& flight) {
  const ObjectKey object = flight->ref.object;
  const StagedDataset& set = dataset(object);
  auto checksum = flight->landing->complete_stripe(
      flight->ref.number, flight->source == Source::peer ? flight->expected : std::nullopt);
  if (!checksum.ok()) {
    if (flight->source == Source::peer && checksum.error().code == Code::corrupt && !stopping_) {
      return peer_failed(flight, checksum.error());
    }
    return finish(flight, std::move(checksum).error());
  }
  // An object that is read by stripe is evicted by stripe, and so stays in parts unless this node owns all of
  // it.
  const bool by_stripe = flight->shape.bytes > parts_.materialise_max_bytes && !flight->as_whole;
  bool whole = true;
  {
    const std::lock_guard lock(mutex_);  // Of two last stripes, exactly one sees a whole object.
    set.state.set_present(flight->stripe, *checksum);
    const CatalogEntry& entry = set.view().entry(object.entry);
    for (std::uint32_t number = 0; number < stripe_total(flight->shape) && whole; ++number) {
      const std::uint32_t index = stripe_index(entry, number);
      whole =
          set.state.phase(index) == StripePhase::present && (!by_stripe || set.state.owner(index) == self());
    }
  }
  Status published;
  if (whole) {
    const auto inode = flight->landing->publish();
    if (inode.ok()) {
      set.state.publish_inode(object.entry, *inode);
    } else {
      published = inode.error();
    }
  }
  if (!flight->owned) {
    parts_.evictor.note_replica();
  } else {
    parts_.counters.staged_bytes.fetch_add(flight->bytes, std::memory_order_relaxed);
    if (whole) {
      parts_.counters.staged_objects.fetch_add(1, std::memory_order_relaxed);
    }
  }
  finish(flight, std::move(published));
}

Status Stager::publish(ObjectKey object) {
  const StagedDataset& set = dataset(object);
  FOREBAY_ASSIGN(landing, begin(object, 0));
  FOREBAY_ASSIGN(inode, landing->publish());
  set.state.publish_inode(object.entry, inode);
  return {};
}

void Stager::leave_to_origin(Flight& flight, const Error& error) {
  const ObjectKey object = flight.ref.object;
  if (dataset(object).state.set_bypass(object.entry)) {
    parts_.counters.left_to_origin.fetch_add(1, std::memory_order_relaxed);
    if (!dataset(object).origin->is_posix()) {  // Nobody else can read it there.
      log_.warning(error.text);
    } else {
      log_debug("left to the origin: {}", error.text);
    }
  }
  const InvalidateItem item{object.dataset, object.entry, static_cast<std::uint32_t>(InvalidateScope::entry)};
  parts_.invalidator.invalidate(std::span(&item, 1), nullptr);
}

void Stager::finish(const FlightPtr& flight, Status status) {
  const ObjectKey object = flight->ref.object;
  const StagedDataset& set = dataset(object);
  if (!status.ok()) {
    const Error& error = status.error();
    if (error.code == Code::no_space) {
      parts_.counters.does_not_fit.fetch_add(1, std::memory_order_relaxed);
    } else if (error.code == Code::io_error || error.code == Code::corrupt || error.code == Code::timed_out ||
               error.code == Code::unavailable) {
      parts_.counters.errors.fetch_add(1, std::memory_order_relaxed);
      // That a peer is silent is said by the one who watches it, not by all who ask it.
      if (error.code != Code::unavailable) {
        log_.warning(error.text);
      }
    }
    // What failed may work later; what changed, vanished or was forbidden stays so. Credentials are renewed.
    const bool is_store = !set.origin->is_posix();
    if (flight->source == Source::origin && !is_stale_handle(*flight, error) &&
        (error.code == Code::changed || error.code == Code::not_found ||
         (error.code == Code::permission && !is_store))) {
      leave_to_origin(*flight, error);
    }
  }
  flight->landing.reset();
  flight->reader.reset();
  std::vector<Done> dones;
  {
    const std::lock_guard lock(mutex_);
    if (set.state.phase(flight->stripe) == StripePhase::staging) {
      set.state.set_phase(flight->stripe, StripePhase::absent);
    }
    flights_.erase(ObjectKey{object.dataset, flight->stripe}.packed());
    dones = std::move(flight->dones);
    if (flights_.empty()) {
      idle_.notify_all();
    }
  }
  parts_.residents.leave(flight->ref);
  if (flight->file_is_lost) {
    parts_.damage.take_out(object, status.error().text);
  }
  if (status.ok() && set.state.bypassed(object.entry)) {
    parts_.residents.remove(object);
    status = Error{Code::changed, "the object changed while it was brought in"};
  }
  const Outcome outcome{std::move(status), flight->source};
  for (auto& done : dones) {
    done(outcome);
  }
}

}  // namespace forebay
