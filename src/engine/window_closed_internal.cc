#include "engine/window_closed_internal.h"

#include <arrow/result.h>
#include <arrow/type.h>

#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_search_path.hpp>
#include <duckdb/execution/expression_executor_state.hpp>
#include <duckdb/main/client_data.hpp>
#include <duckdb/parser/parsed_data/create_scalar_function_info.hpp>
#include <duckdb/parser/qualified_name.hpp>
#include <string>

#include "engine/arrow_out_internal.h"
#include "engine/context_state_internal.h"

namespace hyprstream::engine {

namespace {

ClosedWindows Find(duckdb::ClientContext& context, const std::string& name) {
  const auto qualified = duckdb::QualifiedName::Parse(name);
  auto schema = qualified.Schema().GetIdentifierName();
  if (schema.empty()) {
    schema = duckdb::ClientData::Get(context).catalog_search_path->GetDefault().GetSchema().GetIdentifierName();
  }
  const auto& snapshot = ContextState::Of(context).snapshot;
  if (!snapshot) throw duckdb::InternalException("no snapshot is pinned for window_closed");
  auto closed = snapshot->Closed({.schema = schema, .name = qualified.Name().GetIdentifierName()});
  if (!closed.ok()) throw duckdb::InvalidInputException(closed.status().message());
  return *std::move(closed);
}

// The NULL window is never closed.
template <class V>
void Look(const ClosedWindows& closed, const duckdb::Vector& starts, duckdb::idx_t count, duckdb::Vector& result) {
  duckdb::UnifiedVectorFormat format;
  starts.ToUnifiedFormat(format);
  const auto* values = duckdb::UnifiedVectorFormat::GetData<V>(format);
  auto* answers = duckdb::FlatVector::GetDataMutable<bool>(result);
  for (duckdb::idx_t row = 0; row < count; ++row) {
    const auto at = format.sel->get_index(row);
    answers[row] = format.validity.RowIsValid(at) && closed.contain(static_cast<std::int64_t>(values[at]));
  }
}

void WindowClosed(duckdb::DataChunk& arguments, duckdb::ExpressionState& state, duckdb::Vector& result) {
  const auto count = arguments.size();
  result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
  if (count == 0) return;
  const auto name = arguments.data[0].GetValue(0);
  if (name.IsNull()) throw duckdb::InvalidInputException("window_closed needs the name of a materialized view");
  auto& context = state.GetContext();
  const auto closed = Find(context, name.ToString());
  auto& starts = arguments.data[1];
  const auto type = ToArrowSchema(context, {starts.GetType()}, {"w"})->field(0)->type();
  const bool zoned = starts.GetType().id() == duckdb::LogicalTypeId::TIMESTAMP_TZ;
  const bool same = zoned ? closed.type->id() == arrow::Type::TIMESTAMP &&
                                !static_cast<const arrow::TimestampType&>(*closed.type).timezone().empty()
                          : type->Equals(*closed.type);
  if (!same) {
    throw duckdb::InvalidInputException(
        "window_closed('%s', ...) takes the window column of that view, which is not of type %s", name.ToString(),
        starts.GetType().ToString());
  }
  if (type->id() == arrow::Type::DATE32) {
    Look<std::int32_t>(closed, starts, count, result);
  } else {
    Look<std::int64_t>(closed, starts, count, result);
  }
}

}  // namespace

void RegisterWindowClosed(duckdb::Connection& connection) {
  using duckdb::LogicalType;
  duckdb::ScalarFunction function(duckdb::Identifier("window_closed"),
                                  duckdb::vector<LogicalType>{LogicalType::VARCHAR, LogicalType::ANY},
                                  LogicalType::BOOLEAN, WindowClosed);
  // Volatile: its answer belongs to the position of the statement, and plans are kept.
  function.SetStability(duckdb::FunctionStability::VOLATILE);
  function.SetFallible();
  function.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  duckdb::CreateScalarFunctionInfo info(function);
  duckdb::Catalog::GetSystemCatalog(*connection.context).CreateFunction(*connection.context, info);
}

}  // namespace hyprstream::engine
