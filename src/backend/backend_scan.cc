#include "backend/backend_scan.h"

#include <arrow/array/array_primitive.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>

#include "backend/select_statement.h"
#include "backend/value_reading.h"

namespace hyprstream::backend {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

// Batches of a running statement, each with the columns that were asked for.
class ScanReader final : public arrow::RecordBatchReader {
 public:
  struct Wanted {
    std::vector<int> columns;  // of what is read
    std::optional<std::int64_t> rows_max;
  };

  ScanReader(std::shared_ptr<BackendCore> core, std::unique_ptr<StatementRows> running, ValueReading reading,
             Wanted wanted)
      : core_(std::move(core)), running_(std::move(running)), reading_(std::move(reading)), wanted_(std::move(wanted)) {
    arrow::FieldVector fields;
    for (const int column : wanted_.columns) fields.push_back(reading_.schema()->field(column));
    schema_ = arrow::schema(std::move(fields));
  }

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(BatchPtr* batch) override {
    batch->reset();
    if (running_ == nullptr) return arrow::Status::OK();
    ArrowArray array{};
    if (wanted_.rows_max == 0) return Close();
    auto status = running_->Next(array);
    if (!status.ok() || array.release == nullptr) {
      running_.reset();
      return reading_.NameColumn(status);
    }
    const auto read = reading_.Read(&array);
    if (!read.ok()) {
      running_.reset();
      return read.status().WithMessage(core_->name(), ": ", read.status().message());
    }
    *batch = Wish(**read);
    return arrow::Status::OK();
  }

  arrow::Status Close() override {
    running_.reset();
    return arrow::Status::OK();
  }

 private:
  BatchPtr Wish(const arrow::RecordBatch& read) {
    std::int64_t rows = read.num_rows();
    if (wanted_.rows_max) {
      rows = std::min(rows, *wanted_.rows_max);
      *wanted_.rows_max -= rows;
    }
    arrow::ArrayVector columns;
    for (const int column : wanted_.columns) columns.push_back(read.column(column)->Slice(0, rows));
    return arrow::RecordBatch::Make(schema_, rows, std::move(columns));
  }

  const std::shared_ptr<BackendCore> core_;  // outlives running_
  std::unique_ptr<StatementRows> running_;
  const ValueReading reading_;
  Wanted wanted_;
  std::shared_ptr<arrow::Schema> schema_;
};

// Batches without columns, so many rows in all.
class CountReader final : public arrow::RecordBatchReader {
 public:
  explicit CountReader(std::int64_t rows) : rows_(rows) {}
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  arrow::Status ReadNext(BatchPtr* batch) override {
    constexpr std::int64_t kBatchRowsMax = 1 << 20;
    const std::int64_t rows = std::min(rows_, kBatchRowsMax);
    rows_ -= rows;
    *batch = rows == 0 ? nullptr : arrow::RecordBatch::Make(schema_, rows, arrow::ArrayVector{});
    return arrow::Status::OK();
  }

 private:
  const std::shared_ptr<arrow::Schema> schema_ = arrow::schema({});
  std::int64_t rows_;
};

// Does the error say that the table is not what it was?
bool SaysItChanged(const arrow::Status& status) {
  if (status.IsKeyError()) return true;
  static constexpr std::array<std::string_view, 4> kStates = {"42P01", "42703", "3F000", "42883"};
  return std::ranges::find(kStates, SqlStateOf(status)) != kStates.end();
}

// Do the conditions that are sent give each column of the primary key a value?
bool NameKey(const Dialect& dialect, const TableLayout& layout, const std::vector<ColumnFilter>& filters) {
  return !layout.key.empty() && std::ranges::all_of(layout.key, [&](int column) {
    return std::ranges::any_of(filters, [&](const auto& filter) {
      return filter.column == column && filter.op == ColumnFilter::Op::kEqual && AllPushed(dialect, layout, {filter});
    });
  });
}

std::vector<int> AllColumns(const TableLayout& layout) {
  std::vector<int> columns(layout.columns.size());
  std::iota(columns.begin(), columns.end(), 0);
  return columns;
}

class TableScan : public TableSource {
 public:
  // Without a cache: `start` runs its statements, in a transaction that looked the table up itself.
  TableScan(std::shared_ptr<BackendCore> core, std::shared_ptr<LayoutCache> cache, StartStatement start, TableRef table,
            std::shared_ptr<const TableLayout> layout)
      : core_(std::move(core)),
        cache_(std::move(cache)),
        start_(std::move(start)),
        table_(std::move(table)),
        layout_(std::move(layout)) {}

  const std::shared_ptr<arrow::Schema>& schema() const override { return layout_->schema; }

  bool FindsExactly(const std::vector<ColumnFilter>& filters) const override {
    return AllPushed(core_->dialect(), *layout_, filters);
  }

  std::optional<std::int64_t> EstimatedRows() const override { return layout_->rows; }

  const BackendCore& core() const { return *core_; }
  const TableLayout& layout() const { return *layout_; }
  // Another connection would not see what its transaction has written.
  bool of_transaction() const { return start_ != nullptr; }
  virtual void Forget() const {
    if (cache_ != nullptr) cache_->Forget(table_.schema, table_.name);
  }

  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const ScanRequest& request) const override {
    auto started = Start(SelectStatement(core_->dialect(), *layout_, request), request);
    if (!started.ok()) {
      const bool changed = SaysItChanged(started.status());
      // Not every database has a state for that, or one of its own: what it refuses is looked up anew in any case.
      if (changed || started.status().IsInvalid()) Forget();
      if (!changed) return started.status();
      return started.status().WithMessage(started.status().message(),
                                          " (the table has changed at the database: try again)");
    }
    auto running = std::move(started).ValueUnsafe();
    if (request.projection.empty()) return Count(*running);
    auto reading = ValueReading::Make(*layout_, request.projection, *running->schema());
    if (!reading.ok()) {
      Forget();
      return reading.status().WithMessage(core_->name(),
                                          table_.schema.empty() ? "" : "." + table_.schema + "." + table_.name, ": ",
                                          reading.status().message());
    }
    ScanReader::Wanted wanted{.columns = {}, .rows_max = std::nullopt};
    wanted.columns.resize(request.projection.size());
    std::iota(wanted.columns.begin(), wanted.columns.end(), 0);
    return std::make_shared<ScanReader>(core_, std::move(running), std::move(reading).ValueUnsafe(), std::move(wanted));
  }

 private:
  arrow::Result<std::unique_ptr<StatementRows>> Start(const std::string& sql, const ScanRequest& request) const {
    if (start_) return start_(sql);
    const bool by_key = NameKey(core_->dialect(), *layout_, request.filters);
    const auto reads = by_key ? BackendCore::Reads::kByKey : BackendCore::Reads::kRows;
    ARROW_ASSIGN_OR_RAISE(auto running, core_->Start(sql, request.cancelled, BackendCore::Author::kServer, reads));
    return running;
  }

  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Count(StatementRows& running) const {
    std::optional<std::int64_t> rows;
    if (!core_->dialect().takes_expressions()) rows = 0;
    while (true) {
      ArrowArray array{};
      ARROW_RETURN_NOT_OK(running.Next(array));
      if (array.release == nullptr) break;
      ARROW_ASSIGN_OR_RAISE(const auto batch, arrow::ImportRecordBatch(&array, running.schema()));
      if (!core_->dialect().takes_expressions()) {
        *rows += batch->num_rows();
        continue;
      }
      if (batch->num_rows() == 1 && batch->column(0)->type_id() == arrow::Type::INT64) {
        rows = static_cast<const arrow::Int64Array&>(*batch->column(0)).Value(0);
      }
    }
    if (!rows) return arrow::Status::Invalid(core_->name(), " did not count its rows");
    return std::make_shared<CountReader>(*rows);
  }

  const std::shared_ptr<BackendCore> core_;
  const std::shared_ptr<LayoutCache> cache_;
  const StartStatement start_;
  const TableRef table_;
  const std::shared_ptr<const TableLayout> layout_;
};

// A query over several tables.
class QueryScan final : public TableScan {
 public:
  QueryScan(std::shared_ptr<BackendCore> core, std::shared_ptr<LayoutCache> cache,
            std::vector<std::shared_ptr<const TableSource>> tables, std::shared_ptr<const TableLayout> layout)
      : TableScan(std::move(core), std::move(cache), StartStatement(), {.schema = "", .name = ""}, std::move(layout)),
        tables_(std::move(tables)) {}

  void Forget() const override {
    for (const auto& table : tables_) {
      if (const auto* scan = dynamic_cast<const TableScan*>(table.get())) scan->Forget();
    }
  }

 private:
  const std::vector<std::shared_ptr<const TableSource>> tables_;
};

class StatementScan final : public TableSource {
 public:
  StatementScan(std::shared_ptr<BackendCore> core, std::string statement, TableLayout layout)
      : core_(std::move(core)), statement_(std::move(statement)), layout_(std::move(layout)) {}

  const std::shared_ptr<arrow::Schema>& schema() const override { return layout_.schema; }

  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const ScanRequest& request) const override {
    const auto all = AllColumns(layout_);
    const ScanRequest whole{.projection = all, .filters = {}};
    const auto sql = layout_.from.empty() ? statement_ : SelectStatement(core_->dialect(), layout_, whole);
    ARROW_ASSIGN_OR_RAISE(auto running, core_->Start(sql, request.cancelled, BackendCore::Author::kClient));
    ARROW_ASSIGN_OR_RAISE(auto reading, ValueReading::Make(layout_, all, *running->schema()));
    ScanReader::Wanted wanted{.columns = request.projection,
                              .rows_max = request.filters.empty() ? request.rows_max : std::nullopt};
    return std::make_shared<ScanReader>(core_, std::move(running), std::move(reading), std::move(wanted));
  }

 private:
  const std::shared_ptr<BackendCore> core_;
  const std::string statement_;
  const TableLayout layout_;
};

}  // namespace

std::shared_ptr<TableSource> ScanOfTable(std::shared_ptr<BackendCore> core, std::shared_ptr<LayoutCache> cache,
                                         std::string schema, std::string table,
                                         std::shared_ptr<const TableLayout> layout) {
  return std::make_shared<TableScan>(std::move(core), std::move(cache), StartStatement(),
                                     TableRef{.schema = std::move(schema), .name = std::move(table)},
                                     std::move(layout));
}

const TableLayout* LayoutOfScan(const BackendCore& core, const TableSource& source) {
  const auto* scan = dynamic_cast<const TableScan*>(&source);
  const bool known = scan != nullptr && &scan->core() == &core && !scan->of_transaction();
  return known ? &scan->layout() : nullptr;
}

std::shared_ptr<TableSource> ScanOfQuery(std::shared_ptr<BackendCore> core, std::shared_ptr<LayoutCache> cache,
                                         std::vector<std::shared_ptr<const TableSource>> tables, TableLayout layout) {
  return std::make_shared<QueryScan>(std::move(core), std::move(cache), std::move(tables),
                                     std::make_shared<const TableLayout>(std::move(layout)));
}

std::shared_ptr<TableSource> ScanInTransaction(std::shared_ptr<BackendCore> core, StartStatement start, TableRef table,
                                               std::shared_ptr<const TableLayout> layout) {
  return std::make_shared<TableScan>(std::move(core), nullptr, std::move(start), std::move(table), std::move(layout));
}

std::shared_ptr<TableSource> ScanOfStatement(std::shared_ptr<BackendCore> core, std::string statement,
                                             TableLayout layout) {
  return std::make_shared<StatementScan>(std::move(core), std::move(statement), std::move(layout));
}

}  // namespace hyprstream::backend
