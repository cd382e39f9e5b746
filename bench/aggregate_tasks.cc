// Windowed aggregates of rows in memory, on one core: the aggregation engine, a kernel written for just this query, and
// DuckDB. The query: count(*), sum, min and max of `amount` by 5-minute window and key.
#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <chrono>
#include <cmath>
#include <duckdb.hpp>

#include "aggregate/view_state.h"
#include "bench/task.h"
#include "bench/window_kernel.h"
#include "core/aggregate_functions.h"
#include "duckdb.h"

namespace hyprstream::bench {

namespace {

using Clock = std::chrono::steady_clock;
using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

constexpr std::int64_t kStartUs = 1'356'998'400'000'000;  // 2013-01-01
constexpr std::int64_t kWindows = 10;

double Since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Ranks by Zipf's law with exponent 1 (its continuous form), spread over [0, keys) so that neighbours are no
// neighbours.
std::int64_t KeyOf(std::uint64_t row, std::int64_t keys) {
  const double uniform = static_cast<double>(Mix(row) >> 11) * 0x1p-53;
  const auto rank = static_cast<std::int64_t>(std::exp(uniform * std::log(static_cast<double>(keys) + 1))) - 1;
  const auto spread = static_cast<unsigned __int128>(std::min(rank, keys - 1)) * 0x9E3779B97F4A7C15ULL;
  return static_cast<std::int64_t>(spread % static_cast<unsigned __int128>(keys));
}

std::shared_ptr<arrow::Schema> Schema() {
  return arrow::schema({arrow::field("ts", arrow::timestamp(arrow::TimeUnit::MICRO)),
                        arrow::field("key", arrow::int64()), arrow::field("amount", arrow::float64())});
}

Batches MakeEvents(const TaskOptions& options) {
  Batches batches;
  for (std::int64_t first = 0; first < options.rows; first += options.batch_rows) {
    const auto count = static_cast<std::size_t>(std::min(options.batch_rows, options.rows - first));
    std::vector<std::int64_t> times(count);
    std::vector<std::int64_t> keys(count);
    std::vector<double> amounts(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto row = static_cast<std::uint64_t>(first) + i;
      times[i] = kStartUs + static_cast<std::int64_t>(static_cast<double>(row) / static_cast<double>(options.rows) *
                                                      static_cast<double>(kWindows * kWindowUs));
      keys[i] = KeyOf(row, options.keys);
      amounts[i] = static_cast<double>(Mix(row + 7) >> 44) / 100.0;
    }
    const auto column = [&](int field, auto values) {
      auto data = arrow::ArrayData::Make(Schema()->field(field)->type(), static_cast<std::int64_t>(count),
                                         {nullptr, arrow::Buffer::FromVector(std::move(values))}, 0);
      return arrow::MakeArray(data);
    };
    batches.push_back(arrow::RecordBatch::Make(
        Schema(), static_cast<std::int64_t>(count),
        {column(0, std::move(times)), column(1, std::move(keys)), column(2, std::move(amounts))}));
  }
  return batches;
}

std::shared_ptr<AggregateQuery> Query() {
  auto query = std::make_shared<AggregateQuery>();
  query->view.name = "view";
  query->base.name = "events";
  query->key_sql = {"ts", "key"};
  query->argument_sql = {"amount"};
  query->window_key = 0;
  query->fixed_window = {.size = kWindowUs, .origin = 0};
  query->evaluated_schema = Schema();
  using enum AggregateKind;
  query->aggregates = {{.kind = kCountStar, .result_type = arrow::int64()},
                       {.kind = kSum, .arguments = {2}, .result_type = arrow::float64()},
                       {.kind = kMin, .arguments = {2}, .result_type = arrow::float64()},
                       {.kind = kMax, .arguments = {2}, .result_type = arrow::float64()}};
  query->output = {{.name = "window_start", .is_key = true, .index = 0}, {.name = "key", .is_key = true, .index = 1},
                   {.name = "n", .is_key = false, .index = 0},           {.name = "total", .is_key = false, .index = 1},
                   {.name = "low", .is_key = false, .index = 2},         {.name = "high", .is_key = false, .index = 3}};
  query->output_schema =
      arrow::schema({arrow::field("window_start", Schema()->field(0)->type()), arrow::field("key", arrow::int64()),
                     arrow::field("n", arrow::int64()), arrow::field("total", arrow::float64()),
                     arrow::field("low", arrow::float64()), arrow::field("high", arrow::float64())});
  return query;
}

class EventsTask : public Task {
 public:
  virtual arrow::Status Open(const TaskOptions& options) {
    options_ = options;
    batches_ = MakeEvents(options);
    return arrow::Status::OK();
  }

 protected:
  TaskOptions options_;
  Batches batches_;
};

// Each batch is folded and merged as one commit.
class ViewTask final : public EventsTask {
 public:
  arrow::Result<double> Run() override {
    const auto start = Clock::now();
    ARROW_ASSIGN_OR_RAISE(const auto state, aggregate::ViewState::Make(Query()));
    for (const auto& batch : batches_) {
      ARROW_ASSIGN_OR_RAISE(const auto delta, state->Fold({batch}));
      state->Merge(*delta);
    }
    const double seconds = Since(start);
    if (state->Stats().rows != options_.rows) return arrow::Status::Invalid("rows are missing");
    return static_cast<double>(options_.rows) / seconds;
  }
};

class KernelTask final : public EventsTask {
 public:
  arrow::Result<double> Run() override {
    const auto start = Clock::now();
    WindowKernel kernel(options_.keys);
    for (const auto& batch : batches_) kernel.Add(*batch);
    const double seconds = Since(start);
    if (kernel.windows() == 0) return arrow::Status::Invalid("no windows");
    return static_cast<double>(options_.rows) / seconds;
  }
};

// GROUP BY over a table that holds the rows, on one thread; its groups are summed up, which needs every column of them.
class GroupByTask final : public EventsTask {
 public:
  arrow::Status Open(const TaskOptions& options) override {
    ARROW_RETURN_NOT_OK(EventsTask::Open(options));
    ARROW_RETURN_NOT_OK(Query("SET threads = 1"));
    ARROW_ASSIGN_OR_RAISE(auto reader, arrow::RecordBatchReader::Make(batches_, Schema()));
    ArrowArrayStream stream{};
    ARROW_RETURN_NOT_OK(arrow::ExportRecordBatchReader(reader, &stream));
    auto* connection = reinterpret_cast<duckdb_connection>(&connection_);
    if (duckdb_arrow_scan(connection, "bench_input", reinterpret_cast<duckdb_arrow_stream>(&stream)) == DuckDBError) {
      return arrow::Status::Invalid("DuckDB refuses the stream");
    }
    const auto status = Query("CREATE TABLE events AS SELECT * FROM bench_input");
    if (stream.release != nullptr) stream.release(&stream);
    batches_.clear();
    return status;
  }
  arrow::Result<double> Run() override {
    const auto start = Clock::now();
    const auto result = connection_.Query(
        "SELECT count(*), sum(n), sum(total), min(low), max(high) FROM (SELECT time_bucket(INTERVAL '5 minutes', ts) "
        "AS "
        "window_start, key, count(*) AS n, sum(amount) AS total, min(amount) AS low, max(amount) AS high FROM events "
        "GROUP BY ALL)");
    if (result->HasError()) return arrow::Status::Invalid(result->GetError());
    return static_cast<double>(options_.rows) / Since(start);
  }

 private:
  arrow::Status Query(const std::string& sql) {
    const auto result = connection_.Query(sql);
    return result->HasError() ? arrow::Status::Invalid(result->GetError()) : arrow::Status::OK();
  }

  duckdb::DuckDB database_{nullptr};
  duckdb::Connection connection_{database_};
};

template <class T>
arrow::Result<std::unique_ptr<Task>> Make(const TaskOptions& options) {
  auto task = std::make_unique<T>();
  ARROW_RETURN_NOT_OK(task->Open(options));
  return task;
}

}  // namespace

arrow::Result<std::unique_ptr<Task>> MakeAggregateTask(const TaskOptions& options) {
  if (options.kind == "aggregate-view") return Make<ViewTask>(options);
  if (options.kind == "aggregate-kernel") return Make<KernelTask>(options);
  if (options.kind == "aggregate-group-by") return Make<GroupByTask>(options);
  return arrow::Status::Invalid("Unknown kind of task: ", options.kind);
}

}  // namespace hyprstream::bench
