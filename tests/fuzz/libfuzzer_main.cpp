// A target under libFuzzer. With FOREBAY_FUZZ_SEEDS=DIRECTORY its seeds are written there first.
#include <cstdlib>
#include <fstream>

#include "fuzz/fuzz_target.hpp"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  if (const char* directory = std::getenv("FOREBAY_FUZZ_SEEDS"); directory != nullptr) {
    std::size_t number = 0;
    for (const auto& seed : forebay::fuzz::seeds()) {
      std::ofstream(std::string(directory) + "/seed" + std::to_string(number++), std::ios::binary) << seed;
    }
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  forebay::fuzz::run({reinterpret_cast<const char*>(data), bytes});
  return 0;
}
