#include <sys/stat.h>

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "cli/exit_code.hpp"
#include "cli/listing_output.hpp"
#include "cli/store_settings.hpp"
#include "cli/verbs.hpp"
#include "origin/origin.hpp"
#include "origin/s3_access.hpp"
#include "s3/key_paths.hpp"

namespace forebay {
namespace {

struct LsOptions {
  std::string origin;
  bool json = false;
  bool recursive = false;
};

// One bucket's keys below a prefix, page by page, as names.
class BucketListing {
 public:
  BucketListing(S3Access& access, ListingOutput& output)
      : access_(access),
        output_(output),
        paths_([this](const auto& object, KeyUse use) { return take(object, use); }) {}

  Status list(bool recursive) {
    const auto& prefix = access_.location().prefix;
    S3ListQuery query;
    query.prefix = prefix;
    query.delimiter = recursive ? "" : "/";
    FOREBAY_TRY(access_.bucket().list(query, [this](const ListPage& page) { return take_page(page); }));
    FOREBAY_TRY(paths_.finish());
    return keys_ == 0 && !prefix.empty() ? list_object() : Status();
  }

 private:
  // Objects and prefixes are in order each; together they are the order of the store.
  Status take_page(const ListPage& page) {
    auto object = page.objects().begin();
    auto directory = page.prefixes().begin();
    while (object != page.objects().end() || directory != page.prefixes().end()) {
      const bool is_object =
          directory == page.prefixes().end() || (object != page.objects().end() && object->key < *directory);
      const auto key = is_object ? object->key : *directory;
      const auto& prefix = access_.location().prefix;
      if (!key.starts_with(prefix)) {
        return Error{Code::io_error, fmt::format("the store lists '{}' below '{}'", key, prefix), EIO};
      }
      KeyPaths::Object below;
      below.key = key.substr(prefix.size());
      if (is_object) {
        below.size = object->size;
        below.mtime_ns = object->mtime_ns;
        below.etag = object->etag;
        ++object;
      } else {
        ++directory;
      }
      ++keys_;
      FOREBAY_TRY(paths_.add(below));
    }
    return {};
  }

  Status take(const KeyPaths::Object& object, KeyUse use) {
    if (is_left_out(use)) {
      output_.left_out(object.key, key_use_text(use));
    } else if (use == KeyUse::file) {
      output_.file(object.key, object.size, object.mtime_ns, object.etag);
    } else if (!object.key.empty()) {
      output_.directory(object.key);
    }
    return output_.status();
  }

  // No directory: the name of one object, then.
  Status list_object() {
    auto key = access_.location().prefix;
    key.pop_back();
    const auto found = access_.bucket().look_at(key);
    if (!found.ok()) {
      return found.error().code != Code::not_found
                 ? Status(found.error())
                 : Error{Code::not_found, fmt::format("there is nothing at {}", access_.bucket().url_of(key)),
                         ENOENT};
    }
    output_.file(key.substr(key.rfind('/') + 1), found->size, found->mtime_ns, found->etag);
    return output_.status();
  }

  S3Access& access_;
  ListingOutput& output_;
  KeyPaths paths_;
  std::uint64_t keys_ = 0;
};

Status list_bucket(const LsOptions& options, const StoreSettings& settings, ListingOutput& output) {
  FOREBAY_ASSIGN(access, S3Access::open(options.origin, settings));
  return BucketListing(*access, output).list(options.recursive);
}

Status list_directory(Origin& origin, const std::string& directory, bool recursive, ListingOutput& output) {
  FOREBAY_ASSIGN(listing, origin.list(directory));
  if (!listing.listable) {
    output.left_out(directory, "may not be listed");
    return output.status();
  }
  std::sort(listing.names.begin(), listing.names.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  for (const auto& name : listing.names) {
    const auto path = directory.empty() ? name.name : directory + "/" + name.name;
    if (S_ISDIR(name.attributes.mode)) {
      output.directory(path);
      if (recursive) {
        FOREBAY_TRY(list_directory(origin, path, recursive, output));
      }
    } else if (S_ISLNK(name.attributes.mode)) {
      output.link(path, name.link_target, name.attributes.mtime_ns);
    } else if (S_ISREG(name.attributes.mode)) {
      output.file(path, name.attributes.size, name.attributes.mtime_ns, "");
    } else {
      output.left_out(path, "no file, directory or link");
    }
  }
  return output.status();
}

int ls(const LsOptions& options, const Settings& settings) {
  ListingOutput output(options.json);
  Status listed;
  if (is_s3_url(options.origin)) {
    listed = list_bucket(options, settings.store, output);
  } else {
    auto origin = open_origin(options.origin, settings.store);
    listed = origin.ok() ? list_directory(**origin, "", options.recursive, output) : Status(origin.error());
  }
  output.finish(listed.ok());
  if (!listed.ok()) {
    return fail_with(listed.error());
  }
  return static_cast<int>(output.status().ok() ? ExitCode::done : ExitCode::failed);
}

}  // namespace

void add_ls_verb(CommandLine& line) {
  const auto options = std::make_shared<LsOptions>();
  auto& verb = line.add_verb(
      "ls", "list what an origin has, as programs would see it below a mount",
      "Examples:\n"
      "  forebay ls s3://training/imagenet/\n"
      "  forebay ls -r s3://training/imagenet --json | jq .size\n"
      "  forebay ls --s3-endpoint https://store.example:9000 --ca-file store.pem s3://training\n"
      "  forebay ls --anonymous --s3-region us-west-2 s3://public-data\n"
      "Keys that cannot be paths (a next to a/b, empty names, . and .., names above 255 bytes) are left out, "
      "counted and said.\n"
      "With --json, one line of JSON a name, and a summary as the last line.",
      [options](const Invocation& invocation) { return ls(*options, invocation.settings.values()); });
  verb.add_option("ORIGIN", options->origin, "s3://BUCKET[/PREFIX], or a directory")->required();
  verb.add_flag("--json", options->json, "as JSON, a line each");
  verb.add_flag("-r,--recursive", options->recursive, "all that is below, not one level");
  add_store_settings(line, verb);
}

}  // namespace forebay
