// curl_loop URL LIST DIRECTORY THREADS: what libcurl alone can do: each object of LIST (a line each: key) is
// got from URL/key by one of THREADS and written to DIRECTORY/<line number>, signed as AWS_ACCESS_KEY_ID and
// AWS_SECRET_ACCESS_KEY say. Prints seconds.
//
// One connection a thread, kept; no retry, no check: the ground under every client of a store.
#include <curl/curl.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace {

std::size_t write_to(char* data, std::size_t, std::size_t bytes, void* fd) {
  const auto written = ::write(*static_cast<int*>(fd), data, bytes);
  return written < 0 ? 0 : static_cast<std::size_t>(written);
}

bool get(CURL* curl, const std::string& url, const std::string& path) {
  int fd = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0) {
    return false;
  }
  long status = 0;
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &fd);
  const bool done = curl_easy_perform(curl) == CURLE_OK &&
                    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status == 200;
  return ::close(fd) == 0 && done;
}

}  // namespace

int main(int argc, char** argv) {
  const char* access_key = std::getenv("AWS_ACCESS_KEY_ID");
  const char* secret_key = std::getenv("AWS_SECRET_ACCESS_KEY");
  if (argc != 5 || access_key == nullptr || secret_key == nullptr) {
    std::fprintf(stderr,
                 "usage: AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... %s URL LIST DIRECTORY THREADS\n",
                 argv[0]);
    return 2;
  }
  std::vector<std::string> keys;
  std::ifstream list(argv[2]);
  for (std::string key; std::getline(list, key);) {
    keys.push_back(key);
  }
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::string user = std::string(access_key) + ":" + secret_key;
  std::atomic<std::size_t> next{0};
  std::atomic<std::size_t> failed{0};
  std::vector<std::thread> threads;
  const auto begin = std::chrono::steady_clock::now();
  for (int k = 0; k < std::atoi(argv[4]); ++k) {
    threads.emplace_back([&] {
      CURL* curl = curl_easy_init();
      curl_slist* headers = curl_slist_append(nullptr, "x-amz-content-sha256: UNSIGNED-PAYLOAD");
      curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
      curl_easy_setopt(curl, CURLOPT_AWS_SIGV4, "aws:amz:us-east-1:s3");
      curl_easy_setopt(curl, CURLOPT_USERPWD, user.c_str());
      curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, write_to);
      curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 1L << 19);
      curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
      for (std::size_t i; (i = next++) < keys.size();) {
        if (!get(curl, std::string(argv[1]) + "/" + keys[i],
                 std::string(argv[3]) + "/" + std::to_string(i))) {
          ++failed;
        }
      }
      curl_slist_free_all(headers);
      curl_easy_cleanup(curl);
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  std::printf("%.3f\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  if (failed != 0 || keys.empty()) {
    std::fprintf(stderr, "%zu of %zu objects failed\n", failed.load(), keys.size());
    return 1;
  }
}
