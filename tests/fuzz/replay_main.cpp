// A target without libFuzzer: runs over its seeds, the same mutations of them each time, and the files of a
// directory (inputs that once broke something). An input that ends the process is left in ./fuzz-input.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>

#include "fuzz/fuzz_target.hpp"

namespace forebay::fuzz {
namespace {

constexpr int kMutationsPerSeed = 200;

std::string_view running;

extern "C" void keep_input(int signal) {
  const int fd = ::open("fuzz-input", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  [[maybe_unused]] const auto written = ::write(fd, running.data(), running.size());
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

bool run_one(std::string_view input) {
  // A copy of the very size, so that reading behind it is seen where memory is watched.
  const std::vector<char> exact(input.begin(), input.end());
  running = {exact.data(), exact.size()};
  return run(running);
}

std::string mutated(std::string input, std::mt19937_64& random) {
  const auto below = [&](std::size_t limit) { return limit == 0 ? 0 : random() % limit; };
  for (std::size_t edits = 1 + below(4); edits > 0; --edits) {
    const std::size_t at = below(input.size() + 1);
    const std::size_t bytes = std::min<std::size_t>(input.size() - at, 1 + below(16));
    switch (below(6)) {
      case 0:
        if (at < input.size()) {
          input[at] = static_cast<char>(input[at] ^ 1 << below(8));
        }
        break;
      case 1:
        for (std::size_t i = at; i < at + bytes; ++i) {
          input[i] = static_cast<char>(random());
        }
        break;
      case 2:
        std::fill_n(input.begin() + static_cast<std::ptrdiff_t>(at), bytes, below(2) == 0 ? '\0' : '\xff');
        break;
      case 3:
        input.erase(at, bytes);
        break;
      case 4:
        input.insert(at, input.substr(below(input.size() + 1), bytes));
        break;
      default:
        input.resize(at);
        break;
    }
  }
  return input;
}

int replay(const std::filesystem::path& directory) {
  std::size_t well_formed = 0;
  std::size_t mutations = 0;
  std::mt19937_64 random(20200229);
  const auto all = seeds();
  for (const auto& seed : all) {
    if (!run_one(seed)) {
      std::cerr << "a seed is not well-formed: " << seed.substr(0, 200) << "\n";
      return 1;
    }
    for (int i = 0; i < kMutationsPerSeed; ++i, ++mutations) {
      well_formed += run_one(mutated(seed, random)) ? 1 : 0;
    }
  }
  std::size_t files = 0;
  if (std::filesystem::exists(directory)) {
    for (const auto& file : std::filesystem::directory_iterator(directory)) {
      std::ifstream stream(file.path(), std::ios::binary);
      run_one(std::string(std::istreambuf_iterator<char>(stream), {}));
      ++files;
    }
  }
  std::cout << all.size() << " seeds, " << mutations << " mutations (" << well_formed << " well-formed), "
            << files << " inputs\n";
  return all.empty() ? 1 : 0;
}

}  // namespace
}  // namespace forebay::fuzz

int main(int argc, char** argv) {
  std::signal(SIGABRT, forebay::fuzz::keep_input);
  std::signal(SIGSEGV, forebay::fuzz::keep_input);
  return forebay::fuzz::replay(argc > 1 ? argv[1] : ".");
}
