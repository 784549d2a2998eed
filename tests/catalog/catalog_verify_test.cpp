#define BOOST_TEST_MODULE catalog_verify
#include "catalog/catalog_verify.hpp"

#include <cstring>
#include <fstream>
#include <iterator>
#include <random>

#include <boost/test/unit_test.hpp>

#include "catalog/catalog_fixtures.hpp"
#include "catalog/catalog_layout_plan.hpp"
#include "origin/temp_tree.hpp"

namespace forebay {
namespace {

// A small catalog of everything, in memory to be damaged.
struct Fixture {
  Fixture() {
    auto hard = object_named("hard");
    hard.attributes.links = 2;
    auto hard2 = hard;
    hard2.name = "hard2";
    auto builder = Listings()
                       .add("", {directory_named("d"), directory_named("e"), object_named("o", 9u << 20),
                                 link_named("l", "target"), named("fifo", S_IFIFO | 0600, 0), hard})
                       .add("d", {object_named("one"), object_named("two"), hard2})
                       .add("e", {})
                       .builder();
    BOOST_REQUIRE(builder.write(tree.at("catalog")).ok());
    std::ifstream in(tree.at("catalog"), std::ios::binary);
    const std::string text(std::istreambuf_iterator<char>(in), {});
    words.resize((text.size() + 7) / 8);
    bytes = std::as_writable_bytes(std::span(words)).first(text.size());
    std::memcpy(bytes.data(), text.data(), text.size());
    BOOST_REQUIRE(verify_catalog(bytes, "catalog").ok());
  }

  CatalogHeader& header() { return *reinterpret_cast<CatalogHeader*>(bytes.data()); }
  CatalogEntry& entry(const std::string& path) {
    const auto index = CatalogView(bytes.data()).find(path.data(), path.size());
    return reinterpret_cast<CatalogEntry*>(bytes.data() + header().entries_offset)[index];
  }
  // Does `damage`, makes the checksum right, and expects that verification still notices; then undoes it.
  template <typename Damage>
  void is_noticed(const char* what, Damage&& damage) {
    const auto kept = words;
    damage();
    header().checksum = catalog_checksum(bytes.data(), bytes.size());
    const auto status = verify_catalog(bytes, "catalog");
    BOOST_TEST(!status.ok(), what);
    words = kept;
  }

  TempTree tree;
  std::vector<std::uint64_t> words;  // So that entries are aligned.
  std::span<std::byte> bytes;
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(damage_to_any_byte_is_noticed, Fixture) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (const int bit : {0, 7}) {
      bytes[i] ^= static_cast<std::byte>(1 << bit);
      if (verify_catalog(bytes, "catalog").ok()) {
        BOOST_ERROR("damage to byte " << i << " was not noticed");
      }
      bytes[i] ^= static_cast<std::byte>(1 << bit);
    }
  }
}

BOOST_FIXTURE_TEST_CASE(a_cut_catalog_is_refused, Fixture) {
  for (std::size_t length = 0; length < bytes.size(); length += 13) {
    BOOST_TEST(!verify_catalog(bytes.first(length), "catalog").ok());
  }
}

BOOST_FIXTURE_TEST_CASE(a_cut_or_empty_file_is_not_loaded, Fixture) {
  BOOST_REQUIRE(::truncate(tree.at("catalog").c_str(), 1000) == 0);
  BOOST_TEST((Catalog::load(tree.at("catalog")).error().code == Code::corrupt));
  BOOST_REQUIRE(::truncate(tree.at("catalog").c_str(), 0) == 0);
  BOOST_TEST((Catalog::load(tree.at("catalog")).error().code == Code::corrupt));
  BOOST_TEST((Catalog::load(tree.at("nothing")).error().code == Code::not_found));
}

// What a right checksum does not vouch for: a builder of another mind.
BOOST_FIXTURE_TEST_CASE(every_wrong_reference_is_noticed, Fixture) {
  is_noticed("stripe size", [&] { header().stripe_bytes /= 2; });
  is_noticed("no stripe size", [&] { header().stripe_bytes = 0; });
  is_noticed("path seed", [&] { header().path_seed ^= 1; });
  is_noticed("origin", [&] { header().origin = StringRef::of(header().strings_bytes, 1); });
  is_noticed("bytes of the dataset", [&] { ++header().dataset_bytes; });
  is_noticed("objects", [&] { ++header().object_count; });
  is_noticed("directories", [&] { ++header().directory_count; });
  is_noticed("stripes", [&] { ++header().stripe_count; });
  is_noticed("slots", [&] { header().index_slots /= 2; });
  is_noticed("owners", [&] { header().owner_count = 0; });
  is_noticed("offset", [&] { header().strings_offset += 64; });

  is_noticed("owner", [&] { entry("o").owner = 7; });
  is_noticed("file system", [&] { entry("o").file_system = 7; });
  is_noticed("flag", [&] { entry("o").flags = 64; });
  is_noticed("name outside", [&] { entry("o").name = StringRef::of(header().strings_bytes, 2); });
  is_noticed("empty name", [&] { entry("o").name = StringRef::of(0, 0); });
  is_noticed("another's name", [&] { entry("d/one").name = entry("d/two").name; });
  is_noticed("link target outside", [&] { entry("l").size = 60'000; });
  is_noticed("locator outside", [&] {
    entry("o").flags = kEntryHasLocator;
    entry("o").name = StringRef::of(header().strings_bytes - 1, 1);
  });
  is_noticed("a directory's locator", [&] { entry("d").flags = kEntryHasLocator; });
  is_noticed("path hash", [&] { entry("o").path_hash ^= 1; });
  is_noticed("parent is itself", [&] { entry("d/one").parent = entry("d").first; });
  is_noticed("parent is a file", [&] { entry("d/one").parent = entry("o").count; });
  is_noticed("parent is another", [&] { entry("d/one").parent = 0; });
  is_noticed("first child", [&] { entry("d").first = 1; });
  is_noticed("children", [&] { entry("d").count = 2; });
  is_noticed("children outside", [&] { entry("e").count = 100; });
  is_noticed("root's children", [&] { entry("").count = UINT32_MAX; });
  is_noticed("a directory more", [&] { entry("fifo").mode = S_IFDIR; });
  is_noticed("a special file that is not left", [&] { entry("fifo").flags = 0; });
  is_noticed("first stripe", [&] { ++entry("o").first; });
  is_noticed("size", [&] { entry("o").size += 5; });
  is_noticed("state of another", [&] { entry("d/one").count = entry("o").count; });
  is_noticed("state outside", [&] { entry("d/one").count = 10'000; });
  is_noticed("names of one file differ", [&] { ++entry("d/hard2").mtime_ns; });
  is_noticed("stripes of a link", [&] { entry("l").first = 1; });

  const auto slot = [&](std::uint32_t wanted) -> std::uint32_t& {
    auto* slots = reinterpret_cast<std::uint32_t*>(bytes.data() + header().index_offset);
    for (std::uint32_t i = 0; i < header().index_slots; ++i) {
      if ((wanted == 0) == (slots[i] == 0)) {
        return slots[i];
      }
    }
    return slots[0];
  };
  is_noticed("a slot emptied", [&] { slot(1) = 0; });
  is_noticed("a slot of another", [&] { slot(1) = slot(1) == 2 ? 3 : 2; });
  is_noticed("a slot outside", [&] { slot(1) = 1000; });
  is_noticed("a slot too many", [&] { slot(0) = 1; });
}

BOOST_FIXTURE_TEST_CASE(no_damage_under_a_right_checksum_leads_outside, Fixture) {
  // Run under ASan this shows that verification itself reads nothing out of bounds.
  std::mt19937 random(20261123);
  const auto kept = words;
  for (int round = 0; round < 20'000; ++round) {
    words = kept;
    for (auto hits = random() % 3 + 1; hits > 0; --hits) {
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    }
    if (valid_catalog(bytes.data(), bytes.size())) {
      header().checksum = catalog_checksum(bytes.data(), bytes.size());
    }
    static_cast<void>(verify_catalog(bytes, "catalog").ok());
  }
}

}  // namespace forebay
