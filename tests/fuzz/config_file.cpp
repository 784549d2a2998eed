// A configuration file: any bytes end in settings or in an error that names the file.
#include "config/config_file.hpp"

#include "fuzz/fuzz_target.hpp"
#include "fuzz/memory_file.hpp"

namespace forebay::fuzz {

std::vector<std::string> seeds() {
  return {"", "buffer = \"/local/nvme\"\ncapacity = \"1.5T\"\n",
          "stage = [\"/a=/mnt/a\", \"/b\"]\nquiet = true\nnodes = 4\n",
          "# a comment\nlauncher = \"simulate\"\nprefetch = 'off'\nstart-timeout = 30\n",
          "mpi = \"auto\"\nbandwidth = \"100M\"\nper-node = false\nreport = \"/tmp/r.json\"\n"};
}

bool run(std::string_view input) {
  const MemoryFile file(input);
  const auto texts = read_config_file(file.path());
  if (!texts.ok()) {
    FOREBAY_CHECK(texts.error().code == Code::bad_argument);
    FOREBAY_CHECK(texts.error().text.find(file.path()) != std::string::npos);
    return false;
  }
  const auto settings = EffectiveSettings::merge(
      {}, [](const std::string&) { return nullptr; }, file.path(), *texts);
  if (!settings.ok()) {
    FOREBAY_CHECK(settings.error().code == Code::bad_argument);
    FOREBAY_CHECK(settings.error().text.find(file.path()) != std::string::npos);
    return false;
  }
  for (const Setting& setting : all_settings()) {
    static_cast<void>(setting.value(settings->values()));
  }
  return true;
}

}  // namespace forebay::fuzz
