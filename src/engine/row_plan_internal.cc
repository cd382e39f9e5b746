#include "engine/row_plan_internal.h"

#include <arrow/status.h>

#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/macro_catalog_entry.hpp>
#include <duckdb/catalog/catalog_entry/scalar_function_catalog_entry.hpp>
#include <duckdb/catalog/entry_lookup_info.hpp>
#include <duckdb/function/scalar_macro_function.hpp>
#include <duckdb/parser/expression/function_expression.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/logical_operator.hpp>
#include <duckdb/planner/logical_operator_visitor.hpp>
#include <string>

#include "core/table_ref.h"
#include "engine/declared_schema_internal.h"
#include "engine/order_keys_internal.h"

namespace hyprstream::engine {

namespace {

arrow::Status Unstable(const std::string& name) {
  return arrow::Status::NotImplemented("A materialized view cannot use ", name,
                                       "(): its result changes from call to call; keep the value in a column");
}

arrow::Status CheckBound(const duckdb::Expression& expression) {
  using duckdb::ExpressionClass;
  const auto kind = expression.GetExpressionClass();
  if (kind == ExpressionClass::BOUND_SUBQUERY || kind == ExpressionClass::BOUND_WINDOW ||
      kind == ExpressionClass::BOUND_AGGREGATE || kind == ExpressionClass::BOUND_UNNEST) {
    return arrow::Status::NotImplemented("A materialized view's keys and arguments are computed from one row: ",
                                         "no subqueries, windows, unnest or aggregates, also not in macros");
  }
  if (kind == ExpressionClass::BOUND_FUNCTION) {
    const auto& function = expression.Cast<duckdb::BoundFunctionExpression>().Function();
    const auto& name = function.GetName().GetIdentifierName();
    const bool ours = name == kOrderKey || name == kValueKey || name == kPresent;
    if (!ours && function.GetStability() != duckdb::FunctionStability::CONSISTENT) return Unstable(name);
  }
  auto status = arrow::Status::OK();
  duckdb::ExpressionIterator::EnumerateChildren(expression, [&](const duckdb::Expression& child) {
    if (status.ok()) status = CheckBound(child);
  });
  return status;
}

bool IsStable(const duckdb::ScalarFunctionCatalogEntry& entry) {
  bool stable = true;
  auto overloads = entry.functions;
  overloads.ApplyToFunctions([&](const duckdb::ScalarFunction& function) {
    stable &= function.GetStability() == duckdb::FunctionStability::CONSISTENT;
  });
  return stable;
}

// As above, of this call alone.
std::string UnstableIn(duckdb::ClientContext& context, const duckdb::FunctionExpression& call) {
  const auto name = FoldIdentifier(call.FunctionName().GetIdentifierName());
  if (name == "age" && call.GetArguments().size() == 1) return name;  // as of today
  const auto entry = duckdb::Catalog::GetEntry(
      context, duckdb::EntryLookupInfo(duckdb::CatalogType::SCALAR_FUNCTION_ENTRY, call.GetQualifiedName()),
      duckdb::OnEntryNotFound::RETURN_NULL);
  if (!entry) return "";
  if (entry->type == duckdb::CatalogType::SCALAR_FUNCTION_ENTRY) {
    return IsStable(entry->Cast<duckdb::ScalarFunctionCatalogEntry>()) ? "" : name;
  }
  if (entry->type != duckdb::CatalogType::MACRO_ENTRY) return "";
  for (const auto& macro : entry->Cast<duckdb::MacroCatalogEntry>().macros) {
    if (macro->type != duckdb::MacroType::SCALAR_MACRO) continue;
    auto unstable = UnstableCall(context, *macro->Cast<duckdb::ScalarMacroFunction>().expression);
    if (!unstable.empty()) return unstable;
  }
  return "";
}

}  // namespace

std::string UnstableCall(duckdb::ClientContext& context, const duckdb::ParsedExpression& expression) {
  std::string name;
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::FUNCTION) {
    name = UnstableIn(context, expression.Cast<duckdb::FunctionExpression>());
  }
  for (const auto& child : expression.Children()) {
    if (name.empty()) name = UnstableCall(context, child);
  }
  return name;
}

std::string MacroCall(duckdb::ClientContext& context, const duckdb::ParsedExpression& expression) {
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::FUNCTION) {
    const auto& call = expression.Cast<duckdb::FunctionExpression>();
    const auto entry = duckdb::Catalog::GetEntry(
        context, duckdb::EntryLookupInfo(duckdb::CatalogType::SCALAR_FUNCTION_ENTRY, call.GetQualifiedName()),
        duckdb::OnEntryNotFound::RETURN_NULL);
    const bool own = entry && entry->type == duckdb::CatalogType::MACRO_ENTRY && !entry->internal;
    if (own) return FoldIdentifier(call.FunctionName().GetIdentifierName());
  }
  for (const auto& child : expression.Children()) {
    if (auto name = MacroCall(context, child); !name.empty()) return name;
  }
  return "";
}

arrow::Status CheckStable(duckdb::ClientContext& context, const duckdb::ParsedExpression& expression) {
  const auto name = UnstableCall(context, expression);
  return name.empty() ? arrow::Status::OK() : Unstable(name);
}

arrow::Status CheckRowWise(const duckdb::LogicalOperator& plan) {
  using duckdb::LogicalOperatorType;
  if (plan.type != LogicalOperatorType::LOGICAL_PROJECTION && plan.type != LogicalOperatorType::LOGICAL_FILTER &&
      plan.type != LogicalOperatorType::LOGICAL_GET) {
    return arrow::Status::NotImplemented("A materialized view's keys and arguments are computed from one row: ",
                                         "no subqueries, windows, unnest or aggregates, also not in macros");
  }
  auto status = arrow::Status::OK();
  duckdb::LogicalOperatorVisitor::EnumerateExpressions(plan, [&](const duckdb::unique_ptr<duckdb::Expression>* child) {
    if (status.ok()) status = CheckBound(**child);
  });
  for (const auto& child : plan.children) {
    if (status.ok()) status = CheckRowWise(*child);
  }
  return status;
}

}  // namespace hyprstream::engine
