#include "server/checkpoint_service.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "common/log.hpp"
#include "config/stage_spec.hpp"
#include "drain/open_destination.hpp"
#include "drain/tree_path.hpp"
#include "stage/peer_messages.hpp"

namespace forebay {
namespace {

Error no_such_mount() {
  return {Code::bad_argument, "no such checkpoint mount", EINVAL};
}

}  // namespace

CheckpointService::~CheckpointService() {
  stop();
}

Status CheckpointService::open_destinations() {
  const auto& mounts = options_.checkpoints.mounts;
  const auto stores = static_cast<std::uint32_t>(
      std::count_if(mounts.begin(), mounts.end(), [](const auto& one) { return is_url(one.destination); }));
  const auto share = store_share(options_.store, transport_.node_count() * std::max(1U, stores));
  for (const auto& one : mounts) {
    FOREBAY_ASSIGN(destination, open_destination(one.destination, share));
    expected_.push_back({one.mount, destination->canonical_name(), destination->is_posix(),
                         options_.checkpoints.fsync, options_.checkpoints.when_full});
    destinations_.push_back(std::move(destination));
  }
  return {};
}

std::vector<Session::Expected::Checkpoint> CheckpointService::expected() const {
  return expected_;
}

Status CheckpointService::open_stores(const Session& session, const std::string& buffer_directory,
                                      const std::vector<std::string>& node_names, bool restart) {
  for (std::uint32_t k = 0; k < destinations_.size(); ++k) {
    CheckpointMount::Options options;
    options.index = k;
    options.mount = expected_[k].mount;
    options.buffer_directory = buffer_directory;
    options.settings = &options_.checkpoints;
    options.node_names = node_names;
    options.restart = restart;
    options.bandwidth_bytes_per_s =
        (options_.checkpoints.bandwidth_bytes_per_s + transport_.node_count() - 1) / transport_.node_count();
    options.record = &session.control().checkpoints[k];
    options.room = &room_;
    auto mount = CheckpointMount::open(options, std::move(destinations_[k]), transport_);
    Status set = mount.ok() ? session.set_store(k, (*mount)->store().path(), (*mount)->store().device())
                            : Status(mount.error());
    if (!set.ok()) {
      log_warning("{} goes straight to {}: {}", expected_[k].mount, expected_[k].destination,
                  set.error().text);
      FOREBAY_TRY(session.set_store(k, "", 0));
    }
    mounts_.push_back(set.ok() ? std::move(mount).value() : nullptr);
  }
  destinations_.clear();
  return start_room();
}

// All stores are on the buffer's file system.
Status CheckpointService::start_room() {
  std::uint64_t used = 0;
  const CheckpointMount* any = nullptr;
  for (const auto& mount : mounts_) {
    if (mount) {
      any = mount.get();
      used += mount->stored_bytes();
    }
  }
  return any == nullptr ? Status()
                        : room_.start(any->store().fd(), used, options_.checkpoints.capacity_bytes,
                                      options_.floor_bytes, options_.simulate ? transport_.node_count() : 1);
}

void CheckpointService::start() {
  const std::unique_lock lock(mutex_);
  for (const auto& mount : mounts_) {
    if (mount) {
      mount->start();
    }
  }
  serving_ = true;
}

void CheckpointService::wait_until_heard() {
  for (const auto& mount : mounts_) {
    if (mount) {
      mount->wait_until_heard();
    }
  }
}

void CheckpointService::recover() {
  for (const auto& mount : mounts_) {
    if (mount) {
      mount->recover();
    }
  }
}

void CheckpointService::start_draining() {
  for (const auto& mount : mounts_) {
    if (mount) {
      mount->start_draining();
    }
  }
}

void CheckpointService::stop() {
  {
    const std::unique_lock lock(mutex_);
    serving_ = false;
  }
  for (const auto& mount : mounts_) {
    if (mount) {
      mount->stop();
    }
  }
}

CheckpointMount* CheckpointService::mount_of(std::uint32_t checkpoint,
                                             std::shared_lock<std::shared_mutex>* held) {
  *held = std::shared_lock(mutex_);
  return serving_ && checkpoint < mounts_.size() ? mounts_[checkpoint].get() : nullptr;
}

std::function<std::uint64_t()> CheckpointService::bring(std::uint32_t checkpoint, CheckpointBring what,
                                                        std::string path, std::function<void(Status)> done) {
  std::shared_lock<std::shared_mutex> held;
  if (CheckpointMount* mount = mount_of(checkpoint, &held)) {
    return mount->bring(what, std::move(path), std::move(done));
  }
  done(no_such_mount());
  return nullptr;
}

void CheckpointService::note(std::uint32_t checkpoint, std::function<void(Status)> done) {
  std::shared_lock<std::shared_mutex> held;
  if (CheckpointMount* mount = mount_of(checkpoint, &held)) {
    return mount->note(std::move(done));
  }
  done(no_such_mount());
}

std::function<std::uint64_t()> CheckpointService::sync(std::uint32_t checkpoint, std::string path,
                                                       std::function<void(Status)> done) {
  std::shared_lock<std::shared_mutex> held;
  if (CheckpointMount* mount = mount_of(checkpoint, &held)) {
    return mount->sync(std::move(path), std::move(done));
  }
  done(no_such_mount());
  return nullptr;
}

void CheckpointService::for_each(const std::function<void(CheckpointMount& mount)>& visit) {
  const std::shared_lock held(mutex_);
  if (!serving_) {
    return;
  }
  for (const auto& mount : mounts_) {
    if (mount) {
      visit(*mount);
    }
  }
}

Result<std::map<const CheckpointMount*, std::vector<std::string>>> CheckpointService::select(
    const std::vector<std::string>& paths) {
  std::map<const CheckpointMount*, std::vector<std::string>> selected;
  for (const auto& path : paths) {
    const std::string normal = std::filesystem::path(path).lexically_normal().string();
    const std::string plain =
        normal.size() > 1 && normal.back() == '/' ? normal.substr(0, normal.size() - 1) : normal;
    bool below = false;
    for (const auto& one : expected_) {
      below = below || is_at_or_below(plain, one.mount);
    }
    if (!below) {
      return Error{Code::not_found, path + " is below no checkpoint mount", ENOENT};
    }
    for_each([&](const CheckpointMount& mount) {
      if (is_at_or_below(plain, mount.mount())) {
        selected[&mount].push_back(plain == mount.mount() ? "" : plain.substr(mount.mount().size() + 1));
      }
    });
  }
  return selected;
}

Status CheckpointService::write_receipts(const std::vector<std::string>& paths) {
  FOREBAY_ASSIGN(selected, select(paths));
  Status written;
  for_each([&](CheckpointMount& mount) {
    std::vector<std::string> directories;
    if (paths.empty()) {
      for (const auto& name : mount.drainer().names(1u << 20)) {
        directories.push_back(parent_of(name.path));
      }
    } else {
      directories = selected[&mount];
    }
    std::sort(directories.begin(), directories.end());
    directories.erase(std::unique(directories.begin(), directories.end()), directories.end());
    for (const auto& directory : directories) {
      if (written.ok()) {
        written = mount.write_receipt(directory);
      }
    }
  });
  return written;
}

void CheckpointService::on_request(NodeIndex from, std::span<const std::byte> request,
                                   std::unique_ptr<Responder> responder) {
  const auto checkpoint = checkpoint_of(request);
  std::shared_lock<std::shared_mutex> held;
  CheckpointMount* mount = checkpoint ? mount_of(*checkpoint, &held) : nullptr;
  if (mount == nullptr) {
    // Where programs go to the destination themselves, nobody has to be told.
    const PeerOp op = peer_op_of(request);
    const bool passes = serving_ && checkpoint && *checkpoint < mounts_.size() &&
                        op != PeerOp::read_checkpoint && op != PeerOp::keep_copy;
    return passes ? responder->respond_with({}) : responder->fail(no_such_mount());
  }
  switch (peer_op_of(request)) {
    case PeerOp::checkpoint_names:
      if (auto changes = changes_in(request)) {
        return mount->follow(
            from, std::move(*changes),
            [shared = std::shared_ptr<Responder>(std::move(responder))] { shared->respond_with({}); });
      }
      break;
    case PeerOp::checkpoint_published:
      if (const auto marks = marks_in(request)) {
        mount->follow_published(from, *marks);
        return responder->respond_with({});
      }
      break;
    case PeerOp::keep_copy:
      if (auto changes = changes_in(request); changes && changes->size() == 1) {
        return mount->keep_copy(from, std::move(changes->front()), std::move(responder));
      }
      break;
    case PeerOp::drop_copy:
      if (auto marks = marks_in(request)) {
        mount->drop_copies(from, std::move(*marks));
        return responder->respond_with({});
      }
      break;
    case PeerOp::read_checkpoint:
      if (auto read = read_in(request)) {
        return mount->read(read->first, std::move(read->second), std::move(responder));
      }
      break;
    default:
      break;
  }
  responder->fail(Error{Code::bad_argument, "malformed request about a checkpoint"});
}

}  // namespace forebay
