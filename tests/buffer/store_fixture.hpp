// Objects with bytes that follow from their identity, and the ways tests bring them in and look for them.
#pragma once

#include <boost/test/unit_test.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "buffer/object_store.hpp"
#include "buffer/part_file.hpp"
#include "common/chunk.hpp"
#include "common/scratch_directory.hpp"

namespace forebay {

inline constexpr std::uint64_t kTestStripeBytes = 2 * kChunkBytes;

inline Identity identity(std::uint64_t number) {
  return Identity{hash_bytes(&number, sizeof number, 1), hash_bytes(&number, sizeof number, 2)};
}

inline ObjectShape shape(std::uint64_t number, std::uint64_t bytes) {
  return ObjectShape{identity(number), bytes, kTestStripeBytes};
}

// Never zero, so that holes show.
inline std::vector<std::byte> bytes_of(const ObjectShape& of, std::uint64_t offset, std::size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t at = offset + i;
    bytes[i] = static_cast<std::byte>(1 + (of.identity.path + at + (at >> 9) + (at >> 22)) % 255);
  }
  return bytes;
}

inline Status write_stripe(Landing& landing, const ObjectShape& of, std::uint32_t stripe) {
  const std::uint64_t start = stripe * of.stripe_bytes;
  const std::uint64_t end = start + stripe_length(of, stripe);
  for (std::uint64_t at = start; at < end || at == start; at += kChunkBytes) {
    FOREBAY_TRY(landing.write_chunk(at, bytes_of(of, at, std::min<std::uint64_t>(kChunkBytes, end - at))));
  }
  return {};
}

// Brings in one stripe through a landing of its own.
inline Status land_stripe(ObjectStore& store, const ObjectShape& of, std::uint32_t stripe) {
  FOREBAY_ASSIGN(landing, store.begin(of, stripe_length(of, stripe)));
  FOREBAY_TRY(write_stripe(*landing, of, stripe));
  FOREBAY_TRY(landing->complete_stripe(stripe));
  return {};
}

// Brings in and publishes a whole object; returns its inode.
inline Result<std::uint64_t> land(ObjectStore& store, const ObjectShape& of) {
  FOREBAY_ASSIGN(landing, store.begin(of, of.bytes));
  for (std::uint32_t stripe = 0; stripe < stripe_count(of); ++stripe) {
    FOREBAY_TRY(write_stripe(*landing, of, stripe));
    FOREBAY_TRY(landing->complete_stripe(stripe));
  }
  return landing->publish();
}

// Whether the store gives exactly the stripe's bytes.
inline bool holds(ObjectStore& store, const ObjectShape& of, std::uint32_t stripe) {
  std::vector<std::byte> got(stripe_length(of, stripe));
  const auto read = store.read(of.identity, stripe * of.stripe_bytes, got);
  return read.ok() && read.value() == got.size() && got == bytes_of(of, stripe * of.stripe_bytes, got.size());
}

inline std::vector<KeptStripe> kept(ObjectStore& store, bool wanted = true) {
  std::vector<KeptStripe> all;
  store.visit_kept([&](const KeptStripe& stripe) {
    all.push_back(stripe);
    return wanted;
  });
  return all;
}

// One buffer, opened again and again.
struct StoreFixture {
  ScratchDirectory scratch;
  std::unique_ptr<ObjectStore> store;

  [[nodiscard]] std::string root() const { return scratch.path() + "/" + std::to_string(::geteuid()); }
  [[nodiscard]] std::string index_path() const { return root() + "/index"; }
  [[nodiscard]] std::string file_of(const ObjectShape& of, const std::string& suffix = "") const {
    char text[kIdentityTextBytes];
    identity_to_text(of.identity, text);
    return root() + "/objects/" + std::string(text, 2) + "/" + text + suffix;
  }

  ObjectStore& open(std::uint64_t capacity_bytes = 1ULL << 30) {
    store.reset();
    auto opened = ObjectStore::open({scratch.path(), capacity_bytes, 1});
    BOOST_REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? "" : opened.error().text));
    store = std::move(opened).value();
    return *store;
  }
};

}  // namespace forebay

#define REQUIRE_OK(expression)                                                       \
  do {                                                                               \
    const auto& outcome = (expression);                                              \
    BOOST_REQUIRE_MESSAGE(outcome.ok(), (outcome.ok() ? "" : outcome.error().text)); \
  } while (false)
#define REQUIRE_CODE(expression, expected)                                           \
  do {                                                                               \
    const auto& outcome = (expression);                                              \
    BOOST_REQUIRE_MESSAGE(!outcome.ok(), "succeeded: " #expression);                 \
    BOOST_REQUIRE_MESSAGE(outcome.error().code == (expected), outcome.error().text); \
  } while (false)
