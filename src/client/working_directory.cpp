#include "client/working_directory.hpp"

#include "client/descriptor_hints.hpp"
#include "client/system_call.hpp"

namespace forebay {
namespace {

using Cache = WorkingDirectoryCache;

RegionOfPath ask(const MappedSession& session, char path[PATH_MAX]) {
  const ssize_t bytes = sys::getcwd(path, PATH_MAX);
  if (bytes > 0 && path[0] == '/') {
    return region_of_path(session, path, PATH_MAX);
  }
  // Deleted, unreachable, or longer than a path can be: its descriptor tells.
  const sys::Descriptor here(sys::openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  return here.valid() ? region_of_descriptor(session, here.get(), path)
                      : RegionOfPath{Region::unrelated, {0, kNoEntry}};
}

uint64_t word_of(const RegionOfPath& region) {
  switch (region.region) {
    case Region::inside:
      return Cache::kInside << Cache::kTagShift | uint64_t{region.place.dataset} << 32 | region.place.entry;
    case Region::unrelated:
      return Cache::kUnrelated << Cache::kTagShift;
    case Region::textual:
      return Cache::kTextual << Cache::kTagShift;
  }
  return Cache::kUnknown;
}

}  // namespace

RegionOfPath region_of_working_directory(const MappedSession& session, char path[PATH_MAX]) {
  if (session.is_rerooted()) {
    return {Region::unrelated, {0, kNoEntry}};
  }
  WorkingDirectoryCache* cache = session.working_directory;
  uint64_t word = __atomic_load_n(&cache->word, __ATOMIC_ACQUIRE);
  switch (word >> Cache::kTagShift) {
    case Cache::kInside:
      return {Region::inside, {static_cast<uint32_t>(word >> 32 & 0xffff), static_cast<uint32_t>(word)}};
    case Cache::kUnrelated:
      return {Region::unrelated, {0, kNoEntry}};
    default:
      break;
  }
  const RegionOfPath found = ask(session, path);
  if (session.remembers_working_directory) {
    const int32_t self = sys::getpid();
    int32_t noted = 0;
    if (__atomic_compare_exchange_n(&cache->process, &noted, self, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE) ||
        noted == self) {
      // Only if nobody changed directory in between.
      __atomic_compare_exchange_n(&cache->word, &word, word_of(found), false, __ATOMIC_ACQ_REL,
                                  __ATOMIC_ACQUIRE);
    }
  }
  return found;
}

void forget_working_directory(const MappedSession& session) {
  WorkingDirectoryCache* cache = session.working_directory;
  const uint64_t change = __atomic_add_fetch(&cache->changes, 1, __ATOMIC_ACQ_REL);
  __atomic_store_n(&cache->word, Cache::kUnknown | (change & ((1ull << Cache::kTagShift) - 1)),
                   __ATOMIC_RELEASE);
}

}  // namespace forebay
