// CheckpointMount: copies of what is pending, on partners, and here for those whose partner this node is.
#include "server/checkpoint_mount.hpp"
#include "server/checkpoint_reads.hpp"

namespace forebay {

void CheckpointMount::keep_copy(NodeIndex from, TreeChange change, std::unique_ptr<Responder> responder) {
  if (from.value >= options_.node_names.size()) {
    return responder->fail(Error{Code::bad_argument, "a copy for nobody"});
  }
  pullers_->post(
      [this, from, change = std::move(change), shared = std::shared_ptr<Responder>(std::move(responder))] {
        const Status kept = pull_copy(from, change);
        kept.ok() ? shared->respond_with({}) : shared->fail(kept.error());
      });
}

Status CheckpointMount::pull_copy(NodeIndex from, const TreeChange& change) {
  const std::string& node = options_.node_names[from.value];
  if (change.kind != TreeChangeKind::content) {
    return copies_.put(node, change, nullptr);
  }
  FOREBAY_ASSIGN(incoming, tree_.begin());
  std::atomic<std::uint64_t> progress{0};
  FOREBAY_ASSIGN(pulled, pull_file(
                             {transport_, from, options_.index, false, change.path, change.seq},
                             [&incoming](std::span<const std::byte> bytes, std::uint64_t offset) {
                               return incoming.write(bytes, offset);
                             },
                             progress));
  if (pulled.size != change.attributes.size || pulled.mtime_ns != change.attributes.mtime_ns) {
    return Error{Code::changed, change.path + " is another file by now"};
  }
  FOREBAY_TRY(incoming.set_attributes(change.attributes));
  return copies_.put(node, change, &incoming);
}

void CheckpointMount::drop_copies(NodeIndex from, std::vector<CheckpointMark> marks) {
  if (from.value >= options_.node_names.size()) {
    return;
  }
  pullers_->post([this, from, marks = std::move(marks)] {
    for (const auto& mark : marks) {
      copies_.drop(options_.node_names[from.value], mark.seq);
    }
  });
}

// What the file has now, open or not, is kept as if it were closed.
Status CheckpointMount::sync_with_partners(const std::string& path, const std::function<void(Status)>& done) {
  if (!partners_.any()) {
    return Error{Code::unavailable, "no other node can keep a copy", EIO};
  }
  FOREBAY_ASSIGN(change, tree_.describe(path));
  if (change.kind != TreeChangeKind::content) {
    return Error{Code::not_found, path + " is no file", ENOENT};
  }
  change.seq = ledger_.next_seq();
  {
    const std::lock_guard lock(mutex_);
    older_[path].push_back(change.seq);
  }
  partners_.keep(change, [done, path](bool kept) {
    done(kept ? Status() : Status(Error{Code::io_error, path + " was not copied to another node", EIO}));
  });
  return {};
}

std::vector<CheckpointMark> CheckpointMount::older_copies(const std::vector<CheckpointMark>& published) {
  const std::lock_guard lock(mutex_);
  for (const auto& mark : ledger_.take_superseded()) {
    older_[mark.path].push_back(mark.seq);
  }
  std::vector<CheckpointMark> over;
  for (const auto& mark : published) {
    const auto older = older_.find(mark.path);
    if (older == older_.end()) {
      continue;
    }
    std::erase_if(older->second, [&](std::uint64_t seq) {
      if (seq < mark.seq) {
        over.push_back({mark.path, seq});
      }
      return seq < mark.seq;
    });
    if (older->second.empty()) {
      older_.erase(older);
    }
  }
  return over;
}

}  // namespace forebay
