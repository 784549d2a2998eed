// The index file as bytes, for tests that damage it.
#pragma once

#include <boost/test/unit_test.hpp>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "buffer/index_log.hpp"

namespace forebay {

inline std::vector<char> file_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  BOOST_REQUIRE(in.good());
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void set_file_bytes(const std::string& path, const std::vector<char>& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  BOOST_REQUIRE(out.good());
}

inline void flip_byte(const std::string& path, std::size_t offset) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(offset));
  const char flipped = static_cast<char>(file.get() ^ 0x10);
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(flipped);
  file.close();
  BOOST_REQUIRE(file.good());
}

inline std::size_t record_offset(std::size_t number) {
  return sizeof(IndexHeader) + number * sizeof(IndexRecord);
}

// As the index looks after the machine was booted again.
inline void pretend_reboot(const std::string& path) {
  std::vector<char> bytes = file_bytes(path);
  BOOST_REQUIRE(bytes.size() >= sizeof(IndexHeader));
  IndexHeader header{};
  std::memcpy(&header, bytes.data(), sizeof header);
  header.boot_id[0] = header.boot_id[0] == '0' ? '1' : '0';
  header.check = checksum_bytes(&header, offsetof(IndexHeader, check));
  std::memcpy(bytes.data(), &header, sizeof header);
  set_file_bytes(path, bytes);
}

}  // namespace forebay
