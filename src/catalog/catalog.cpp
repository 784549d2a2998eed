#include "catalog/catalog.hpp"

#include <algorithm>

#include "catalog/catalog_verify.hpp"

namespace forebay {

Result<Catalog> Catalog::load(const std::string& path) {
  FOREBAY_ASSIGN(file, MappedFile::open(path, MappedFile::Access::read_only));
  FOREBAY_TRY(verify_catalog(file.bytes(), path));
  return Catalog(std::move(file));
}

std::string Catalog::path_of(std::uint32_t entry) const {
  std::string path(256, '\0');
  std::int64_t bytes = -1;
  while ((bytes = view_.path_of(entry, path.data(), path.size())) < 0) {
    path.resize(path.size() * 2);
  }
  path.resize(static_cast<std::size_t>(bytes));
  return path;
}

std::string Catalog::origin_name() const {
  const StringRef name = view_.header().origin;
  return {view_.text(name), name.bytes()};
}

}  // namespace forebay
