#include "catalog/catalog_builder.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "catalog/catalog_layout_plan.hpp"
#include "catalog/catalog_writer.hpp"
#include "catalog/put_in_place.hpp"
#include "common/mapped_file.hpp"

namespace forebay {

struct CatalogBuilder::State {
  std::string origin;
  std::uint64_t stripe_bytes;
  std::uint64_t path_seed;
  OriginAttributes root;
  std::vector<std::vector<std::byte>> taken;
  std::vector<ListingAt> listings;
  std::map<std::uint64_t, CatalogFileSystem> file_systems;
  std::set<OwnerKey> owners;
  std::set<FileSystemKey> file_system_keys;
  std::uint64_t names = 0;
  std::uint64_t strings_bytes = 0;
  std::uint64_t left_out = 0;

  // Neighbours in a listing mostly share these, and a set is slow to ask.
  OwnerKey last_owner;
  FileSystemKey last_file_system;

  void note(const OriginAttributes& a) {
    if (const OwnerKey owner{a.uid, a.gid}; owners.empty() || owner != last_owner) {
      owners.insert(owner);
      last_owner = owner;
    }
    if (const FileSystemKey key{a.device, a.block_bytes};
        file_system_keys.empty() || key != last_file_system) {
      file_system_keys.insert(key);
      last_file_system = key;
    }
  }

  // The same whichever of two nodes' numbers for one device comes first.
  void take(const CatalogFileSystem& numbers) {
    const auto [at, fresh] = file_systems.try_emplace(numbers.device, numbers);
    if (!fresh && std::memcmp(&numbers, &at->second, sizeof numbers) < 0) {
      at->second = numbers;
    }
  }

  Status take_listing(ListingReader& reader, const NameVisitor& visit);
  Status refuse_repeats();
};

CatalogBuilder::CatalogBuilder(std::string origin_name, std::uint64_t stripe_bytes, std::uint32_t instance)
    : state_(std::make_unique<State>()) {
  FOREBAY_CHECK(stripe_bytes > 0 && origin_name.size() <= kNameBytesMax);
  state_->path_seed = hash_bytes(origin_name.data(), origin_name.size(), instance);
  state_->origin = std::move(origin_name);
  state_->stripe_bytes = stripe_bytes;
  state_->root.mode = S_IFDIR | 0755;
}

CatalogBuilder::CatalogBuilder(CatalogBuilder&& other) noexcept = default;
CatalogBuilder::~CatalogBuilder() = default;

void CatalogBuilder::set_root(const OriginAttributes& root) {
  FOREBAY_CHECK(S_ISDIR(root.mode));
  state_->root = root;
}

Status CatalogBuilder::State::take_listing(ListingReader& reader, const NameVisitor& visit) {
  ListedName name;
  while (true) {
    FOREBAY_ASSIGN(more, reader.next_name(name));
    if (!more) {
      return {};
    }
    note(name.attributes);
    ++names;
    strings_bytes += text_bytes(name);
    if (visit) {
      visit(reader.directory(), name);
    }
  }
}

Status CatalogBuilder::add_encoded(std::span<const std::byte> encoded, const NameVisitor& visit) {
  state_->taken.emplace_back(encoded.begin(), encoded.end());
  const std::span<const std::byte> kept(state_->taken.back());
  ListingReader reader(kept);
  std::size_t listing_begin = 0;
  bool in_listing = false;
  while (true) {
    FOREBAY_ASSIGN(record, reader.next());
    if (in_listing) {  // Its end is known now.
      auto& listing = state_->listings.back();
      listing.encoded = kept.subspan(listing_begin, reader.record_offset() - listing_begin);
      in_listing = false;
    }
    switch (record) {
      case ListingReader::Record::end:
        return {};
      case ListingReader::Record::file_system:
        state_->take(reader.file_system());
        break;
      case ListingReader::Record::listing: {
        const auto directory = reader.directory();
        state_->listings.push_back({hash_bytes(directory.data(), directory.size(), state_->path_seed), {}});
        listing_begin = reader.record_offset();
        in_listing = true;
        state_->left_out += reader.left_out();
        FOREBAY_TRY(state_->take_listing(reader, visit));
        break;
      }
    }
  }
}

Status CatalogBuilder::State::refuse_repeats() {
  const auto directory = [](const ListingAt& listing) {
    ListingReader reader(listing.encoded);
    FOREBAY_CHECK(reader.next().ok());
    return reader.directory();
  };
  std::sort(listings.begin(), listings.end(), [&](const ListingAt& a, const ListingAt& b) {
    return a.path_hash != b.path_hash ? a.path_hash < b.path_hash : directory(a) < directory(b);
  });
  const auto twice =
      std::adjacent_find(listings.begin(), listings.end(), [&](const ListingAt& a, const ListingAt& b) {
        return a.path_hash == b.path_hash && directory(a) == directory(b);
      });
  if (twice != listings.end()) {
    return Error{Code::corrupt, fmt::format("{}/{} was listed twice", origin, directory(*twice))};
  }
  return {};
}

Status CatalogBuilder::write(const std::string& path) {
  FOREBAY_TRY(state_->refuse_repeats());
  state_->note(state_->root);
  const CatalogContent content{state_->origin,
                               state_->path_seed,
                               state_->stripe_bytes,
                               state_->left_out,
                               state_->root,
                               state_->listings,
                               state_->file_systems,
                               Numbering<OwnerKey>(state_->owners),
                               Numbering<FileSystemKey>(state_->file_system_keys)};
  FOREBAY_ASSIGN(header, plan_catalog({.entries = state_->names + 1,
                                       .owners = content.owners.keys().size(),
                                       .file_systems = content.file_system_keys.keys().size(),
                                       .strings_bytes = state_->strings_bytes + state_->origin.size()}));
  const std::string temporary = fmt::format("{}.{}.{}.tmp", path, ::getpid(), fmt::ptr(state_.get()));
  Status done;
  {
    FOREBAY_ASSIGN(file, MappedFile::create(temporary, header.file_bytes));
    done = CatalogWriter(file.data(), header, content).run();
  }
  if (done.ok()) {
    done = put_in_place(temporary, path);
  }
  if (!done.ok()) {
    ::unlink(temporary.c_str());
  }
  return done;
}

}  // namespace forebay
