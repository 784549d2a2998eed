#include "s3/key_paths.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace forebay {

bool is_left_out(KeyUse use) noexcept {
  return use != KeyUse::file && use != KeyUse::directory;
}

std::string_view key_use_text(KeyUse use) noexcept {
  switch (use) {
    case KeyUse::file:
      return "file";
    case KeyUse::directory:
      return "directory";
    case KeyUse::also_a_directory:
      return "also a directory";
    case KeyUse::marker_with_bytes:
      return "bytes of a directory";
    case KeyUse::empty_name:
      return "empty name";
    case KeyUse::dot_name:
      return "name . or ..";
    case KeyUse::long_name:
      return "name too long";
    case KeyUse::long_path:
      return "path too long";
    case KeyUse::nul_byte:
      return "NUL in it";
  }
  return "";
}

KeyUse use_of_key(std::string_view key, std::uint64_t size) noexcept {
  if (key.empty()) {
    return size == 0 ? KeyUse::directory : KeyUse::marker_with_bytes;
  }
  if (key.find('\0') != std::string_view::npos) {
    return KeyUse::nul_byte;
  }
  const bool is_marker = key.ends_with('/');
  if (is_marker) {
    key.remove_suffix(1);
  }
  if (key.size() > kPathBytesMax) {
    return KeyUse::long_path;
  }
  for (std::size_t at = 0; at <= key.size();) {
    const auto end = std::min(key.find('/', at), key.size());
    const auto name = key.substr(at, end - at);
    if (name.empty()) {
      return KeyUse::empty_name;
    }
    if (name == "." || name == "..") {
      return KeyUse::dot_name;
    }
    if (name.size() > kNameBytesMax) {
      return KeyUse::long_name;
    }
    at = end + 1;
  }
  if (!is_marker) {
    return KeyUse::file;
  }
  return size == 0 ? KeyUse::directory : KeyUse::marker_with_bytes;
}

std::uint64_t KeyPaths::left_out() const noexcept {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kKeyUses; ++i) {
    sum += is_left_out(static_cast<KeyUse>(i)) ? counts_[i] : 0;
  }
  return sum;
}

Status KeyPaths::give(const Object& object, KeyUse use) {
  ++counts_[static_cast<std::size_t>(use)];
  return take_(object, use);
}

Status KeyPaths::give_last_waiting() {
  const Waiting last = std::move(waiting_.back());
  waiting_.pop_back();
  return give({last.key, last.size, last.mtime_ns, last.etag},
              last.is_directory ? KeyUse::also_a_directory : KeyUse::file);
}

Status KeyPaths::add(const Object& object) {
  if (has_last_ && object.key <= last_key_) {
    return Error{Code::io_error,
                 fmt::format("the store does not list in order ('{}' behind '{}')", object.key, last_key_),
                 EIO};
  }
  has_last_ = true;
  last_key_ = object.key;
  while (!waiting_.empty() && !object.key.starts_with(waiting_.back().key)) {
    FOREBAY_TRY(give_last_waiting());
  }
  const auto use = use_of_key(object.key, object.size);
  const bool makes_directories =
      use == KeyUse::file || use == KeyUse::directory || use == KeyUse::marker_with_bytes;
  for (auto& waiting : waiting_) {
    // All that wait are beginnings of this key; those that end at a '/' of it are directories above it.
    waiting.is_directory |= makes_directories && object.key[waiting.key.size()] == '/';
  }
  if (use == KeyUse::file) {
    waiting_.push_back(
        {std::string(object.key), std::string(object.etag), object.size, object.mtime_ns, false});
    return {};
  }
  auto given = object;
  if (given.key.ends_with('/') && !is_left_out(use)) {
    given.key.remove_suffix(1);
  }
  return give(given, use);
}

Status KeyPaths::finish() {
  while (!waiting_.empty()) {
    FOREBAY_TRY(give_last_waiting());
  }
  return {};
}

}  // namespace forebay
