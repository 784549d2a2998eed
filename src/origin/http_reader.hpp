// HttpReader: one version of one file of a web server, by ranged GETs that are bound to it.
#pragma once

#include <memory>
#include <string>

#include "origin/http_version.hpp"
#include "origin/ordered_checksum.hpp"
#include "origin/origin.hpp"
#include "web/http_client.hpp"

namespace forebay {

// Thread-safe.
class HttpReader final : public OriginReader {
 public:
  // `version` is known. `client` must outlive it.
  HttpReader(HttpClient& client, std::string url, std::uint64_t size, HttpVersion version);

  // One GET. A server that sends all when asked for a part is refused before it has sent more than it takes
  // to see that, unless all is what was asked for. Codes: those of HttpClient::perform().
  Status read(std::uint64_t offset, std::span<std::byte> into) override;
  // Each answer was of the version, so nothing is asked again. An object of up to
  // OrderedChecksum::kObjectBytesMax that was read whole is compared with its checksum. Code: corrupt (it is
  // another one).
  Status verify_unchanged() override;

 private:
  HttpClient& client_;
  const std::string url_;
  const std::uint64_t size_;
  const HttpVersion version_;
  std::unique_ptr<OrderedChecksum> checksum_;  // null: none is known
};

}  // namespace forebay
