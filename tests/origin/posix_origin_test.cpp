#define BOOST_TEST_MODULE posix_origin
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include <map>
#include <set>
#include <thread>

#include <boost/test/unit_test.hpp>

#include "origin/origin.hpp"
#include "origin/temp_tree.hpp"

namespace forebay {
namespace {

std::unique_ptr<Origin> origin_of(const std::string& path) {
  auto origin = open_origin(path, {});
  BOOST_REQUIRE(origin.ok());
  return std::move(origin).value();
}

std::map<std::string, OriginName> by_name(const DirectoryListing& listing) {
  std::map<std::string, OriginName> names;
  for (const auto& name : listing.names) {
    BOOST_TEST(names.emplace(name.name, name).second, "listed twice: " << name.name);
  }
  return names;
}

std::map<std::string, OriginName> list(const std::string& root, const std::string& directory = "") {
  auto listing = origin_of(root)->list(directory);
  BOOST_REQUIRE(listing.ok());
  BOOST_TEST(listing->listable);
  return by_name(*listing);
}

std::int64_t ns_of(const timespec& time) {
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

BOOST_AUTO_TEST_CASE(links_in_the_name_of_a_dataset_are_resolved) {
  const TempTree tree;
  tree.directory("data");
  tree.link("data", "alias");
  BOOST_TEST(origin_of(tree.at("alias/"))->canonical_name() == tree.at("data"));
  BOOST_TEST(origin_of(tree.at("data/../alias/."))->canonical_name() == tree.at("data"));
  BOOST_TEST(origin_of(tree.at("data"))->is_posix());
}

BOOST_AUTO_TEST_CASE(what_cannot_be_staged_is_refused_with_a_reason) {
  const TempTree tree;
  tree.file("file");
  const std::map<std::string, Code> refused = {{tree.at("file"), Code::bad_argument},
                                               {tree.at("nothing"), Code::not_found},
                                               {"gopher://host/path", Code::bad_argument},
                                               {"", Code::bad_argument},
                                               {"/", Code::bad_argument}};
  for (const auto& [name, code] : refused) {
    const auto origin = open_origin(name, {});
    BOOST_REQUIRE(!origin.ok());
    BOOST_TEST((origin.error().code == code), name << ": " << origin.error().text);
  }
}

BOOST_AUTO_TEST_CASE(every_attribute_is_that_of_lstat) {
  const TempTree tree;
  tree.file("file", "some bytes");
  tree.file("empty");
  tree.directory("directory", 01751);
  tree.directory("directory/inner");
  tree.link("where/it points", "link");
  tree.hard_link("file", "other name");
  tree.sparse_file("sparse", off_t{5} << 30);
  const auto names = list(tree.path());
  BOOST_TEST(names.size() == 6u);
  for (const auto& [name, listed] : names) {
    BOOST_TEST_CONTEXT(name) {
      struct stat info {};
      BOOST_REQUIRE(::lstat(tree.at(name).c_str(), &info) == 0);
      const auto& a = listed.attributes;
      BOOST_TEST(a.size == static_cast<std::uint64_t>(info.st_size));
      BOOST_TEST(a.blocks == static_cast<std::uint64_t>(info.st_blocks));
      BOOST_TEST(a.inode == info.st_ino);
      BOOST_TEST(a.device == info.st_dev);
      BOOST_TEST(a.block_bytes == static_cast<std::uint64_t>(info.st_blksize));
      BOOST_TEST(a.links == info.st_nlink);
      BOOST_TEST(a.mode == info.st_mode);
      BOOST_TEST(a.uid == info.st_uid);
      BOOST_TEST(a.gid == info.st_gid);
      BOOST_TEST(a.mtime_ns == ns_of(info.st_mtim));
      BOOST_TEST(a.ctime_ns == ns_of(info.st_ctim));
      BOOST_TEST(a.atime_ns == ns_of(info.st_atim));
      BOOST_TEST(!a.left_to_origin);
      BOOST_TEST(!a.has_xattrs);
    }
  }
  BOOST_TEST(names.at("link").link_target == "where/it points");
}

BOOST_AUTO_TEST_CASE(names_are_any_bytes) {
  const TempTree tree;
  std::set<std::string> names = {"new\nline", "\xff\xfe\x80", "quote'\"`$\\",        " ",       "-rf", "*?[",
                                 "...",       "tab\t",        std::string(255, 'n'), "\xc3\xa9"};
  for (const auto& name : names) {
    tree.file(name, name);
  }
  for (const auto& [name, listed] : list(tree.path())) {
    BOOST_TEST(names.erase(name) == 1u);
  }
  BOOST_TEST(names.empty());
}

BOOST_AUTO_TEST_CASE(special_files_are_left_to_the_origin) {
  const TempTree tree;
  BOOST_REQUIRE(::mkfifo(tree.at("fifo").c_str(), 0600) == 0);
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  tree.at("socket").copy(address.sun_path, sizeof address.sun_path - 1);
  BOOST_REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  const auto names = list(tree.path());
  BOOST_TEST(names.at("fifo").attributes.left_to_origin);
  BOOST_TEST(S_ISFIFO(names.at("fifo").attributes.mode));
  BOOST_TEST(names.at("socket").attributes.left_to_origin);
}

BOOST_AUTO_TEST_CASE(a_time_beyond_nanoseconds_in_64_bits_is_left_to_the_origin) {
  const TempTree tree;
  tree.file("old");
  tree.file("far");
  const timespec far[2] = {{0, 0}, {std::int64_t{1} << 34, 0}};
  BOOST_REQUIRE(::utimensat(AT_FDCWD, tree.at("far").c_str(), far, 0) == 0);
  struct stat info {};
  BOOST_REQUIRE(::stat(tree.at("far").c_str(), &info) == 0);
  const bool kept = info.st_mtim.tv_sec == far[1].tv_sec;  // Not every file system can.
  const auto names = list(tree.path());
  BOOST_TEST(names.at("far").attributes.left_to_origin == kept);
  BOOST_TEST(!names.at("old").attributes.left_to_origin);
}

BOOST_AUTO_TEST_CASE(extended_attributes_are_noticed) {
  const TempTree tree;
  tree.directory("with");
  tree.directory("without");
  if (::setxattr(tree.at("with").c_str(), "trusted.forebay", "x", 1, 0) != 0 &&
      ::setxattr(tree.at("with").c_str(), "user.forebay", "x", 1, 0) != 0) {
    BOOST_TEST_MESSAGE("no extended attributes on this file system for this user: " << errno);
    BOOST_TEST(!list(tree.path()).at("with").attributes.has_xattrs);
    return;
  }
  const auto names = list(tree.path());
  BOOST_TEST(names.at("with").attributes.has_xattrs);
  BOOST_TEST(!names.at("without").attributes.has_xattrs);
  BOOST_TEST(origin_of(tree.at("with"))->root_attributes()->has_xattrs);
  BOOST_TEST(!origin_of(tree.at("without"))->root_attributes()->has_xattrs);
}

BOOST_AUTO_TEST_CASE(a_directory_that_may_not_be_listed_says_so) {
  const TempTree tree;
  tree.directory("secret", 0700);
  tree.directory("blind", 0711);
  as_ordinary_user([&]() -> std::string {
    ::chmod(tree.at("secret").c_str(), 0);
    ::chmod(tree.at("blind").c_str(), 0111);
    const auto origin = open_origin(tree.path(), {});
    if (!origin.ok()) {
      return origin.error().text;
    }
    for (const char* name : {"secret", "blind"}) {
      const auto listing = (*origin)->list(name);
      if (!listing.ok() || listing->listable || !listing->names.empty()) {
        return std::string("not refused: ") + name;
      }
    }
    return "";
  });
  BOOST_REQUIRE(::chmod(tree.at("secret").c_str(), 0700) == 0 &&
                ::chmod(tree.at("blind").c_str(), 0700) == 0);
}

BOOST_AUTO_TEST_CASE(names_without_readable_attributes_are_left_to_the_origin) {
  const TempTree tree;
  tree.directory("names only");
  tree.file("names only/file");
  tree.directory("names only/directory");
  BOOST_REQUIRE(::chmod(tree.at("names only").c_str(), 0444) == 0);
  as_ordinary_user([&]() -> std::string {
    const auto origin = open_origin(tree.path(), {});
    const auto listing = (*origin)->list("names only");
    if (!listing.ok() || listing->names.size() != 2) {
      return "not listed";
    }
    for (const auto& name : listing->names) {
      if (!name.attributes.left_to_origin || S_ISDIR(name.attributes.mode) != (name.name == "directory")) {
        return "wrong: " + name.name;
      }
    }
    return "";
  });
  BOOST_REQUIRE(::chmod(tree.at("names only").c_str(), 0755) == 0);
}

BOOST_AUTO_TEST_CASE(a_directory_that_is_gone_is_not_found) {
  const TempTree tree;
  tree.directory("empty");
  const auto origin = origin_of(tree.path());
  BOOST_TEST(origin->list("empty")->names.empty());
  const auto listing = origin->list("nothing");
  BOOST_REQUIRE(!listing.ok());
  BOOST_TEST((listing.error().code == Code::not_found));
}

BOOST_AUTO_TEST_CASE(a_hundred_thousand_names_in_one_directory_are_all_listed) {
  constexpr std::size_t kNames = 100'000;
  const TempTree tree;
  const UniqueFd directory(::open(tree.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (std::size_t i = 0; i < kNames; ++i) {
    const std::string name = "file" + std::to_string(i);
    BOOST_REQUIRE(
        UniqueFd(::openat(directory.get(), name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644)).valid());
  }
  const auto names = list(tree.path());
  BOOST_TEST(names.size() == kNames);
  BOOST_TEST(names.count("file0") == 1u);
  BOOST_TEST(names.count("file99999") == 1u);
}

BOOST_AUTO_TEST_CASE(names_that_come_and_go_while_listing_do_no_harm) {
  const TempTree tree;
  for (int i = 0; i < 2000; ++i) {
    tree.file("stays" + std::to_string(i));
  }
  const auto origin = origin_of(tree.path());
  std::thread churn([&] {
    for (int i = 0; i < 4000; ++i) {
      const std::string name = tree.at("goes" + std::to_string(i % 50));
      const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
      ::close(fd);
      ::unlink(name.c_str());
    }
  });
  for (int round = 0; round < 5; ++round) {
    const auto listing = origin->list("");
    BOOST_REQUIRE(listing.ok());
    std::size_t stays = 0;
    for (const auto& name : listing->names) {
      BOOST_TEST(!name.attributes.left_to_origin);
      stays += name.name.starts_with("stays") ? 1 : 0;
    }
    BOOST_TEST(stays == 2000u);
  }
  churn.join();
}

BOOST_AUTO_TEST_CASE(the_numbers_of_a_file_system_are_those_of_statfs) {
  const TempTree tree;
  tree.file("file");
  const auto got = origin_of(tree.path())->file_system("file");
  BOOST_REQUIRE(got.ok());
  struct statfs numbers {};
  struct stat info {};
  BOOST_REQUIRE(::statfs(tree.at("file").c_str(), &numbers) == 0 &&
                ::stat(tree.at("file").c_str(), &info) == 0);
  BOOST_TEST(got->device == info.st_dev);
  BOOST_TEST(got->type == static_cast<std::uint64_t>(numbers.f_type));
  BOOST_TEST(got->blocks == numbers.f_blocks);
  BOOST_TEST(got->namelen == static_cast<std::uint64_t>(numbers.f_namelen));
  BOOST_TEST(got->frsize == static_cast<std::uint64_t>(numbers.f_frsize));
  BOOST_TEST(got->flags == static_cast<std::uint64_t>(numbers.f_flags));
}

}  // namespace forebay
