#include "drain/drain_order.hpp"

namespace forebay {
namespace {

std::string_view directory_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

void take_out(std::map<std::string, std::set<DrainPosition>, std::less<>>& places, std::string_view where,
              const DrainPosition& at) {
  const auto found = places.find(where);
  if (found != places.end()) {
    found->second.erase(at);
    if (found->second.empty()) {
      places.erase(found);
    }
  }
}

}  // namespace

void DrainOrder::add(const std::string& path, const DrainPosition& at, Blocks blocks) {
  directories_[std::string(directory_of(path))].insert(at);
  if (blocks == Blocks::everything) {
    names_[path].insert(at);
    all_.insert(at);
  }
}

void DrainOrder::done(const std::string& path, const DrainPosition& at) {
  take_out(directories_, directory_of(path), at);
  take_out(names_, path, at);
}

void DrainOrder::remove(const std::string& path, const DrainPosition& at) {
  done(path, at);
  all_.erase(at);
}

bool DrainOrder::first_in_directory(const std::string& path, const DrainPosition& at) const {
  const auto found = directories_.find(directory_of(path));
  return found == directories_.end() || *found->second.begin() >= at;
}

bool DrainOrder::clear_above(const std::string& path, const DrainPosition& at) const {
  for (std::string_view name = path; !name.empty(); name = directory_of(name)) {
    const auto found = names_.find(name);
    if (found != names_.end() && *found->second.begin() < at) {
      return false;
    }
  }
  return true;
}

bool DrainOrder::first_of_all(const DrainPosition& at) const {
  return all_.empty() || *all_.begin() >= at;
}

}  // namespace forebay
