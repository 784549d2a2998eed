#include "transport/mpi/rank_main.hpp"

#include <cstdio>
#include <thread>

#include <fmt/format.h>

namespace forebay {

int rank_main(const MpiEngineOptions& options,
              void (*test)(MpiEngine& engine, contract::Findings& findings)) {
  ThreadPool pool("fill", 2);
  auto started = MpiEngine::start(pool, options);
  if (!started.ok()) {
    fmt::print(stderr, "cannot start: {}\n", started.error().text);
    return 1;
  }
  auto& engine = **started;
  contract::Findings findings;
  std::thread tester([&] { test(engine, findings); });
  const auto ran = engine.run();
  tester.join();
  findings.expect(ran.ok(), "run failed: " + (ran.ok() ? "" : ran.error().text));
  for (const auto& text : findings.texts()) {
    fmt::print(stderr, "rank {} of {}: {}\n", engine.self().value, engine.node_count(), text);
  }
  return findings.texts().empty() ? 0 : 1;
}

}  // namespace forebay
