#define BOOST_TEST_MODULE kept_objects
#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>

#include "server/kept_objects.hpp"
#include "stage/staging_lab.hpp"

namespace forebay {
namespace {

namespace fs = std::filesystem;

// A buffer in which an earlier server left three objects, and the state table that it left.
struct Left {
  Left() {
    fs::create_directories(tree);
    for (const char* name : {"a", "b", "c"}) {
      std::ofstream(tree / name) << std::string(5'000'000, *name);
    }
    test::StagingLab lab(tree, buffers, test::LabOptions{});
    lab.prefetch_all();
    memory = words_of(lab.state(0));
    catalog = std::make_unique<Catalog>(Catalog::load((buffers / "catalog").string()).value());
    datasets = {{nullptr, catalog.get(), StateView(memory.data()), "/data"}};
  }
  static std::vector<std::uint64_t> words_of(const StateView& state) {
    const auto* words = reinterpret_cast<const std::uint64_t*>(&state.header());
    return {words, words + state.header().file_bytes / 8 + 1};
  }
  [[nodiscard]] const StateView& state() const { return datasets[0].state; }
  [[nodiscard]] std::uint32_t entry(const std::string& path) const {
    return catalog->view().find(path.data(), path.size());
  }
  [[nodiscard]] std::uint32_t stripe(const std::string& path) const {
    return catalog->view().entry(entry(path)).first;
  }
  std::uint64_t take_up() {
    const auto store = ObjectStore::open({(buffers / "node0").string(), 1u << 30, 1}).value();
    return mark_kept(datasets, *store);
  }
  [[nodiscard]] fs::path file_of(const std::string& path) const {
    char name[kIdentityTextBytes];
    identity_to_text(identity_of(catalog->view().entry(entry(path))), name);
    for (const auto& found : fs::recursive_directory_iterator(buffers / "node0")) {
      if (found.path().filename() == name) {
        return found.path();
      }
    }
    return {};
  }

  test::ScratchDirectory scratch;
  fs::path tree = scratch.path() / "tree";
  fs::path buffers = scratch.path() / "buffers";
  std::vector<std::uint64_t> memory;
  std::unique_ptr<Catalog> catalog;
  StagedDatasets datasets;
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(readers_by_stripe_see_that_a_buffer_was_opened_again, Left) {
  const auto word = state().stripe_word(stripe("a"));
  const auto inode = state().buffer_inode(entry("a"));
  mark_all_absent(state());
  BOOST_TEST((state().phase(stripe("a")) == StripePhase::absent));
  BOOST_TEST(state().buffer_inode(entry("a")) == inode);
  BOOST_TEST(take_up() == 3U);
  BOOST_TEST((state().phase(stripe("a")) == StripePhase::present));
  BOOST_TEST(!state().still_present(stripe("a"), word));
}

BOOST_FIXTURE_TEST_CASE(words_that_are_right_stay_as_they_are, Left) {
  const auto before = memory;
  BOOST_TEST(state().buffer_inode(entry("a")) != 0U);
  BOOST_TEST(take_up() == 3U);
  BOOST_TEST((memory == before));
}

BOOST_FIXTURE_TEST_CASE(what_the_buffer_has_lost_is_absent_and_begins_a_new_generation, Left) {
  const auto lost = file_of("b");
  BOOST_TEST_REQUIRE(!lost.empty());
  fs::remove(lost);
  const auto word = state().stripe_word(stripe("b"));
  BOOST_TEST(take_up() == 2U);
  BOOST_TEST(state().buffer_inode(entry("b")) == 0U);
  BOOST_TEST((state().phase(stripe("b")) == StripePhase::absent));
  BOOST_TEST(!state().still_present(stripe("b"), word));
  state().set_present(stripe("b"), 1);
  BOOST_TEST(!state().still_present(stripe("b"), word));
  BOOST_TEST(state().buffer_inode(entry("a")) != 0U);
}

BOOST_FIXTURE_TEST_CASE(what_was_on_its_way_when_the_server_died_is_absent, Left) {
  fs::remove(file_of("b"));
  state().set_absent(stripe("b"));
  state().set_phase(stripe("b"), StripePhase::staging);
  set_kept_elsewhere(state(), stripe("b"), 3);
  take_up();
  BOOST_TEST((state().phase(stripe("b")) == StripePhase::absent));
  // Nodes have other numbers now.
  BOOST_TEST(kept_elsewhere(state(), stripe("b")) == kNoOwner);
}

BOOST_FIXTURE_TEST_CASE(what_the_buffer_has_is_present_whatever_the_table_said, Left) {
  const auto inode = state().buffer_inode(entry("c"));
  const auto checksum = state().checksum(stripe("c"));
  state().publish_inode(entry("c"), 0);
  state().set_absent(stripe("c"));
  state().publish_inode(entry("a"), 999'999'999);
  BOOST_TEST(take_up() == 3U);
  BOOST_TEST(state().buffer_inode(entry("c")) == inode);
  BOOST_TEST((state().phase(stripe("c")) == StripePhase::present));
  BOOST_TEST(state().checksum(stripe("c")) == checksum);
  BOOST_TEST(state().buffer_inode(entry("a")) != 999'999'999U);
}

BOOST_FIXTURE_TEST_CASE(what_is_bypassed_stays_so_and_is_not_kept, Left) {
  state().set_bypass(entry("a"));
  BOOST_TEST(take_up() == 2U);
  BOOST_TEST(state().bypassed(entry("a")));
  BOOST_TEST(state().buffer_inode(entry("a")) == 0U);
}

}  // namespace forebay
