#include "engine/plain_read_internal.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/planner/logical_operator.hpp>
#include <iterator>
#include <utility>

#include "engine/arrow_out_internal.h"
#include "engine/backend_catalog_internal.h"
#include "engine/backend_pushdown_internal.h"
#include "engine/backend_scan_internal.h"
#include "engine/context_state_internal.h"
#include "engine/declared_schema_internal.h"
#include "engine/guard_internal.h"
#include "engine/scan_chain_internal.h"

namespace hyprstream::engine {

namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

// Batches with fewer rows and bytes are put together: some drivers give a thousand rows at a time.
constexpr std::int64_t kGatheredRows = kResultBatchRows / 2;
constexpr std::int64_t kGatheredBytes = 1 << 20;

// Types whose values DuckDB would take in and give out as they are.
bool IsCarriedAsItIs(const arrow::DataType& from, const arrow::DataType& to) {
  switch (from.id()) {
    case arrow::Type::TIMESTAMP: {  // labelled with the session's time zone: the instant is the same
      if (to.id() != arrow::Type::TIMESTAMP) return false;
      const auto& given = static_cast<const arrow::TimestampType&>(from);
      const auto& wanted = static_cast<const arrow::TimestampType&>(to);
      return given.unit() == wanted.unit() && given.timezone().empty() == wanted.timezone().empty();
    }
    case arrow::Type::BOOL:
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
    case arrow::Type::DATE32:
    case arrow::Type::TIME64:
    case arrow::Type::DECIMAL128:
      return from.Equals(to);
    default:
      return false;
  }
}

bool AreCarriedAsTheyAre(const PlainRead& read, const DeclaredSchema& table, const arrow::Schema& result) {
  if (static_cast<int>(read.columns.size()) != result.num_fields()) return false;
  for (int i = 0; i < result.num_fields(); ++i) {
    const int column = read.columns[static_cast<std::size_t>(i)];
    const bool known = column < table.num_fields();
    if (!known || !IsCarriedAsItIs(*table.field(column)->type(), *result.field(i)->type())) return false;
  }
  return true;
}

// Rows as they come, in batches of the sizes that results have.
class PlainRows : public arrow::RecordBatchReader {
 public:
  PlainRows(std::shared_ptr<arrow::RecordBatchReader> rows, std::shared_ptr<arrow::Schema> schema)
      : rows_(std::move(rows)), schema_(std::move(schema)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(BatchPtr* batch) override {
    *batch = nullptr;
    if (left_ == nullptr) ARROW_RETURN_NOT_OK(Guard([&] { return Gather(); }));
    if (left_ == nullptr) return arrow::Status::OK();
    constexpr auto kRowsMax = static_cast<std::int64_t>(kResultBatchRows);
    *batch = left_->Slice(0, kRowsMax);
    left_ = left_->num_rows() > kRowsMax ? left_->Slice(kRowsMax) : nullptr;
    return arrow::Status::OK();
  }

  arrow::Status Close() override {
    left_.reset();
    return rows_->Close();
  }

 private:
  arrow::Status Gather() {
    std::vector<BatchPtr> gathered;
    std::int64_t rows = 0;
    std::int64_t bytes = 0;
    while (rows < kGatheredRows && bytes < kGatheredBytes) {
      BatchPtr next;
      ARROW_RETURN_NOT_OK(rows_->ReadNext(&next));
      if (next == nullptr) break;
      if (next->num_rows() == 0) continue;
      rows += next->num_rows();
      bytes += arrow::util::TotalBufferSize(*next);
      gathered.push_back(std::move(next));
    }
    if (gathered.empty()) return arrow::Status::OK();
    auto together = gathered[0];
    if (gathered.size() > 1) {
      ARROW_ASSIGN_OR_RAISE(together, arrow::ConcatenateRecordBatches(gathered));
    }
    arrow::ArrayVector columns;
    for (int i = 0; i < schema_->num_fields(); ++i) {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), together->column(i)->View(schema_->field(i)->type()));
    }
    left_ = arrow::RecordBatch::Make(schema_, together->num_rows(), std::move(columns));
    return arrow::Status::OK();
  }

  std::shared_ptr<arrow::RecordBatchReader> rows_;
  const std::shared_ptr<arrow::Schema> schema_;
  BatchPtr left_;
};

}  // namespace

std::optional<PlainRead> ReadPlainRead(duckdb::ClientContext& context, const duckdb::LogicalOperator& plan) {
  const auto& query = QueryOf(plan);
  if (query.type != duckdb::LogicalOperatorType::LOGICAL_PROJECTION) return std::nullopt;
  const auto chain = ScanChain::Read(query);
  if (!chain) return std::nullopt;
  const auto* rows = BackendRowsOf(chain->scan());
  if (rows == nullptr || rows->table.name.empty()) return std::nullopt;
  PlainRead read{.backend = rows->backend,
                 .table = rows->table,
                 .columns = {},
                 .filters = {},
                 .schema = rows->source->schema(),
                 .declared = nullptr};
  for (const auto& item : query.expressions) {
    const auto column = chain->ColumnOf(*item);
    if (!column) return std::nullopt;
    read.columns.push_back(*column);
  }
  for (const auto* condition : chain->conditions()) {
    auto resolved = condition->Copy();
    if (!chain->Resolve(resolved)) return std::nullopt;
    auto planned = PlanExactly(chain->scan(), *resolved);
    if (!planned) return std::nullopt;
    std::ranges::move(*planned, std::back_inserter(read.filters));
  }
  read.declared = DeclareRows(context, *rows->source);
  return read;
}

arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> RunPlainRead(duckdb::ClientContext& context,
                                                                      const PlainRead& read,
                                                                      const BoundParameters& parameters,
                                                                      const std::shared_ptr<arrow::Schema>& schema) {
  if (!UsesPushdown(context) || !WrittenBackend(context).empty()) return nullptr;
  const auto backend = ContextState::Of(context).shared->backends->Find(read.backend);
  if (!backend) return nullptr;
  const auto source = backend->Table(read.table.schema, read.table.name);
  if (!source.ok()) return nullptr;  // DuckDB's lookup says it
  if (!(*source)->schema()->Equals(*read.schema, /*check_metadata=*/true)) return nullptr;
  const auto given = WithValues(read.filters, parameters);
  const auto& columns = *AsDeclared(*read.declared);
  if (!given || !AreCarriedAsTheyAre(read, columns, *schema)) return nullptr;
  auto filters = EvaluateFilters(context, *given, columns);
  if (filters.size() != given->size() || !(*source)->FindsExactly(filters)) return nullptr;
  const ScanRequest request{.projection = read.columns,
                            .filters = std::move(filters),
                            .rows_max = std::nullopt,
                            .cancelled = OnceInterrupted(context)};
  return std::make_shared<PlainRows>(
      OpenBackendRows({.backend = read.backend, .table = read.table, .source = *source}, columns, request), schema);
}

}  // namespace hyprstream::engine
