// CurlHandles: idle easy handles with their warm connections, and what they share.
#pragma once

#include <curl/curl.h>

#include <array>
#include <memory>
#include <mutex>
#include <vector>

namespace forebay {

// Thread-safe. Must outlive what take() gave.
class CurlHandles {
 public:
  // Handles kept while idle; more are closed when they come back.
  static constexpr std::size_t kIdleMax = 512;

  class Lease {
   public:
    Lease(CurlHandles& home, CURL* handle) : home_(home), handle_(handle) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { home_.give(handle_); }
    [[nodiscard]] CURL* get() const noexcept { return handle_; }

   private:
    CurlHandles& home_;
    CURL* handle_;
  };

  CurlHandles();
  ~CurlHandles();
  CurlHandles(const CurlHandles&) = delete;
  CurlHandles& operator=(const CurlHandles&) = delete;

  // The one used last, without the options of its last use.
  [[nodiscard]] Lease take();

 private:
  static void lock(CURL*, curl_lock_data data, curl_lock_access, void* self);
  static void unlock(CURL*, curl_lock_data data, void* self);
  void give(CURL* handle);

  CURLSH* share_ = nullptr;
  std::array<std::mutex, CURL_LOCK_DATA_LAST> locks_;
  std::mutex mutex_;
  std::vector<CURL*> idle_;
};

}  // namespace forebay
