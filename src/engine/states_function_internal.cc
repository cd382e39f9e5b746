#include "engine/states_function_internal.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/builder_binary.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/type.h>

#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_search_path.hpp>
#include <duckdb/main/client_data.hpp>
#include <duckdb/parser/parsed_data/create_table_function_info.hpp>
#include <duckdb/parser/qualified_name.hpp>
#include <utility>

#include "core/mergeable_state.h"
#include "engine/arrow_in_internal.h"
#include "engine/context_state_internal.h"
#include "engine/declared_schema_internal.h"
#include "engine/state_scan_internal.h"

namespace hyprstream::engine {

namespace {

using States = std::vector<std::shared_ptr<const MergeableState>>;  // by column; null: it is a key

std::shared_ptr<TableSource> Open(duckdb::ClientContext& context, const TableRef& view) {
  const auto& snapshot = ContextState::Of(context).snapshot;
  if (!snapshot) throw duckdb::InternalException("no snapshot is pinned for states");
  auto source = snapshot->View(view);
  if (!source.ok()) throw duckdb::InvalidInputException(source.status().message());
  if (!(*source)->has_states_by_row()) {
    throw duckdb::InvalidInputException(
        "The states of %s cannot be read row by row: its windows overlap or join one another", view.ToString());
  }
  return *std::move(source);
}

// Each batch's states, sealed.
class SealingReader final : public arrow::RecordBatchReader {
 public:
  SealingReader(std::shared_ptr<arrow::RecordBatchReader> states, States of)
      : states_(std::move(states)), of_(std::move(of)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return states_->schema(); }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    ARROW_RETURN_NOT_OK(states_->ReadNext(batch));
    if (*batch == nullptr) return arrow::Status::OK();
    auto columns = (*batch)->columns();
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (of_[i] == nullptr) continue;
      const auto& states = static_cast<const arrow::BinaryArray&>(*columns[i]);
      arrow::BinaryBuilder sealed;
      for (std::int64_t row = 0; row < states.length(); ++row) {
        ARROW_RETURN_NOT_OK(sealed.Append(of_[i]->Seal(states.GetView(row))));
      }
      ARROW_ASSIGN_OR_RAISE(columns[i], sealed.Finish());
    }
    *batch = arrow::RecordBatch::Make(schema(), (*batch)->num_rows(), std::move(columns));
    return arrow::Status::OK();
  }

 private:
  const std::shared_ptr<arrow::RecordBatchReader> states_;
  const States of_;
};

// Of a view's columns and their states: the keys, and the states of the others.
std::shared_ptr<arrow::Schema> ChosenFields(const arrow::Schema& with_states, const States& of) {
  const auto columns = of.size();
  const auto* declared = AsDeclared(with_states);
  arrow::FieldVector fields;
  duckdb::vector<duckdb::LogicalType> types;
  std::vector<Carriage> carriages;
  for (std::size_t i = 0; i < columns; ++i) {
    const auto at = of[i] == nullptr ? i : columns + i;
    fields.push_back(with_states.field(static_cast<int>(at)));
    if (declared == nullptr) continue;
    types.push_back(declared->types().at(at));
    carriages.push_back(declared->carriage(at));
  }
  if (declared == nullptr) return arrow::schema(std::move(fields));
  return std::make_shared<DeclaredSchema>(std::move(fields), std::move(types), std::move(carriages));
}

duckdb::unique_ptr<duckdb::FunctionData> BindStates(duckdb::ClientContext& context,
                                                    duckdb::TableFunctionBindInput& input,
                                                    duckdb::vector<duckdb::LogicalType>& types,
                                                    duckdb::vector<duckdb::Identifier>& names) {
  if (input.inputs[0].IsNull()) throw duckdb::BinderException("states needs the name of a materialized view");
  const auto qualified = duckdb::QualifiedName::Parse(input.inputs[0].ToString());
  TableRef view{.schema = qualified.Schema().GetIdentifierName(), .name = qualified.Name().GetIdentifierName()};
  if (view.schema.empty()) {
    view.schema = duckdb::ClientData::Get(context).catalog_search_path->GetDefault().GetSchema().GetIdentifierName();
  }
  const auto source = Open(context, view);
  States of;
  for (int i = 0; i < source->schema()->num_fields(); ++i) of.push_back(source->StatesOf(i));
  auto data = duckdb::make_uniq<StreamScanData>(context, ChosenFields(*WithStates(source->schema()), of));
  types = data->all_types;
  for (const auto& name : data->arrow_table.GetNames()) names.emplace_back(name);
  data->make_stream = [&context, view](const ScanRequest& request) -> std::shared_ptr<arrow::RecordBatchReader> {
    const auto now = Open(context, view);
    const int columns = now->schema()->num_fields();
    ScanRequest scan;
    States of_projected;
    for (const int column : request.projection) {
      of_projected.push_back(now->StatesOf(column));
      scan.projection.push_back(of_projected.back() == nullptr ? column : columns + column);
    }
    auto reader = now->Scan(scan);
    if (!reader.ok()) throw duckdb::InvalidInputException(reader.status().message());
    return std::make_shared<SealingReader>(*std::move(reader), std::move(of_projected));
  };
  return data;
}

}  // namespace

void RegisterStatesFunction(duckdb::Connection& connection) {
  duckdb::CreateTableFunctionInfo info(MakeStreamFunction("states", {duckdb::LogicalType::VARCHAR}, BindStates));
  duckdb::Catalog::GetSystemCatalog(*connection.context).CreateTableFunction(*connection.context, info);
}

}  // namespace hyprstream::engine
