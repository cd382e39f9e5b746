// One side of a benchmark inside bench_worker: prepared once, then run once a round.
//
// Thread safety: none; a task's own threads end before Run returns.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
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
  std::int64_t keys = 0;      // distinct ones; 0: as many as bench_rows.h has
  std::string view = "four";  // of events.h
  bool text_keys = false;
  double late = 0;
  int clients = 1;
  int iterations = 1;
  double percentile = 50;
  double seconds = 1;
};

class Task {
 public:
  virtual ~Task() = default;
  // Rows a second, statements a second, or the median seconds of one statement, as the kind has it.
  virtual arrow::Result<double> Run() = 0;
};

// Of some values, of which `percent` per cent are not greater.
double Percentile(std::vector<double> values, double percent);
// Runs `statement(i)` for i from 0 to `iterations`; the median of their seconds.
arrow::Result<double> MedianSeconds(int iterations, const std::function<arrow::Status(int)>& statement);
// `clients` threads, each of which runs `statement(its number)` one after the other for `seconds`; statements a second.
arrow::Result<double> StatementsPerSecond(int clients, double seconds,
                                          const std::function<arrow::Status(std::size_t)>& statement);
// The key that a point query asks for in its i-th run.
inline std::int64_t PointKey(int i, std::int64_t rows) { return (i * 7919LL) % rows; }
// Invalid when they differ.
arrow::Status ExpectRows(std::int64_t expected, std::int64_t rows);

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

template <class T>
arrow::Result<std::unique_ptr<Task>> OpenTask(const TaskOptions& options) {
  auto task = std::make_unique<T>();
  ARROW_RETURN_NOT_OK(task->Open(options));
  return task;
}

// kinds: put, export, point, clients, ask-while-put (seconds of one statement, of which `percentile` per cent are not
// greater, while another client fills `table`); against the server at `url`, real or no-op.
arrow::Result<std::unique_ptr<Task>> MakeFlightTask(const TaskOptions& options);
// kinds: duckdb-insert (a statement for each batch), duckdb-insert-all (one for all), duckdb-export, duckdb-point,
// duckdb-clients; in this process.
arrow::Result<std::unique_ptr<Task>> MakeDuckDbTask(const TaskOptions& options);
// kinds: aggregate-view (the aggregation engine), aggregate-bytes (of its states, a group), aggregate-kernel (a kernel
// for just the query), aggregate-group-by (DuckDB); in this process, on one core.
arrow::Result<std::unique_ptr<Task>> MakeAggregateTask(const TaskOptions& options);

}  // namespace hyprstream::bench
