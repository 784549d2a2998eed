// ClientLab: a real session over a real tree, made as a server makes it, for the client library in this
// process.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "buffer/object_store.hpp"
#include "catalog/catalog_builder.hpp"
#include "catalog/listing_codec.hpp"
#include "client/mapped_session.hpp"
#include "common/chunk.hpp"
#include "origin/origin.hpp"
#include "server/session.hpp"

namespace forebay::test {

// In memory, removed with this.
class ClientScratch {
 public:
  ClientScratch() {
    std::string pattern = "/dev/shm/forebay-client-XXXXXX";
    FOREBAY_CHECK(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~ClientScratch() { std::filesystem::remove_all(path_); }
  ClientScratch(const ClientScratch&) = delete;
  ClientScratch& operator=(const ClientScratch&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class ClientLab {
 public:
  // `tree` is staged in place: its mount is its own path.
  ClientLab(const std::string& tree, const std::string& below, bool with_data = true)
      : origin_(open_origin(tree, {}).value()), session_(Session::create(below + "/sessions/session").value()) {
    write_catalog();
    catalog_ = std::make_unique<Catalog>(Catalog::load(session_.catalog_path(0)).value());
    state_ = session_.add_dataset(0, *catalog_, origin_->canonical_name(), true).value();
    store_ = ObjectStore::open({below + "/buffer", 1u << 30, 1}).value();
    store_->visit_kept([](const KeptStripe&) { return true; });
    for (std::uint32_t entry = 0; with_data && entry < view().header().entry_count; ++entry) {
      stage(entry);
    }
    FOREBAY_CHECK(session_.publish({0, 1, store_->objects_directory(), store_->device(), UINT64_MAX}).ok());
    session_.set_phase(SessionPhase::serving);
  }

  [[nodiscard]] const std::string& directory() const { return session_.directory(); }
  [[nodiscard]] std::string mount() const { return origin_->canonical_name(); }
  [[nodiscard]] const CatalogView& view() const { return catalog_->view(); }
  [[nodiscard]] const StateView& state() const { return state_; }
  [[nodiscard]] const Session& session() const { return session_; }
  [[nodiscard]] const std::string& objects_directory() const { return store_->objects_directory(); }
  [[nodiscard]] std::uint32_t entry(const std::string& path) const {
    return view().find(path.data(), path.size());
  }
  [[nodiscard]] std::string path_of(std::uint32_t entry) const { return catalog_->path_of(entry); }

  // Brings the object into the buffer and says so. Nothing for what is no object.
  void stage(std::uint32_t index) {
    const CatalogEntry& entry = view().entry(index);
    if (!CatalogView::is_object(entry) || entry.count != index) {
      return;
    }
    const ObjectShape shape{identity_of(entry), entry.size, view().header().stripe_bytes};
    auto reader = origin_->open(catalog_->path_of(index), entry, {}).value();
    auto landing = store_->begin(shape, shape.bytes).value();
    const std::uint32_t stripes = stripes_of(shape.bytes, shape.stripe_bytes);
    for (std::uint64_t at = 0; at < std::max<std::uint64_t>(shape.bytes, 1); at += kChunkBytes) {
      std::vector<std::byte> chunk(std::min<std::uint64_t>(kChunkBytes, shape.bytes - at));
      FOREBAY_CHECK(chunk.empty() || reader->read(at, chunk).ok());
      FOREBAY_CHECK(landing->write_chunk(at, chunk).ok());
    }
    for (std::uint32_t stripe = 0; stripe < stripes; ++stripe) {
      state_.set_present(entry.first + stripe, landing->complete_stripe(stripe).value());
    }
    state_.publish_inode(index, landing->publish().value());
  }

 private:
  void write_catalog() {
    CatalogBuilder builder(origin_->canonical_name(), 2 * kChunkBytes);
    const OriginAttributes root = origin_->root_attributes().value();
    builder.set_root(root);
    std::map<std::uint64_t, std::string> devices{{root.device, ""}};
    std::vector<std::string> directories{""};
    std::vector<std::byte> encoded;
    while (!directories.empty()) {
      const std::string directory = directories.back();
      directories.pop_back();
      const DirectoryListing listing = origin_->list(directory).value();
      for (const auto& name : listing.names) {
        const std::string path = directory.empty() ? name.name : directory + "/" + name.name;
        devices.emplace(name.attributes.device, path);
        if (S_ISDIR(name.attributes.mode) && !name.attributes.left_to_origin) {
          directories.push_back(path);
        }
      }
      encode_listing(directory, listing, encoded);
    }
    for (const auto& [device, path] : devices) {
      encode_file_system(origin_->file_system(path).value(), encoded);
    }
    FOREBAY_CHECK(builder.add_encoded(encoded).ok());
    FOREBAY_CHECK(builder.write(session_.catalog_path(0)).ok());
  }

  std::unique_ptr<Origin> origin_;
  Session session_;
  std::unique_ptr<Catalog> catalog_;
  StateView state_;
  std::unique_ptr<ObjectStore> store_;
};

}  // namespace forebay::test
