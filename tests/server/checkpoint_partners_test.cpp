// Copies on partners: nothing that was closed is lost with a node.
#define BOOST_TEST_MODULE checkpoint_partners
#include <boost/test/unit_test.hpp>

#include "server/checkpoint_lab.hpp"
#include "server/checkpoint_partners.hpp"

namespace forebay {
namespace {

using test::CheckpointJob;
using test::CheckpointProgram;
namespace fs = std::filesystem;

std::size_t copies_in(const CheckpointProgram& node) {
  std::size_t found = 0;
  for (const auto& one : fs::recursive_directory_iterator(node.store() + "/copies")) {
    found += one.path().extension() == ".head" ? 1 : 0;
  }
  return found;
}

}  // namespace

BOOST_AUTO_TEST_CASE(partners_are_the_next_in_the_order_of_names) {
  const std::vector<std::string> names = {"c", "a", "d", "b"};
  BOOST_TEST((CheckpointPartners::partners_of(names, 1, 1) == std::vector<NodeIndex>{NodeIndex{3}}));
  BOOST_TEST(
      (CheckpointPartners::partners_of(names, 2, 2) == std::vector<NodeIndex>{NodeIndex{1}, NodeIndex{3}}));
  BOOST_TEST(CheckpointPartners::partners_of(names, 0, 9).size() == 3u);
  BOOST_TEST(CheckpointPartners::partners_of({"a"}, 0, 2).empty());
}

BOOST_FIXTURE_TEST_SUITE(checkpoint_partners, CheckpointJob)

BOOST_AUTO_TEST_CASE(what_is_closed_is_copied_to_the_partner_and_dropped_there_when_it_is_durable) {
  destination_fails(true);
  const auto job = start(3);
  const CheckpointProgram a(*job, 0);
  const CheckpointProgram partner(*job, 1);
  a.write("one", "1");
  a.write("tmp", "renamed at once");
  a.rename("tmp", "two");
  BOOST_TEST(becomes([&] { return copies_in(partner) == 3; }));
  BOOST_TEST(becomes([&] {
    for (const auto& row : question(*job, 0, {{"op", "drain"}, {"wait", false}})["not_durable"]) {
      if (row["state"] != "replicated" && row["state"] != "failed" && row["state"] != "draining") {
        return false;
      }
    }
    return true;
  }));
  destination_fails(false);
  BOOST_TEST(
      becomes([&] { return at_destination("two") == "renamed at once" && at_destination("one") == "1"; }));
  BOOST_TEST(becomes([&] { return copies_in(partner) == 0; }));
}

BOOST_AUTO_TEST_CASE(a_dead_nodes_copies_are_drained_by_its_partner) {
  destination_fails(true);
  {
    const auto job = start(3);
    const CheckpointProgram dead(*job, 2);
    const CheckpointProgram partner(*job, 0);
    dead.make_directory("step");
    dead.write("step/weights", "of the dead");
    dead.write("marker.tmp", "step");
    dead.rename("marker.tmp", "marker");
    BOOST_TEST(becomes([&] { return copies_in(partner) == 4; }));
  }
  destination_fails(false);
  // Of the three nodes the last is no more.
  const auto job = start(2);
  BOOST_TEST(becomes([&] { return at_destination("step/weights") == "of the dead"; }));
  BOOST_TEST(becomes([&] { return at_destination("marker") == "step"; }));
  BOOST_TEST(!fs::exists(base + "/dest/marker.tmp"));
  const CheckpointProgram b(*job, 1);
  BOOST_TEST((b.read("step/weights") == "of the dead"));
  BOOST_TEST(becomes([&] { return copies_in(CheckpointProgram(*job, 0)) == 0; }));
}

BOOST_AUTO_TEST_CASE(what_is_newer_at_the_destination_is_not_overwritten_by_a_copy_or_by_who_comes_back) {
  destination_fails(true);
  {
    const auto job = start(3);
    const CheckpointProgram away(*job, 2);
    away.write("file", "old");
    BOOST_TEST(becomes([&] { return copies_in(CheckpointProgram(*job, 0)) == 1; }));
  }
  destination_fails(false);
  std::ofstream(base + "/dest/file") << "newer";
  {
    const auto job = start(2);
    BOOST_TEST(becomes([&] { return copies_in(CheckpointProgram(*job, 0)) == 0; }));
  }
  const auto job = start(3);
  const CheckpointProgram back(*job, 2);
  BOOST_TEST(becomes([&] { return fs::exists(back.store() + "/superseded"); }));
  BOOST_TEST(question(*job, 0, {{"op", "drain"}})["left"] == 0);
  BOOST_TEST(at_destination("file") == "newer");
  BOOST_TEST((back.read("file") == "newer"));
}

BOOST_AUTO_TEST_CASE(after_another_boot_content_is_drained_only_as_it_was_sealed_or_from_the_partner) {
  destination_fails(true);
  {
    const auto job = start(2);
    const CheckpointProgram a(*job, 0);
    a.write("kept", "on the partner");
    a.write("lost", "nowhere else");
    BOOST_TEST(becomes([&] { return copies_in(CheckpointProgram(*job, 1)) == 2; }));
    BOOST_TEST(job->stop() == 0);
    // As a power cut leaves a file: it is there, without its content.
    std::ofstream(a.tree("kept")) << "garbage";
    std::ofstream(a.tree("lost")) << "garbage";
    boot_again(a);
  }
  for (const auto& one : fs::recursive_directory_iterator(base + "/job/buffers/node1")) {
    if (one.is_regular_file() && one.file_size() == std::string("nowhere else").size() &&
        one.path().extension() == ".data") {
      fs::remove(one.path());
    }
  }
  destination_fails(false);
  const auto job = start(2);
  BOOST_TEST(becomes([&] { return at_destination("kept") == "on the partner"; }));
  const auto left = question(*job, 1, {{"op", "drain"}});
  BOOST_TEST(left["left"] == 1, left.dump());
  BOOST_TEST(left["not_durable"][0]["state"] == "lost", left.dump());
  BOOST_TEST(!fs::exists(base + "/dest/lost"));
}

BOOST_AUTO_TEST_CASE(a_drain_ends_where_all_that_is_left_waits_for_something_lost) {
  settings.partners = 0;
  destination_fails(true);
  {
    const auto job = start(2);
    const CheckpointProgram a(*job, 0);
    const CheckpointProgram b(*job, 1);
    a.write("lost", "nowhere else");
    a.write("marker", "of what is lost");
    b.write("another", "waits as well");
    BOOST_TEST(job->stop() == 0);
    std::ofstream(a.tree("lost")) << "garbage";
    boot_again(a);
  }
  destination_fails(false);
  const auto job = start(2);
  nlohmann::json left;
  BOOST_TEST(becomes([&] {
    left = question(*job, 1, {{"op", "drain"}});
    return left["finished"] == true;
  }));
  BOOST_TEST(left["left"].get<std::uint64_t>() >= 2u, left.dump());
  BOOST_TEST(!fs::exists(base + "/dest/lost"));
  BOOST_TEST(!fs::exists(base + "/dest/marker"));
}

BOOST_AUTO_TEST_CASE(fsync_returns_when_the_partner_has_what_is_written_and_fails_where_there_is_none) {
  destination_fails(true);
  settings.fsync = FsyncMode::partner;
  {
    const auto job = start(2);
    const CheckpointProgram a(*job, 0);
    a.list_above("log");
    a.append(JournalKind::opened, 0, "log");
    std::ofstream open(a.tree("log"));
    open << "synced" << std::flush;
    BOOST_TEST(a.ask(MessageKind::checkpoint_sync, "log") == 0);
    BOOST_TEST(copies_in(CheckpointProgram(*job, 1)) == 1u);
  }
  const auto job = start(1);
  const CheckpointProgram alone(*job, 0);
  alone.write("log2", "x");
  BOOST_TEST(alone.ask(MessageKind::checkpoint_sync, "log2") == EIO);
}

BOOST_AUTO_TEST_CASE(fsync_returns_when_the_destination_has_what_is_written) {
  settings.fsync = FsyncMode::durable;
  const auto job = start(1);
  const CheckpointProgram a(*job, 0);
  a.list_above("log");
  a.append(JournalKind::opened, 0, "log");
  std::ofstream open(a.tree("log"));
  open << "synced" << std::flush;
  BOOST_TEST(a.ask(MessageKind::checkpoint_sync, "log") == 0);
  BOOST_TEST(at_destination("log") == "synced");
  a.write("closed", "1");
  BOOST_TEST(a.ask(MessageKind::checkpoint_sync, "") == 0);
  BOOST_TEST(at_destination("closed") == "1");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace forebay
