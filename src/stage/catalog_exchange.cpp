#include "stage/catalog_exchange.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "catalog/put_in_place.hpp"
#include "common/mapped_file.hpp"
#include "common/path_io.hpp"
#include "stage/scan_messages.hpp"

namespace forebay {
namespace {

constexpr std::uint32_t kChunksInFlight = 4;
constexpr std::uint32_t kTriesMax = 3;  // Of one chunk.

bool worth_another_try(Code code) {
  return code == Code::corrupt || code == Code::timed_out;
}

// The chunks of one catalog on their way into `into`.
class Transfer {
 public:
  Transfer(PeerTransport& transport, NodeIndex from, DatasetIndex dataset, std::span<std::byte> into)
      : transport_(transport), from_(from), dataset_(dataset), into_(into) {}

  // Returns when nothing is in flight any more: `into` is the caller's again.
  Status run() {
    std::unique_lock lock(mutex_);
    while (true) {
      while (status_.ok() && next_ < into_.size() && in_flight_ < kChunksInFlight) {
        const std::size_t offset = std::exchange(next_, next_ + kChunkBytes);
        ++in_flight_;
        lock.unlock();
        ask(offset, 1);
        lock.lock();
      }
      if (in_flight_ == 0 && (!status_.ok() || next_ >= into_.size())) {
        return status_;
      }
      landed_.wait(lock);
    }
  }

 private:
  void ask(std::size_t offset, std::uint32_t number_of_try) {
    const CatalogChunkRequest request{.dataset = dataset_.value, .offset = offset};
    const auto chunk = into_.subspan(offset, std::min(kChunkBytes, into_.size() - offset));
    // Of the fetch, which may outlive the transfer.
    const auto memory = std::make_shared<std::vector<std::byte>>(chunk.size());
    transport_.fetch(
        from_, std::as_bytes(std::span(&request, 1)), *memory,
        [this, offset, number_of_try, memory, chunk](Result<std::size_t> bytes) {
          if (bytes.ok() && *bytes != chunk.size()) {
            bytes = Error{Code::corrupt, "chunk of the catalog has a wrong length"};
          }
          if (bytes.ok()) {
            std::memcpy(chunk.data(), memory->data(), chunk.size());
          }
          if (!bytes.ok() && worth_another_try(bytes.error().code) && number_of_try < kTriesMax) {
            return ask(offset, number_of_try + 1);
          }
          const std::lock_guard lock(mutex_);
          --in_flight_;
          if (!bytes.ok()) {
            status_ = std::move(bytes).error();
          }
          landed_.notify_one();  // With the lock held: run() may return, and *this go, right after.
        });
  }

  PeerTransport& transport_;
  NodeIndex from_;
  DatasetIndex dataset_;
  std::span<std::byte> into_;
  std::mutex mutex_;
  std::condition_variable landed_;
  std::size_t next_ = 0;
  std::uint32_t in_flight_ = 0;
  Status status_;
};

Result<std::uint64_t> ask_file_bytes(PeerTransport& transport, NodeIndex from, DatasetIndex dataset) {
  struct Answer {
    std::mutex mutex;
    std::condition_variable arrived;
    std::uint64_t file_bytes = 0;
    bool done = false;
    Status status;
  };
  const auto answer = std::make_shared<Answer>();
  const CatalogChunkRequest request{.dataset = dataset.value, .offset = kAskCatalogBytes};
  transport.fetch(from, std::as_bytes(std::span(&request, 1)),
                  std::as_writable_bytes(std::span(&answer->file_bytes, 1)),
                  [answer](Result<std::size_t> bytes) {
                    const std::lock_guard lock(answer->mutex);
                    if (!bytes.ok()) {
                      answer->status = std::move(bytes).error();
                    } else if (*bytes != sizeof answer->file_bytes) {
                      answer->status = Error{Code::corrupt, "size of the catalog was not answered"};
                    }
                    answer->done = true;
                    answer->arrived.notify_one();
                  });
  std::unique_lock lock(answer->mutex);
  answer->arrived.wait(lock, [&] { return answer->done; });
  if (!answer->status.ok()) {
    return std::move(answer->status).error();
  }
  return answer->file_bytes;
}

Result<Catalog> fetch_into(PeerTransport& transport, NodeIndex from, DatasetIndex dataset,
                           std::uint64_t file_bytes, const std::string& temporary, const std::string& path) {
  {
    FOREBAY_ASSIGN(file, MappedFile::create(temporary, file_bytes));
    FOREBAY_TRY(Transfer(transport, from, dataset, file.bytes()).run());
  }
  FOREBAY_ASSIGN(catalog, Catalog::load(temporary));
  FOREBAY_TRY(put_in_place(temporary, path));
  return catalog;
}

}  // namespace

Status CatalogService::publish(DatasetIndex dataset, const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat info {};
  if (!fd.valid() || ::fstat(fd.get(), &info) != 0) {
    return error_from_errno("cannot open " + path);
  }
  const auto bytes = static_cast<std::uint64_t>(info.st_size);
  const std::lock_guard lock(mutex_);
  published_[dataset.value] = std::make_shared<const Published>(Published{path, std::move(fd), bytes});
  return {};
}

void CatalogService::handle(std::span<const std::byte> bytes, std::unique_ptr<Responder> responder) {
  CatalogChunkRequest request;
  if (!read_message(bytes, request) || request.op != PeerOp::catalog_chunk) {
    return responder->fail(Error{Code::bad_argument, "not a catalog request"});
  }
  std::shared_ptr<const Published> catalog;
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = published_.find(request.dataset); at != published_.end()) {
      catalog = at->second;
    }
  }
  if (catalog == nullptr) {
    return responder->fail(
        Error{Code::not_found,
              fmt::format("no catalog of dataset {} is here (it is not finished)", request.dataset)});
  }
  if (request.offset == kAskCatalogBytes) {
    return responder->respond(sizeof catalog->file_bytes, [catalog](std::span<std::byte> into) {
      std::memcpy(into.data(), &catalog->file_bytes, into.size());
      return Status{};
    });
  }
  if (request.offset >= catalog->file_bytes) {
    return responder->fail(Error{Code::bad_argument, "offset behind the catalog's end"});
  }
  const std::uint64_t left = catalog->file_bytes - request.offset;
  responder->respond(std::min<std::uint64_t>(left, kChunkBytes),
                     [catalog, offset = request.offset](std::span<std::byte> into) -> Status {
                       FOREBAY_ASSIGN(got, read_fully_at(catalog->fd.get(), into, static_cast<off_t>(offset),
                                                         catalog->path));
                       if (got != into.size()) {
                         return Error{Code::io_error, catalog->path + " ended early"};
                       }
                       return {};
                     });
}

Result<Catalog> fetch_catalog(PeerTransport& transport, NodeIndex from, DatasetIndex dataset,
                              const std::string& path) {
  auto asked = ask_file_bytes(transport, from, dataset);
  for (std::uint32_t tries = 1; !asked.ok() && worth_another_try(asked.error().code) && tries < kTriesMax;
       ++tries) {
    asked = ask_file_bytes(transport, from, dataset);
  }
  FOREBAY_ASSIGN(file_bytes, std::move(asked));
  if (file_bytes < sizeof(CatalogHeader)) {
    return Error{Code::corrupt,
                 fmt::format("catalog of node {} is too small ({} bytes)", from.value, file_bytes)};
  }
  const std::string temporary = fmt::format("{}.{}.fetch.tmp", path, ::getpid());
  auto catalog = fetch_into(transport, from, dataset, file_bytes, temporary, path);
  if (!catalog.ok()) {
    ::unlink(temporary.c_str());
  }
  return catalog;
}

}  // namespace forebay
