// Variables and a home directory of a test's own.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "common/path_io.hpp"
#include "s3/aws_profile.hpp"

namespace forebay {

class TestEnvironment {
 public:
  TestEnvironment() {
    home_ = (std::filesystem::temp_directory_path() / "forebay-s3-test.XXXXXX").string();
    FOREBAY_CHECK(::mkdtemp(home_.data()) != nullptr);
    variables["HOME"] = home_;
  }
  TestEnvironment(const TestEnvironment&) = delete;
  TestEnvironment& operator=(const TestEnvironment&) = delete;
  ~TestEnvironment() { static_cast<void>(remove_tree(home_)); }

  [[nodiscard]] std::string path(const std::string& name) const { return home_ + "/" + name; }
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    std::ofstream(path(name)) << text;
  }
  // Good for the life of this object.
  [[nodiscard]] AwsEnvironment lookup() const {
    return [this](const std::string& name) {
      const auto at = variables.find(name);
      return at == variables.end() ? nullptr : at->second.c_str();
    };
  }

  std::map<std::string, std::string> variables;

 private:
  std::string home_;
};

}  // namespace forebay
