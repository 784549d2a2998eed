// Checkpoints of whole servers without MPI: what one node writes is seen on the others at once, and comes to
// the destination.
#define BOOST_TEST_MODULE checkpoint_job
#include <boost/test/unit_test.hpp>

#include "server/checkpoint_lab.hpp"

namespace forebay {
namespace {

namespace fs = std::filesystem;
using test::CheckpointJob;
using test::CheckpointProgram;
using test::JobLab;

std::string large() {
  std::string text(9'000'001, '\0');
  for (std::size_t at = 0; at < text.size(); ++at) {
    text[at] = static_cast<char>(at * 7 + (at >> 13));
  }
  return text;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(checkpoint_job, CheckpointJob)

BOOST_AUTO_TEST_CASE(what_is_closed_on_one_node_is_read_on_another_and_comes_to_the_destination) {
  const auto job = start(3);
  const CheckpointProgram a(*job, 0);
  const CheckpointProgram b(*job, 1);
  b.list_above("x");
  a.write("model", large());
  // As soon as the note is answered.
  BOOST_TEST(b.is_placeholder("model"));
  BOOST_TEST((b.read("model") == large()));
  BOOST_TEST(!b.is_placeholder("model"));
  BOOST_TEST(becomes([&] { return at_destination("model") == large(); }));
  // Who looks later sees it, too.
  const CheckpointProgram c(*job, 2);
  BOOST_TEST((c.read("model") == large()));
}

BOOST_AUTO_TEST_CASE(what_earlier_jobs_left_is_seen_and_read) {
  const auto job = start(2);
  const CheckpointProgram a(*job, 0);
  BOOST_TEST((a.read("old/file") == "from an earlier job"));
  BOOST_TEST(!a.read("old/none").has_value());
  BOOST_TEST(a.ask(MessageKind::checkpoint_bring, "none/at/all") == ENOENT);
  BOOST_TEST(a.ask(MessageKind::checkpoint_bring, "../x") == EINVAL);
}

BOOST_AUTO_TEST_CASE(directories_move_with_the_files_of_all_nodes_in_them) {
  const auto job = start(2);
  const CheckpointProgram a(*job, 0);
  const CheckpointProgram b(*job, 1);
  b.list_above("x");
  a.make_directory("tmp");
  BOOST_TEST(b.has("tmp"));
  b.write("tmp/of_b", "b's");
  a.write("tmp/of_a", "a's");
  a.rename("tmp", "final");
  BOOST_TEST(b.has("final/of_b"));
  BOOST_TEST(!b.has("tmp"));
  BOOST_TEST((a.read("final/of_b") == "b's"));
  BOOST_TEST((b.read("final/of_a") == "a's"));
  BOOST_TEST(becomes(
      [&] { return at_destination("final/of_a") == "a's" && at_destination("final/of_b") == "b's"; }));
  BOOST_TEST(becomes([&] { return !fs::exists(base + "/dest/tmp"); }));
}

BOOST_AUTO_TEST_CASE(what_is_removed_is_gone_everywhere) {
  const auto job = start(2);
  const CheckpointProgram a(*job, 0);
  const CheckpointProgram b(*job, 1);
  a.write("f", "1");
  BOOST_TEST((b.read("f") == "1"));
  BOOST_TEST((b.read("old/file") == "from an earlier job"));
  a.list_above("old/file");
  a.remove("old/file");
  a.remove("f");
  BOOST_TEST(!b.has("f"));
  BOOST_TEST(!b.has("old/file"));
  BOOST_TEST(becomes([&] { return !fs::exists(base + "/dest/old/file") && !fs::exists(base + "/dest/f"); }));
}

BOOST_AUTO_TEST_CASE(the_later_of_two_nodes_writes_wins_on_all) {
  const auto job = start(2);
  const CheckpointProgram a(*job, 0);
  const CheckpointProgram b(*job, 1);
  b.list_above("x");
  a.write("latest", "a");
  b.write("latest", "b, later");
  BOOST_TEST((a.read("latest") == "b, later"));
  a.write("latest", "a again");
  BOOST_TEST((b.read("latest") == "a again"));
  BOOST_TEST(becomes([&] { return at_destination("latest") == "a again"; }));
}

BOOST_AUTO_TEST_CASE(a_drain_that_is_over_means_that_all_is_at_the_destination) {
  const auto job = start(2);
  const CheckpointProgram a(*job, 0);
  const CheckpointProgram b(*job, 1);
  a.make_directory("step1");
  for (int i = 0; i < 20; ++i) {
    (i % 2 == 0 ? a : b).write("step1/rank" + std::to_string(i), "content " + std::to_string(i));
  }
  a.append(JournalKind::opened, 0, "step1/unclosed");
  std::ofstream(a.tree("step1/unclosed")) << "its writer is gone";
  nlohmann::json answer = {{"finished", false}};
  for (int asked = 0; asked < 60 && !answer.value("finished", true); ++asked) {
    answer = question(*job, 1, {{"op", "drain"}, {"paths", {base + "/dest/step1"}}, {"receipt", true}});
  }
  BOOST_TEST_REQUIRE(answer.value("finished", false), answer.dump());
  BOOST_TEST(answer["left"] == 0, answer.dump());
  for (int i = 0; i < 20; ++i) {
    BOOST_TEST(at_destination("step1/rank" + std::to_string(i)) == "content " + std::to_string(i));
  }
  BOOST_TEST(at_destination("step1/unclosed") == "its writer is gone");
  BOOST_TEST(fs::exists(base + "/dest/step1/forebay-receipt.json"));
  const auto listed = question(*job, 0, {{"op", "checkpoints"}});
  bool found = false;
  for (const auto& row : listed["checkpoints"]) {
    if (row["path"] == base + "/dest/step1") {
      found = true;
      BOOST_TEST(row["files"] == 21);
      BOOST_TEST(row["state"] == "durable");
    }
  }
  BOOST_TEST(found, listed.dump());
  BOOST_TEST(question(*job, 0, {{"op", "status"}})["checkpoints"]["pending_files"] == 0);
  BOOST_TEST(question(*job, 0, {{"op", "drain"}, {"paths", {"/elsewhere"}}}).contains("failed"));
  // What a program has open is not waited for, and is listed.
  std::ofstream open(a.tree("open"));
  a.append(JournalKind::opened, 0, "open");
  open << "more" << std::flush;
  answer = question(*job, 0, {{"op", "drain"}, {"paths", nlohmann::json::array()}});
  BOOST_TEST(answer["finished"] == true, answer.dump());
  BOOST_TEST(answer["left"] == 1, answer.dump());
  BOOST_TEST(answer["not_durable"][0]["state"] == "writing");
}

BOOST_AUTO_TEST_CASE(a_directory_that_an_earlier_run_renamed_is_listed_under_its_name) {
  {
    const auto job = start(1);
    const CheckpointProgram a(*job, 0);
    a.make_directory("tmp");
    a.write("tmp/file", "of the earlier run");
    a.rename("tmp", "final");
    BOOST_TEST(becomes([&] { return question(*job, 0, {{"op", "drain"}})["left"] == 0; }));
    BOOST_TEST(job->stop() == 0);
  }
  const auto job = start(1);
  const CheckpointProgram a(*job, 0);
  BOOST_TEST((a.read("final/file") == "of the earlier run"));
  a.remove("final/file");
  a.remove("final");
  BOOST_TEST(becomes([&] { return !fs::exists(base + "/dest/final"); }));
}

BOOST_AUTO_TEST_CASE(a_later_run_finishes_what_was_left_and_then_sees_the_destination) {
  {
    const auto job = start(1);
    const CheckpointProgram a(*job, 0);
    a.write("left", "kept");
    // A writer that is still there: nothing of it is brought anywhere.
    a.append(JournalKind::opened, 0, "open");
    std::ofstream(a.tree("open")) << "half";
    BOOST_TEST(job->stop() == 0);
  }
  const auto job = start(1);
  BOOST_TEST(becomes([&] { return at_destination("left") == "kept" && at_destination("open") == "half"; }));
  const CheckpointProgram a(*job, 0);
  BOOST_TEST((a.read("old/file") == "from an earlier job"));
  BOOST_TEST((a.read("left") == "kept"));
}

BOOST_AUTO_TEST_CASE(a_second_run_on_the_same_buffers_and_destination_goes_straight_there) {
  const auto job = start(1);
  ServeCheckpoints checkpoints;
  checkpoints.mounts = {{base + "/dest", base + "/dest"}};
  fs::create_directories(base + "/second");
  fs::create_directory_symlink(base + "/job/buffers", base + "/second/buffers");
  const JobLab second("", base + "/second", 1, PrefetchMode::off, checkpoints);
  BOOST_TEST(CheckpointProgram(second, 0).store().empty());
  BOOST_TEST(!CheckpointProgram(*job, 0).store().empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace forebay
