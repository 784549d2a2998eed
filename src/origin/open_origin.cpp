#include <sys/stat.h>

#include <climits>
#include <cstdlib>

#include <fmt/format.h>

#include "config/stage_spec.hpp"
#include "origin/http_origin.hpp"
#include "origin/manifest_origin.hpp"
#include "origin/origin.hpp"
#include "origin/posix_origin.hpp"
#include "origin/s3_access.hpp"
#include "origin/s3_origin.hpp"
#include "s3/s3_address.hpp"

namespace forebay {

Result<std::unique_ptr<Origin>> open_origin(const std::string& name, const StoreSettings& settings) {
  if (is_s3_url(name)) {
    FOREBAY_ASSIGN(access, S3Access::open(name, settings));
    return std::unique_ptr<Origin>(std::make_unique<S3Origin>(std::move(access)));
  }
  if (name.starts_with("http://") || name.starts_with("https://")) {
    FOREBAY_ASSIGN(origin, HttpOrigin::open(name, settings));
    return std::unique_ptr<Origin>(std::move(origin));
  }
  if (name.starts_with(kManifestPrefix)) {
    FOREBAY_ASSIGN(origin, ManifestOrigin::open(name, settings));
    return std::unique_ptr<Origin>(std::move(origin));
  }
  if (const auto scheme = name.find("://"); scheme != std::string::npos && name.find('/') > scheme) {
    return Error{Code::bad_argument, fmt::format("cannot stage {} (unknown scheme '{}') name a directory, "
                                                 "s3://BUCKET/PREFIX, or an http:// or https:// address",
                                                 name, name.substr(0, scheme))};
  }
  if (name.empty()) {
    return Error{Code::bad_argument, "cannot stage '' (an empty path) name a directory"};
  }
  char resolved[PATH_MAX];
  if (::realpath(name.c_str(), resolved) == nullptr) {
    return error_from_errno("cannot stage " + name);
  }
  struct stat info {};
  if (::stat(resolved, &info) != 0) {
    return error_from_errno("cannot stage " + name);
  }
  if (!S_ISDIR(info.st_mode)) {
    return Error{Code::bad_argument, fmt::format("cannot stage {} (not a directory)", name)};
  }
  if (std::string_view(resolved) == "/") {
    return Error{Code::bad_argument,
                 fmt::format("cannot stage {} (the root of the machine) name a directory below it", name)};
  }
  return std::unique_ptr<Origin>(std::make_unique<PosixOrigin>(resolved));
}

}  // namespace forebay
