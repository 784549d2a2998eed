#include "s3/s3_bucket.hpp"

#include <cstdlib>
#include <optional>

#include <fmt/format.h>

#include "s3/s3_upload_documents.hpp"
#include "s3/user_encryption.hpp"
#include "web/header_text.hpp"
#include "web/url.hpp"

namespace forebay {
namespace {

// An offset that differs less from the known one corrects nothing: the clock is not what is wrong.
constexpr std::int64_t kCorrection_s = 60;
constexpr const char* kEmptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

}  // namespace

// One request's addresses, signatures and verdicts, attempt after attempt.
class S3Bucket::Exchange final : public HttpProtocol {
 public:
  Exchange(S3Bucket& bucket, std::string_view key, std::vector<HttpHeader> query, std::string_view body,
           std::string_view done)
      : bucket_(bucket),
        key_(key),
        query_(canonical_query(std::move(query))),
        payload_hash_(body.empty() || bucket.credentials_ == nullptr ? kEmptyHash : sha256_hex(body)),
        done_(done) {}

  Status prepare(const HttpRequest& request, std::string& url, std::vector<HttpHeader>& headers) override {
    region_ = bucket_.region();
    const auto address =
        s3_address(bucket_.endpoint_in(region_), bucket_.options_.addressing, bucket_.options_.bucket, key_);
    url = address.scheme_and_host + address.path + (query_.empty() ? "" : "?" + query_);
    if (request.range && request.range->is_whole) {
      headers.push_back({"x-amz-checksum-mode", "ENABLED"});
    }
    if (bucket_.options_.is_requester_payer) {
      headers.push_back({"x-amz-request-payer", "requester"});
    }
    now_s_ = bucket_.now_s_() + bucket_.clock_offset_s_.load();
    used_.reset();
    if (bucket_.credentials_ == nullptr) {
      return {};
    }
    FOREBAY_ASSIGN(credentials, bucket_.credentials_->get());
    used_ = std::move(credentials);
    const auto time = amz_time(now_s_);
    headers.push_back({"x-amz-content-sha256", payload_hash_});
    headers.push_back({"x-amz-date", time});
    if (!used_->session_token.empty()) {
      headers.push_back({"x-amz-security-token", used_->session_token});
    }
    SignableRequest signable{std::string(method_name(request.method)), address.path, query_, headers,
                             payload_hash_};
    signable.headers.push_back({"host", address.host});
    headers.push_back({"Authorization", authorization(signable, *used_, {region_}, time)});
    return {};
  }

  HttpFailure judge(const HttpRequest& /*request*/, const HttpResponse& response) override {
    auto verdict = judge_s3({bucket_.options_.bucket, region_, used_ ? used_->source : "", now_s_,
                             used_ && !used_->session_token.empty()},
                            response);
    if (bucket_.take_remedy(verdict, used_)) {
      verdict.failure.kind = FailureKind::repeat;
    }
    return std::move(verdict.failure);
  }

  // Stores begin to answer before they know how it ends.
  std::optional<HttpFailure> doubt(const HttpRequest& request, const HttpResponse& response) override {
    if (done_.empty() || document_root(response.text) == done_) {
      return std::nullopt;
    }
    const auto code = parse_s3_error(response.text).code;
    if (code.empty()) {
      return HttpFailure{FailureKind::misbehaved, Code::io_error, EIO,
                         fmt::format("an answer without {}", done_)};
    }
    auto refused = response;
    refused.status = 500;
    auto failure = judge(request, refused);
    if (failure.reason == status_text(refused.status)) {
      failure.reason = fmt::format("{}, and then {}", status_text(response.status), code);
    }
    return failure;
  }

 private:
  S3Bucket& bucket_;
  std::string_view key_;
  std::string query_;
  std::string payload_hash_;
  std::string_view done_;
  std::string region_;
  std::int64_t now_s_ = 0;
  std::shared_ptr<const AwsCredentials> used_;
};

Result<std::unique_ptr<S3Bucket>> S3Bucket::open(Options options, HttpClient& client,
                                                 CredentialChain* credentials,
                                                 std::function<std::int64_t()> now_s) {
  FOREBAY_ASSIGN(endpoint, s3_endpoint(options.endpoint_url, options.region));
  static_cast<void>(endpoint);
  return std::unique_ptr<S3Bucket>(new S3Bucket(std::move(options), client, credentials, std::move(now_s)));
}

S3Bucket::S3Bucket(Options options, HttpClient& client, CredentialChain* credentials,
                   std::function<std::int64_t()> now_s)
    : options_(std::move(options)),
      client_(client),
      credentials_(credentials),
      now_s_(std::move(now_s)),
      region_(options_.region) {}

S3Endpoint S3Bucket::endpoint_in(const std::string& region) const {
  return s3_endpoint(options_.endpoint_url, region).value();  // open() has seen that it is one.
}

std::string S3Bucket::region() const {
  const std::lock_guard lock(mutex_);
  return region_;
}

std::string S3Bucket::url_of(std::string_view key) const {
  return fmt::format("s3://{}/{}", options_.bucket, key);
}

bool S3Bucket::take_remedy(const S3Verdict& verdict, const std::shared_ptr<const AwsCredentials>& used) {
  switch (verdict.remedy) {
    case S3Remedy::none:
      return false;
    case S3Remedy::clock: {
      const auto offset_s = verdict.server_time_s - now_s_();
      return std::abs(offset_s - clock_offset_s_.exchange(offset_s)) >= kCorrection_s;
    }
    case S3Remedy::credentials:
      return used && credentials_->renew(*used);
    case S3Remedy::region: {
      const std::lock_guard lock(mutex_);
      region_ = verdict.region;
      return true;
    }
  }
  return false;
}

Result<HttpResponse> S3Bucket::perform(HttpRequest request, std::string_view key,
                                       std::vector<HttpHeader> query, std::string_view done) {
  const auto address = s3_address(endpoint_in(region()), options_.addressing, options_.bucket, key);
  request.url = address.scheme_and_host + address.path;
  Exchange exchange(*this, key, std::move(query), request.body, done);
  return client_.perform(request, exchange);
}

Status S3Bucket::list(const S3ListQuery& query, const std::function<Status(const ListPage&)>& take) {
  std::string token;
  for (;;) {
    std::vector<HttpHeader> parameters = {
        {"list-type", "2"}, {"encoding-type", "url"}, {"prefix", query.prefix}};
    if (!query.delimiter.empty()) {
      parameters.push_back({"delimiter", query.delimiter});
    }
    if (query.page_keys != 0) {
      parameters.push_back({"max-keys", std::to_string(query.page_keys)});
    }
    if (!token.empty()) {
      parameters.push_back({"continuation-token", token});
    } else if (!query.start_after.empty()) {
      parameters.push_back({"start-after", query.start_after});
    }
    FOREBAY_ASSIGN(response, perform({}, "", std::move(parameters)));
    auto page = ListPage::parse(response.text);
    if (!page.ok()) {
      return Error{page.error().code,
                   fmt::format("cannot list {} ({})", url_of(query.prefix), page.error().text),
                   page.error().errno_value};
    }
    const bool is_past = !query.before.empty() && page->drop_from(query.before);
    FOREBAY_TRY(take(*page));
    if (is_past || page->next_token().empty()) {
      return {};
    }
    if (page->next_token() == token) {
      return Error{Code::io_error,
                   fmt::format("cannot list {} (the store says the same page comes next, for ever)",
                               url_of(query.prefix)),
                   EIO};
    }
    token = page->next_token();
  }
}

Result<bool> S3Bucket::has_any(const std::string& prefix) {
  bool any = false;
  const auto listed =
      list({.prefix = prefix, .delimiter = "", .start_after = "", .before = "", .page_keys = 1},
           [&](const ListPage& page) -> Status {
             any = !page.objects().empty();
             return Error{Code::cancelled, "one is enough"};
           });
  if (!listed.ok() && listed.error().code != Code::cancelled) {
    return listed.error();
  }
  return any;
}

Result<S3Attributes> S3Bucket::look_at(const std::string& key) {
  HttpRequest request;
  request.method = HttpMethod::head;
  FOREBAY_ASSIGN(response, perform(std::move(request), key, {}));
  const auto size = parse_decimal(response.headers.find("Content-Length"));
  const auto modified_s = parse_http_date(response.headers.find("Last-Modified"));
  if (!size || !modified_s) {
    return Error{Code::io_error, fmt::format("the store says no size or time of {}", url_of(key)), EIO};
  }
  auto etag = std::string(response.headers.find("ETag"));
  return S3Attributes{*size, *modified_s * 1'000'000'000, std::move(etag), std::move(response.headers)};
}

Result<bool> S3Bucket::read(const std::string& key, std::uint64_t offset, std::span<std::byte> into,
                            const std::string& etag) {
  HttpRequest request;
  request.range = HttpRange{offset, into};
  request.if_match = etag;
  FOREBAY_ASSIGN(response, perform(std::move(request), key, {}));
  return is_encrypted_for_user(response.headers);
}

Result<bool> S3Bucket::read_whole(const std::string& key, std::span<std::byte> into, const std::string& etag,
                                  HttpHeaders* headers) {
  HttpRequest request;
  request.range = HttpRange{0, into, true};
  request.if_match = etag;
  FOREBAY_ASSIGN(response, perform(std::move(request), key, {}));
  *headers = std::move(response.headers);
  return is_encrypted_for_user(*headers);
}

}  // namespace forebay
