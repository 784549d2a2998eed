// ScratchDirectory: an empty directory for one test, gone afterwards.
#pragma once

#include <stdlib.h>

#include <boost/test/unit_test.hpp>
#include <string>

#include "common/path_io.hpp"

namespace forebay {

class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = "/tmp/forebay_test.XXXXXX";
    BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~ScratchDirectory() { static_cast<void>(remove_tree(path_).ok()); }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace forebay
