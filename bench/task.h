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
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace hyprstream::bench {

struct TaskOptions {
  std::string kind;
  std::string url;                 // of a Flight server, or of the database that `driver` reaches
  std::string driver;              // the path of an ADBC driver
  std::string catalog;             // of `table`, where it is a backend's
  std::string table;               // to fill
  std::string sql;                 // to ask
  std::vector<std::string> setup;  // SQL before the first round
  std::vector<std::string> reset;  // SQL before each round, not timed
  std::int64_t rows = 0;           // to send, or to expect
  std::int64_t first_row = 0;      // of those
  std::int64_t batch_rows = 0;
  std::int64_t keys = 0;      // distinct ones; 0: as many as bench_rows.h has
  bool numbered = false;      // rows have an id (kFirstId of bench_rows.h)
  std::string view = "four";  // of events.h
  bool text_keys = false;
  double late = 0;
  int clients = 1;
  int connections = 1;  // that they share
  int iterations = 1;
  double percentile = 50;
  double seconds = 1;
};

class Task {
 public:
  virtual ~Task() = default;
  // Rows a second, statements a second, or the median seconds of one statement, as the kind has it.
  virtual arrow::Result<double> Run() = 0;
  // What else there is to know of the last run, by name.
  virtual std::map<std::string, std::string> Facts() const { return {}; }
};

// Of some values, of which `percent` per cent are not greater.
double Percentile(std::vector<double> values, double percent);
// Runs `statement(i)` for i from 0 to `iterations`; the median of their seconds.
arrow::Result<double> MedianSeconds(int iterations, const std::function<arrow::Status(int)>& statement);
struct Throughput {
  double per_second = 0;  // statements of all clients
  std::int64_t client_min = 0;
  std::int64_t client_max = 0;  // statements of those that had the fewest and the most

  std::map<std::string, std::string> Facts() const;
};
// `clients` threads, each of which runs `statement(its number)` one after the other for `seconds`.
arrow::Result<Throughput> StatementsOfClients(int clients, double seconds,
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

// kinds: put, ingest (`numbered` rows or not, by Flight SQL), update (a statement that changes `rows` rows), export,
// point, clients, ask-while-put (seconds of one statement, of which `percentile` per cent are not greater, while
// another client fills `table`); against the server at `url`, real or no-op.
arrow::Result<std::unique_ptr<Task>> MakeFlightTask(const TaskOptions& options);
// kinds: duckdb-insert (a statement for each batch), duckdb-insert-all (one for all), duckdb-export, duckdb-point,
// duckdb-clients; in this process.
arrow::Result<std::unique_ptr<Task>> MakeDuckDbTask(const TaskOptions& options);
// kinds: adbc-read, adbc-ingest, adbc-upsert (by hand: a temporary table, then `sql`), adbc-point, adbc-clients
// (`clients` on `connections` connections); of the driver itself.
arrow::Result<std::unique_ptr<Task>> MakeAdbcTask(const TaskOptions& options);
// kinds: redis-read (HGETALL of numbered rows, whose keys begin with `table`, in pipelines).
arrow::Result<std::unique_ptr<Task>> MakeRedisTask(const TaskOptions& options);
// kinds: aggregate-view (the aggregation engine), aggregate-bytes (of its states, a group), aggregate-kernel (a kernel
// for just the query), aggregate-group-by (DuckDB); in this process, on one core.
arrow::Result<std::unique_ptr<Task>> MakeAggregateTask(const TaskOptions& options);

}  // namespace hyprstream::bench
