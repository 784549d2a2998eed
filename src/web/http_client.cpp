#include "web/http_client.hpp"

#include <algorithm>
#include <array>
#include <random>

#include <fmt/format.h>

#include "web/curl_handles.hpp"
#include "web/http_transfer.hpp"
#include "web/url.hpp"

namespace forebay {
namespace {

// Of a larger one libcurl asks first (Expect: 100-continue), so that who refuses it need not cut it off,
// which would lose the reason.
constexpr std::size_t kSmallBody = 1U << 20;

double random_number() {
  thread_local std::mt19937_64 engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(0.0, 1.0)(engine);
}

// A list for libcurl, freed with this object.
class HeaderList {
 public:
  HeaderList() = default;
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  ~HeaderList() { curl_slist_free_all(list_); }
  void add(const std::string& line) {
    auto* longer = curl_slist_append(list_, line.c_str());
    FOREBAY_CHECK(longer != nullptr);
    list_ = longer;
  }
  [[nodiscard]] curl_slist* get() const noexcept { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

// For people.
const char* verb_of(HttpMethod method) {
  switch (method) {
    case HttpMethod::get:
      return "get";
    case HttpMethod::head:
      return "look at";
    case HttpMethod::put:
      return "put";
    case HttpMethod::post:
      return "post to";
    case HttpMethod::remove:
      return "delete";
  }
  return "get";
}

std::chrono::milliseconds until(WebTime deadline) {
  const auto left = deadline - std::chrono::steady_clock::now();
  return std::max(std::chrono::ceil<std::chrono::milliseconds>(left), std::chrono::milliseconds(1));
}

void set_method(CURL* handle, const HttpRequest& request) {
  switch (request.method) {
    case HttpMethod::get:
      return;
    case HttpMethod::head:
      curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
      return;
    case HttpMethod::put:
      curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, "PUT");
      break;
    case HttpMethod::remove:
      curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, "DELETE");
      return;
    case HttpMethod::post:
      break;
  }
  curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  // Of a null pointer libcurl would think that a callback has the bytes.
  curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.body.empty() ? "" : request.body.data());
}

void set_options(CURL* handle, const HttpOptions& options, const HttpRequest& request) {
  constexpr long kBufferBytes = 256L << 10;
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_BUFFERSIZE, kBufferBytes);
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR,
                   request.url.starts_with("https") ? "https" : "http,https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, request.follows_redirects ? 1L : 0L);
  curl_easy_setopt(handle, CURLOPT_MAXREDIRS, 5L);
  curl_easy_setopt(handle, CURLOPT_PATH_AS_IS,
                   1L);  // A key may have dots; what is signed must be what is sent.
  curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  if (!request.is_answered_late) {
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, static_cast<long>(options.low_speed_bytes));
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.low_speed_time.count()));
  }
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!options.ca_file.empty()) {
    curl_easy_setopt(handle, CURLOPT_CAINFO, options.ca_file.c_str());
  }
  if (request.avoids_proxy) {
    curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
  }
  set_method(handle, request);
}

ConcurrencyLimit::Ending ending_of(const std::optional<HttpFailure>& failure) {
  if (!failure || failure->kind == FailureKind::final_answer) {
    return ConcurrencyLimit::Ending::answered;
  }
  return failure->kind == FailureKind::throttled ? ConcurrencyLimit::Ending::throttled
                                                 : ConcurrencyLimit::Ending::other;
}

}  // namespace

struct HttpClient::Attempted {
  Status prepared;  // An Error: of the protocol, final
  std::optional<HttpFailure> failure;
};

HttpClient::HttpClient(HttpOptions options, ConcurrencyLimit& limit, RequestBudget& budget,
                       std::function<double()> random)
    : options_(std::move(options)),
      limit_(limit),
      budget_(budget),
      random_(random ? std::move(random) : random_number),
      handles_(std::make_unique<CurlHandles>()) {}

HttpClient::~HttpClient() = default;

HttpClient::Attempted HttpClient::attempt(HttpTransfer& transfer, HttpProtocol& protocol, WebTime deadline) {
  const HttpRequest& request = transfer.request();
  std::string url = request.url;
  auto headers = request.headers;
  for (auto& header : transfer.range_headers()) {
    headers.push_back(std::move(header));
  }
  if (auto prepared = protocol.prepare(request, url, headers); !prepared.ok()) {
    return {std::move(prepared), std::nullopt};
  }
  HeaderList list;
  for (const auto& header : headers) {
    list.add(header.value.empty() ? header.name + ";" : header.name + ": " + header.value);
  }
  if (request.body.size() <= kSmallBody) {
    list.add("Expect:");  // No round trip before a body.
  }

  const auto handle = handles_->take();
  std::array<char, CURL_ERROR_SIZE> text{};
  set_options(handle.get(), options_, request);
  curl_easy_setopt(handle.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle.get(), CURLOPT_HTTPHEADER, list.get());
  curl_easy_setopt(handle.get(), CURLOPT_ERRORBUFFER, text.data());
  curl_easy_setopt(handle.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(until(deadline).count()));
  transfer.begin();
  transfer.attach(handle.get());
  const auto code = curl_easy_perform(handle.get());
  long connections = 0;
  curl_easy_getinfo(handle.get(), CURLINFO_NUM_CONNECTS, &connections);
  connections_.fetch_add(static_cast<std::uint64_t>(std::max(connections, 0L)), std::memory_order_relaxed);
  // The handle outlives what its options point to.
  curl_easy_setopt(handle.get(), CURLOPT_HTTPHEADER, nullptr);
  curl_easy_setopt(handle.get(), CURLOPT_ERRORBUFFER, nullptr);

  body_bytes_.fetch_add(transfer.bytes_landed(), std::memory_order_relaxed);
  auto failure = transfer.ended(code, text.data());
  if (!failure) {
    failure = transfer.is_refused() ? protocol.judge(request, transfer.response())
                                    : protocol.doubt(request, transfer.response());
  }
  return {{}, std::move(failure)};
}

bool HttpClient::sleep_until(WebTime time) {
  std::unique_lock lock(mutex_);
  return !stopping_.wait_until(lock, time, [&] { return stopped_.load(); });
}

Error HttpClient::given_up(const HttpRequest& request, const HttpFailure& failure, std::uint32_t attempts,
                           WebTime begun) const {
  const auto spent = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  auto tried =
      attempts == 1 ? std::string("1 attempt") : fmt::format("{} attempts in {:.1f} s", attempts, spent);
  return Error{failure.code,
               fmt::format("cannot {} {} ({}; {})", verb_of(request.method), shown_url(request.url),
                           failure.reason, tried),
               failure.errno_value};
}

Result<HttpResponse> HttpClient::perform(const HttpRequest& request) {
  PlainHttp plain;
  return perform(request, plain);
}

Result<HttpResponse> HttpClient::perform(const HttpRequest& request, HttpProtocol& protocol) {
  FOREBAY_ASSIGN(parts, parse_url(request.url));
  static_cast<void>(parts);
  FOREBAY_CHECK(!request.range || !request.range->into.empty());
  const auto begun = std::chrono::steady_clock::now();
  const auto deadline = begun + (request.deadline.count() > 0 ? request.deadline : options_.deadline) +
                        std::chrono::seconds(request.body.size() >> 20);
  const auto body_bytes = request.range ? request.range->into.size() : request.body.size();
  RetrySchedule schedule(options_.retry, deadline, random_);
  HttpTransfer transfer(request, stopped_);
  HttpFailure last{FailureKind::throttled, Code::timed_out, ETIMEDOUT, "no turn before the deadline"};
  const HttpFailure stopped{FailureKind::final_answer, Code::cancelled, ECANCELED, "stopped"};
  for (std::uint32_t attempts = 0;; ++attempts) {
    const auto turn = budget_.reserve(body_bytes, std::chrono::steady_clock::now(), deadline);
    if (turn && !sleep_until(*turn)) {
      return given_up(request, stopped, attempts, begun);
    }
    auto permit = turn ? limit_.acquire(deadline) : std::nullopt;
    if (!permit) {
      return given_up(request, stopped_ ? stopped : last, attempts, begun);
    }
    auto attempted = attempt(transfer, protocol, deadline);
    attempts_.fetch_add(1, std::memory_order_relaxed);
    repeated_.fetch_add(attempts > 0 ? 1 : 0, std::memory_order_relaxed);
    if (!attempted.prepared.ok()) {
      return Error{std::move(attempted.prepared).error()};
    }
    if (!attempted.failure) {
      permit->end(ConcurrencyLimit::Ending::answered);
      transfer.response().attempts = attempts + 1;
      return std::move(transfer.response());
    }
    if (attempts > 0 && attempted.failure->code == Code::timed_out &&
        std::chrono::steady_clock::now() >= deadline) {
      // What the deadline cut short says less than what was answered before it.
      permit->end(ConcurrencyLimit::Ending::other);
      return given_up(request, last, attempts + 1, begun);
    }
    last = std::move(*attempted.failure);
    if (last.kind == FailureKind::throttled) {
      throttled_.fetch_add(1, std::memory_order_relaxed);
    }
    const auto wait = schedule.next(last, std::chrono::steady_clock::now());
    permit->end(ending_of(last),
                wait ? last.retry_after.value_or(std::chrono::seconds(0)) : std::chrono::seconds(0));
    if (!wait) {
      return given_up(request, last, attempts + 1, begun);
    }
    transfer.prepare_next(last);
    if (!sleep_until(std::chrono::steady_clock::now() + *wait)) {
      return given_up(request, stopped, attempts + 1, begun);
    }
  }
}

void HttpClient::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  stopping_.notify_all();
  limit_.stop();
}

HttpCounts HttpClient::counts() const noexcept {
  return {attempts_.load(), throttled_.load(), repeated_.load(), body_bytes_.load(), connections_.load()};
}

}  // namespace forebay
