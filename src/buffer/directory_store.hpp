// DirectoryStore: the ObjectStore that keeps one sparse file an object (names and layout:
// buffer_directory.hpp).
//
// Published objects cost no memory: their names follow from their identities, and the state table knows what
// is here. Objects in parts cost a PartFile each.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "buffer/buffer_directory.hpp"
#include "buffer/buffer_health.hpp"
#include "buffer/index_log.hpp"
#include "buffer/object_store.hpp"
#include "buffer/part_file.hpp"
#include "buffer/quarantine.hpp"
#include "buffer/space_account.hpp"
#include "buffer/take_up.hpp"

namespace forebay {

class DirectoryStore final : public ObjectStore {
 public:
  static Result<std::unique_ptr<ObjectStore>> open(const Options& options);
  ~DirectoryStore() override;

  [[nodiscard]] const std::string& objects_directory() const override { return directory_.objects_path(); }
  [[nodiscard]] std::uint64_t device() const override { return directory_.device(); }
  [[nodiscard]] TakenUp taken_up() const override { return taken_up_; }
  void visit_kept(const std::function<bool(const KeptStripe&)>& visit) override;
  Result<std::unique_ptr<Landing>> begin(const ObjectShape& shape, std::uint64_t reserve_bytes) override;
  Result<std::size_t> read(const Identity& object, std::uint64_t offset, std::span<std::byte> into) override;
  Result<UniqueFd> open_object(const ObjectShape& shape, std::uint64_t inode) override;
  Status verify(const ObjectShape& shape, std::uint32_t stripe, std::uint64_t checksum) override;
  using ObjectStore::remove;
  Status remove(const Identity& object, std::uint64_t published_bytes) override;
  Status quarantine(const ObjectShape& shape, bool was_published) override;
  Status evict_stripe(const Identity& object, std::uint32_t stripe) override;
  [[nodiscard]] StoreUsage usage() const override { return space_.usage(); }

 private:
  friend class FileLanding;
  using PartPointer = std::shared_ptr<PartFile>;
  struct IdentityHash {
    std::size_t operator()(const Identity& identity) const noexcept {
      return identity.path ^ identity.version;
    }
  };
  struct Stranger {
    Identity object;
    std::uint64_t published_bytes;  // 0 when it is not whole
    bool gone;
  };

  explicit DirectoryStore(BufferDirectory directory);
  Status take_up_all(const Options& options);

  // For landings.
  Status open_part(PartFile& part);       // part.mutex held
  void release(const PartPointer& part);  // a landing of it ends
  Status reserve(std::uint64_t bytes);    // evicting strangers as needed
  void forget(const PartFile& part);      // it is no .part any more
  // An error of the file system while something is brought in, as the caller is to see it: noted, and with
  // one of the codes that landings promise.
  Error failed(Error error);
  Status failed(Status status) {
    return status.ok() ? std::move(status) : Status{failed(std::move(status).error())};
  }

  [[nodiscard]] PartPointer join_part(const ObjectShape& shape);  // counts a landing
  [[nodiscard]] PartPointer find_part(const Identity& object);
  // The file with bytes [offset, offset + bytes) of the object, all of them complete.
  // and, when it is a part, the part with the number of stripes that were evicted from it before.
  struct CompleteFile {
    UniqueFd fd;
    PartPointer part;
    std::uint64_t evictions;
  };
  Result<CompleteFile> open_complete(const Identity& object, std::uint64_t offset, std::uint64_t bytes);
  // Whether no stripe was evicted since; otherwise what was read meanwhile may be a hole's zeroes.
  static Status unchanged_since(const CompleteFile& file);
  bool evict_stranger();
  void adopt(const Identity& object);  // It is no stranger any more.
  enum class Fate { remove, quarantine };
  Status take_out(const Identity& object, std::uint64_t published_bytes, Fate fate);
  Status remove_part(const PartPointer& part, Fate fate);
  Status remove_whole(const Identity& object, std::uint64_t published_bytes, Fate fate);
  Status reopen_part(PartFile& part);  // open_part() where a directory may have been removed; part.mutex held
  Status restore_directory(const Error& missing);
  Status begin_index_anew();

  BufferDirectory directory_;
  IndexLog index_;
  SpaceAccount space_;
  Quarantine quarantine_{directory_, space_};
  BufferHealth health_;
  TakenUp taken_up_{};
  std::mutex restore_mutex_;

  std::mutex mutex_;  // Guards all below. No call to the file system is made under it.
  std::unordered_map<Identity, PartPointer, IdentityHash> parts_;
  std::vector<IndexEntry> kept_;         // until visit_kept(); sorted by object
  std::vector<Identity> removed_early_;  // before visit_kept()
  std::vector<Stranger> strangers_;      // sorted by object; evicted from the front
  std::size_t next_stranger_ = 0;
};

}  // namespace forebay
