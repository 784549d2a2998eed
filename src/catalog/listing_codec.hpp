// The wire form of scanned directories: what a scanning node sends to the one that builds, and what the
// builder keeps.
//
// Records one behind the other: a byte of kind, the body's length in 8 bytes little endian, the body. Numbers
// in bodies are LEB128 varints, attributes differences to the name before, so that a name costs about 40
// bytes besides itself. Names are in strictly ascending order of their bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "origin/origin.hpp"

namespace forebay {

// What a StringRef can hold.
inline constexpr std::size_t kNameBytesMax = 65535;

// Append to `into`. Sorts; keeps one of names that repeat; marks as left to the origin what a catalog cannot
// hold (a link whose target has another length than its size). A directory with a name above kNameBytesMax or
// a locator above kLocatorBytesMax is not listable.
void encode_listing(const std::string& directory, const DirectoryListing& listing,
                    std::vector<std::byte>& into);
void encode_file_system(const CatalogFileSystem& file_system, std::vector<std::byte>& into);

// One name of a listing; the texts point into the encoded bytes.
struct ListedName {
  std::string_view name;
  std::string_view link_target;  // Symlinks that are not left to the origin; attributes.size bytes.
  std::string_view locator;      // Regular files; empty: none.
  OriginAttributes attributes;
};

// Walks encoded bytes, believing nothing: any bytes at all end in records or in an Error (corrupt), never
// further.
class ListingReader {
 public:
  enum class Record { listing, file_system, end };

  // `encoded` must outlive the reader.
  explicit ListingReader(std::span<const std::byte> encoded);

  // Goes to the next record, skipping what is left of this one.
  Result<Record> next();
  // Of the record next() went to: offset of its first byte in `encoded`.
  [[nodiscard]] std::size_t record_offset() const noexcept { return record_offset_; }

  // Of a listing. The directory's path is canonical: no empty, "." or ".." component, no NUL.
  [[nodiscard]] std::string_view directory() const noexcept { return directory_; }
  [[nodiscard]] bool listable() const noexcept { return listable_; }
  [[nodiscard]] std::uint64_t left_out() const noexcept { return left_out_; }
  [[nodiscard]] std::uint32_t name_count() const noexcept { return name_count_; }
  // False behind the last name, when the record has ended too.
  Result<bool> next_name(ListedName& into);

  // Of a file system.
  [[nodiscard]] const CatalogFileSystem& file_system() const noexcept { return file_system_; }

 private:
  std::span<const std::byte> encoded_;
  std::size_t record_offset_ = 0;
  std::size_t at_ = 0;        // Next byte to read.
  std::size_t body_end_ = 0;  // Of this record.
  std::string_view directory_;
  bool listable_ = true;
  std::uint64_t left_out_ = 0;
  std::uint32_t name_count_ = 0;
  std::uint32_t names_read_ = 0;
  std::string_view previous_name_;
  OriginAttributes previous_;
  CatalogFileSystem file_system_{};
};

// Whether `path` is "" or components joined by single slashes, none of them "." or "..", without NUL.
bool is_canonical_relative_path(std::string_view path);

}  // namespace forebay
