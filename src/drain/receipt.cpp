#include "drain/receipt.hpp"

#include <sys/stat.h>
#include <time.h>

#include <fmt/format.h>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "drain/temporary_name.hpp"
#include "drain/tree_path.hpp"
#include "shared/hashing.hpp"

namespace forebay {
namespace {

using Json = nlohmann::json;

constexpr const char* kFormat = "forebay-receipt-1";
constexpr std::size_t kPieceBytes = 4u << 20;
constexpr std::uint64_t kReceiptBytesMax = 1u << 30;

struct FoundFile {
  std::string name;
  CheckpointAttributes attributes;
};

Status find_files(Destination& destination, const std::string& directory, const std::string& below,
                  std::vector<FoundFile>* files) {
  std::vector<std::string> to_visit{below};
  while (!to_visit.empty()) {
    const std::string here = std::move(to_visit.back());
    to_visit.pop_back();
    FOREBAY_ASSIGN(names, destination.list(here.empty() ? directory : join_path(directory, here)));
    for (auto& found : names) {
      const std::string name = join_path(here, found.name);
      if (is_temporary_name(found.name) || name == kReceiptName) {
        continue;
      }
      if (S_ISDIR(found.attributes.mode)) {
        to_visit.push_back(name);
      } else if (S_ISREG(found.attributes.mode)) {
        files->push_back({name, found.attributes});
      }
    }
  }
  return {};
}

Result<std::uint64_t> sum_of(Destination& destination, const std::string& path,
                             const CheckpointAttributes& attributes) {
  std::vector<std::byte> piece(std::min<std::uint64_t>(kPieceBytes, attributes.size));
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  for (std::uint64_t at = 0; at < attributes.size;) {
    FOREBAY_ASSIGN(got, destination.read(path, at, piece, attributes));
    if (got == 0) {
      return Error{Code::changed, path + " changed while it was read (it is shorter)"};
    }
    XXH3_64bits_update(&state, piece.data(), got);
    at += got;
  }
  return XXH3_64bits_digest(&state);
}

bool is_utf8(const std::string& name) {
  try {
    static_cast<void>(Json(name).dump());
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

std::string hex_of(const std::string& bytes) {
  std::string hex;
  for (const char byte : bytes) {
    hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  }
  return hex;
}

std::optional<std::string> bytes_of(const std::string& hex) {
  if (hex.size() % 2 != 0 || hex.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return std::nullopt;
  }
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

Status put(Destination& destination, const std::string& path, const std::string& tag, const std::string& text,
           std::int64_t now_ns) {
  CheckpointAttributes attributes;
  attributes.mode = S_IFREG | 0644;
  attributes.size = text.size();
  attributes.mtime_ns = now_ns;
  FOREBAY_ASSIGN(upload, destination.begin(path, tag, attributes));
  FOREBAY_TRY(upload->write(std::as_bytes(std::span(text))));
  FOREBAY_TRY(upload->finish(attributes));
  FOREBAY_TRY(upload->publish(path));
  return destination.sync_directory(parent_of(path));
}

// What a receipt says of one file.
struct Said {
  std::string name;
  std::uint64_t bytes = 0;
  std::string sum;
};

Result<std::vector<Said>> read_said(Destination& destination, const std::string& path) {
  FOREBAY_ASSIGN(found, destination.look(path));
  if (!S_ISREG(found.attributes.mode) || found.attributes.size > kReceiptBytesMax) {
    return Error{Code::corrupt, path + " is no receipt (it is no file, or too long)"};
  }
  std::string text(found.attributes.size, '\0');
  for (std::size_t at = 0; at < text.size();) {
    FOREBAY_ASSIGN(got, destination.read(path, at, std::as_writable_bytes(std::span(text).subspan(at)),
                                         found.attributes));
    if (got == 0) {
      return Error{Code::changed, path + " changed while it was read (it is shorter)"};
    }
    at += got;
  }
  const Error no_receipt{Code::corrupt, path + " is no receipt that can be read (it was changed)"};
  try {
    const Json receipt = Json::parse(text);
    if (receipt.at("format") != kFormat) {
      return no_receipt;
    }
    std::vector<Said> said;
    for (const Json& file : receipt.at("files")) {
      auto name = file.contains("name_hex") ? bytes_of(file.at("name_hex").get<std::string>())
                                            : std::optional(file.at("name").get<std::string>());
      if (!name || name->empty() || !is_tree_path(*name)) {
        return no_receipt;
      }
      said.push_back(
          {*std::move(name), file.at("bytes").get<std::uint64_t>(), file.at("xxh3").get<std::string>()});
    }
    return said;
  } catch (const Json::exception&) {
    return no_receipt;
  }
}

}  // namespace

Result<ReceiptTotals> write_receipt(
    Destination& destination, const std::string& directory, const std::string& tag,
    const std::function<std::optional<PublishedFile>(const std::string& path)>& known) {
  std::vector<FoundFile> files;
  FOREBAY_TRY(find_files(destination, directory, "", &files));
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  ReceiptTotals totals;
  Json listed = Json::array();
  for (const FoundFile& file : files) {
    const std::string path = join_path(directory, file.name);
    std::optional<PublishedFile> published = known(path);
    if (!published || published->size != file.attributes.size ||
        published->mtime_ns != file.attributes.mtime_ns) {
      FOREBAY_ASSIGN(sum, sum_of(destination, path, file.attributes));
      published = PublishedFile{file.attributes.size, file.attributes.mtime_ns, sum, 0};
    }
    Json entry;
    if (is_utf8(file.name)) {
      entry["name"] = file.name;
    } else {
      entry["name_hex"] = hex_of(file.name);
    }
    entry["bytes"] = published->size;
    entry["xxh3"] = fmt::format("{:016x}", published->sum);
    entry["mtime_ns"] = published->mtime_ns;
    entry["published_ns"] = published->published_ns;
    listed.push_back(std::move(entry));
    ++totals.files;
    totals.bytes += published->size;
  }
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const std::int64_t now_ns = now.tv_sec * 1'000'000'000LL + now.tv_nsec;
  const Json receipt{
      {"format", kFormat}, {"checksum", "xxh3-64"}, {"made_ns", now_ns}, {"files", std::move(listed)}};
  FOREBAY_TRY(put(destination, join_path(directory, kReceiptName), tag, receipt.dump(1) + "\n", now_ns));
  return totals;
}

Result<ReceiptCheck> verify_receipt(Destination& destination, const std::string& directory) {
  FOREBAY_ASSIGN(said, read_said(destination, join_path(directory, kReceiptName)));
  ReceiptCheck check;
  for (const Said& file : said) {
    ++check.totals.files;
    check.totals.bytes += file.bytes;
    const std::string path = join_path(directory, file.name);
    const auto differs = [&](std::string what) { check.differences.push_back({file.name, std::move(what)}); };
    const auto found = destination.look(path);
    if (!found.ok()) {
      differs(found.error().code == Code::not_found ? "is missing" : "cannot be read: " + found.error().text);
    } else if (!S_ISREG(found->attributes.mode)) {
      differs("is no file");
    } else if (found->attributes.size != file.bytes) {
      differs(fmt::format("has {} bytes and not {}", found->attributes.size, file.bytes));
    } else if (const auto sum = sum_of(destination, path, found->attributes); !sum.ok()) {
      differs("cannot be read: " + sum.error().text);
    } else if (const std::string text = fmt::format("{:016x}", *sum); text != file.sum) {
      differs(fmt::format("has other bytes (xxh3 {} and not {})", text, file.sum));
    }
  }
  return check;
}

}  // namespace forebay
