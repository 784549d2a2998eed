#include "cli/remote_shell.hpp"

#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>

namespace forebay {
namespace {

constexpr const char* kAgent = "plm_rsh_agent";

std::string without_blanks(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\"'");
  const auto last = text.find_last_not_of(" \t\"'");
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

// "name = value" lines; empty where there is none.
std::string parameter_in(const std::string& path, const std::string& name) {
  std::ifstream stream(path);
  for (std::string line; std::getline(stream, line);) {
    const auto text = line.substr(0, line.find('#'));
    const auto equals = text.find('=');
    if (equals != std::string::npos && without_blanks(text.substr(0, equals)) == name) {
      return without_blanks(text.substr(equals + 1));
    }
  }
  return "";
}

std::string agents() {
  for (const auto* name : {"OMPI_MCA_plm_rsh_agent", "OMPI_MCA_orte_rsh_agent"}) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') {
      return value;
    }
  }
  const char* home = std::getenv("HOME");
  for (const auto& path : {std::string(home == nullptr ? "" : home) + "/.openmpi/mca-params.conf",
                           std::string("/etc/openmpi/openmpi-mca-params.conf")}) {
    if (auto value = parameter_in(path, kAgent); !value.empty()) {
      return value;
    }
  }
  return "ssh : rsh";
}

bool is_in_path(const std::string& program) {
  if (program.find('/') != std::string::npos) {
    return ::access(program.c_str(), X_OK) == 0;
  }
  const char* path = std::getenv("PATH");
  std::istringstream directories(path == nullptr ? "/usr/bin:/bin" : path);
  for (std::string directory; std::getline(directories, directory, ':');) {
    if (::access((directory + "/" + program).c_str(), X_OK) == 0) {
      return true;
    }
  }
  return false;
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) {
    words.push_back(word);
  }
  return words;
}

bool same_address(const sockaddr* a, const sockaddr* b) {
  if (a == nullptr || b == nullptr || a->sa_family != b->sa_family) {
    return false;
  }
  if (a->sa_family == AF_INET) {
    return reinterpret_cast<const sockaddr_in*>(a)->sin_addr.s_addr ==
           reinterpret_cast<const sockaddr_in*>(b)->sin_addr.s_addr;
  }
  return a->sa_family == AF_INET6 &&
         std::memcmp(&reinterpret_cast<const sockaddr_in6*>(a)->sin6_addr,
                     &reinterpret_cast<const sockaddr_in6*>(b)->sin6_addr, sizeof(in6_addr)) == 0;
}

bool has_own_address(const std::string& host) {
  addrinfo* found = nullptr;
  ifaddrs* own = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, nullptr, &found) != 0) {
    return false;
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> found_owner(found, ::freeaddrinfo);
  if (::getifaddrs(&own) != 0) {
    return false;
  }
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> own_owner(own, ::freeifaddrs);
  for (const auto* one = found; one != nullptr; one = one->ai_next) {
    for (const auto* mine = own; mine != nullptr; mine = mine->ifa_next) {
      if (same_address(one->ai_addr, mine->ifa_addr)) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace

std::vector<std::string> remote_shell() {
  std::istringstream alternatives(agents());
  for (std::string alternative; std::getline(alternatives, alternative, ':');) {
    auto words = words_of(alternative);
    if (words.empty() || !is_in_path(words.front())) {
      continue;
    }
    const auto& program = words.front();
    if (program.substr(program.rfind('/') + 1) == "ssh") {
      words.insert(words.end(), {"-x", "-o", "BatchMode=yes"});
    }
    return words;
  }
  return {"ssh", "-x", "-o", "BatchMode=yes"};
}

bool is_this_machine(const std::string& host) {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  const std::string own = name.data();
  return host == own || host == own.substr(0, own.find('.')) || host == "localhost" || has_own_address(host);
}

}  // namespace forebay
