#define BOOST_TEST_MODULE config_file
#include <boost/test/unit_test.hpp>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "config/config_file.hpp"

using namespace forebay;

namespace {

// A file with `text`, gone with this object.
class TextFile {
 public:
  explicit TextFile(const std::string& text) {
    const int fd = ::mkstemp(path_.data());
    BOOST_REQUIRE(fd >= 0);
    ::close(fd);
    std::ofstream(path_) << text;
  }
  ~TextFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = (std::filesystem::temp_directory_path() / "forebay-config.XXXXXX").string();
};

}  // namespace

BOOST_AUTO_TEST_CASE(lines_of_toml_are_settings) {
  const TextFile file(
      "# mine\nbuffer = \"/local/my nvme\"\ncapacity = 800G  # of 1 T\nper-node = true\n"
      "stage = [\"/a\", \"/b=/c\"]\n");
  const auto texts = read_config_file(file.path()).value();
  BOOST_TEST(texts.at("buffer").at(0) == "/local/my nvme");
  BOOST_TEST(texts.at("capacity").at(0) == "800G");
  BOOST_TEST(texts.at("per-node").at(0) == "true");
  BOOST_TEST(texts.at("stage").size() == 2u);
  BOOST_TEST(texts.at("stage").at(1) == "/b=/c");
}

BOOST_AUTO_TEST_CASE(a_table_and_a_broken_string_are_refused) {
  BOOST_TEST(!read_config_file(TextFile("[run]\nbuffer = \"/x\"\n").path()).ok());
  const TextFile broken("buffer = \"/x\n");
  BOOST_TEST((read_config_file(broken.path()).error().code == Code::bad_argument));
  const TextFile hash("buffer = \"/x#y\"\n");
  BOOST_TEST((read_config_file(hash.path()).error().code == Code::bad_argument));
}

BOOST_AUTO_TEST_CASE(a_missing_file_is_told_from_a_bad_one) {
  BOOST_TEST((read_config_file("/nonexistent/config.toml").error().code == Code::not_found));
}
