// Windowed aggregates of rows in memory, on one core: the aggregation engine, a kernel written for one query, and
// DuckDB.
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <duckdb.hpp>

#include "aggregate/view_state.h"
#include "bench/events.h"
#include "bench/task.h"
#include "bench/window_kernel.h"
#include "core/aggregate_query.h"
#include "duckdb.h"

namespace hyprstream::bench {

namespace {

using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;
using States = std::vector<std::unique_ptr<aggregate::ViewState>>;

class EventsTask : public Task {
 public:
  virtual arrow::Status Open(const TaskOptions& options) {
    shape_ = {.rows = options.rows,
              .batch_rows = options.batch_rows,
              .keys = options.keys,
              .text_keys = options.text_keys,
              .late = options.late};
    views_ = EventViews(options.view, shape_);
    if (views_.empty()) return arrow::Status::Invalid("Unknown view: ", options.view);
    return MakeEvents(shape_).Value(&batches_);
  }

 protected:
  EventShape shape_;
  std::vector<EventView> views_;
  Batches batches_;
};

// Each batch is folded and merged into each view as one commit.
class ViewTask : public EventsTask {
 public:
  arrow::Result<double> Run() override {
    const Stopwatch watch;
    ARROW_ASSIGN_OR_RAISE(const States states, Fill());
    return static_cast<double>(shape_.rows) / watch.seconds();
  }

 protected:
  arrow::Result<States> Fill() const {
    States states;
    for (const EventView& view : views_) {
      ARROW_ASSIGN_OR_RAISE(states.emplace_back(), aggregate::ViewState::Make(view.query));
    }
    for (const auto& batch : batches_) {
      std::vector<std::unique_ptr<aggregate::Delta>> deltas;
      for (const auto& state : states) {
        std::unique_ptr<aggregate::Delta> delta;
        for (std::size_t i = 0; i < deltas.size() && delta == nullptr; ++i) {
          delta = state->FoldFrom(*states[i], *deltas[i]);
        }
        if (delta == nullptr) ARROW_RETURN_NOT_OK(state->Fold({batch}).Value(&delta));
        deltas.push_back(std::move(delta));
      }
      for (std::size_t i = 0; i < states.size(); ++i) states[i]->Merge(*deltas[i]);
    }
    for (const auto& state : states) ARROW_RETURN_NOT_OK(ExpectRows(shape_.rows, state->Stats().rows));
    return states;
  }
};

// Bytes of the states a group.
class BytesTask final : public ViewTask {
 public:
  arrow::Result<double> Run() override {
    ARROW_ASSIGN_OR_RAISE(const States states, Fill());
    const aggregate::ViewStats stats = states.front()->Stats();
    return static_cast<double>(stats.bytes) / static_cast<double>(stats.groups);
  }
};

class KernelTask final : public EventsTask {
 public:
  arrow::Result<double> Run() override {
    const Stopwatch watch;
    WindowKernel kernel(shape_.keys);
    for (const auto& batch : batches_) kernel.Add(*batch);
    const double seconds = watch.seconds();
    if (kernel.windows() == 0) return arrow::Status::Invalid("no windows");
    return static_cast<double>(shape_.rows) / seconds;
  }
};

// A query over a table that holds the rows, on one thread; its groups are counted and summed up, which needs every
// column of them.
class GroupByTask final : public EventsTask {
 public:
  arrow::Status Open(const TaskOptions& options) override {
    ARROW_RETURN_NOT_OK(EventsTask::Open(options));
    ARROW_RETURN_NOT_OK(Query("SET threads = 1"));
    ARROW_ASSIGN_OR_RAISE(auto reader, arrow::RecordBatchReader::Make(batches_, EventSchema(shape_)));
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
    const Stopwatch watch;
    ARROW_RETURN_NOT_OK(
        Query("SELECT count(*), min(key), sum(n), sum(total), min(low), max(high) FROM (" + views_.front().sql + ")"));
    return static_cast<double>(shape_.rows) / watch.seconds();
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
  if (options.kind == "aggregate-bytes") return Make<BytesTask>(options);
  if (options.kind == "aggregate-kernel") return Make<KernelTask>(options);
  if (options.kind == "aggregate-group-by") return Make<GroupByTask>(options);
  return arrow::Status::Invalid("Unknown kind of task: ", options.kind);
}

}  // namespace hyprstream::bench
