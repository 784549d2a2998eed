#include "transport/mpi/arena.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include "common/unique_fd.hpp"

namespace forebay {

Result<std::shared_ptr<Arena>> Arena::create(std::size_t bytes) {
  const UniqueFd fd(memfd_create("forebay-arena", MFD_CLOEXEC));
  if (!fd.valid()) {
    return error_from_errno("cannot create the exchange's memory");
  }
  if (ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) {
    return error_from_errno("cannot size the exchange's memory");
  }
  void* const data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) {
    return error_from_errno("cannot map the exchange's memory");
  }
  return std::shared_ptr<Arena>(new Arena({static_cast<std::byte*>(data), bytes}));
}

Arena::~Arena() {
  munmap(bytes_.data(), bytes_.size());
}

}  // namespace forebay
