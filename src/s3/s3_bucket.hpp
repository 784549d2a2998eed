// S3Bucket: one bucket of an S3 store: listing, looking, reading, and what S3Writer asks of it.
//
// Every request is signed when it is sent, so that one which waited is not too old. A wrong clock, expired
// credentials and a wrong region are put right once and the request repeated; what was found out holds for
// later requests.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "common/result.hpp"
#include "s3/credential_chain.hpp"
#include "s3/s3_address.hpp"
#include "s3/s3_documents.hpp"
#include "s3/s3_verdict.hpp"
#include "web/http_client.hpp"

namespace forebay {

struct S3Attributes {
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;  // since 1970 UTC
  std::string etag;           // with its quotes
  HttpHeaders headers;        // all that the store says of it
};

struct S3ListQuery {
  std::string prefix;
  std::string delimiter;        // "/" for one level; empty: all below
  std::string start_after;      // keys above it alone; empty: from the first
  std::string before;           // keys below it alone; empty: to the last
  std::uint32_t page_keys = 0;  // at most so many in a page; 0: as many as the store likes
};

class S3Bucket {
 public:
  struct Options {
    std::string bucket;
    std::string endpoint_url;  // empty: Amazon's
    std::string region;        // not empty
    S3Addressing addressing = S3Addressing::automatic;
    bool is_requester_payer = false;
  };
  // `client` and `credentials` must outlive it. `credentials` null: requests are anonymous. `now_s`: seconds
  // since 1970, any thread. Code: bad_argument (an endpoint that is none).
  static Result<std::unique_ptr<S3Bucket>> open(Options options, HttpClient& client,
                                                CredentialChain* credentials,
                                                std::function<std::int64_t()> now_s);

  // Calls `take` with page after page, in the store's order, until it gives an Error or there are no more.
  // Blocks; one page is in memory at a time. From any thread. Codes: those of HttpClient::perform(), io_error
  // (malformed), those of `take`.
  Status list(const S3ListQuery& query, const std::function<Status(const ListPage&)>& take);
  // Whether a key begins with `prefix`. Codes: those of list().
  Result<bool> has_any(const std::string& prefix);
  // Codes: those of HttpClient::perform(), io_error (no size or time).
  Result<S3Attributes> look_at(const std::string& key);
  // into.size() bytes (not none) at `offset` of the version `etag` (empty: of any). True when the store
  // encrypts it with a key of its user's: then the ETag says nothing of the bytes. Codes: those of
  // HttpClient::perform().
  Result<bool> read(const std::string& key, std::uint64_t offset, std::span<std::byte> into,
                    const std::string& etag);

  // The same of a whole object, for which stores may say a checksum besides (s3/object_checksum.hpp):
  // `headers` are the answer's.
  Result<bool> read_whole(const std::string& key, std::span<std::byte> into, const std::string& etag,
                          HttpHeaders* headers);

  // Anything else of the bucket, or of `key` in it. `done` names the document that says it was done; without
  // it a 2xx does. Codes: those of HttpClient::perform(), no_space.
  Result<HttpResponse> perform(HttpRequest request, std::string_view key, std::vector<HttpHeader> query,
                               std::string_view done = {});

  // "s3://bucket/key"
  [[nodiscard]] std::string url_of(std::string_view key) const;
  [[nodiscard]] const std::string& bucket() const noexcept { return options_.bucket; }
  [[nodiscard]] std::string region() const;

 private:
  class Exchange;
  S3Bucket(Options options, HttpClient& client, CredentialChain* credentials,
           std::function<std::int64_t()> now_s);
  [[nodiscard]] S3Endpoint endpoint_in(const std::string& region) const;
  // Whether it makes the next attempt another one.
  bool take_remedy(const S3Verdict& verdict, const std::shared_ptr<const AwsCredentials>& used);

  const Options options_;
  HttpClient& client_;
  CredentialChain* const credentials_;
  const std::function<std::int64_t()> now_s_;
  std::atomic<std::int64_t> clock_offset_s_{0};  // the store's less ours
  mutable std::mutex mutex_;
  std::string region_;
};

}  // namespace forebay
