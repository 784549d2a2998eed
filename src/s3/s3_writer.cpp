#include "s3/s3_writer.hpp"

#include <utility>

#include <fmt/format.h>

#include "web/header_text.hpp"
#include "web/url.hpp"

namespace forebay {
namespace {

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

HttpRequest request_of(HttpMethod method, std::vector<HttpHeader> headers = {}) {
  HttpRequest request;
  request.method = method;
  request.headers = std::move(headers);
  return request;
}

HttpRequest body_request(HttpMethod method, std::string_view body, const Md5& md5,
                         std::vector<HttpHeader> headers) {
  auto request = request_of(method, std::move(headers));
  request.body = body;
  request.headers.push_back({"Content-MD5", md5_base64(md5)});
  return request;
}

std::vector<HttpHeader> part_query(const S3Upload& upload, std::uint64_t number) {
  return {{"partNumber", std::to_string(number)}, {"uploadId", upload.id}};
}

// What is deleted and not there is deleted.
Status unless_missing(Result<HttpResponse> response) {
  if (response.ok() || response.error().code == Code::not_found) {
    return {};
  }
  return std::move(response).error();
}

constexpr const char* kTypeHeader = "Content-Type";
constexpr const char* kBytesType = "application/octet-stream";

}  // namespace

std::string S3Writer::copy_source(const S3Version& from) const {
  return "/" + bucket_.bucket() + "/" + percent_encoded(from.key, "/");
}

Result<std::string> S3Writer::put(const std::string& key, std::span<const std::byte> bytes, const Md5& md5,
                                  std::vector<HttpHeader> headers) {
  headers.push_back({kTypeHeader, kBytesType});
  FOREBAY_ASSIGN(
      response,
      bucket_.perform(body_request(HttpMethod::put, text_of(bytes), md5, std::move(headers)), key, {}));
  return std::string(response.headers.find("ETag"));
}

Status S3Writer::remove(const std::string& key) {
  return unless_missing(bucket_.perform(request_of(HttpMethod::remove), key, {}));
}

Status S3Writer::copy(const S3Version& from, const std::string& to, std::vector<HttpHeader> headers) {
  const char* directive = headers.empty() ? "COPY" : "REPLACE";
  headers.push_back({kTypeHeader, kBytesType});
  headers.push_back({"x-amz-metadata-directive", directive});
  headers.push_back({"x-amz-copy-source", copy_source(from)});
  headers.push_back({"x-amz-copy-source-if-match", quoted_etag(from.etag)});
  auto request = request_of(HttpMethod::put, std::move(headers));
  request.is_answered_late = true;
  FOREBAY_TRY(bucket_.perform(std::move(request), to, {}, "CopyObjectResult"));
  return {};
}

Result<S3Upload> S3Writer::begin_upload(const std::string& key, std::vector<HttpHeader> headers) {
  headers.push_back({kTypeHeader, kBytesType});
  FOREBAY_ASSIGN(response, bucket_.perform(request_of(HttpMethod::post, std::move(headers)), key,
                                           {{"uploads", ""}}, "InitiateMultipartUploadResult"));
  FOREBAY_ASSIGN(id, document_value(response.text, "UploadId"));
  return S3Upload{key, std::move(id)};
}

Result<std::string> S3Writer::put_part(const S3Upload& upload, std::uint64_t number,
                                       std::span<const std::byte> bytes, const Md5& md5) {
  FOREBAY_ASSIGN(response, bucket_.perform(body_request(HttpMethod::put, text_of(bytes), md5,
                                                        {{kTypeHeader, kBytesType}}),
                                           upload.key, part_query(upload, number)));
  const auto etag = response.headers.find("ETag");
  if (etag.empty()) {
    return Error{Code::io_error,
                 fmt::format("the store says no ETag of a part of {}", bucket_.url_of(upload.key)), EIO};
  }
  return std::string(etag);
}

Result<std::string> S3Writer::copy_part(const S3Upload& upload, std::uint64_t number, const S3Version& from,
                                        std::uint64_t first, std::uint64_t last) {
  auto request =
      request_of(HttpMethod::put, {{"x-amz-copy-source", copy_source(from)},
                                   {"x-amz-copy-source-if-match", quoted_etag(from.etag)},
                                   {"x-amz-copy-source-range", fmt::format("bytes={}-{}", first, last)},
                                   {kTypeHeader, kBytesType}});
  request.is_answered_late = true;
  FOREBAY_ASSIGN(response, bucket_.perform(std::move(request), upload.key, part_query(upload, number),
                                           "CopyPartResult"));
  return document_value(response.text, "ETag");
}

Status S3Writer::complete(const S3Upload& upload, const std::vector<std::string>& etags) {
  const auto xml = complete_upload_xml(etags);
  auto request = body_request(HttpMethod::post, xml, md5_of(std::as_bytes(std::span(xml))),
                              {{kTypeHeader, "application/xml"}});
  request.is_answered_late = true;
  FOREBAY_TRY(bucket_.perform(std::move(request), upload.key, {{"uploadId", upload.id}},
                              "CompleteMultipartUploadResult"));
  return {};
}

Status S3Writer::abort(const S3Upload& upload) {
  return unless_missing(
      bucket_.perform(request_of(HttpMethod::remove), upload.key, {{"uploadId", upload.id}}));
}

Result<std::vector<S3UnfinishedUpload>> S3Writer::uploads(const std::string& prefix) {
  std::vector<S3UnfinishedUpload> found;
  std::vector<HttpHeader> markers;
  for (;;) {
    std::vector<HttpHeader> query = {{"uploads", ""}, {"encoding-type", "url"}, {"prefix", prefix}};
    query.insert(query.end(), markers.begin(), markers.end());
    FOREBAY_ASSIGN(response, bucket_.perform({}, "", std::move(query), "ListMultipartUploadsResult"));
    FOREBAY_ASSIGN(page, parse_uploads(response.text));
    std::move(page.uploads.begin(), page.uploads.end(), std::back_inserter(found));
    if (page.is_last) {
      return found;
    }
    std::vector<HttpHeader> next = {{"key-marker", page.next_key}, {"upload-id-marker", page.next_id}};
    if (!markers.empty() && markers[0].value == next[0].value && markers[1].value == next[1].value) {
      return Error{
          Code::io_error,
          fmt::format("cannot list uploads of {} (the store says the same page comes next, for ever)",
                      bucket_.url_of(prefix)),
          EIO};
    }
    markers = std::move(next);
  }
}

}  // namespace forebay
