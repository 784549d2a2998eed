// CheckpointJob: jobs of whole servers with one checkpoint, over the same buffers and destination.
#pragma once

#include <linux/fs.h>
#include <sys/ioctl.h>

#include <boost/test/unit_test.hpp>
#include <functional>
#include <memory>

#include <nlohmann/json.hpp>

#include "server/checkpoint_program.hpp"

namespace forebay::test {

struct CheckpointJob {
  CheckpointJob() {
    std::string pattern = "/tmp/forebay-ckjob-XXXXXX";
    BOOST_REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    base = std::filesystem::canonical(pattern).string();
    std::filesystem::create_directories(base + "/job");
    std::filesystem::create_directories(base + "/dest/old");
    std::ofstream(base + "/dest/old/file") << "from an earlier job";
  }
  ~CheckpointJob() {
    destination_fails(false);
    std::filesystem::remove_all(base);
  }
  [[nodiscard]] std::unique_ptr<JobLab> start(std::uint32_t nodes) const {
    ServeCheckpoints checkpoints = settings;
    checkpoints.mounts = {{base + "/dest", base + "/dest"}};
    return std::make_unique<JobLab>("", base + "/job", nodes, PrefetchMode::off, checkpoints);
  }
  [[nodiscard]] std::string at_destination(const std::string& path) const {
    std::ifstream file(base + "/dest/" + path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static nlohmann::json question(const JobLab& job, std::uint32_t node, const nlohmann::json& json) {
    const UniqueFd socket = job.connect(node);
    const auto packet = request_packet(MessageKind::admin, json.dump());
    BOOST_REQUIRE(::send(socket.get(), packet.data(), packet.size(), MSG_NOSIGNAL) > 0);
    std::string text;
    while (const auto reply = receive_packet(socket.get())) {
      if (reply->kind == MessageKind::text) {
        text += reply->body;
      } else if (reply->kind == MessageKind::done) {
        return nlohmann::json::parse(text);
      } else if (reply->kind == MessageKind::failed) {
        return {{"failed", reply->body.substr(8)}};
      }
    }
    return {{"failed", "no answer"}};
  }
  static bool becomes(const std::function<bool()>& what) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!what()) {
      if (std::chrono::steady_clock::now() > deadline) {
        return false;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
  }
  // From now on nothing can be changed there. What is there is seen.
  void destination_fails(bool fails) const {
    FOREBAY_CHECK(::geteuid() != 0 || set_immutable(fails));
    FOREBAY_CHECK(::geteuid() == 0 || ::chmod((base + "/dest").c_str(), fails ? 0500 : 0700) == 0);
  }
  // What its journal says was written on another boot.
  static void boot_again(const CheckpointProgram& program) {
    program.append(JournalKind::booted, 0, "another-boot");
  }

  std::string base;
  ServeCheckpoints settings;

 private:
  [[nodiscard]] bool set_immutable(bool on) const {
    const UniqueFd fd(::open((base + "/dest").c_str(), O_RDONLY | O_DIRECTORY));
    int flags = 0;
    if (!fd.valid() || ::ioctl(fd.get(), FS_IOC_GETFLAGS, &flags) != 0) {
      return false;
    }
    flags = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
    return ::ioctl(fd.get(), FS_IOC_SETFLAGS, &flags) == 0;
  }
};

}  // namespace forebay::test
