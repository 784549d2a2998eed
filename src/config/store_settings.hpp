// StoreSettings: how origins behind HTTP are asked: object stores and web servers.
#pragma once

#include <cstdint>
#include <string>

namespace forebay {

enum class AddressingSetting { automatic, path, virtual_host };

struct StoreSettings {
  std::string s3_endpoint;  // empty, here and below: as AWS's own tools find it
  std::string s3_region;
  std::string s3_profile;
  AddressingSetting s3_addressing = AddressingSetting::automatic;
  bool anonymous = false;
  bool requester_pays = false;
  std::string ca_file;             // empty: the system's
  std::uint32_t deadline_s = 120;  // of a request, with all its attempts
  std::uint32_t connections = 64;  // at once, of one process
  std::uint32_t requests = 0;      // a second, of one process; 0: no limit
};

}  // namespace forebay
