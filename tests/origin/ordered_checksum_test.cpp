#define BOOST_TEST_MODULE ordered_checksum
#include <boost/test/unit_test.hpp>

#include <openssl/evp.h>

#include <array>
#include <atomic>
#include <thread>

#include "origin/ordered_checksum.hpp"

using namespace forebay;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
using Verdict = OrderedChecksum::Verdict;

// Of 4 bytes, the highest first (RFC 4648).
std::string base64_of(std::uint32_t value) {
  std::array<unsigned char, 4> bytes{};
  std::array<unsigned char, 9> text{};
  for (std::size_t i = 0; i < 4; ++i) {
    bytes[i] = static_cast<unsigned char>(value >> (24 - 8 * i));
  }
  EVP_EncodeBlock(text.data(), bytes.data(), bytes.size());
  return reinterpret_cast<const char*>(text.data());
}

const std::string kText = "123456789";
// Of kText: FIPS 180, RFC 1321, and the check value of CRC-32C, E3069283.
constexpr std::array<const char*, 3> kRight = {
    "sha256:15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
    "md5:25F9E794323B453885F5181F1B624D0B", "crc32c:4waSgw=="};

}  // namespace

BOOST_AUTO_TEST_CASE(crc32c_gives_its_check_value_in_pieces_too) {
  BOOST_TEST(crc32c(0, bytes_of(kText)) == 0xE3069283u);
  BOOST_TEST(crc32c(crc32c(0, bytes_of("1234")), bytes_of("56789")) == 0xE3069283u);
  // RFC 3720, B.4: 32 bytes of zeroes.
  BOOST_TEST(crc32c(0, std::array<std::byte, 32>{}) == 0x8A9136AAu);
}

BOOST_AUTO_TEST_CASE(each_kind_is_right_in_any_order_of_pieces) {
  for (const auto* expected : kRight) {
    BOOST_TEST(is_checksum(expected));
    std::array<int, 3> order = {0, 1, 2};
    do {
      OrderedChecksum checksum(expected, kText.size());
      for (const int piece : order) {
        checksum.add(static_cast<std::uint64_t>(piece) * 3,
                     bytes_of(kText).subspan(static_cast<std::size_t>(piece) * 3, 3));
        checksum.add(static_cast<std::uint64_t>(piece) * 3, bytes_of("xxx"));  // Came already.
      }
      BOOST_TEST((checksum.verdict() == Verdict::right), expected);
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

BOOST_AUTO_TEST_CASE(another_byte_is_wrong_and_a_missing_one_leaves_it_open) {
  for (const auto* expected : kRight) {
    OrderedChecksum wrong(expected, kText.size());
    wrong.add(0, bytes_of("123456780"));
    BOOST_TEST((wrong.verdict() == Verdict::wrong), expected);
    OrderedChecksum open(expected, kText.size());
    open.add(1, bytes_of("23456789"));
    BOOST_TEST((open.verdict() == Verdict::open), expected);
  }
}

BOOST_AUTO_TEST_CASE(pieces_come_from_many_threads) {
  OrderedChecksum checksum("crc32c:ipE2qg==", 32);  // 8A9136AA
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] { checksum.add(i * 4, std::array<std::byte, 4>{}); });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  BOOST_TEST((checksum.verdict() == Verdict::right));
}

BOOST_AUTO_TEST_CASE(large_pieces_that_come_while_others_are_hashed_are_all_hashed) {
  constexpr std::size_t kPieces = 64;
  constexpr std::size_t kPieceBytes = 64 << 10;
  std::vector<std::byte> object(kPieces * kPieceBytes);
  for (std::size_t i = 0; i < object.size(); ++i) {
    object[i] = static_cast<std::byte>(i * 131 >> 7);
  }
  const auto crc = crc32c(0, object);
  for (int round = 0; round < 20; ++round) {
    OrderedChecksum checksum("crc32c:" + base64_of(crc), object.size());
    std::atomic<std::size_t> next{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (std::size_t piece; (piece = next++) < kPieces;) {
          checksum.add(piece * kPieceBytes, std::span(object).subspan(piece * kPieceBytes, kPieceBytes));
        }
      });
    }
    for (auto& thread : threads) {
      thread.join();
    }
    BOOST_TEST((checksum.verdict() == Verdict::right));
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_checksum_is_not_taken_for_one) {
  for (const auto* text : {"", "sha256", "sha256:", "md5:25F9E794323B453885F5181F1B624D0",
                           "crc32c:4waSgw=", "crc32c:4waSg!==", "sha1:00",
                           "md5:25F9E794323B453885F5181F1B624D0G", "crc32c:4waSgwAA"}) {
    BOOST_TEST(!is_checksum(text), text);
  }
}
