// CheckpointProgram: what a program with the interposer does in a checkpoint of its node, as a test does it.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "common/mapped_file.hpp"
#include "common/unique_fd.hpp"
#include "ipc/client_packets.hpp"
#include "server/job_lab.hpp"
#include "shared/messages.hpp"
#include "shared/session_layout.hpp"

namespace forebay::test {

class CheckpointProgram {
 public:
  CheckpointProgram(const JobLab& job, std::uint32_t node, std::uint32_t checkpoint = 0)
      : job_(job),
        node_(node),
        checkpoint_(checkpoint),
        control_(MappedFile::open(job.session(node) + "/control", MappedFile::Access::read_write).value()) {}

  [[nodiscard]] CheckpointRecord& record() const {
    return reinterpret_cast<ControlPage*>(control_.data())->checkpoints[checkpoint_];
  }
  [[nodiscard]] std::string store() const { return record().store; }
  [[nodiscard]] std::string tree(const std::string& path = {}) const { return store() + "/tree/" + path; }

  // The seq it was given.
  std::uint64_t append(JournalKind kind, std::uint32_t flags, const std::string& path,
                       const std::string& second = {}, std::uint64_t about = 0) const {
    const UniqueFd fd(::open((store() + "/journal").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    FOREBAY_CHECK(fd.valid() && ::flock(fd.get(), LOCK_SH) == 0);
    JournalRecord one{};
    one.kind = static_cast<std::uint16_t>(kind);
    one.flags = flags;
    one.about = about;
    one.seq = __atomic_add_fetch(&record().clock, 1, __ATOMIC_ACQ_REL);
    alignas(8) std::array<char, kJournalRecordBytesMax> bytes;
    const std::size_t length =
        encode_journal_record(one, path.data(), path.size(), second.data(), second.size(), bytes.data());
    FOREBAY_CHECK(::write(fd.get(), bytes.data(), length) == static_cast<ssize_t>(length));
    ::flock(fd.get(), LOCK_UN);
    return one.seq;
  }
  // From before a change of names is announced until it is confirmed: nobody else takes it for given up.
  [[nodiscard]] UniqueFd hold_journal() const {
    UniqueFd fd(::open((store() + "/journal").c_str(), O_RDONLY | O_CLOEXEC));
    FOREBAY_CHECK(fd.valid() && ::flock(fd.get(), LOCK_SH) == 0);
    return fd;
  }
  static void let_go(const UniqueFd& held) { ::flock(held.get(), LOCK_UN); }
  // 0, or the errno it failed with; -1 where nobody answered.
  int ask(MessageKind kind, const std::string& path = {},
          CheckpointBring what = CheckpointBring::list) const {
    CheckpointRequest request{};
    request.checkpoint = checkpoint_;
    request.what = static_cast<std::uint32_t>(what);
    request.path_bytes = static_cast<std::uint32_t>(path.size());
    std::string body(reinterpret_cast<const char*>(&request) + sizeof(MessageHeader),
                     offsetof(CheckpointRequest, path) - sizeof(MessageHeader));
    const UniqueFd socket = job_.connect(node_);
    const auto packet = request_packet(kind, body + path);
    if (::send(socket.get(), packet.data(), packet.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(packet.size())) {
      return -1;
    }
    while (const auto reply = receive_packet(socket.get())) {
      if (reply->kind == MessageKind::done) {
        return 0;
      }
      if (reply->kind == MessageKind::failed) {
        int value = 0;
        std::memcpy(&value, reply->body.data(), sizeof value);
        return value;
      }
    }
    return -1;
  }
  void note() const { FOREBAY_CHECK(ask(MessageKind::checkpoint_note) == 0); }

  // Everything above is listed first, as the hooks do.
  void list_above(const std::string& path) const {
    const auto slash = path.rfind('/');
    FOREBAY_CHECK(
        ask(MessageKind::checkpoint_bring, path.substr(0, slash == std::string::npos ? 0 : slash)) == 0);
  }
  void write(const std::string& path, const std::string& text) const {
    list_above(path);
    append(JournalKind::opened, 0, path);
    {
      // Another file than a placeholder that may be there.
      std::error_code ignored;
      if (is_placeholder(path)) {
        FOREBAY_CHECK(ask(MessageKind::checkpoint_bring, path, CheckpointBring::truncate) == 0);
      }
      std::ofstream file(tree(path), std::ios::binary | std::ios::trunc);
      file << text;
    }
    append(JournalKind::closed, 0, path);
    note();
  }
  void rename(const std::string& from, const std::string& to) const {
    const UniqueFd held = hold_journal();
    const auto begun = append(JournalKind::renamed, kJournalBegin, from, to);
    FOREBAY_CHECK(::rename(tree(from).c_str(), tree(to).c_str()) == 0);
    append(JournalKind::renamed, kJournalDone, from, to, begun);
    let_go(held);
    note();
  }
  void make_directory(const std::string& path) const {
    list_above(path);
    const UniqueFd held = hold_journal();
    const auto begun = append(JournalKind::made_directory, kJournalBegin, path);
    FOREBAY_CHECK(::mkdir(tree(path).c_str(), 0755) == 0);
    append(JournalKind::made_directory, kJournalDone, path, {}, begun);
    let_go(held);
    note();
  }
  void remove(const std::string& path) const {
    const UniqueFd held = hold_journal();
    const auto begun = append(JournalKind::removed, kJournalBegin, path);
    FOREBAY_CHECK(::remove(tree(path).c_str()) == 0);
    append(JournalKind::removed, kJournalDone, path, {}, begun);
    let_go(held);
    note();
  }
  [[nodiscard]] bool is_placeholder(const std::string& path) const {
    struct stat info {};
    return ::lstat(tree(path).c_str(), &info) == 0 && is_placeholder_mode(info.st_mode);
  }
  [[nodiscard]] bool has(const std::string& path) const {
    struct stat info {};
    return ::lstat(tree(path).c_str(), &info) == 0;
  }
  // What a program reads; nothing where it gets an error.
  [[nodiscard]] std::optional<std::string> read(const std::string& path) const {
    list_above(path);
    if (is_placeholder(path) && ask(MessageKind::checkpoint_bring, path, CheckpointBring::content) != 0) {
      return std::nullopt;
    }
    std::ifstream file(tree(path), std::ios::binary);
    if (!file) {
      return std::nullopt;
    }
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

 private:
  const JobLab& job_;
  const std::uint32_t node_;
  const std::uint32_t checkpoint_;
  MappedFile control_;
};

}  // namespace forebay::test
