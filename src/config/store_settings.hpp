// StoreSettings: how origins behind HTTP are asked: object stores and web servers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

namespace forebay {

// What becomes of an object that is no longer the version that was listed.
enum class ChangedSetting { refuse, reread };
enum class AddressingSetting { automatic, path, virtual_host };

struct StoreSettings {
  std::string s3_endpoint;  // empty, here and below: as AWS's own tools find it
  std::string s3_region;
  std::string s3_profile;
  AddressingSetting s3_addressing = AddressingSetting::automatic;
  bool anonymous = false;
  bool requester_pays = false;
  std::string ca_file;  // empty: the system's
  ChangedSetting changed_objects = ChangedSetting::refuse;
  std::uint32_t deadline_s = 120;  // of a request, with all its attempts
  // What the whole job may ask of a store; each process goes by its share.
  std::uint32_t connections = 0;  // at once; 0: kStoreConnectionsMax of each process
  double requests = 0;            // a second; 0: no limit
  double bandwidth = 0;           // bytes a second; 0: no limit
};

// The most requests that one process has on their way to one dataset's store.
inline constexpr std::uint32_t kStoreConnectionsMax = 64;

// One of `parts` equal shares of what the job may ask: a process has one of each of its datasets. Nobody's is
// less than one connection.
inline StoreSettings store_share(StoreSettings job, std::uint32_t parts) {
  if (job.connections != 0) {
    job.connections = std::clamp(job.connections / parts, 1U, kStoreConnectionsMax);
  }
  job.requests /= parts;
  job.bandwidth /= parts;
  return job;
}

}  // namespace forebay
