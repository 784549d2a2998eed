// The resolver against the kernel, on a real tree that is staged in place: any path means the same inode, or
// the same errno. FOREBAY_TEST_SEED=N tries other paths.
#define BOOST_TEST_MODULE path_resolver
#include <boost/test/unit_test.hpp>

#include "client/path_resolver.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <random>

#include "client/client_lab.hpp"
#include "client/in_child.hpp"
#include "client/working_directory.hpp"
#include "common/unique_fd.hpp"

namespace forebay {
namespace {

namespace fs = std::filesystem;

constexpr int kPaths = 20'000;
constexpr uid_t kNobody = 65534;

std::uint64_t seed() {
  const char* given = std::getenv("FOREBAY_TEST_SEED");
  return given == nullptr ? 20260229 : std::strtoull(given, nullptr, 10);
}

// What a path leads to.
struct Found {
  int error = 0;
  dev_t device = 0;
  ino_t inode = 0;
  friend bool operator==(const Found&, const Found&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Found& found) {
    return found.error != 0 ? out << std::strerror(found.error) : out << "inode " << found.inode;
  }
};

Found ask_kernel(int directory, const char* path, Follow follow) {
  struct stat info {};
  if (::fstatat(directory, path, &info, follow == Follow::yes ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
    return {errno, 0, 0};
  }
  return {0, info.st_dev, info.st_ino};
}

std::array<std::size_t, 6> outcomes{};

Found ask_resolver(const MappedSession& session, int directory, const char* path, Follow follow) {
  Resolution found;
  const Outcome outcome = resolve(session, directory, path, follow, &found);
  ++outcomes[static_cast<std::size_t>(outcome)];
  switch (outcome) {
    case Outcome::libc:
      return ask_kernel(directory, path, follow);
    case Outcome::elsewhere:
    case Outcome::checkpoint:
    case Outcome::origin:
      return ask_kernel(AT_FDCWD, found.path.text, follow);
    case Outcome::failed:
      return {found.error, 0, 0};
    case Outcome::entry:
      break;
  }
  const CatalogView& catalog = session.dataset_of(found.place()).catalog;
  const CatalogEntry& entry = session.entry_of(found.place());
  return {0, catalog.file_system(entry).device, entry.inode};
}

// base/tree is staged; base/outside is not, and leads into it.
void make_tree(const fs::path& base) {
  const fs::path tree = base / "tree";
  const auto put = [](const fs::path& path) { std::ofstream(path) << path.filename().string(); };
  const auto link = [](const std::string& target, const fs::path& path) { fs::create_symlink(target, path); };
  fs::create_directories(tree / "d" / "e" / "f");
  fs::create_directories(tree / "closed" / "inside");
  fs::create_directories(tree / "unsearchable");
  fs::create_directories(tree / ("long" + std::string(NAME_MAX - 4, 'g')));
  fs::create_directories(base / "outside" / "o");
  for (const char* name : {"file", "d/file", "d/e/file", "d/e/f/file", "closed/file", "closed/inside/file",
                           "unsearchable/file", "d/..file", "d/.hidden", "d/...", "d/ "}) {
    put(tree / name);
  }
  put(base / "outside" / "o" / "file");
  fs::create_hard_link(tree / "d" / "file", tree / "d" / "twin");
  BOOST_REQUIRE(::mkfifo((tree / "pipe").c_str(), 0644) == 0);
  link("d", tree / "to_d");
  link("d/e/", tree / "to_e");
  link("../../file", tree / "d" / "e" / "up");
  link("..", tree / "d" / "e" / "parent");
  link(".", tree / "here");
  link("../..", tree / "d" / "above");
  link((base / "outside").string(), tree / "out");
  link((tree / "d").string(), tree / "d" / "absolute");
  link((tree / "d" / "e").string() + "/../e//", tree / "d" / "winding");
  link("loop_b", tree / "loop_a");
  link("loop_a", tree / "loop_b");
  link("self", tree / "d" / "self");
  link("nowhere", tree / "dangling");
  link("/", tree / "root");
  link("file/", tree / "file_with_slash");
  link("//", tree / "slashes");
  link((base / "tree").string(), base / "outside" / "back");
  link("../tree/d", base / "outside" / "back_d");
  // Chains of links: the kernel follows 40.
  link("file", tree / "chain1");
  for (int i = 2; i <= 42; ++i) {
    link("chain" + std::to_string(i - 1), tree / ("chain" + std::to_string(i)));
  }
  fs::permissions(tree / "closed", fs::perms::owner_all);
  BOOST_REQUIRE(::chmod((tree / "unsearchable").c_str(), 0744) == 0);
}

class Paths {
 public:
  Paths(std::string base, std::uint64_t start) : base_(std::move(base)), random_(start) {}

  std::string relative() {
    std::string path = component();
    for (std::size_t more = below(7); more > 0; --more) {
      path += slashes() + component();
    }
    return path + (below(4) == 0 ? slashes() : "") + (below(12) == 0 ? "." : "");
  }
  std::string absolute() {
    switch (below(6)) {
      case 0:
        return base_ + slashes() + "outside" + slashes() + relative();
      case 1:
        return base_ + slashes() + relative();
      case 2:
        return base_ + "/outside/../tree/" + relative();
      case 3:
        return "/" + relative();
      default:
        return base_ + "/tree" + slashes() + relative();
    }
  }
  std::size_t below(std::size_t limit) { return random_() % limit; }

 private:
  std::string slashes() { return std::string(below(8) == 0 ? 2 + below(2) : 1, '/'); }
  std::string component() {
    static const std::vector<std::string> kNames = {"d",
                                                    "e",
                                                    "f",
                                                    "file",
                                                    "to_d",
                                                    "to_e",
                                                    "up",
                                                    "parent",
                                                    "here",
                                                    "above",
                                                    "out",
                                                    "absolute",
                                                    "winding",
                                                    "loop_a",
                                                    "self",
                                                    "dangling",
                                                    "root",
                                                    "pipe",
                                                    "slashes",
                                                    "twin",
                                                    "closed",
                                                    "inside",
                                                    "chain39",
                                                    "chain40",
                                                    "chain41",
                                                    "chain1",
                                                    "o",
                                                    "back",
                                                    "back_d",
                                                    "tree",
                                                    "outside",
                                                    "nope",
                                                    ".hidden",
                                                    "...",
                                                    "..file",
                                                    " ",
                                                    "unsearchable",
                                                    "file_with_slash",
                                                    "long" + std::string(NAME_MAX - 4, 'g'),
                                                    std::string(NAME_MAX + 1, 'h')};
    switch (below(10)) {
      case 0:
      case 1:
        return "..";
      case 2:
        return ".";
      case 3:
      case 4:
        return below(2) == 0 ? "d" : "e";
      default:
        return kNames[below(kNames.size())];
    }
  }

  const std::string base_;
  std::mt19937_64 random_;
};

struct ResolverFixture {
  ResolverFixture() {
    BOOST_REQUIRE(::chmod(scratch.path().c_str(), 0755) == 0);
    make_tree(scratch.path());
    lab = std::make_unique<test::ClientLab>(scratch.path() + "/tree", scratch.path());
    session = attach_session(lab->directory().c_str());
    BOOST_REQUIRE(session != nullptr);
  }

  // Where relative paths start: for us, and for the kernel.
  struct Start {
    int ours;
    int kernels;
  };

  [[nodiscard]] bool agree(Start start, const std::string& path) {
    bool same = true;
    for (const Follow follow : {Follow::yes, Follow::no}) {
      const Found expected = ask_kernel(start.kernels, path.c_str(), follow);
      const Found found = ask_resolver(*session, start.ours, path.c_str(), follow);
      ++errors[static_cast<std::size_t>(expected.error)];
      // Inodes of another device are the kernel's own in both; where a file system numbers devices anew,
      // compare them.
      if (!(found == expected)) {
        same = false;
        std::cerr << "\"" << path << "\"" << (follow == Follow::yes ? "" : " (link)") << ": kernel "
                  << expected << ", resolver " << found << "\n";
      }
    }
    return same;
  }
  // How many of `count` paths mean another thing; those that `make` makes.
  template <typename Make>
  std::size_t disagreements(Start start, int count, Make&& make) {
    std::size_t wrong = 0;
    for (int i = 0; i < count && wrong < 10; ++i) {
      wrong += agree(start, make()) ? 0 : 1;
    }
    return wrong;
  }

  test::ClientScratch scratch;
  std::unique_ptr<test::ClientLab> lab;
  const MappedSession* session = nullptr;
  std::array<std::size_t, 256> errors{};
  Paths paths{scratch.path(), seed()};
};

}  // namespace

// One session a process: one fixture for all.
BOOST_AUTO_TEST_CASE(any_path_means_what_the_kernel_says_it_means) {
  ResolverFixture fixture;
  Paths& paths = fixture.paths;
  const std::string tree = fixture.scratch.path() + "/tree";
  const auto relative = [&] { return paths.relative(); };
  const auto move_to = [&](const std::string& directory) {
    BOOST_REQUIRE(::chdir(directory.c_str()) == 0);
    forget_working_directory(*fixture.session);
  };

  BOOST_TEST_CONTEXT("absolute paths, seed " << seed()) {
    move_to("/");
    BOOST_TEST(fixture.disagreements({AT_FDCWD, AT_FDCWD}, kPaths, [&] { return paths.absolute(); }) == 0u);
  }
  for (const char* directory : {"/tree", "/tree/d", "/tree/d/e/f", "/outside/o", ""}) {
    BOOST_TEST_CONTEXT("relative to the working directory " << directory << ", seed " << seed()) {
      move_to(fixture.scratch.path() + directory);
      BOOST_TEST(fixture.disagreements({AT_FDCWD, AT_FDCWD}, kPaths / 5, relative) == 0u);
    }
  }
  move_to("/");
  for (const char* directory : {"", "/d", "/d/e", "/d/e/f"}) {
    const UniqueFd real(::open((tree + directory).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const UniqueFd path_only(::open((tree + directory).c_str(), O_PATH | O_CLOEXEC));
    const UniqueFd stand_in(open_tree_directory(
        *fixture.session, {0, fixture.lab->entry(*directory == '\0' ? "" : directory + 1)},
        O_RDONLY | O_CLOEXEC));
    BOOST_REQUIRE(stand_in.valid());
    BOOST_TEST_CONTEXT("relative to a descriptor of " << directory << ", seed " << seed()) {
      BOOST_TEST(fixture.disagreements({real.get(), real.get()}, kPaths / 5, relative) == 0u);
      BOOST_TEST(fixture.disagreements({path_only.get(), real.get()}, kPaths / 20, relative) == 0u);
      BOOST_TEST(fixture.disagreements({stand_in.get(), real.get()}, kPaths / 5, relative) == 0u);
    }
  }
  BOOST_TEST_CONTEXT("paths about as long as paths may be, seed " << seed()) {
    const auto longest = [&] {
      std::string path = tree;
      const std::size_t wanted = PATH_MAX - 20 + paths.below(40);
      while (path.size() + 20 < wanted) {
        path += paths.below(2) == 0 ? "/d/.." : "/././.";
      }
      path += std::string(wanted > path.size() + 5 ? wanted - path.size() - 5 : 1, '/');
      return path + "file";
    };
    BOOST_TEST(fixture.disagreements({AT_FDCWD, AT_FDCWD}, 200, longest) == 0u);
  }

  // All that was promised was met, often.
  for (const Outcome outcome :
       {Outcome::libc, Outcome::elsewhere, Outcome::entry, Outcome::origin, Outcome::failed}) {
    BOOST_TEST(outcomes[static_cast<std::size_t>(outcome)] > 100u,
               "outcome " << static_cast<int>(outcome) << " hardly met");
  }
  for (const int error : {0, ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG}) {
    BOOST_TEST(fixture.errors[static_cast<std::size_t>(error)] > 100u, std::strerror(error) << " hardly met");
  }

  if (::geteuid() != 0) {
    return;  // Then all of the above was as a user who is not root.
  }
  const int wrong = test::in_child([&] {
    if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) {
      return 100;
    }
    const std::size_t disagreements =
        fixture.disagreements({AT_FDCWD, AT_FDCWD}, kPaths, [&] { return paths.absolute(); });
    return fixture.errors[EACCES] > 100 ? static_cast<int>(disagreements) : 99;
  });
  BOOST_TEST(wrong == 0, wrong << " paths mean another thing to a user who may not search everywhere");
}

}  // namespace forebay
