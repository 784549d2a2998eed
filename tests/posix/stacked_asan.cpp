// A program under AddressSanitizer, which wraps much of libc itself: reads and lists below its argument.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  const std::string root = argc == 2 ? argv[1] : ".";
  std::vector<std::string> names;
  DIR* stream = opendir((root + "/many").c_str());
  while (const dirent* entry = stream == nullptr ? nullptr : readdir(stream)) {
    if (entry->d_name[0] != '.') {
      names.emplace_back(entry->d_name);
    }
  }
  if (stream != nullptr) {
    closedir(stream);
  }
  std::sort(names.begin(), names.end());
  long bytes = 0;
  for (const auto& name : names) {
    std::ifstream file(root + "/many/" + name);
    bytes += static_cast<long>(std::string(std::istreambuf_iterator<char>(file), {}).size());
  }
  struct stat info {};
  const auto room = std::make_unique<char[]>(11);
  const int fd = open((root + "/plain").c_str(), O_RDONLY);
  const auto got = read(fd, room.get(), 11);
  std::printf("asan: %zu names, %ld bytes, stat %d size %ld, read %ld\n", names.size(), bytes,
              stat((root + "/plain").c_str(), &info), static_cast<long>(info.st_size),
              static_cast<long>(got));
  close(fd);
  return 0;
}
