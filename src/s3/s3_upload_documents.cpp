#include "s3/s3_upload_documents.hpp"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>
#include <pugixml.hpp>

#include "web/header_text.hpp"
#include "web/url.hpp"

namespace forebay {
namespace {

// Blanks are part of names.
constexpr unsigned kOptions = pugi::parse_escapes | pugi::parse_ws_pcdata_single | pugi::parse_cdata;

Error malformed(std::string_view what) {
  return Error{Code::io_error, fmt::format("a malformed answer of the object store ({})", what), EIO};
}

bool load(pugi::xml_document& document, std::string_view xml) {
  return static_cast<bool>(document.load_buffer(xml.data(), xml.size(), kOptions, pugi::encoding_utf8));
}

}  // namespace

std::string document_root(std::string_view xml) {
  pugi::xml_document document;
  return load(document, xml) ? document.document_element().name() : "";
}

Result<std::string> document_value(std::string_view xml, const char* name) {
  pugi::xml_document document;
  std::string value;
  if (load(document, xml)) {
    value = document.document_element().child_value(name);
  }
  if (value.empty()) {
    return malformed(fmt::format("no {}", name));
  }
  return value;
}

std::string complete_upload_xml(const std::vector<std::string>& etags) {
  pugi::xml_document document;
  auto root = document.append_child("CompleteMultipartUpload");
  for (std::size_t i = 0; i < etags.size(); ++i) {
    auto part = root.append_child("Part");
    part.append_child("PartNumber").text().set(static_cast<unsigned>(i + 1));
    part.append_child("ETag").text().set(etags[i].c_str());
  }
  std::ostringstream text;
  document.save(text, "", pugi::format_raw | pugi::format_no_declaration, pugi::encoding_utf8);
  return text.str();
}

Result<S3UploadsPage> parse_uploads(std::string_view xml) {
  pugi::xml_document document;
  if (!load(document, xml)) {
    return malformed("no list of uploads");
  }
  const auto root = document.child("ListMultipartUploadsResult");
  if (!root) {
    return malformed("no ListMultipartUploadsResult");
  }
  const bool is_encoded = std::string_view(root.child_value("EncodingType")) == "url";
  const auto name = [&](const pugi::xml_node& node, const char* child) -> Result<std::string> {
    std::string text = node.child_value(child);
    if (!is_encoded) {
      return text;
    }
    std::replace(text.begin(), text.end(), '+', ' ');
    return percent_decoded(text);
  };
  S3UploadsPage page;
  for (const auto& node : root.children("Upload")) {
    S3UnfinishedUpload upload;
    FOREBAY_ASSIGN(key, name(node, "Key"));
    const auto begun = parse_iso_time(node.child_value("Initiated"));
    upload.key = std::move(key);
    upload.id = node.child_value("UploadId");
    if (upload.key.empty() || upload.id.empty() || !begun) {
      return malformed("an upload without a key, a number or a time");
    }
    upload.begun_ns = *begun;
    page.uploads.push_back(std::move(upload));
  }
  page.is_last = std::string_view(root.child_value("IsTruncated")) != "true";
  if (!page.is_last) {
    FOREBAY_ASSIGN(key, name(root, "NextKeyMarker"));
    page.next_key = std::move(key);
    page.next_id = root.child_value("NextUploadIdMarker");
    if (page.next_key.empty()) {
      return malformed("a list of uploads is cut and does not say where it goes on");
    }
  }
  return page;
}

}  // namespace forebay
