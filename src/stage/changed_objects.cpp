#include "stage/changed_objects.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "common/path_io.hpp"
#include "origin/origin_retry.hpp"
#include "stage/peer_messages.hpp"

namespace forebay {
namespace {

constexpr std::size_t kVersionBytesMax = sizeof(ChangedObject) + kLocatorBytesMax;

std::string path_of_version(const std::string& directory, ObjectKey object) {
  char name[kChangedNameBytes];
  changed_name(object.dataset, object.entry, name);
  return directory + name;
}

std::vector<std::byte> bytes_of(const ChangedObjects::Version& version) {
  std::vector<std::byte> bytes(sizeof version.record + version.locator.size());
  std::memcpy(bytes.data(), &version.record, sizeof version.record);
  if (!version.locator.empty()) {
    std::memcpy(bytes.data() + sizeof version.record, version.locator.data(), version.locator.size());
  }
  return bytes;
}

Result<ChangedObjects::Version> version_in(std::span<const std::byte> bytes) {
  ChangedObjects::Version version;
  if (bytes.size() >= sizeof version.record) {
    std::memcpy(&version.record, bytes.data(), sizeof version.record);
    const auto rest = bytes.subspan(sizeof version.record);
    if (version.record.magic == kChangedMagic && version.record.locator_bytes == rest.size()) {
      version.locator.assign(reinterpret_cast<const char*>(rest.data()), rest.size());
      return version;
    }
  }
  return Error{Code::corrupt, "malformed version of an object that changed"};
}

Error is_gone(const std::string& text) {
  return Error{Code::changed, text, ESTALE};
}

}  // namespace

bool ChangedObjects::rereads(ObjectKey object) const {
  const StagedDataset& set = dataset(object);
  return !parts_.session_directory.empty() && !set.origin->is_posix() && set.state.bypassed(object.entry);
}

std::uint32_t ChangedObjects::keeper_of(ObjectKey object) const {
  const std::uint32_t owner = dataset(object).state.owner(entry_of(parts_.datasets, object).first);
  return owner != kNoOwner ? owner : object.entry % parts_.transport.node_count();
}

// What this node was told, also before servers were started again.
Result<ChangedObjects::Version> ChangedObjects::known(ObjectKey object) {
  const std::string path = path_of_version(parts_.session_directory, object);
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.valid()) {
    return error_from_errno("cannot open " + path);
  }
  std::vector<std::byte> bytes(kVersionBytesMax);
  FOREBAY_ASSIGN(got, read_fully_at(fd.get(), bytes, 0, path));
  return version_in(std::span(bytes).first(got));
}

// An older one than is known changes nothing.
Status ChangedObjects::note(ObjectKey object, const Version& version) {
  const std::lock_guard lock(files_);
  if (const auto before = known(object); before.ok() && before->record.number >= version.record.number) {
    return {};
  }
  const std::string path = path_of_version(parts_.session_directory, object);
  const std::string beside = path + ".tmp";
  const UniqueFd fd(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) {
    return error_from_errno("cannot write " + beside);
  }
  FOREBAY_TRY(write_fully_at(fd.get(), bytes_of(version), 0, beside));
  if (::rename(beside.c_str(), path.c_str()) != 0) {
    return error_from_errno("cannot write " + path);
  }
  return {};
}

// Which version.

void ChangedObjects::find_other_than(ObjectKey object, std::uint64_t refused, Found found) {
  if (const auto here = known(object); here.ok() && here->record.identity.version != refused) {
    return found(here);
  }
  ChangedRequest request;
  request.dataset = object.dataset;
  request.entry = object.entry;
  request.refused = refused;
  const auto answer = std::make_shared<std::vector<std::byte>>(kVersionBytesMax);
  parts_.transport.fetch(NodeIndex{keeper_of(object)}, request_bytes(request), *answer,
                         [this, object, answer, found = std::move(found)](const Result<std::size_t>& landed) {
                           if (!landed.ok()) {
                             return found(Error{landed.error()});
                           }
                           executor(object).post([this, object, answer, found, bytes = *landed] {
                             const auto version = version_in(std::span(*answer).first(bytes));
                             if (!version.ok()) {
                               return found(version);
                             }
                             if (const Status noted = note(object, *version); !noted.ok()) {
                               return found(Error{noted.error()});
                             }
                             found(version);
                           });
                         });
}

void ChangedObjects::on_request(NodeIndex, std::span<const std::byte> bytes,
                                std::unique_ptr<Responder> responder) {
  ChangedRequest request;
  const bool is_long_enough = bytes.size() >= sizeof request;
  if (is_long_enough) {
    std::memcpy(&request, bytes.data(), sizeof request);
  }
  if (!is_long_enough || parts_.session_directory.empty() ||
      !names_object(parts_.datasets, request.dataset, request.entry)) {
    return responder->fail(Error{Code::bad_argument, "malformed request for an object that changed"});
  }
  const ObjectKey object{request.dataset, request.entry};
  const std::shared_ptr<Responder> answer = std::move(responder);
  if (request.tells != 0) {
    const auto told = version_in(bytes.subspan(sizeof request));
    if (!told.ok()) {
      return answer->fail(told.error());
    }
    return executor(object).post([this, object, version = *told, answer] {
      const Status noted = note(object, version);
      if (noted.ok()) {
        answer->respond_with({});
      } else {
        answer->fail(noted.error());
      }
    });
  }
  decide(object, request.refused, [answer](const Result<Version>& version) {
    if (version.ok()) {
      answer->respond_with(bytes_of(*version));
    } else {
      answer->fail(version.error());
    }
  });
}

// One decision at a time for an object; who asks meanwhile waits for it.
void ChangedObjects::decide(ObjectKey object, std::uint64_t refused, Found found) {
  {
    const std::lock_guard lock(mutex_);
    auto& waiting = deciding_[object.packed()];
    waiting.push_back(std::move(found));
    if (waiting.size() > 1) {
      return;
    }
  }
  executor(object).post([this, object, refused] {
    const auto version = look(object, refused);
    const auto all_told = [this, object, version] {
      std::vector<Found> waiting;
      {
        const std::lock_guard lock(mutex_);
        waiting = std::move(deciding_[object.packed()]);
        deciding_.erase(object.packed());
      }
      for (const auto& found_by : waiting) {
        found_by(version);
      }
    };
    if (version.ok()) {
      tell(object, *version, all_told);
    } else {
      all_told();
    }
  });
}

Result<ChangedObjects::Version> ChangedObjects::look(ObjectKey object, std::uint64_t refused) {
  const auto before = known(object);
  if (before.ok() && before->record.identity.version != refused) {
    return before;
  }
  const StagedDataset& set = dataset(object);
  const CatalogEntry& entry = entry_of(parts_.datasets, object);
  const std::string path = set.catalog->path_of(object.entry);
  const auto now = set.origin->look_at(path);
  if (!now.ok()) {
    return now.error().code == Code::not_found ? is_gone(now.error().text) : Error{now.error()};
  }
  const OriginAttributes& attributes = now->attributes;
  if (!S_ISREG(attributes.mode) || attributes.left_to_origin) {
    return is_gone(set.origin->canonical_name() + "/" + path + " is no object any more");
  }
  CatalogEntry as_now = entry;
  as_now.size = attributes.size;
  as_now.inode = attributes.inode;
  as_now.mtime_ns = attributes.mtime_ns;
  as_now.ctime_ns = attributes.ctime_ns;
  Version version;
  version.locator = now->locator;
  version.record = {kChangedMagic,       (before.ok() ? before->record.number : 0) + 1,
                    identity_of(as_now), attributes.size,
                    attributes.blocks,   attributes.mtime_ns,
                    now->locator.size()};
  if (version.record.identity.version == refused) {
    return is_gone(set.origin->canonical_name() + "/" + path + " is not to be had (it changes all the time)");
  }
  FOREBAY_TRY(note(object, version));
  log_.warning(fmt::format("{}/{} changed while the job ran: read anew, {} bytes",
                           set.origin->canonical_name(), path, attributes.size));
  return version;
}

// Who cannot be told asks when it needs to know.
void ChangedObjects::tell(ObjectKey object, const Version& version, const std::function<void()>& told) {
  ChangedRequest request;
  request.tells = 1;
  request.dataset = object.dataset;
  request.entry = object.entry;
  std::vector<std::byte> bytes(request_bytes(request).begin(), request_bytes(request).end());
  const auto body = bytes_of(version);
  bytes.insert(bytes.end(), body.begin(), body.end());
  const std::uint32_t nodes = parts_.transport.node_count();
  const auto left = std::make_shared<std::atomic<std::uint32_t>>(nodes);
  const auto one_told = [left, told](const Result<std::size_t>&) {
    if (left->fetch_sub(1) == 1) {
      told();
    }
  };
  for (std::uint32_t node = 0; node < nodes; ++node) {
    if (node != parts_.transport.self().value) {
      parts_.transport.fetch(NodeIndex{node}, bytes, {}, one_told);
    }
  }
  one_told(std::size_t{0});  // This node knows.
}

// Its bytes.

Stager::Progress ChangedObjects::bring(ObjectKey object, Brought brought) {
  std::shared_ptr<Bringing> bringing;
  {
    const std::lock_guard lock(mutex_);
    auto& slot = bringing_[object.packed()];
    if (slot) {
      slot->waiting.push_back(std::move(brought));
      return slot->progress;
    }
    slot = std::make_shared<Bringing>();
    slot->object = object;
    slot->waiting.push_back(std::move(brought));
    bringing = slot;
  }
  executor(object).post([this, bringing] { read_some_version(bringing, 0); });
  return bringing->progress;
}

void ChangedObjects::read_some_version(const std::shared_ptr<Bringing>& bringing, std::uint64_t refused) {
  find_other_than(bringing->object, refused, [this, bringing](const Result<Version>& found) {
    if (!found.ok()) {
      return end(bringing, Error{found.error()});
    }
    executor(bringing->object).post([this, bringing, version = *found] {
      bringing->progress->fetch_add(1);
      auto opened = read_version(*bringing, version);
      if (!opened.ok() && opened.error().code == Code::changed && --bringing->attempts_left > 0 &&
          !parts_.stager.stopping()) {
        return read_some_version(bringing, version.record.identity.version);
      }
      end(bringing, std::move(opened));
    });
  });
}

Result<UniqueFd> ChangedObjects::read_version(const Bringing& bringing, const Version& version) {
  const StagedDataset& set = dataset(bringing.object);
  const ObjectShape shape{version.record.identity, version.record.size, set.view().header().stripe_bytes};
  if (auto here = parts_.store.open_object(shape, 0); here.ok()) {
    return here;
  }
  CatalogEntry expected = entry_of(parts_.datasets, bringing.object);
  expected.size = version.record.size;
  expected.mtime_ns = expected.ctime_ns = version.record.mtime_ns;
  const std::string path = set.catalog->path_of(bringing.object.entry);
  for (int attempt = 1;; ++attempt) {
    FOREBAY_ASSIGN(reader, set.origin->open(path, expected, version.locator));
    FOREBAY_ASSIGN(landing, make_room(shape));
    Status landed = land(bringing, version, *reader, *landing);
    if (landed.ok()) {
      FOREBAY_ASSIGN(inode, landing->publish());
      {
        const std::lock_guard lock(mutex_);
        kept_.push_back(shape.identity);
      }
      return parts_.store.open_object(shape, inode);
    }
    if (landed.error().code != Code::corrupt || attempt == kOriginAttempts || parts_.stager.stopping()) {
      return std::move(landed).error();
    }
  }
}

Status ChangedObjects::land(const Bringing& bringing, const Version& version, OriginReader& reader,
                            Landing& landing) {
  const std::uint64_t bytes = version.record.size;
  std::vector<std::byte> chunk(std::min<std::uint64_t>(kChunkBytes, bytes));
  if (bytes == 0) {
    FOREBAY_TRY(landing.write_chunk(0, {}));
  }
  for (std::uint64_t at = 0; at < bytes; at += chunk.size()) {
    if (parts_.stager.stopping()) {
      return Error{Code::cancelled, "staging stopped"};
    }
    const auto piece = std::span(chunk).first(std::min<std::uint64_t>(chunk.size(), bytes - at));
    FOREBAY_TRY(reader.read(at, piece));
    parts_.counters.origin_bytes_read.fetch_add(piece.size(), std::memory_order_relaxed);
    FOREBAY_TRY(landing.write_chunk(at, piece));
    bringing.progress->fetch_add(1);
  }
  FOREBAY_TRY(reader.verify_unchanged());
  const std::uint32_t stripes = stripes_of(bytes, dataset(bringing.object).view().header().stripe_bytes);
  for (std::uint32_t stripe = 0; stripe < stripes; ++stripe) {
    FOREBAY_TRY(landing.complete_stripe(stripe));
  }
  return {};
}

Result<std::shared_ptr<Landing>> ChangedObjects::make_room(const ObjectShape& shape) {
  auto landing = parts_.stager.begin(shape, shape.bytes);
  if (landing.ok() || landing.error().code != Code::no_space) {
    return landing;
  }
  std::vector<Identity> others;
  {
    const std::lock_guard lock(mutex_);
    others = std::exchange(kept_, {});
  }
  for (const auto& other : others) {
    if (const Status removed = parts_.store.remove(other); !removed.ok()) {
      log_.warning(removed.error().text);
    }
  }
  return parts_.stager.begin(shape, shape.bytes);
}

void ChangedObjects::end(const std::shared_ptr<Bringing>& bringing, Result<UniqueFd> outcome) {
  std::vector<Brought> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting = std::move(bringing->waiting);
    bringing_.erase(bringing->object.packed());
  }
  if (!outcome.ok()) {
    log_.warning(fmt::format("not read anew: {}", outcome.error().text));
  }
  for (auto& brought : waiting) {
    if (!outcome.ok()) {
      brought(Error{outcome.error()});
    } else {
      brought(UniqueFd(::fcntl(outcome->get(), F_DUPFD_CLOEXEC, 0)));
    }
  }
}

}  // namespace forebay
