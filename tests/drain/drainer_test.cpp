#define BOOST_TEST_MODULE drainer
#include "drain/drainer.hpp"

#include <sys/wait.h>

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <mutex>
#include <random>
#include <set>

#include "drain/drain_lab.hpp"
#include "drain/placeholder.hpp"

using namespace forebay;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

BOOST_FIXTURE_TEST_CASE(the_destination_becomes_what_the_tree_is, DrainLab) {
  start();
  make_directory("d", 0750);
  write("d/a", "first");
  write("d/b", std::string(3'000'000, 'b'));
  make_symlink("d/l", tree + "/d/a");
  make_directory("d/e");
  write("d/e/c", "");
  write("latest", "d");
  change_mode("d/a", 0600);
  BOOST_REQUIRE(drained());
  BOOST_TEST(text_of_file(home + "/d/a") == "first");
  BOOST_TEST(text_of_file(home + "/d/b") == std::string(3'000'000, 'b'));
  BOOST_TEST(fs::read_symlink(home + "/d/l").string() == "/mount/d/a");
  BOOST_TEST(fs::exists(home + "/d/e/c"));
  BOOST_TEST((fs::status(home + "/d").permissions() == fs::perms(0750)));
  BOOST_TEST((fs::status(home + "/d/a").permissions() == fs::perms(0600)));
  BOOST_TEST((fs::last_write_time(home + "/d/b") == fs::last_write_time(tree + "/d/b")));
  const auto totals = drainer->totals();
  BOOST_TEST(totals.pending_names == 0u);
  BOOST_TEST(totals.durable_bytes >= 3'000'005u);
  BOOST_TEST(drainer->names(100).size() >= 7u);
}

BOOST_FIXTURE_TEST_CASE(changes_of_names_are_made_at_the_destination_too, DrainLab) {
  start();
  write("a.tmp", "one");
  rename("a.tmp", "a");
  make_directory("new.tmp");
  write("new.tmp/f", "f");
  write("new.tmp/g", "g");
  BOOST_REQUIRE(drained());
  rename("new.tmp", "new");
  write("new/h", "h");
  write("b", "two");
  BOOST_REQUIRE(drained());
  is_the_same();
  rename("b", "a");
  rename("new/f", "moved");
  remove("new/g");
  link("moved", "linked");
  BOOST_REQUIRE(drained());
  is_the_same();
  remove("new/h");
  remove("new");
  BOOST_REQUIRE(drained());
  is_the_same();
}

BOOST_FIXTURE_TEST_CASE(what_was_pending_when_a_server_ended_is_drained_by_the_next, DrainLab) {
  make_directory("d.tmp");
  write("d.tmp/a", "a");
  rename("d.tmp", "d");
  write("d/b", "b");
  write("gone", "x");
  remove("gone");
  start();
  BOOST_REQUIRE(drained());
  is_the_same();
  // And again, all of it: nothing is known of what was done.
  stop();
  start();
  BOOST_REQUIRE(drained());
  is_the_same();
}

BOOST_FIXTURE_TEST_CASE(a_file_that_is_written_again_while_it_is_copied_is_copied_when_it_is_closed,
                        DrainLab) {
  options.bandwidth_bytes_per_s = 20'000'000;
  start();
  write("f", std::string(4'000'000, '1'));
  // The copy is on its way.
  BOOST_REQUIRE(waited([&] { return fs::exists(home + "/.f.forebay-0123456789abcdef"); }));
  const auto before = std::chrono::steady_clock::now();
  const int fd = ::open((tree + "/f").c_str(), O_WRONLY);  // waits until the drain has let go
  BOOST_REQUIRE(fd >= 0);
  BOOST_TEST((std::chrono::steady_clock::now() - before < 5s));
  BOOST_REQUIRE(::pwrite(fd, "2", 1, 2'000'000) == 1);
  BOOST_REQUIRE(waited([&] { return drainer->totals().open_names == 1; }));
  BOOST_TEST(!fs::exists(home + "/f"));
  BOOST_TEST((drainer->names()[0].state == CheckpointState::writing));
  ::close(fd);
  drainer->set_bandwidth(0);
  BOOST_REQUIRE(drained());
  is_the_same();
}

BOOST_FIXTURE_TEST_CASE(a_writer_that_said_nothing_when_it_ended_is_found_to_have, DrainLab) {
  start();
  note(JournalKind::opened, "f");
  int fd = ::open((tree + "/f").c_str(), O_WRONLY | O_CREAT, 0644);
  BOOST_REQUIRE(::write(fd, "whole", 5) == 5);
  // A marker behind it waits for nothing, as the file is open.
  write("marker", "m");
  BOOST_REQUIRE(waited([&] { return fs::exists(home + "/marker"); }));
  BOOST_TEST(!fs::exists(home + "/f"));
  ::close(fd);
  // One behind its end does.
  write("marker2", "m");
  BOOST_REQUIRE(waited([&] { return fs::exists(home + "/marker2"); }));
  BOOST_TEST(text_of_file(home + "/f") == "whole");
  BOOST_REQUIRE(drained());
}

BOOST_FIXTURE_TEST_CASE(what_is_opened_long_after_it_was_announced_is_drained_again, DrainLab) {
  start();
  note(JournalKind::opened, "f");
  std::ofstream(tree + "/f") << "old";
  BOOST_REQUIRE(waited([&] { return fs::exists(home + "/f"); }));
  std::ofstream(tree + "/f") << "new text";  // and killed before it could say so
  BOOST_REQUIRE(drained());
  BOOST_TEST(text_of_file(home + "/f") == "new text");
}

BOOST_FIXTURE_TEST_CASE(a_file_removed_while_it_is_copied_leaves_nothing, DrainLab) {
  options.bandwidth_bytes_per_s = 20'000'000;
  start();
  write("f", std::string(8'000'000, '1'));
  BOOST_REQUIRE(waited([&] { return fs::exists(home + "/.f.forebay-0123456789abcdef"); }));
  remove("f");
  BOOST_REQUIRE(waited([&] { return drainer->is_durable({}) && picture_of(home).empty(); }));
}

BOOST_FIXTURE_TEST_CASE(a_directory_renamed_while_it_drains_is_never_seen_in_part, DrainLab) {
  options.bandwidth_bytes_per_s = 40'000'000;
  start();
  make_directory("step.tmp");
  for (int i = 0; i < 8; ++i) {
    write("step.tmp/" + std::to_string(i), std::string(1'000'000, static_cast<char>('0' + i)));
  }
  BOOST_REQUIRE(waited([&] { return fs::exists(home + "/step.tmp/0"); }));
  rename("step.tmp", "step");
  bool in_part = false;
  BOOST_REQUIRE(waited([&] {
    in_part = in_part || (fs::exists(home + "/step") && !fs::exists(home + "/step/7"));
    return drainer->is_durable({});
  }));
  BOOST_TEST(!in_part);
  is_the_same();
}

// The publisher looks for it under its old name when that is no more and the record of the rename is still to
// come.
BOOST_FIXTURE_TEST_CASE(what_is_copied_when_its_directory_is_being_renamed_is_published, DrainLab) {
  std::atomic<int> read = 0;
  std::atomic<int> looked = 0;
  options.on_read = [&](const auto&, auto, auto, auto) {
    ++read;
    return true;
  };
  options.catch_up = [&] { ++looked; };
  start();
  make_directory("d.tmp", 0755);
  drainer->note_remote(7, "d.tmp/theirs", ++seq);
  write("d.tmp/a", "a");
  make_symlink("d.tmp/l", "a");
  change_mode("d.tmp", 0750);
  BOOST_REQUIRE(waited([&] {
    const auto names = drainer->names();
    return read == 1 && fs::exists(home + "/d.tmp") &&
           std::none_of(names.begin(), names.end(), [](const CheckpointName& name) {
             return name.path == "d.tmp/l" && name.state != CheckpointState::draining;
           });
  }));
  note(JournalKind::renamed, "d.tmp", "d", kJournalBegin);
  const std::uint64_t begun = seq;
  fs::rename(tree + "/d.tmp", tree + "/d");
  drainer->remote_published(7, "d.tmp/theirs", seq);
  BOOST_TEST(waited([&] { return looked >= 3 || drainer->is_durable({}); }));
  BOOST_TEST(!drainer->is_durable({"d.tmp/a"}));
  note(JournalKind::renamed, "d.tmp", "d", kJournalDone, begun);
  BOOST_REQUIRE(drained());
  is_the_same();
  BOOST_TEST((fs::status(home + "/d").permissions() == fs::perms(0750)));
}

BOOST_FIXTURE_TEST_CASE(markers_that_belong_last_wait_for_other_directories, DrainLab) {
  options.last = {"latest*"};
  start();
  make_directory("d");
  make_directory("e");
  BOOST_REQUIRE(drained());
  drainer->note_remote(9, "d/shard", seq);
  write("d/f", "f");
  write("latest_step", "d");
  write("e/other", "x");
  BOOST_REQUIRE(waited([&] { return fs::exists(home + "/e/other"); }));
  BOOST_TEST(!fs::exists(home + "/latest_step"));
  drainer->remote_published(9, "d/shard", seq);
  BOOST_REQUIRE(waited([&] { return fs::exists(home + "/latest_step"); }));
  BOOST_TEST(fs::exists(home + "/d/f"));
  BOOST_REQUIRE(drained());
}

BOOST_FIXTURE_TEST_CASE(marks_of_other_nodes_are_waited_for, DrainLab) {
  options.holder = 5;
  start();
  make_directory("d");
  BOOST_REQUIRE(drained());
  drainer->note_remote(9, "d/shard", seq);
  write("d/marker", "m");
  write("elsewhere", "e");
  remove("elsewhere");
  BOOST_REQUIRE(waited([&] { return drainer->totals().pending_names == 2; }));
  BOOST_TEST(!fs::exists(home + "/d/marker"));
  drainer->remote_published(9, "d/shard", seq);
  BOOST_REQUIRE(drained());
  BOOST_TEST(fs::exists(home + "/d/marker"));
  drainer->note_remote(9, "d/x", seq);
  write("d/marker2", "m");
  drainer->forget_remote(9);
  BOOST_REQUIRE(drained());
}

BOOST_FIXTURE_TEST_CASE(what_is_lost_is_not_drained_and_keeps_its_marker_back, DrainLab) {
  options.on_read = [](const std::string& path, std::uint64_t, std::uint64_t, std::uint64_t) {
    return path != "d/bad";
  };
  start();
  make_directory("d");
  write("d/bad", "bad");
  write("d/marker", "m");
  write("other", "o");
  BOOST_REQUIRE(waited([&] { return drainer->totals().lost_names == 1 && fs::exists(home + "/other"); }));
  BOOST_TEST(!fs::exists(home + "/d/bad"));
  BOOST_TEST(!fs::exists(home + "/d/marker"));
  BOOST_TEST(!drainer->is_durable({}));
  remove("d/bad");
  BOOST_REQUIRE(drained());
  is_the_same();
}

BOOST_FIXTURE_TEST_CASE(an_fsync_brings_an_open_file_as_it_is_behind_what_was_closed_before, DrainLab) {
  options.settle = 1h;
  start();
  write("before", "b");
  note(JournalKind::opened, "f");
  int fd = ::open((tree + "/f").c_str(), O_WRONLY | O_CREAT, 0644);
  BOOST_REQUIRE(::write(fd, "half", 4) == 4);
  drainer->settle_closed();
  BOOST_TEST(drainer->publish_now("f").ok());
  BOOST_TEST(text_of_file(home + "/f") == "half");
  BOOST_TEST(text_of_file(home + "/before") == "b");
  BOOST_REQUIRE(::write(fd, "more", 4) == 4);
  ::close(fd);
  note(JournalKind::closed, "f");
  BOOST_TEST(drainer->publish_now("f").ok());
  BOOST_TEST(text_of_file(home + "/f") == "halfmore");
  BOOST_TEST((drainer->publish_now("no").error().code == Code::not_found));
}

BOOST_FIXTURE_TEST_CASE(the_newest_complete_directory_is_first_when_it_is_urgent, DrainLab) {
  options.settle = 1h;
  options.threads = 1;
  for (const char* step : {"1", "2", "3"}) {
    make_directory(step);
  }
  start();
  drainer->set_pace(Drainer::Pace::urgent);
  BOOST_REQUIRE(drained());
  stop();
  journal.clear();
  for (const char* step : {"1", "2", "3"}) {
    for (int i = 0; i < 4; ++i) {
      write(step + ("/" + std::to_string(i)), std::string(10'000, *step));
    }
  }
  note(JournalKind::opened, "3/0");
  const int fd = ::open((tree + "/3/0").c_str(), O_WRONLY);  // incomplete
  std::mutex mutex;
  std::vector<std::string> order;
  options.on_published = [&](const std::string& path, std::uint64_t) {
    const std::lock_guard lock(mutex);
    order.push_back(path.substr(0, 1));
  };
  start();
  drainer->settle_closed();
  drainer->set_pace(Drainer::Pace::urgent);
  BOOST_REQUIRE(waited([&] { return drainer->is_durable({}); }));
  ::close(fd);
  stop();
  BOOST_TEST(order == (std::vector<std::string>{"2", "2", "2", "2", "1", "1", "1", "1", "3", "3", "3"}),
             boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(placeholders_move_at_the_destination_and_are_not_copied, DrainLab) {
  start();
  write("a", "at the destination");
  BOOST_REQUIRE(drained());
  const auto put_placeholder = [&](const std::string& path) {
    Placeholder placeholder;
    placeholder.attributes = destination->look(path)->attributes;
    placeholder.path = path;
    const auto bytes = encode_placeholder(placeholder);
    fs::remove(tree + "/" + path);
    std::ofstream(tree + "/" + path)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    BOOST_REQUIRE(::chmod((tree + "/" + path).c_str(), kPlaceholderMode) == 0);
  };
  put_placeholder("a");
  rename("a", "b");
  BOOST_REQUIRE(drained());
  BOOST_TEST(text_of_file(home + "/b") == "at the destination");
  BOOST_TEST(!fs::exists(home + "/a"));
  // Noted by state alone, after a crash.
  put_placeholder("b");
  note(JournalKind::renamed, "b", "c", kJournalBegin);
  BOOST_REQUIRE(::rename((tree + "/b").c_str(), (tree + "/c").c_str()) == 0);
  stop();
  start();
  BOOST_REQUIRE(drained());
  BOOST_TEST(text_of_file(home + "/c") == "at the destination");
}

BOOST_FIXTURE_TEST_CASE(changes_that_were_begun_and_never_told_are_found_in_the_tree, DrainLab) {
  make_directory("d");
  write("d/f", "f");
  write("a", "a");
  // One that took place, one that did not.
  note(JournalKind::renamed, "d", "e", kJournalBegin);
  BOOST_REQUIRE(::rename((tree + "/d").c_str(), (tree + "/e").c_str()) == 0);
  note(JournalKind::renamed, "a", "b", kJournalBegin);
  note(JournalKind::removed, "a", "", kJournalBegin);
  note(JournalKind::made_directory, "n", "", kJournalBegin);
  BOOST_REQUIRE(::mkdir((tree + "/n").c_str(), 0755) == 0);
  start();
  BOOST_REQUIRE(drained());
  is_the_same();
}

BOOST_FIXTURE_TEST_CASE(names_that_others_put_into_a_removed_directory_stay, DrainLab) {
  start();
  make_directory("d");
  write("d/f", "f");
  BOOST_REQUIRE(drained());
  std::ofstream(home + "/d/foreign") << "theirs";
  remove("d/f");
  remove("d");
  BOOST_REQUIRE(drained());
  BOOST_TEST(text_of_file(home + "/d/foreign") == "theirs");
  BOOST_TEST(!fs::exists(home + "/d/f"));
}

BOOST_FIXTURE_TEST_CASE(a_journal_of_what_is_pending_drains_as_the_whole_one, DrainLab) {
  options.settle = 1h;
  start();
  make_directory("d.tmp");
  write("d.tmp/a", "a");
  rename("d.tmp", "d");
  write("d/b", "b");
  write("x", "x");
  rename("x", "y");
  remove("d/a");
  drainer->settle_closed();
  const auto pending = drainer->pending_entries();
  stop();
  journal = pending;
  options.settle = 0ms;
  start();
  BOOST_REQUIRE(drained());
  is_the_same();
  BOOST_TEST(drainer->pending_entries().empty());
}

BOOST_FIXTURE_TEST_CASE(left_overs_of_a_killed_server_are_gone, DrainLab) {
  fs::create_directory(home + "/d");
  std::ofstream(home + "/d/.f.forebay-0123456789abcdef") << "half";
  std::ofstream(home + "/d/.g.forebay-0123456789abcdef") << "half";
  std::ofstream(home + "/d/.g.forebay-fedcba9876543210") << "another's";
  make_directory("d");
  write("d/f", "f");
  start();
  BOOST_REQUIRE(drained());
  BOOST_TEST(!fs::exists(home + "/d/.g.forebay-0123456789abcdef"));
  BOOST_TEST(fs::exists(home + "/d/.g.forebay-fedcba9876543210"));
}

BOOST_FIXTURE_TEST_CASE(left_overs_of_what_was_removed_since_are_gone, DrainLab) {
  fs::create_directories(home + "/d.tmp");
  std::ofstream(home + "/d.tmp/.a.forebay-" + options.tag) << "half";
  make_directory("d.tmp");
  write("d.tmp/a", "a");
  rename("d.tmp", "d");
  remove("d/a");
  start();
  BOOST_REQUIRE(drained());
  is_the_same();
}

BOOST_FIXTURE_TEST_CASE(names_that_were_exchanged_are_exchanged_at_the_destination, DrainLab) {
  start();
  make_directory("d");
  write("d/only_d", "1");
  write("d/both", "2");
  make_directory("d/deep");
  write("d/deep/f", "3");
  make_directory("e");
  write("e/both", "4");
  write("f", "5");
  write("g", "6");
  BOOST_REQUIRE(drained());
  const auto exchange = [&](const char* a, const char* b) {
    note(JournalKind::renamed, a, b, kJournalBegin | kJournalExchanged);
    const std::uint64_t begun = seq;
    BOOST_REQUIRE(::renameat2(tree_fd.get(), a, tree_fd.get(), b, RENAME_EXCHANGE) == 0);
    note(JournalKind::renamed, a, b, kJournalDone | kJournalExchanged, begun);
  };
  exchange("d", "e");
  exchange("f", "g");
  BOOST_REQUIRE(drained());
  is_the_same();
}

BOOST_AUTO_TEST_CASE(random_changes_are_drained) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      std::mt19937_64 random(seed);
      DrainLab lab;
      lab.options.settle = std::chrono::milliseconds(random() % 3);
      lab.start();
      const std::vector<std::string> names{"a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "e", "e/a", "e/d"};
      const auto exists = [&](const std::string& path) {
        return fs::exists(fs::symlink_status(lab.tree + "/" + path));
      };
      const auto is_dir = [&](const std::string& path) {
        return path.empty() || fs::is_directory(fs::symlink_status(lab.tree + "/" + path));
      };
      for (int i = 0; i < 150; ++i) {
        const std::string path = names[random() % names.size()];
        const std::string to = names[random() % names.size()];
        if (!is_dir(parent_of(path))) {
          continue;
        }
        switch (random() % 6) {
          case 0:
          case 1:
            if (!is_dir(path)) {
              lab.write(path, std::string(random() % 30'000, static_cast<char>('a' + i % 26)));
            }
            break;
          case 2:
            if (!exists(path)) {
              lab.make_directory(path);
            }
            break;
          case 3:
            if (exists(path) && (!is_dir(path) || fs::is_empty(lab.tree + "/" + path))) {
              lab.remove(path);
            }
            break;
          case 4: {
            const bool fits =
                is_dir(path) == is_dir(to) && (!is_dir(to) || fs::is_empty(lab.tree + "/" + to));
            if (exists(path) && path != to && is_dir(parent_of(to)) && !is_at_or_below(to, path) &&
                !is_at_or_below(path, to) && (!exists(to) || fits)) {
              lab.rename(path, to);
            }
            break;
          }
          default:
            lab.drainer->settle_closed();
            if (random() % 4 == 0) {
              std::this_thread::sleep_for(std::chrono::milliseconds(random() % 6));
            }
            break;
        }
        if (random() % 50 == 0) {
          lab.stop();
          lab.start();
        }
      }
      BOOST_REQUIRE(lab.drained());
      lab.is_the_same();
    }
  }
}

// A server in a process of its own, killed again and again while it drains what the journal says.
BOOST_AUTO_TEST_CASE(servers_killed_at_any_time_leave_names_that_are_whole_and_in_order) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 12; ++round) {
    BOOST_TEST_CONTEXT("round " << round) {
      DrainLab lab;
      for (int step = 0; step < 4; ++step) {
        const std::string directory = "step" + std::to_string(step);
        lab.make_directory(directory + ".tmp");
        for (int i = 0; i < 4; ++i) {
          lab.write(directory + ".tmp/" + std::to_string(i), std::string(random() % 300'000, 'x'));
        }
        lab.write(directory + ".tmp/marker", "m");
        lab.rename(directory + ".tmp", directory);
        lab.write("latest", directory);
      }
      for (int i = 0; i < 4; ++i) {
        lab.remove("step0/" + std::to_string(i == 0 ? 3 : i - 1));
      }
      const auto look = [&] {
        const auto there = picture_of(lab.home, false);
        for (const auto& [path, what] : there) {
          const std::string directory = parent_of(path);
          if (name_of(path) == "marker" && directory.find("step0") == std::string::npos) {
            for (int i = 0; i < 4; ++i) {
              // A listing may miss what came while it was read.
              const std::string part = directory + "/" + std::to_string(i);
              BOOST_TEST((there.contains(part) || fs::exists(lab.home + "/" + part) ||
                          !fs::exists(lab.home + "/" + path)),
                         path << " without " << i);
            }
          }
          if (what == "directory" && !path.ends_with(".tmp")) {
            BOOST_TEST((there.contains(path + "/marker") || fs::exists(lab.home + "/" + path + "/marker")),
                       path << " is there in part");
          }
        }
      };
      for (int kill = 0; kill < 6; ++kill) {
        const pid_t child = ::fork();
        if (child == 0) {
          lab.start();
          for (;;) {
            lab.drainer->settle_closed();
            std::this_thread::sleep_for(1ms);
          }
        }
        const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 40'000);
        while (std::chrono::steady_clock::now() < until) {
          look();
        }
        ::kill(child, SIGKILL);
        int status = 0;
        ::waitpid(child, &status, 0);
        look();
      }
      lab.start();
      BOOST_REQUIRE(lab.drained());
      lab.is_the_same();
    }
  }
}
