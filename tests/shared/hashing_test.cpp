#define BOOST_TEST_MODULE hashing
#include "shared/hashing.hpp"

#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "common/chunk.hpp"

namespace forebay {

// Buffers outlive programs: these values must never change. They were computed with libxxhash 0.8.1's shared
// library; the unseeded ones of "", "a" and "abc" are XXH3's published ones.
BOOST_AUTO_TEST_CASE(hashes_are_those_of_xxh3_for_ever) {
  struct Vector {
    std::string text;
    std::uint64_t checksum;
    std::uint64_t seeded_with_42;
  };
  std::string long_text;
  for (int i = 0; i < 1000; ++i) {
    long_text += static_cast<char>(i * 7 + 3);
  }
  const std::vector<Vector> vectors = {{"", 0x2d06800538d394c2, 0xb029411ff43d84d2},
                                       {"a", 0xe6c632b61e964e1f, 0x4c437dd47f0716f4},
                                       {"abc", 0x78af5f94892f3950, 0xd8438def21bbdcc3},
                                       {"train/shard-00017.tar", 0x7931052e83a1785f, 0x133502de4f006e99},
                                       {long_text, 0x6c4f14bd97bd9e82, 0xf0f163846cbf0c33}};
  for (const auto& [text, checksum, seeded] : vectors) {
    BOOST_TEST(checksum_bytes(text.data(), text.size()) == checksum);
    BOOST_TEST(hash_bytes(text.data(), text.size(), 0) == checksum);
    BOOST_TEST(hash_bytes(text.data(), text.size(), 42) == seeded);
  }
}

BOOST_AUTO_TEST_CASE(a_stripe_of_one_chunk_has_the_chunks_checksum) {
  const std::vector<std::uint64_t> one = {0x1234};
  const std::vector<std::uint64_t> two = {0x1234, 0x5678};
  BOOST_TEST(stripe_checksum(one) == 0x1234u);
  BOOST_TEST(stripe_checksum(two) == checksum_bytes(two.data(), 16));
}

BOOST_AUTO_TEST_CASE(an_identity_is_written_and_read_back) {
  const Identity identity{0x0123456789abcdef, 0xfedcba9876543210};
  char text[kIdentityTextBytes];
  identity_to_text(identity, text);
  BOOST_TEST(std::string(text) == "0123456789abcdeffedcba9876543210");
  Identity back{};
  BOOST_TEST(identity_from_text(text, &back));
  BOOST_TEST((back == identity));
}

BOOST_AUTO_TEST_CASE(what_is_no_identity_is_not_read_as_one) {
  Identity into{1, 2};
  for (const char* text : {"", "0123", "0123456789abcdeffedcba987654321", "0123456789ABCDEFfedcba9876543210",
                           "0123456789abcdeffedcba987654321g"}) {
    BOOST_TEST(!identity_from_text(text, &into), text);
  }
  BOOST_TEST((into == Identity{1, 2}));
}

}  // namespace forebay
