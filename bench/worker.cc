// One side of a benchmark as a process: `bench_worker --kind put --url ...` prints "ready", then runs one round for
// each line on standard input and answers it with {"value": ..., "cpu": seconds of this process, "facts": {...}} or
// {"error": ...}.
#include <arrow/result.h>
#include <arrow/status.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "bench/bench_rows.h"
#include "bench/task.h"

namespace hyprstream::bench {

namespace {

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

arrow::Result<std::unique_ptr<Task>> MakeTask(const TaskOptions& options) {
  if (options.kind.starts_with("aggregate-")) return MakeAggregateTask(options);
  if (options.kind.starts_with("adbc-")) return MakeAdbcTask(options);
  if (options.kind.starts_with("redis-")) return MakeRedisTask(options);
  return options.kind.starts_with("duckdb-") ? MakeDuckDbTask(options) : MakeFlightTask(options);
}

int Serve(const TaskOptions& options) {
  auto task = MakeTask(options);
  if (!task.ok()) {
    std::cerr << "bench_worker: " << task.status().ToString() << '\n';
    return 1;
  }
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    const double before = CpuSeconds();
    const auto value = (*task)->Run();
    const auto answer =
        value.ok() ? nlohmann::json{{"value", *value}, {"cpu", CpuSeconds() - before}, {"facts", (*task)->Facts()}}
                   : nlohmann::json{{"error", value.status().ToString()}};
    std::cout << answer.dump() << std::endl;
  }
  return 0;
}

int Main(int argc, char** argv) {
  TaskOptions options;
  CLI::App app("One side of a benchmark; driven by bench/run.py");
  app.add_option("--kind", options.kind)->required();
  app.add_option("--url", options.url);
  app.add_option("--driver", options.driver);
  app.add_option("--catalog", options.catalog);
  app.add_option("--table", options.table);
  app.add_option("--sql", options.sql);
  app.add_option("--setup", options.setup);
  app.add_option("--reset", options.reset);
  app.add_option("--rows", options.rows);
  app.add_option("--first-row", options.first_row);
  app.add_option("--batch-rows", options.batch_rows);
  app.add_option("--keys", options.keys);
  app.add_option("--numbered", options.numbered);
  app.add_option("--view", options.view);
  app.add_option("--text-keys", options.text_keys);
  app.add_option("--late", options.late);
  app.add_option("--clients", options.clients);
  app.add_option("--connections", options.connections);
  app.add_option("--iterations", options.iterations);
  app.add_option("--percentile", options.percentile);
  app.add_option("--seconds", options.seconds);
  CLI11_PARSE(app, argc, argv);
  UseServerMalloc();
  return Serve(options);
}

}  // namespace
}  // namespace hyprstream::bench

int main(int argc, char** argv) {
  try {
    return hyprstream::bench::Main(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "bench_worker: " << error.what() << '\n';
    return 1;
  }
}
