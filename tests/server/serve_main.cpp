// A server with the few options that tests need: serve_main ROOT(session) BUFFER ORIGIN [key=value]...
#include <charconv>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include "server/serve.hpp"

int main(int argc, char** argv) {
  if (argc < 4) {
    std::cerr
        << "usage: serve_main SESSION BUFFER ORIGIN [simulate=1] [capacity=N] [stripe=N] [prefetch=off] "
           "[standalone=1] [supervised=1] [restart=N]\n";
    return 2;
  }
  forebay::ServeOptions options;
  options.session_root = argv[1];
  options.buffer_directory = argv[2];
  options.datasets.push_back({argv[3], argv[3]});
  options.io_threads = 4;
  for (int i = 4; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const auto equals = argument.find('=');
    const auto key = argument.substr(0, equals);
    const std::string value(equals == std::string_view::npos ? "" : argument.substr(equals + 1));
    if (key == "simulate") {
      options.simulate = value == "1";
    } else if (key == "capacity") {
      options.capacity_bytes = std::strtoull(value.c_str(), nullptr, 10);
    } else if (key == "stripe") {
      options.stripe_bytes = std::strtoull(value.c_str(), nullptr, 10);
    } else if (key == "prefetch" && value == "off") {
      options.prefetch = forebay::PrefetchMode::off;
    } else if (key == "standalone") {
      options.standalone_prefetch = value == "1";
    } else if (key == "restart") {
      options.restart = static_cast<std::uint32_t>(std::strtoul(value.c_str(), nullptr, 10));
    } else if (key == "supervised") {
      options.supervised = value == "1";
    } else {
      std::cerr << "unknown option " << argument << "\n";
      return 2;
    }
  }
  return forebay::serve_main(options);
}
