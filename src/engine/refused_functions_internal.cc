#include "engine/refused_functions_internal.h"

#include <arrow/status.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/parser/tableref.hpp>

#include "core/table_ref.h"
#include "engine/catalog_change_internal.h"
#include "engine/context_state_internal.h"
#include "engine/error_internal.h"
#include "engine/function_lists_internal.h"

namespace hyprstream::engine {

namespace {

// The bind callback that was there before ours.
struct FormerBind : duckdb::ScalarFunctionInfo {
  explicit FormerBind(duckdb::bind_scalar_function_t callback) : bind(callback) {}

  duckdb::bind_scalar_function_t bind;
};

duckdb::unique_ptr<duckdb::FunctionData> BindAsBefore(duckdb::BindScalarFunctionInput& input) {
  const auto bind = input.GetBoundFunction().GetExtraFunctionInfo().Cast<FormerBind>().bind;
  return bind != nullptr ? bind(input) : nullptr;
}

// DuckDB's optimizer calls some of them for a statement that is bound, such as finalize for a ROLLUP.
duckdb::unique_ptr<duckdb::FunctionData> RefuseCall(duckdb::BindScalarFunctionInput& input) {
  const auto state = input.GetClientContext().registered_state->Get<ContextState>(ContextState::kKey);
  if (state && state->trust == Trust::kClient && state->binding) {
    RefuseIfNotOk(arrow::Status::Invalid("Function ", input.GetBoundFunction().GetName().GetIdentifierName(),
                                         " is not allowed here"));
  }
  return BindAsBefore(input);
}

duckdb::unique_ptr<duckdb::TableRef> RefuseTable(duckdb::ClientContext&, duckdb::TableFunctionBindInput& input) {
  RefuseIfNotOk(arrow::Status::Invalid("Table function ", input.table_function.GetName().GetIdentifierName(),
                                       " is not allowed here"));
  return nullptr;
}

duckdb::unique_ptr<duckdb::FunctionData> BindSetting(duckdb::BindScalarFunctionInput& input) {
  const auto state = input.GetClientContext().registered_state->Get<ContextState>(ContextState::kKey);
  const auto setting = input.GetNonNullConstant(0).ToString();
  if (state && state->trust == Trust::kClient && !IsClientSetting(FoldIdentifier(setting))) {
    RefuseIfNotOk(arrow::Status::Invalid("current_setting of anything but ", ClientSettings(), " is not allowed here"));
  }
  return BindAsBefore(input);
}

void BindBy(duckdb::ScalarFunction& function, duckdb::bind_scalar_function_t bind) {
  function.SetStability(duckdb::FunctionStability::VOLATILE);
  if (function.HasExtraFunctionInfo()) return;  // the gate's to refuse
  function.SetExtraFunctionInfo<FormerBind>(function.GetBindCallback());
  function.SetBindCallback(bind);
}

void RefuseScalar(duckdb::ScalarFunction& function) { BindBy(function, RefuseCall); }

void RefuseSettings(duckdb::ScalarFunction& function) { BindBy(function, BindSetting); }

bool TakesArguments(const duckdb::TableFunction& function) {
  return std::ranges::any_of(function.GetSignature().GetParameters(), [](const duckdb::FunctionParameter& parameter) {
    return parameter.AcceptsPosition() || parameter.GetKind() == duckdb::FunctionParameterKind::VAR_POSITIONAL;
  });
}

void RefuseTableFunction(duckdb::TableFunction& function) {
  if (!TakesArguments(function)) return;
  function.bind_operator = nullptr;
  function.bind_replace = RefuseTable;
}

}  // namespace

void RefuseFunctions(duckdb::Connection& connection) {
  for (const auto& name : RefusedFunctionNames()) ChangeScalarFunction(*connection.context, name, RefuseScalar);
  ChangeScalarFunction(*connection.context, "current_setting", RefuseSettings);
}

void RefuseTableFunctions(duckdb::Connection& connection) {
  for (const auto& name : RefusedTableFunctionNames()) {
    ChangeTableFunction(*connection.context, name, RefuseTableFunction);
  }
}

}  // namespace hyprstream::engine
