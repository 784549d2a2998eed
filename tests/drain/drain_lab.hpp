// DrainLab: a tree, a destination and a Drainer between them; changes are made and noted as clients do it.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <thread>

#include "common/scratch_directory.hpp"
#include "drain/drainer.hpp"
#include "drain/posix_destination.hpp"
#include "drain/tree_path.hpp"
#include "shared/checkpoint_layout.hpp"
#include "shared/hashing.hpp"

namespace forebay {

inline std::string text_of_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Each name below `root` with what it is and holds; temporary names only if `temporaries`.
inline std::map<std::string, std::string> picture_of(const std::string& root, bool temporaries = true) {
  namespace fs = std::filesystem;
  std::map<std::string, std::string> picture;
  try {
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      const std::string path = entry.path().string().substr(root.size() + 1);
      if (!temporaries && path.find(".forebay-") != std::string::npos) {
        continue;
      }
      if (entry.is_symlink()) {
        picture[path] = "link " + fs::read_symlink(entry).string();
      } else if (entry.is_directory()) {
        picture[path] = "directory";
      } else {
        std::ifstream in(entry.path(), std::ios::binary);
        if (!in) {
          return picture_of(root, temporaries);  // renamed meanwhile
        }
        picture[path] = "file " + std::string(std::istreambuf_iterator<char>(in), {});
      }
    }
  } catch (const fs::filesystem_error& error) {  // names changed meanwhile
    BOOST_REQUIRE(error.code().value() == ENOENT);
    return picture_of(root, temporaries);
  }
  return picture;
}

class DrainLab {
 public:
  DrainLab() {
    ::signal(SIGIO, SIG_IGN);  // the test framework has it end a test
    std::filesystem::create_directory(tree);
    std::filesystem::create_directory(home);
    tree_fd.reset(::open(tree.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    auto opened = PosixDestination::open(home);
    BOOST_REQUIRE(opened.ok());
    destination = std::move(opened).value();
    options.tree_fd = tree_fd.get();
    options.tree_path = tree;
    options.mount = "/mount";
    options.tag = "0123456789abcdef";
    options.settle = std::chrono::milliseconds(0);
    options.retry_first = std::chrono::milliseconds(1);
    options.retry_max = std::chrono::milliseconds(20);
  }

  // A server begins: with what the journal says is pending.
  void start() {
    drainer = std::make_unique<Drainer>(*destination, options);
    for (const auto& entry : journal) {
      drainer->note(entry);
    }
    drainer->start();
  }
  void stop() { drainer.reset(); }

  // ---- What programs do.
  void write(const std::string& path, const std::string& text) {
    note(JournalKind::opened, path);
    {
      std::ofstream out(tree + "/" + path, std::ios::binary | std::ios::trunc);
      out << text;
      BOOST_REQUIRE(out.good());
    }
    note(JournalKind::closed, path);
  }
  void rename(const std::string& from, const std::string& to) {
    change(JournalKind::renamed, from, to,
           [&] { BOOST_REQUIRE(::rename((tree + "/" + from).c_str(), (tree + "/" + to).c_str()) == 0); });
  }
  void remove(const std::string& path) {
    change(JournalKind::removed, path, "",
           [&] { BOOST_REQUIRE(::remove((tree + "/" + path).c_str()) == 0); });
  }
  void make_directory(const std::string& path, mode_t mode = 0755) {
    change(JournalKind::made_directory, path, "",
           [&] { BOOST_REQUIRE(::mkdir((tree + "/" + path).c_str(), mode) == 0); });
  }
  void make_symlink(const std::string& path, const std::string& target) {
    change(JournalKind::made_symlink, path, "",
           [&] { BOOST_REQUIRE(::symlink(target.c_str(), (tree + "/" + path).c_str()) == 0); });
  }
  void link(const std::string& path, const std::string& second) {
    change(JournalKind::linked, path, second,
           [&] { BOOST_REQUIRE(::link((tree + "/" + path).c_str(), (tree + "/" + second).c_str()) == 0); });
  }
  void change_mode(const std::string& path, mode_t mode) {
    BOOST_REQUIRE(::chmod((tree + "/" + path).c_str(), mode) == 0);
    note(JournalKind::attributes, path);
  }

  void note(JournalKind kind, const std::string& path, const std::string& second = "",
            std::uint32_t flags = 0, std::uint64_t about = 0) {
    JournalEntry entry;
    entry.kind = kind;
    entry.flags = flags;
    entry.seq = ++seq;
    entry.about = about;
    entry.path = path;
    entry.second = second;
    journal.push_back(entry);
    if (drainer) {
      drainer->note(entry);
    }
  }
  template <typename Act>
  void change(JournalKind kind, const std::string& path, const std::string& second, Act act) {
    note(kind, path, second, kJournalBegin);
    const std::uint64_t begun = seq;
    act();
    note(kind, path, second, kJournalDone, begun);
  }

  // Until nothing is pending, or the time is over: whether nothing is.
  bool drained(std::chrono::seconds within = std::chrono::seconds(30)) {
    return waited([&] { return drainer->is_durable({}) && drainer->totals().open_names == 0; }, within);
  }
  template <typename Condition>
  bool waited(Condition condition, std::chrono::seconds within = std::chrono::seconds(30)) {
    const auto deadline = std::chrono::steady_clock::now() + within;
    do {
      drainer->settle_closed();
      if (condition()) {
        return true;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    } while (std::chrono::steady_clock::now() < deadline);
    return false;
  }
  // (A copy that is not wanted any more takes its temporary name along a moment later.)
  bool is_the_same() {
    waited([&] { return picture_of(tree) == picture_of(home); }, std::chrono::seconds(5));
    const auto here = picture_of(tree);
    const auto there = picture_of(home);
    for (const auto& [path, what] : here) {
      const auto found = there.find(path);
      BOOST_TEST((found != there.end() && found->second == what),
                 path << " is " << (found == there.end() ? "absent" : found->second.substr(0, 60))
                      << " and not " << what.substr(0, 60));
    }
    for (const auto& [path, what] : there) {
      BOOST_TEST(here.contains(path), path << " is left (" << what.substr(0, 60) << ")");
    }
    return here == there;
  }

  ScratchDirectory scratch;
  const std::string tree = scratch.path() + "/tree";
  const std::string home = scratch.path() + "/home";
  UniqueFd tree_fd;
  std::unique_ptr<PosixDestination> destination;
  Drainer::Options options;
  std::vector<JournalEntry> journal;
  std::uint64_t seq = 0;
  std::unique_ptr<Drainer> drainer;
};

}  // namespace forebay
