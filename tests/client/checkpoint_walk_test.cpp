// Paths below a checkpoint mount against the kernel on a plain directory of the same content: any path leads
// to the same file, or to the same errno. FOREBAY_TEST_SEED=N tries other paths.
#define BOOST_TEST_MODULE checkpoint_walk
#include "client/checkpoint_walk.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <random>

#include "client/client_lab.hpp"
#include "client/in_child.hpp"
#include "common/unique_fd.hpp"

namespace forebay {
namespace {

namespace fs = std::filesystem;

constexpr int kPaths = 20'000;

std::uint64_t seed() {
  const char* given = std::getenv("FOREBAY_TEST_SEED");
  return given == nullptr ? 20260301 : std::strtoull(given, nullptr, 10);
}

// What `ck` holds; `links_to` is its own name in absolute links.
void make_content(const fs::path& at, const fs::path& links_to) {
  fs::create_directories(at / "dir/sub/deep");
  fs::create_directories(at / "empty");
  for (const char* name : {"file", "dir/file", "dir/sub/file", "dir/sub/deep/file"}) {
    std::ofstream(at / name) << name;
  }
  for (const auto& [name, target] :
       std::initializer_list<std::pair<const char*, const char*>>{{"up", ".."},
                                                                  {"outside", "../outside"},
                                                                  {"around", "../ck/dir"},
                                                                  {"dir/around", "../../ck/dir/sub"},
                                                                  {"dir/link", "sub/file"},
                                                                  {"dirlink", "dir"},
                                                                  {"dangling", "nowhere"},
                                                                  {"loop", "loop"},
                                                                  {"dir/back", "../file"},
                                                                  {"dots", "dir/./sub/../file"}}) {
    fs::create_symlink(target, at / name);
  }
  fs::create_symlink(links_to / "dir", at / "absolute");
  fs::create_symlink(links_to / "dir/sub/file", at / "dir/sub/absolute");
}

struct WalkFixture {
  WalkFixture()
      : base(scratch.path()), plain(base / "plain/ck"), tree(base / "store/tree"), mount(base / "other/ck") {
    fs::create_directories(base / "data/d");
    lab = std::make_unique<test::ClientLab>(base / "data", base);
    make_content(plain, plain);
    make_content(tree, tree);
    for (const char* above : {"plain", "other"}) {
      fs::create_directories(base / above / "outside/o");
      std::ofstream(base / above / "beside") << "beside";
    }
    ControlPage& control = lab->session().control();
    control.checkpoint_count = 1;
    CheckpointRecord& record = control.checkpoints[0];
    std::strcpy(record.mount, mount.c_str());
    std::strcpy(record.destination, "s3://bucket/prefix");
    std::strcpy(record.store, (base / "store").c_str());
    struct stat info {};
    ::stat(tree.c_str(), &info);
    record.device = info.st_dev;
    name_all(base / "plain");
    name_all(base / "other");
    name_all(tree);
  }

  // The same name for what is the same in both worlds.
  void name_all(const fs::path& root) { name_below(root, root == tree ? "/ck" : ""); }
  void name_below(const fs::path& path, const std::string& name) {
    struct stat info {};
    ::lstat(path.c_str(), &info);
    names[info.st_ino] = name;
    for (const auto& entry :
         S_ISDIR(info.st_mode) ? fs::directory_iterator(path) : fs::directory_iterator()) {
      name_below(entry.path(), name + "/" + entry.path().filename().string());
    }
  }

  [[nodiscard]] std::string told(int directory, const char* path, Follow follow) const {
    struct stat info {};
    if (::fstatat(directory, path, &info, follow == Follow::yes ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
      return std::strerror(errno);
    }
    const auto found = names.find(info.st_ino);
    return found == names.end() ? "somewhere" : found->second;
  }
  [[nodiscard]] std::string resolved(const MappedSession& session, int directory, const std::string& path,
                                     Follow follow) const {
    Resolution found;
    switch (resolve(session, directory, path.c_str(), follow, &found)) {
      case Outcome::failed:
        return std::strerror(found.error);
      case Outcome::libc:
        return told(directory, path.c_str(), follow);
      default:
        return told(AT_FDCWD, found.path.text, follow);
    }
  }

  test::ClientScratch scratch;
  fs::path base;
  fs::path plain;
  fs::path tree;
  fs::path mount;
  std::unique_ptr<test::ClientLab> lab;
  std::map<ino_t, std::string> names;
};

std::string random_path(std::mt19937_64& random) {
  static const char* const kParts[] = {"dir",      "sub",  "deep", "file",  "empty",    "up",       "outside",
                                       "around",   "link", "ck",   "o",     "dirlink",  "dangling", "loop",
                                       "absolute", "back", "dots", "..",    "..",       ".",        "beside",
                                       "nowhere",  "..",   "dir",  "other", "absolute", "around"};
  std::string path;
  for (std::size_t parts = random() % 6; parts > 0; --parts) {
    path += path.empty() ? "" : random() % 12 == 0 ? "//" : "/";
    path += kParts[random() % std::size(kParts)];
  }
  return random() % 10 == 0 ? path + "/" : path;
}

BOOST_FIXTURE_TEST_CASE(any_path_below_a_checkpoint_mount_leads_where_the_kernel_would_go, WalkFixture) {
  const int differences = test::in_child([&] {
    const MappedSession* session = attach_session(lab->directory().c_str());
    if (session == nullptr) {
      return 99;
    }
    std::mt19937_64 random(seed());
    int wrong = 0;
    int found = 0;
    for (int i = 0; i < kPaths && wrong < 10; ++i) {
      const std::string path = random_path(random);
      const Follow follow = random() % 2 == 0 ? Follow::yes : Follow::no;
      const bool relative = random() % 2 == 0;
      const char* from = random() % 2 == 0 ? "dir" : "";
      const UniqueFd here(::open((tree / from).c_str(), O_PATH | O_DIRECTORY));
      const UniqueFd there(::open((plain / from).c_str(), O_PATH | O_DIRECTORY));
      const std::string whole = relative ? path : path.empty() ? "" : "/" + path;
      const std::string expected = relative ? told(there.get(), path.c_str(), follow)
                                            : told(AT_FDCWD, (plain.string() + whole).c_str(), follow);
      const std::string got = relative ? resolved(*session, here.get(), path, follow)
                                       : resolved(*session, AT_FDCWD, mount.string() + whole, follow);
      found += expected[0] == '/' ? 1 : 0;
      if (expected != got) {
        std::cerr << (relative ? "from " : "at ") << from << " '" << path << "'"
                  << (follow == Follow::yes ? "" : " not followed") << ": " << expected << ", but " << got
                  << "\n";
        ++wrong;
      }
    }
    return found > kPaths / 10 ? wrong : 98;  // Else these paths are no test.
  });
  BOOST_TEST(differences == 0);
}

}  // namespace
}  // namespace forebay
