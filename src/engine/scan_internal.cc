#include "engine/scan_internal.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/parser/parsed_data/create_table_function_info.hpp>
#include <utility>

#include "engine/arrow_in_internal.h"
#include "engine/arrow_readable_internal.h"
#include "engine/backend_scan_internal.h"
#include "engine/combine_internal.h"
#include "engine/context_state_internal.h"
#include "engine/decay_functions_internal.h"
#include "engine/declared_schema_internal.h"
#include "engine/fits_internal.h"
#include "engine/order_keys_internal.h"
#include "engine/state_reading_internal.h"
#include "engine/state_scan_internal.h"
#include "engine/states_function_internal.h"
#include "engine/vector_functions_internal.h"
#include "engine/window_closed_internal.h"
#include "engine/window_functions_internal.h"

namespace hyprstream::engine {

namespace {

template <class T>
T OrThrow(arrow::Result<T> result) {
  if (!result.ok()) throw duckdb::InvalidInputException(result.status().message());
  return std::move(result).ValueUnsafe();
}

duckdb::unique_ptr<duckdb::FunctionData> Describe(duckdb::unique_ptr<StreamScanData> data,
                                                  duckdb::vector<duckdb::LogicalType>& types,
                                                  duckdb::vector<duckdb::Identifier>& names) {
  types = data->all_types;
  for (const auto& name : data->arrow_table.GetNames()) names.emplace_back(name);
  return data;
}

// Of the columns alone; their states are asked for by number (see AddStateColumn).
duckdb::unique_ptr<duckdb::FunctionData> DescribeView(duckdb::unique_ptr<StreamScanData> data, std::size_t columns,
                                                      duckdb::vector<duckdb::LogicalType>& types,
                                                      duckdb::vector<duckdb::Identifier>& names) {
  auto described = Describe(std::move(data), types, names);
  types.resize(columns);
  names.resize(columns);
  return described;
}

// A view's rows at the position pinned by the transaction that executes the plan, not the one that planned it.
duckdb::unique_ptr<duckdb::FunctionData> BindView(duckdb::ClientContext& context, duckdb::TableFunctionBindInput& input,
                                                  duckdb::vector<duckdb::LogicalType>& types,
                                                  duckdb::vector<duckdb::Identifier>& names) {
  const TableRef view{.schema = input.inputs[0].ToString(), .name = input.inputs[1].ToString()};
  auto open = [&context, view] {
    const auto& snapshot = ContextState::Of(context).snapshot;
    if (!snapshot) throw duckdb::InternalException("no snapshot is pinned for view " + view.ToString());
    return OrThrow(snapshot->View(view));
  };
  const auto schema = open()->schema();
  auto data = duckdb::make_uniq<StreamScanData>(context, WithStates(schema));
  data->make_stream = [open](const ScanRequest& request) { return OrThrow(open()->Scan(request)); };
  return DescribeView(std::move(data), static_cast<std::size_t>(schema->num_fields()), types, names);
}

// For EXPLAIN.
duckdb::InsertionOrderPreservingMap<std::string> DescribeViewScan(duckdb::TableFunctionToStringInput& input) {
  duckdb::InsertionOrderPreservingMap<std::string> description;
  description["Function"] = input.table_function.GetName().GetIdentifierName();
  const auto conditions = DescribeConditions(input.bind_data->Cast<StreamScanData>());
  if (!conditions.empty()) description["Looked up by"] = conditions;
  return description;
}

std::shared_ptr<arrow::RecordBatchReader> ReadColumns(const std::shared_ptr<arrow::Schema>& schema,
                                                      const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
                                                      const std::vector<int>& columns) {
  arrow::FieldVector fields;
  for (const int column : columns) fields.push_back(schema->field(column));
  const auto projected_schema = arrow::schema(std::move(fields));
  std::vector<std::shared_ptr<arrow::RecordBatch>> projected;
  for (const auto& batch : batches) {
    arrow::ArrayVector arrays;
    for (const int column : columns) arrays.push_back(batch->column(column));
    projected.push_back(arrow::RecordBatch::Make(projected_schema, batch->num_rows(), std::move(arrays)));
  }
  return OrThrow(arrow::RecordBatchReader::Make(std::move(projected), projected_schema));
}

duckdb::unique_ptr<duckdb::FunctionData> BindSystem(duckdb::ClientContext& context,
                                                    duckdb::TableFunctionBindInput& input,
                                                    duckdb::vector<duckdb::LogicalType>& types,
                                                    duckdb::vector<duckdb::Identifier>& names) {
  const auto& state = ContextState::Of(context);
  const auto shared = state.shared;
  const auto found = shared->system_tables.find(input.inputs[0].ToString());
  if (found == shared->system_tables.end()) {
    throw duckdb::BinderException("Unknown system table: hyprstream." + input.inputs[0].ToString());
  }
  const auto& table = found->second;
  auto data = duckdb::make_uniq<StreamScanData>(context, table.schema);
  data->make_stream = [shared, &table, reader = state.reader](const ScanRequest& request) {
    return ReadColumns(table.schema, OrThrow(table.rows(reader)), request.projection);
  };
  return Describe(std::move(data), types, names);
}

duckdb::unique_ptr<duckdb::FunctionData> BindInput(duckdb::ClientContext& context, duckdb::TableFunctionBindInput&,
                                                   duckdb::vector<duckdb::LogicalType>& types,
                                                   duckdb::vector<duckdb::Identifier>& names) {
  const auto* batches = ContextState::Of(context).input;
  if (batches == nullptr) throw duckdb::BinderException("hyprstream_input() is for internal statements only");
  const auto schema = ReadableSchema(batches->schema);
  auto data = duckdb::make_uniq<StreamScanData>(context, schema);
  data->make_stream = [batches, schema](const ScanRequest& request) {
    std::vector<std::shared_ptr<arrow::RecordBatch>> readable;
    for (const auto& batch : batches->batches) readable.push_back(ReadableBatch(batch));
    return ReadColumns(schema, readable, request.projection);
  };
  return Describe(std::move(data), types, names);
}

}  // namespace

ContextState& ContextState::Of(duckdb::ClientContext& context) {
  const auto state = context.registered_state->Get<ContextState>(kKey);
  if (!state) throw duckdb::InternalException("this connection was not made by the engine");
  return *state;
}

void ContextState::Note(PlanFacts more) {
  const auto add = [](auto& to, auto& from) {
    for (auto& table : from) {
      if (std::ranges::find(to, table) == to.end()) to.push_back(std::move(table));
    }
  };
  add(facts.reads, more.reads);
  add(facts.backend_reads, more.backend_reads);
  add(facts.writes, more.writes);
  facts.changes_rows |= more.changes_rows;
  facts.temporary |= more.temporary;
  if (more.renaming.has_value()) facts.renaming = std::move(more.renaming);
}

void RegisterScans(duckdb::Connection& connection) {
  auto& catalog = duckdb::Catalog::GetSystemCatalog(*connection.context);
  auto view_scan =
      MakeStreamFunction("view_scan", {duckdb::LogicalType::VARCHAR, duckdb::LogicalType::VARCHAR}, BindView);
  PushConditions(view_scan);
  view_scan.to_string = DescribeViewScan;
  for (auto& function : {view_scan, MakeStreamFunction("hyprstream_system", {duckdb::LogicalType::VARCHAR}, BindSystem),
                         MakeStreamFunction("hyprstream_input", {}, BindInput)}) {
    duckdb::CreateTableFunctionInfo info(function);
    catalog.CreateTableFunction(*connection.context, info);
  }
  RegisterBackendQuery(connection);
  RegisterStatesFunction(connection);
  RegisterOrderKeys(connection);
  RegisterCombine(connection);
  RegisterStateOf(connection);
  RegisterFits(connection);
  RegisterVectorFunctions(connection);
  RegisterDecayFunctions(connection);
  RegisterWindowClosed(connection);
  RegisterWindowFunctions(connection);
}

}  // namespace hyprstream::engine
