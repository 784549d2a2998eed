#include "transport/mpi/answers.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace forebay {

namespace {

Error too_large(std::size_t bytes, const Asked& asked) {
  return Error{Code::bad_argument,
               fmt::format("answer of {} bytes does not fit (there is room for {})", bytes, asked.room)};
}

}  // namespace

Answers::Answers(Messenger& messenger, Fetches& fetches, Executor& executor, std::shared_ptr<Arena> arena,
                 std::shared_ptr<CommandQueue> queue, NodeIndex self, const PlaceOptions& options,
                 Checksum checksum)
    : messenger_(messenger),
      fetches_(fetches),
      executor_(executor),
      arena_(std::move(arena)),
      queue_(std::move(queue)),
      self_(self),
      options_(options),
      checksum_(checksum),
      inline_memory_(
          std::make_shared<std::vector<std::byte>>(options.inline_bytes * options.inline_answers)) {
  const auto make = [this](PlaceKind kind, std::uint32_t count) {
    auto& made = places(kind);
    made.occupants.resize(count);
    for (std::uint32_t i = count; i > 0; --i) {
      made.free.push_back(i - 1);  // The last given back is the next given out: its memory is warm.
    }
  };
  make(PlaceKind::local, options.local_answers);
  make(PlaceKind::inlined, options.inline_answers);
  make(PlaceKind::small, options.small_slots);
  make(PlaceKind::large, options.large_slots);
}

PlaceKind Answers::kind_for(const command::Respond& answer) const {
  if (answer.asked.from == self_) {
    return PlaceKind::local;
  }
  if (answer.bytes <= options_.inline_bytes) {
    return PlaceKind::inlined;
  }
  return answer.bytes <= options_.small_bytes ? PlaceKind::small : PlaceKind::large;
}

std::span<std::byte> Answers::memory(AnswerPlace place) const {
  switch (place.kind) {
    case PlaceKind::inlined:
      return std::span(*inline_memory_).subspan(options_.inline_bytes * place.index, options_.inline_bytes);
    case PlaceKind::small:
      return arena_->bytes().subspan(options_.small_bytes * place.index, options_.small_bytes);
    case PlaceKind::large:
      return arena_->bytes().subspan(options_.small_bytes * options_.small_slots + kChunkBytes * place.index,
                                     kChunkBytes);
    case PlaceKind::local:
      break;
  }
  return {};
}

void Answers::respond(command::Respond&& answer) {
  if (answer.bytes > answer.asked.room) {
    return fail(answer.asked, too_large(answer.bytes, answer.asked));
  }
  const auto kind = kind_for(answer);
  if (closed_ && kind != PlaceKind::local) {
    return;
  }
  auto& there = places(kind);
  if (there.free.empty()) {
    there.waiting.push_back(std::move(answer));
    return;
  }
  const AnswerPlace place{kind, there.free.back()};
  there.free.pop_back();
  fill(place, std::move(answer));
}

// What is at hand goes out in the reply itself, as it is small: that saves the requester a round trip.
void Answers::respond_with(const Asked& asked, std::span<const std::byte> answer) {
  if (answer.size() > asked.room) {
    return fail(asked, too_large(answer.size(), asked));
  }
  if (asked.from == self_) {
    if (const auto into = fetches_.begin_local_fill(asked.id, answer.size())) {
      std::copy(answer.begin(), answer.end(), into->begin());
      fetches_.finish(asked.id, {});
    }
    return;
  }
  if (closed_) {
    return;
  }
  WireHeader header;
  header.kind = WireKind::reply_inline;
  header.id = asked.id;
  header.checksum = checksum_(answer.data(), answer.size());
  messenger_.send(asked.from, header, answer);
}

void Answers::fill(AnswerPlace place, command::Respond&& answer) {
  auto& occupant = places(place.kind).occupants[place.index];
  occupant.asked = answer.asked;
  occupant.bytes = answer.bytes;
  occupant.announced = false;
  ++occupant.generation;

  auto into = memory(place);
  if (place.kind == PlaceKind::local) {
    const auto local = fetches_.begin_local_fill(answer.asked.id, answer.bytes);
    if (!local) {
      return vacate(place);
    }
    into = *local;
  }
  executor_.post([place, into = into.first(answer.bytes), fill = std::move(answer.fill), queue = queue_,
                  checksum = place.kind == PlaceKind::local ? nullptr : checksum_, arena = arena_,
                  inline_memory = inline_memory_] {
    command::Filled filled{place, fill(into), 0};
    if (filled.status.ok() && checksum != nullptr) {
      filled.checksum = checksum(into.data(), into.size());
    }
    queue->push(std::move(filled));
  });
}

void Answers::on_filled(command::Filled&& filled) {
  const auto& occupant = places(filled.place.kind).occupants[filled.place.index];
  if (filled.place.kind == PlaceKind::local) {
    fetches_.finish(occupant.asked.id, filled.status);
    return vacate(filled.place);
  }
  if (closed_) {
    return vacate(filled.place);
  }
  if (!filled.status.ok()) {
    fail(occupant.asked, filled.status.error());
    return vacate(filled.place);
  }
  announce(filled.place, filled.checksum);
}

void Answers::announce(AnswerPlace place, std::uint64_t checksum) {
  auto& occupant = places(place.kind).occupants[place.index];
  WireHeader header;
  header.id = occupant.asked.id;
  header.checksum = checksum;
  if (place.kind == PlaceKind::inlined) {
    header.kind = WireKind::reply_inline;
    messenger_.send(occupant.asked.from, header, memory(place).first(occupant.bytes));
    return vacate(place);
  }
  if (auto status = messenger_.publish_window(); !status.ok()) {
    fail(occupant.asked, status.error());
    return vacate(place);
  }
  header.kind = WireKind::reply_slot;
  header.bytes = occupant.bytes;
  header.offset = static_cast<std::uint64_t>(memory(place).data() - arena_->bytes().data());
  header.slot = place.index + (place.kind == PlaceKind::large ? options_.small_slots : 0);
  header.generation = occupant.generation;
  occupant.announced = true;
  ++announced_;
  messenger_.send(occupant.asked.from, header);
}

void Answers::on_release(const WireHeader& header) {
  const bool large = header.slot >= options_.small_slots;
  const AnswerPlace place{large ? PlaceKind::large : PlaceKind::small,
                          large ? header.slot - options_.small_slots : header.slot};
  auto& there = places(place.kind);
  if (place.index >= there.occupants.size()) {
    return;
  }
  auto& occupant = there.occupants[place.index];
  if (!occupant.announced || occupant.generation != header.generation) {
    return;
  }
  occupant.announced = false;
  --announced_;
  vacate(place);
}

void Answers::vacate(AnswerPlace place) {
  auto& there = places(place.kind);
  if (there.waiting.empty()) {
    there.free.push_back(place.index);
    return;
  }
  auto next = std::move(there.waiting.front());
  there.waiting.pop_front();
  fill(place, std::move(next));
}

void Answers::fail(const Asked& asked, const Error& error) {
  if (asked.from == self_) {
    return fetches_.fail(asked.id, error);
  }
  if (closed_) {
    return;
  }
  WireHeader header;
  header.kind = WireKind::reply_failure;
  header.id = asked.id;
  header.code = static_cast<std::uint32_t>(error.code);
  header.errno_value = error.errno_value;
  const auto text = std::as_bytes(std::span(error.text));
  messenger_.send(asked.from, header, text.first(std::min(text.size(), kErrorTextBytesMax)));
}

void Answers::close() {
  closed_ = true;
  for (auto kind : {PlaceKind::inlined, PlaceKind::small, PlaceKind::large}) {
    places(kind).waiting.clear();
  }
}

}  // namespace forebay
