// Catalog: a catalog file, verified once and mapped.
#pragma once

#include <string>

#include "common/mapped_file.hpp"
#include "common/result.hpp"
#include "shared/catalog_view.hpp"

namespace forebay {

class Catalog {
 public:
  // Maps `path` and verifies checksum, order and every reference in it, so that no reader has to. Code:
  // corrupt.
  static Result<Catalog> load(const std::string& path);

  [[nodiscard]] const CatalogView& view() const noexcept { return view_; }
  [[nodiscard]] std::string path_of(std::uint32_t entry) const;
  [[nodiscard]] std::string origin_name() const;

 private:
  explicit Catalog(MappedFile file) : file_(std::move(file)), view_(file_.data()) {}
  MappedFile file_;
  CatalogView view_;
};

}  // namespace forebay
