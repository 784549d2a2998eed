#include "s3/s3_documents.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <pugixml.hpp>

#include "web/header_text.hpp"
#include "web/url.hpp"

namespace forebay {
namespace {

Error malformed(std::string_view what) {
  return Error{Code::io_error, fmt::format("a malformed answer of the object store ({})", what), EIO};
}

// Where a text of the document lies; it is decoded where it is. Empty texts are pugixml's own, and stay.
struct InPlace {
  char* bytes;
  std::size_t size;
  bool is_encoded;  // encoding-type=url, by which a blank may be a plus

  // False when it is not percent-encoded.
  bool decode(std::string_view& text) const {
    if (!is_encoded || text.empty()) {
      return true;
    }
    const auto offset = static_cast<std::size_t>(text.data() - bytes);
    FOREBAY_CHECK(offset + text.size() <= size);
    char* to = bytes + offset;
    for (std::size_t i = 0; i < text.size(); ++i) {
      char c = text[i];
      if (c == '+') {
        c = ' ';
      } else if (c == '%') {
        const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
        const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
        if (high < 0 || low < 0) {
          return false;
        }
        c = static_cast<char>(high * 16 + low);
        i += 2;
      }
      *to++ = c;
    }
    text = {bytes + offset, static_cast<std::size_t>(to - (bytes + offset))};
    return true;
  }
};

Result<ListedObject> listed_object(const pugi::xml_node& node, const InPlace& in_place) {
  ListedObject object;
  object.key = node.child_value("Key");
  object.etag = node.child_value("ETag");
  const auto size = parse_decimal(node.child_value("Size"));
  const auto mtime = parse_iso_time(node.child_value("LastModified"));
  if (object.key.empty() || !in_place.decode(object.key)) {
    return malformed("a listing has an object without a name");
  }
  if (!size || !mtime) {
    return malformed(fmt::format("the listing has no size or time of '{}'", object.key));
  }
  object.size = *size;
  object.mtime_ns = *mtime;
  return object;
}

}  // namespace

Result<ListPage> ListPage::parse(std::string_view xml) {
  ListPage page;
  // Parsed in place: names are views of these bytes, not copies.
  page.bytes_ = std::make_unique<char[]>(xml.size() + 1);
  std::memcpy(page.bytes_.get(), xml.data(), xml.size());
  pugi::xml_document document;
  // Blanks are part of names.
  constexpr unsigned kOptions = pugi::parse_escapes | pugi::parse_ws_pcdata_single | pugi::parse_cdata;
  const auto parsed =
      document.load_buffer_inplace(page.bytes_.get(), xml.size(), kOptions, pugi::encoding_utf8);
  const auto root = document.child("ListBucketResult");
  if (!parsed || !root) {
    return malformed(parsed ? "no ListBucketResult" : parsed.description());
  }
  const InPlace in_place{page.bytes_.get(), xml.size() + 1,
                         std::string_view(root.child_value("EncodingType")) == "url"};
  for (const auto& node : root.children("Contents")) {
    FOREBAY_ASSIGN(object, listed_object(node, in_place));
    page.objects_.push_back(object);
  }
  for (const auto& node : root.children("CommonPrefixes")) {
    std::string_view prefix = node.child_value("Prefix");
    if (prefix.empty() || !in_place.decode(prefix)) {
      return malformed("a listing has a prefix without a name");
    }
    page.prefixes_.push_back(prefix);
  }
  if (std::string_view(root.child_value("IsTruncated")) == "true") {
    page.next_token_ = root.child_value("NextContinuationToken");
    if (page.next_token_.empty()) {
      return malformed("a listing is cut and does not say where it goes on");
    }
  }
  return page;
}

bool ListPage::drop_from(std::string_view key) {
  const auto objects = objects_.size();
  const auto prefixes = prefixes_.size();
  std::erase_if(objects_, [&](const auto& object) { return object.key >= key; });
  std::erase_if(prefixes_, [&](const auto& prefix) { return prefix >= key; });
  return objects_.size() != objects || prefixes_.size() != prefixes;
}

S3ErrorDocument parse_s3_error(std::string_view xml) {
  pugi::xml_document document;
  S3ErrorDocument error;
  if (!document.load_buffer(xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8)) {
    return error;
  }
  const auto root = document.child("Error");
  error.code = root.child_value("Code");
  error.message = root.child_value("Message");
  error.region = root.child_value("Region");
  error.endpoint = root.child_value("Endpoint");
  // They end up in lines for people.
  for (auto* text : {&error.code, &error.message, &error.region, &error.endpoint}) {
    std::replace_if(
        text->begin(), text->end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  }
  return error;
}

Result<AwsCredentials> parse_web_identity(std::string_view xml) {
  pugi::xml_document document;
  if (!document.load_buffer(xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8)) {
    return malformed("STS did not answer in XML");
  }
  const auto node = document.child("AssumeRoleWithWebIdentityResponse")
                        .child("AssumeRoleWithWebIdentityResult")
                        .child("Credentials");
  AwsCredentials credentials;
  credentials.access_key_id = node.child_value("AccessKeyId");
  credentials.secret_access_key = node.child_value("SecretAccessKey");
  credentials.session_token = node.child_value("SessionToken");
  const auto expires_ns = parse_iso_time(node.child_value("Expiration"));
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty() || !expires_ns) {
    return malformed("STS answered without credentials");
  }
  credentials.expires_s = *expires_ns / 1'000'000'000;
  return credentials;
}

}  // namespace forebay
