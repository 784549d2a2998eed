// One small job of one server, which has all there is to be asked for, for all inputs of a target, made at
// the first; all is staged.
#pragma once

#include <chrono>
#include <thread>

#include "fuzz/sample_listings.hpp"
#include "server/ask_peers.hpp"
#include "server/job_lab.hpp"

namespace forebay::fuzz {

inline test::JobLab& job() {
  struct Job {
    Job() {
      std::filesystem::create_directories(scratch.path() + "/tree/d");
      std::filesystem::create_directory(scratch.path() + "/job");
      write_file(scratch.path() + "/tree/file", "some bytes");
      write_file(scratch.path() + "/tree/d/large", std::string(kChunkBytes + 1, 'x'));
      write_file(scratch.path() + "/tree/d/empty", "");
      std::filesystem::create_symlink("d", scratch.path() + "/tree/link");
      lab = std::make_unique<test::JobLab>(scratch.path() + "/tree", scratch.path() + "/job", 1);
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
      while (!is_staged()) {
        FOREBAY_CHECK(std::chrono::steady_clock::now() < deadline);
        std::this_thread::yield();
      }
    }
    [[nodiscard]] bool is_staged() const {
      const auto all = ask_peers(lab->transport(0), {{"op", "check"}, {"paths", nlohmann::json::array()}});
      FOREBAY_CHECK(all.ok());
      std::uint64_t missing = 0;
      for (const auto& node : *all) {
        missing += node.at("bytes").get<std::uint64_t>() - node.at("present_bytes").get<std::uint64_t>();
      }
      return missing == 0;
    }
    Scratch scratch;
    std::unique_ptr<test::JobLab> lab;
  };
  static Job made;
  return *made.lab;
}

}  // namespace forebay::fuzz
