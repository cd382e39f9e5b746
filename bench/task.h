// One side of a benchmark inside bench_worker: prepared once, then run once a round.
//
// Thread safety: none; a task's own threads end before Run returns.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace hyprstream::bench {

struct TaskOptions {
  std::string kind;
  std::string url;                 // of a Flight server
  std::string table;               // to fill
  std::string sql;                 // to ask
  std::vector<std::string> setup;  // SQL before the first round
  std::vector<std::string> reset;  // SQL before each round, not timed
  std::int64_t rows = 0;           // to send, or to expect
  std::int64_t batch_rows = 0;
  int clients = 1;
  int iterations = 1;
  double seconds = 1;
};

class Task {
 public:
  virtual ~Task() = default;
  // Rows a second, statements a second, or the median seconds of one statement, as the kind has it.
  virtual arrow::Result<double> Run() = 0;
};

double Median(std::vector<double> values);

// kinds: put, export, point, clients; against the server at `url`, real or no-op.
arrow::Result<std::unique_ptr<Task>> MakeFlightTask(const TaskOptions& options);
// kinds: duckdb-insert (a statement for each batch), duckdb-insert-all (one for all), duckdb-export, duckdb-point,
// duckdb-clients; in this process.
arrow::Result<std::unique_ptr<Task>> MakeDuckDbTask(const TaskOptions& options);

}  // namespace hyprstream::bench
