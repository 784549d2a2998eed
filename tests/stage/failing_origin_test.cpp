#define BOOST_TEST_MODULE failing_origin
#include <boost/test/unit_test.hpp>

#include "stage/refresh_job.hpp"
#include "stage/staging_lab.hpp"

#include <chrono>

namespace forebay::test {
namespace {

constexpr auto kPatience = std::chrono::seconds(60);

struct Tree {
  Tree() { std::filesystem::create_directories(root() / "sub"); }
  [[nodiscard]] std::filesystem::path root() const { return scratch.path() / "tree"; }
  [[nodiscard]] std::filesystem::path buffers() const { return scratch.path() / "buffers"; }
  void add(const std::string& name, const std::string& bytes) const {
    std::ofstream(root() / name, std::ios::binary) << bytes;
  }
  ScratchDirectory scratch;
};

// All nodes' shares of a refresh, one after the other.
RefreshJob::Totals refresh(StagingLab& lab, std::uint32_t nodes) {
  RefreshJob::Totals sum;
  for (std::uint32_t node = 0; node < nodes; ++node) {
    ThreadPool threads("refresh", 2);
    RefreshJob::Options options;
    options.nodes = nodes;
    options.self = node;
    options.threads = 2;
    std::promise<RefreshJob::Totals> over;
    RefreshJob::make(lab.core(node).datasets, lab.core(node).invalidator, threads,
                     lab.core(node).stager.stopping(), std::move(options))
        ->start([&over](const RefreshJob::Totals& totals) { over.set_value(totals); });
    const auto totals = over.get_future().get();
    BOOST_TEST(totals.status.ok());
    sum.checked += totals.checked;
    sum.changed += totals.changed;
    sum.gone += totals.gone;
    sum.came += totals.came;
    sum.unreadable += totals.unreadable;
  }
  return sum;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_hanging_origin_holds_up_nothing_that_is_staged) {
  Tree tree;
  for (int i = 0; i < 300; ++i) {
    tree.add("cold" + std::to_string(i), "cold");
    tree.add("warm" + std::to_string(i), "warm");
  }
  constexpr std::uint32_t kNodes = 3;
  StagingLab lab(tree.root(), tree.buffers(), {.nodes = kNodes});
  for (int i = 0; i < 300; ++i) {
    const std::string name = "warm" + std::to_string(i);
    BOOST_TEST_REQUIRE(lab.materialise(lab.owner(name), name).status.ok());
  }
  std::promise<void> answers;
  const auto answered = answers.get_future().share();
  lab.origin.before_read = [answered](const std::string&) {
    answered.wait();
    return Status{};
  };
  std::vector<std::future<Materialiser::Outcome>> waiting;
  for (std::uint32_t node = 0; node < kNodes; ++node) {
    for (int i = 0; i < 300; ++i) {
      waiting.push_back(lab.start_materialise(node, "cold" + std::to_string(i)));
    }
  }
  // From peers, for each node owns a third of them.
  for (std::uint32_t node = 0; node < kNodes; ++node) {
    for (int i = 0; i < 300; ++i) {
      auto outcome = lab.start_materialise(node, "warm" + std::to_string(i));
      const bool came = outcome.wait_for(kPatience) == std::future_status::ready;
      if (!came) {
        answers.set_value();  // Or nothing would ever end.
      }
      BOOST_TEST_REQUIRE(came, "node " << node << " waits for " << i);
      BOOST_TEST(outcome.get().status.ok());
    }
  }
  answers.set_value();
  for (auto& outcome : waiting) {
    BOOST_TEST(outcome.get().status.ok());
  }
}

BOOST_AUTO_TEST_CASE(what_fails_at_the_origin_is_asked_again_at_the_next_open) {
  Tree tree;
  tree.add("one", "bytes");
  StagingLab lab(tree.root(), tree.buffers(), {.nodes = 2});
  bool fails = true;
  lab.origin.before_read = [&fails](const std::string&) {
    return fails ? Status{Error{Code::io_error, "injected", EIO}} : Status{};
  };
  for (std::uint32_t node = 0; node < 2; ++node) {
    BOOST_TEST((lab.materialise(node, "one").status.error().code == Code::io_error));
    BOOST_TEST(!lab.state(node).bypassed(lab.entry("one")));
  }
  fails = false;
  for (std::uint32_t node = 0; node < 2; ++node) {
    BOOST_TEST(lab.materialise(node, "one").status.ok());
    BOOST_TEST(lab.read(node, "one") == "bytes");
  }
}

BOOST_AUTO_TEST_CASE(a_stale_handle_is_opened_anew) {
  Tree tree;
  tree.add("one", "bytes");
  StagingLab lab(tree.root(), tree.buffers(), {});
  int stale = 2;
  lab.origin.before_read = [&stale](const std::string&) {
    return stale-- > 0 ? Status{error_from_errno("injected", ESTALE)} : Status{};
  };
  BOOST_TEST(lab.materialise(0, "one").status.ok());
  BOOST_TEST(lab.read(0, "one") == "bytes");
}

BOOST_AUTO_TEST_CASE(a_refresh_leaves_to_the_origin_what_changed_vanished_or_came_on_every_node) {
  Tree tree;
  for (const auto* name : {"same", "changed", "gone", "sub/same", "sub/changed"}) {
    tree.add(name, "first");
  }
  constexpr std::uint32_t kNodes = 3;
  StagingLab lab(tree.root(), tree.buffers(), {.nodes = kNodes});
  lab.prefetch_all();
  const auto none = refresh(lab, kNodes);
  BOOST_TEST(none.checked == 7u);  // With the two directories.
  BOOST_TEST(none.changed + none.gone + none.came + none.unreadable == 0u);

  tree.add("changed", "second, longer");
  tree.add("sub/changed", "second, longer");
  tree.add("new", "came");
  std::filesystem::remove(tree.root() / "gone");
  const auto some = refresh(lab, kNodes);
  BOOST_TEST(some.changed == 3u);  // The root has other names, which is a change of its own.
  BOOST_TEST(some.gone == 1u);
  BOOST_TEST(some.came == 1u);
  for (std::uint32_t node = 0; node < kNodes; ++node) {
    for (const auto* name : {"changed", "sub/changed", "gone", ""}) {
      BOOST_TEST(lab.state(node).bypassed(lab.entry(name)), name << " on node " << node);
    }
    for (const auto* name : {"same", "sub/same", "sub"}) {
      BOOST_TEST(!lab.state(node).bypassed(lab.entry(name)), name << " on node " << node);
    }
  }
  // Counted against the scan, whenever it is asked.
  const auto again = refresh(lab, kNodes);
  BOOST_TEST(again.changed == some.changed);
  BOOST_TEST(again.gone == some.gone);
  BOOST_TEST(again.came == some.came);
}

BOOST_AUTO_TEST_CASE(a_refresh_of_an_origin_that_fails_gives_up_nothing_that_is_staged) {
  Tree tree;
  tree.add("sub/one", "bytes");
  StagingLab lab(tree.root(), tree.buffers(), {});
  lab.prefetch_all();
  lab.origin.before_list = [](const std::string& directory) {
    return directory == "sub" ? Status{Error{Code::io_error, "injected", EIO}} : Status{};
  };
  const auto totals = refresh(lab, 1);
  BOOST_TEST(totals.unreadable == 1u);
  BOOST_TEST(!lab.state(0).bypassed(lab.entry("sub/one")));
}

}  // namespace forebay::test
