#define BOOST_TEST_MODULE key_paths
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "s3/key_paths.hpp"

using namespace forebay;

namespace {

struct Found {
  std::map<std::string, KeyUse> uses;
  std::uint64_t left_out = 0;
};

Found found_of(const std::set<std::string>& keys) {
  Found found;
  KeyPaths paths([&](const KeyPaths::Object& object, KeyUse use) {
    BOOST_TEST(found.uses.emplace(object.key, use).second, object.key);
    return Status();
  });
  for (const auto& key : keys) {
    BOOST_TEST(paths.add({key, 0, 0, ""}).ok());
  }
  BOOST_TEST(paths.finish().ok());
  found.left_out = paths.left_out();
  BOOST_TEST(found.uses.size() == keys.size(), "each key is said once");
  return found;
}

}  // namespace

BOOST_AUTO_TEST_CASE(names_that_a_file_system_can_have_are_files) {
  for (const auto* key :
       {"a", "a/b/c", "a b", "dt=2024-05-22/x+y%z~", "...", "a/.b", "..a", "\xff\xfe", "a\nb"}) {
    BOOST_TEST((use_of_key(key, 1) == KeyUse::file), key);
  }
  BOOST_TEST((use_of_key(std::string(255, 'x'), 1) == KeyUse::file));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_a_path_has_its_reason) {
  using namespace std::string_view_literals;
  for (const auto& [key, use] :
       std::initializer_list<std::pair<std::string_view, KeyUse>>{{"/a", KeyUse::empty_name},
                                                                  {"/", KeyUse::empty_name},
                                                                  {"a//b", KeyUse::empty_name},
                                                                  {"a//", KeyUse::empty_name},
                                                                  {".", KeyUse::dot_name},
                                                                  {"..", KeyUse::dot_name},
                                                                  {"a/../b", KeyUse::dot_name},
                                                                  {"a/./b", KeyUse::dot_name},
                                                                  {"a/..", KeyUse::dot_name},
                                                                  {"../", KeyUse::dot_name},
                                                                  {"a\0b"sv, KeyUse::nul_byte}}) {
    BOOST_TEST((use_of_key(key, 1) == use), key);
  }
  BOOST_TEST((use_of_key("a/" + std::string(256, 'x'), 1) == KeyUse::long_name));
  std::string deep;
  while (deep.size() <= kPathBytesMax) {
    deep += "dir/";
  }
  BOOST_TEST((use_of_key(deep + "x", 1) == KeyUse::long_path));
}

BOOST_AUTO_TEST_CASE(a_marker_makes_its_directory) {
  BOOST_TEST((use_of_key("a/b/", 0) == KeyUse::directory));
  BOOST_TEST((use_of_key("a/b/", 7) == KeyUse::marker_with_bytes));
  BOOST_TEST((use_of_key("", 0) == KeyUse::directory));
  const auto found = found_of({"a/", "a/b", "c/"});
  BOOST_TEST((found.uses.at("a") == KeyUse::directory));
  BOOST_TEST((found.uses.at("a/b") == KeyUse::file));
  BOOST_TEST((found.uses.at("c") == KeyUse::directory));
  BOOST_TEST(found.left_out == 0u);
}

BOOST_AUTO_TEST_CASE(a_key_that_others_need_as_a_directory_is_left_out) {
  // Much may be listed between the two: '!' and '-' come before '/'.
  const auto found = found_of({"a", "a!", "a-", "a-/x", "a/b", "a0", "b", "b/c/", "c", "c/d", "c/d/e"});
  for (const auto* key : {"a", "a-", "b", "c", "c/d"}) {
    BOOST_TEST((found.uses.at(key) == KeyUse::also_a_directory), key);
  }
  for (const auto* key : {"a!", "a-/x", "a/b", "a0", "c/d/e"}) {
    BOOST_TEST((found.uses.at(key) == KeyUse::file), key);
  }
  BOOST_TEST(found.left_out == 5u);
}

BOOST_AUTO_TEST_CASE(a_key_that_is_left_out_takes_no_other_with_it) {
  const auto found = found_of({"a", "a//b", "a/../c"});
  BOOST_TEST((found.uses.at("a") == KeyUse::file));
  BOOST_TEST(found.left_out == 2u);
}

BOOST_AUTO_TEST_CASE(keys_out_of_order_and_twice_are_refused) {
  KeyPaths paths([](const KeyPaths::Object&, KeyUse) { return Status(); });
  BOOST_TEST(paths.add({"b", 0, 0, ""}).ok());
  BOOST_TEST((paths.add({"a", 0, 0, ""}).error().code == Code::io_error));
  BOOST_TEST((paths.add({"b", 0, 0, ""}).error().code == Code::io_error));
}

// The rule said once more, over the whole set: a path is a file unless a longer path goes through it.
BOOST_AUTO_TEST_CASE(any_listing_gives_a_tree_in_which_no_file_is_a_directory) {
  std::mt19937 random(7);
  const std::string letters = "ab-/.";
  for (int round = 0; round < 2000; ++round) {
    std::set<std::string> keys;
    for (int i = 0; i < 12; ++i) {
      std::string key;
      for (auto length = 1 + random() % 7; length > 0; --length) {
        key.push_back(letters[random() % letters.size()]);
      }
      keys.insert(key);
    }
    std::set<std::string> directories;
    for (const auto& key : keys) {
      if (is_left_out(use_of_key(key, 0))) {
        continue;
      }
      for (auto at = key.find('/'); at != std::string::npos; at = key.find('/', at + 1)) {
        directories.insert(key.substr(0, at));
      }
    }
    std::multiset<std::string> said;
    KeyPaths paths([&](const KeyPaths::Object& object, KeyUse use) {
      said.insert(std::string(object.key));
      if (use == KeyUse::file) {
        BOOST_TEST(directories.count(std::string(object.key)) == 0u, object.key);
      } else if (use == KeyUse::also_a_directory || use == KeyUse::directory) {
        BOOST_TEST(directories.count(std::string(object.key)) == 1u, object.key);
      }
      return Status();
    });
    for (const auto& key : keys) {
      BOOST_TEST(paths.add({key, 0, 0, ""}).ok());
    }
    BOOST_TEST(paths.finish().ok());
    BOOST_TEST(said.size() == keys.size());
  }
}
