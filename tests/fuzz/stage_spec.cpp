// --stage arguments, one a line: what is taken is absolute, fits a control page, and is read back the same.
#include "config/stage_spec.hpp"

#include "fuzz/fuzz_target.hpp"
#include "shared/session_layout.hpp"

namespace forebay::fuzz {
namespace {

bool is_normal(const std::string& mount) {
  const std::string with_end = mount + "/";
  return mount.starts_with('/') && !mount.ends_with('/') && with_end.find("//") == std::string::npos &&
         with_end.find("/./") == std::string::npos && with_end.find("/../") == std::string::npos;
}

}  // namespace

std::vector<std::string> seeds() {
  return {"/data",
          "/data/dt=2024",
          "/data/a=/mnt/b",
          "relative/../x=/mnt/./y//z/",
          "s3://bucket/prefix=/mnt/s3",
          "manifest:files=/mnt/files",
          "/odd\\=/name=/mnt/\\=",
          "back\\slash\\\\=/mnt/x",
          "/a=/mnt/a\n/b=/mnt/b\n/c=/mnt/a/0"};
}

bool run(std::string_view input) {
  std::vector<StageSpec> specs;
  bool good = true;
  while (true) {
    const auto end = std::min(input.find('\n'), input.size());
    const auto spec = parse_stage(input.substr(0, end), "/working/directory");
    good = good && spec.ok();
    if (spec.ok()) {
      FOREBAY_CHECK(is_normal(spec->mount) && spec->mount.size() < kMountBytesMax);
      FOREBAY_CHECK(spec->origin.size() < kMountBytesMax);
      FOREBAY_CHECK(spec->origin.find('\0') == std::string::npos);
      FOREBAY_CHECK(spec->mount.find('\0') == std::string::npos);
      FOREBAY_CHECK(spec->origin.starts_with('/') || spec->origin.starts_with("manifest:/") ||
                    spec->origin.find("://") != std::string::npos);
      const auto again = parse_stage(stage_text(*spec), "/elsewhere");
      FOREBAY_CHECK(again.ok() && *again == *spec);
      specs.push_back(*spec);
    } else {
      FOREBAY_CHECK(spec.error().code == Code::bad_argument);
    }
    if (end == input.size()) {
      break;
    }
    input.remove_prefix(end + 1);
  }
  static_cast<void>(check_stages(specs).ok());
  return good;
}

}  // namespace forebay::fuzz
