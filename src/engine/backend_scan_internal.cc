#include "engine/backend_scan_internal.h"

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/type.h>

#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/parser/parsed_data/create_table_function_info.hpp>
#include <duckdb/planner/operator/logical_get.hpp>
#include <duckdb/storage/statistics/node_statistics.hpp>
#include <utility>

#include "engine/arrow_in_internal.h"
#include "engine/arrow_readable_internal.h"
#include "engine/backend_set_internal.h"
#include "engine/context_state_internal.h"
#include "engine/declared_schema_internal.h"
#include "engine/error_internal.h"
#include "engine/join_filters_internal.h"

namespace hyprstream::engine {

namespace {

constexpr const char* kScanName = "backend_scan";
constexpr const char* kQueryName = "backend_query";

struct BackendScanData : StreamScanData {
  BackendScanData(duckdb::ClientContext& context, BackendRows of)
      : StreamScanData(context, std::const_pointer_cast<arrow::Schema>(DeclareRows(context, *of.source))),
        rows(std::move(of)) {}
  const BackendRows rows;
};

// Named in whatever goes wrong: a statement may read several.
arrow::Status At(const std::string& backend, const arrow::Status& status) {
  if (status.ok() || status.message().find(backend) != std::string::npos) return status;
  return status.WithMessage("Backend ", backend, ": ", status.message());
}

// Batches as DuckDB reads them. One that is not of the columns that were planned would be read as something else.
class ReadableRows : public arrow::RecordBatchReader {
 public:
  ReadableRows(std::string backend, std::shared_ptr<arrow::RecordBatchReader> rows,
               std::shared_ptr<arrow::Schema> expected)
      : backend_(std::move(backend)), rows_(std::move(rows)), schema_(std::move(expected)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    ARROW_RETURN_NOT_OK(At(backend_, rows_->ReadNext(batch)));
    if (*batch == nullptr) return arrow::Status::OK();
    *batch = ReadableBatch(*batch);
    const auto& found = *(*batch)->schema();
    bool same = found.num_fields() == schema_->num_fields();
    for (int i = 0; same && i < found.num_fields(); ++i) {
      same = found.field(i)->type()->Equals(schema_->field(i)->type());
    }
    if (same) return arrow::Status::OK();
    return arrow::Status::Invalid("Backend ", backend_, ": the columns changed meanwhile; run the statement again");
  }

  arrow::Status Close() override { return rows_->Close(); }

 private:
  const std::string backend_;
  std::shared_ptr<arrow::RecordBatchReader> rows_;
  std::shared_ptr<arrow::Schema> schema_;
};

duckdb::unique_ptr<BackendScanData> MakeScanData(duckdb::ClientContext& context, BackendRows rows) {
  auto data = duckdb::make_uniq<BackendScanData>(context, std::move(rows));
  data->make_stream = [scan = data.get()](const ScanRequest& request) {
    return OpenBackendRows(scan->rows, scan->schema(), request);
  };
  return data;
}

duckdb::optional_ptr<duckdb::TableCatalogEntry> TableOf(duckdb::optional_ptr<const duckdb::FunctionData> data) {
  if (!data) return nullptr;
  return data->Cast<BackendScanData>().rows.entry;
}

duckdb::unique_ptr<duckdb::NodeStatistics> RowsExpected(duckdb::ClientContext&, const duckdb::FunctionData* data) {
  const auto rows = data->Cast<BackendScanData>().rows.source->EstimatedRows();
  if (!rows || *rows < 0) return nullptr;
  return duckdb::make_uniq<duckdb::NodeStatistics>(static_cast<duckdb::idx_t>(*rows));
}

// For EXPLAIN.
duckdb::InsertionOrderPreservingMap<std::string> DescribeScan(duckdb::TableFunctionToStringInput& input) {
  const auto& data = input.bind_data->Cast<BackendScanData>();
  duckdb::InsertionOrderPreservingMap<std::string> description;
  description["Backend"] = data.rows.backend;
  if (!data.rows.table.name.empty()) description["Table"] = data.rows.table.schema + "." + data.rows.table.name;
  if (!data.rows.statement.empty()) description["Statement sent"] = data.rows.statement;
  const auto conditions = DescribeConditions(data);
  if (!conditions.empty()) description["Conditions sent"] = conditions;
  if (data.joined) description["Keys of the join sent"] = "up to " + std::to_string(kJoinKeysMax);
  return description;
}

duckdb::unique_ptr<duckdb::FunctionData> BindQuery(duckdb::ClientContext& context,
                                                   duckdb::TableFunctionBindInput& input,
                                                   duckdb::vector<duckdb::LogicalType>& types,
                                                   duckdb::vector<duckdb::Identifier>& names) {
  if (input.inputs[0].IsNull() || input.inputs[1].IsNull()) {
    throw duckdb::BinderException("backend_query('backend', 'statement') takes two texts, not NULL");
  }
  const auto name = input.inputs[0].ToString();
  const auto backend = ContextState::Of(context).shared->backends->Find(name);
  if (!backend) RefuseIfNotOk(arrow::Status::KeyError("Unknown backend: ", CutText(name, 80)));
  auto source = backend->Query(input.inputs[1].ToString(), OnceInterrupted(context));
  RefuseIfNotOk(At(backend->name(), source.status()));
  auto data = MakeScanData(
      context,
      {.backend = backend->name(), .table = {.schema = "", .name = ""}, .source = std::move(source).ValueUnsafe()});
  types = data->all_types;
  for (const auto& column : data->arrow_table.GetNames()) names.emplace_back(column);
  return data;
}

void SetCallbacks(duckdb::TableFunction& function) {
  PushConditions(function);
  function.get_table_entry = TableOf;
  function.cardinality = RowsExpected;
  function.to_string = DescribeScan;
}

}  // namespace

std::shared_ptr<const arrow::Schema> DeclareRows(duckdb::ClientContext& context, const TableSource& source) {
  const auto readable = ReadableSchema(source.schema());
  auto types = ChunkSource(context, readable).types();
  std::vector<Carriage> carriages(types.size(), Carriage::kArrow);
  return std::make_shared<DeclaredSchema>(readable->fields(), std::move(types), std::move(carriages));
}

std::function<bool()> OnceInterrupted(duckdb::ClientContext& context) {
  return [context = duckdb::weak_ptr<duckdb::ClientContext>(context.shared_from_this())] {
    const auto alive = context.lock();
    return !alive || alive->IsInterrupted();
  };
}

std::shared_ptr<arrow::RecordBatchReader> OpenBackendRows(const BackendRows& rows, const arrow::Schema& schema,
                                                          ScanRequest request) {
  if (!rows.source->FindsExactly(request.filters)) request.rows_max.reset();
  auto opened = rows.source->Scan(request);
  ThrowIfNotOk(At(rows.backend, opened.status()));
  arrow::FieldVector fields;
  for (const int column : request.projection) fields.push_back(schema.field(column));
  return std::make_shared<ReadableRows>(rows.backend, std::move(opened).ValueUnsafe(),
                                        arrow::schema(std::move(fields)));
}

duckdb::TableFunction MakeBackendScan(duckdb::ClientContext& context, BackendRows rows,
                                      duckdb::unique_ptr<duckdb::FunctionData>& bind_data) {
  bind_data = MakeScanData(context, std::move(rows));
  auto function = MakeStreamFunction(kScanName, {}, nullptr);
  SetCallbacks(function);
  function.verify_serialization = false;
  return function;
}

void RegisterBackendQuery(duckdb::Connection& connection) {
  auto function =
      MakeStreamFunction(kQueryName, {duckdb::LogicalType::VARCHAR, duckdb::LogicalType::VARCHAR}, BindQuery);
  SetCallbacks(function);
  duckdb::CreateTableFunctionInfo info(function);
  duckdb::Catalog::GetSystemCatalog(*connection.context).CreateTableFunction(*connection.context, info);
}

const BackendRows* BackendRowsOf(const duckdb::LogicalGet& get) {
  const auto& name = get.function.GetName().GetIdentifierName();
  if (!get.bind_data || (name != kScanName && name != kQueryName)) return nullptr;
  return &get.bind_data->Cast<BackendScanData>().rows;
}

}  // namespace hyprstream::engine
