#include "server/checkpoint_reads.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <future>
#include <vector>

#include "common/path_io.hpp"
#include "common/unique_fd.hpp"
#include "drain/checkpoint_tree.hpp"
#include "drain/tree_path.hpp"

namespace forebay {
namespace {

constexpr std::size_t kChunksAhead = 4;
constexpr int kAttempts = 5;

Result<UniqueFd> open_content(int root, const std::string& path) {
  FOREBAY_ASSIGN(parent, open_tree_directory(root, parent_of(path), O_PATH));
  UniqueFd fd(::openat(parent.get(), name_of(path).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) {
    return errno == ELOOP ? Error{Code::not_found, path + " is a link", errno}
                          : error_from_errno("cannot open " + path);
  }
  return fd;
}

ReadAnswer answer_of(const struct stat& info) {
  const CheckpointAttributes attributes = attributes_of(info);
  ReadAnswer answer;
  answer.size = attributes.size;
  answer.mtime_ns = attributes.mtime_ns;
  answer.mode = attributes.mode;
  answer.uid = attributes.uid;
  answer.gid = attributes.gid;
  const std::uint64_t parts[] = {info.st_ino, answer.size, static_cast<std::uint64_t>(answer.mtime_ns)};
  answer.version = std::max<std::uint64_t>(1, checksum_bytes(parts, sizeof parts));
  return answer;
}

// One chunk on its way; its memory lives until it has landed.
struct Landing {
  explicit Landing(std::size_t room) : bytes(room) {}
  std::vector<std::byte> bytes;
  std::promise<Result<std::size_t>> landed;
};

std::shared_ptr<Landing> ask(const PulledFile& file, std::uint64_t version, std::uint64_t offset,
                             std::size_t bytes) {
  auto landing = std::make_shared<Landing>(bytes + sizeof(ReadAnswer));
  ReadRequest request;
  request.of_copy = file.of_copy ? 1 : 0;
  request.checkpoint = file.checkpoint;
  request.version = version;
  request.seq = file.seq;
  request.offset = offset;
  request.bytes = static_cast<std::uint32_t>(bytes);
  const std::string encoded = encode_read(request, file.path);
  file.transport.fetch(file.from, std::as_bytes(std::span(encoded)), landing->bytes,
                       [landing](Result<std::size_t> got) { landing->landed.set_value(std::move(got)); });
  return landing;
}

// The first answer says what the file is, the others continue it.
Result<ReadAnswer> pull_once(
    const PulledFile& file,
    const std::function<Status(std::span<const std::byte> bytes, std::uint64_t offset)>& write,
    std::atomic<std::uint64_t>& progress) {
  ReadAnswer whole;
  std::deque<std::shared_ptr<Landing>> ahead{ask(file, 0, 0, kReadBytesMax)};
  std::uint64_t asked_to = kReadBytesMax;
  for (std::uint64_t offset = 0; !ahead.empty();) {
    const auto landing = ahead.front();
    ahead.pop_front();
    FOREBAY_ASSIGN(got, landing->landed.get_future().get());
    ReadAnswer answer;
    if (got < sizeof answer) {
      return Error{Code::corrupt, "an answer is too short"};
    }
    std::memcpy(&answer, landing->bytes.data(), sizeof answer);
    const std::size_t bytes = got - sizeof answer;
    if (offset == 0) {
      whole = answer;
    }
    if (answer.version != whole.version ||
        bytes != std::min<std::uint64_t>(kReadBytesMax, whole.size - std::min(whole.size, offset))) {
      return Error{Code::changed, file.path + " changes while it is read", ESTALE};
    }
    while (ahead.size() < kChunksAhead && asked_to < whole.size) {
      ahead.push_back(ask(file, whole.version, asked_to, kReadBytesMax));
      asked_to += kReadBytesMax;
    }
    FOREBAY_TRY(write(std::span(landing->bytes).subspan(sizeof answer, bytes), offset));
    offset += bytes;
    progress += bytes + 1;
  }
  return whole;
}

}  // namespace

void answer_read(int root, const ReadRequest& request, const std::string& path,
                 std::unique_ptr<Responder> responder) {
  auto fd = open_content(root, path);
  struct stat info {};
  if (!fd.ok()) {
    return responder->fail(fd.error());
  }
  if (::fstat(fd->get(), &info) != 0) {
    return responder->fail(error_from_errno("cannot stat " + path));
  }
  if (!S_ISREG(info.st_mode) || is_placeholder_mode(info.st_mode)) {
    return responder->fail(Error{Code::not_found, path + " has no content here"});
  }
  const ReadAnswer answer = answer_of(info);
  if (request.version != 0 && request.version != answer.version) {
    return responder->fail(Error{Code::changed, path + " has changed"});
  }
  const std::uint64_t left = answer.size - std::min(answer.size, request.offset);
  const std::size_t bytes = std::min<std::uint64_t>(request.bytes, left);
  responder->respond(
      sizeof answer + bytes,
      [answer, bytes, offset = request.offset, path,
       held = std::make_shared<UniqueFd>(std::move(fd).value())](std::span<std::byte> into) -> Status {
        std::memcpy(into.data(), &answer, sizeof answer);
        FOREBAY_ASSIGN(got, read_fully_at(held->get(), into.subspan(sizeof answer, bytes),
                                          static_cast<off_t>(offset), path));
        struct stat now {};
        if (got != bytes || ::fstat(held->get(), &now) != 0 || answer_of(now).version != answer.version) {
          return Error{Code::changed, path + " has changed"};
        }
        return {};
      });
}

Result<ReadAnswer> pull_file(
    const PulledFile& file,
    const std::function<Status(std::span<const std::byte> bytes, std::uint64_t offset)>& write,
    std::atomic<std::uint64_t>& progress) {
  for (int attempt = 1;; ++attempt) {
    auto pulled = pull_once(file, write, progress);
    if (pulled.ok() || pulled.error().code != Code::changed || attempt == kAttempts) {
      return pulled;
    }
  }
}

}  // namespace forebay
