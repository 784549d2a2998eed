#include "web/curl_handles.hpp"

#include "common/result.hpp"

namespace forebay {

CurlHandles::CurlHandles() {
  static std::once_flag once;
  std::call_once(once, [] { FOREBAY_CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); });
  share_ = curl_share_init();
  FOREBAY_CHECK(share_ != nullptr);
  curl_share_setopt(share_, CURLSHOPT_LOCKFUNC, &CurlHandles::lock);
  curl_share_setopt(share_, CURLSHOPT_UNLOCKFUNC, &CurlHandles::unlock);
  curl_share_setopt(share_, CURLSHOPT_USERDATA, this);
  // Not connections: libcurl does not share those between threads.
  curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
  curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
}

CurlHandles::~CurlHandles() {
  for (CURL* handle : idle_) {
    curl_easy_cleanup(handle);
  }
  curl_share_cleanup(share_);
}

void CurlHandles::lock(CURL*, curl_lock_data data, curl_lock_access, void* self) {
  static_cast<CurlHandles*>(self)->locks_[data].lock();
}

void CurlHandles::unlock(CURL*, curl_lock_data data, void* self) {
  static_cast<CurlHandles*>(self)->locks_[data].unlock();
}

CurlHandles::Lease CurlHandles::take() {
  CURL* handle = nullptr;
  {
    const std::lock_guard guard(mutex_);
    if (!idle_.empty()) {
      handle = idle_.back();
      idle_.pop_back();
    }
  }
  if (handle == nullptr) {
    handle = curl_easy_init();
    FOREBAY_CHECK(handle != nullptr);
  } else {
    curl_easy_reset(handle);
  }
  curl_easy_setopt(handle, CURLOPT_SHARE, share_);
  return Lease(*this, handle);
}

void CurlHandles::give(CURL* handle) {
  {
    const std::lock_guard guard(mutex_);
    if (idle_.size() < kIdleMax) {
      idle_.push_back(handle);
      return;
    }
  }
  curl_easy_cleanup(handle);
}

}  // namespace forebay
