#include "engine/session_composition_internal.h"

#include <arrow/result.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/common/type_visitor.hpp>
#include <duckdb/parser/expression/columnref_expression.hpp>
#include <duckdb/parser/expression/constant_expression.hpp>
#include <duckdb/parser/expression/function_expression.hpp>
#include <duckdb/parser/parser.hpp>
#include <duckdb/parser/query_node/select_node.hpp>
#include <duckdb/parser/statement/select_statement.hpp>
#include <duckdb/parser/tableref/basetableref.hpp>
#include <duckdb/parser/tableref/table_function_ref.hpp>
#include <duckdb/planner/expression/bound_comparison_expression.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/logical_operator.hpp>
#include <duckdb/planner/logical_operator_visitor.hpp>
#include <duckdb/planner/planner.hpp>
#include <set>
#include <utility>
#include <vector>

#include "engine/aggregate_reading_internal.h"
#include "engine/context_state_internal.h"
#include "engine/error_internal.h"
#include "engine/row_plan_internal.h"

namespace hyprstream::engine {

namespace {

using duckdb::ExpressionClass;

void CollectNames(const duckdb::ParsedExpression& expression, std::set<std::string>& names) {
  if (expression.GetExpressionClass() == ExpressionClass::COLUMN_REF) {
    const auto& parts = expression.Cast<duckdb::ColumnRefExpression>().ColumnNames();
    names.insert(FoldIdentifier(parts.back().GetIdentifierName()));
  }
  for (const auto& child : expression.Children()) CollectNames(child, names);
}

std::set<std::string> NamesIn(const duckdb::SelectNode& select) {
  std::set<std::string> names;
  for (const auto& item : select.select_list) CollectNames(*item, names);
  if (select.where_clause) CollectNames(*select.where_clause, names);
  for (const auto& group : select.groups.group_expressions) CollectNames(*group, names);
  return names;
}

// The SELECT of the sessions with the aggregates that `names` has, or with the first where it has none.
std::string SessionsWith(const AggregateQuery& inner, const std::set<std::string>& names) {
  auto parser = duckdb::Parser::GetBuiltinParser();
  parser.ParseQuery(inner.definition);
  auto& select = parser.statements.at(0)->Cast<duckdb::SelectStatement>().node->Cast<duckdb::SelectNode>();
  // Ordinals would mean other columns.
  if (select.aggregate_handling != duckdb::AggregateHandling::FORCE_AGGREGATES) return inner.definition;
  duckdb::vector<duckdb::unique_ptr<duckdb::ParsedExpression>> items;
  duckdb::unique_ptr<duckdb::ParsedExpression> first;
  bool has_aggregate = false;
  for (std::size_t i = 0; i < inner.output.size(); ++i) {
    auto& item = select.select_list[i];
    item->SetAlias(duckdb::Identifier(inner.output[i].name));
    const bool is_named = names.contains(FoldIdentifier(inner.output[i].name));
    if (inner.output[i].is_key || is_named) {
      has_aggregate |= !inner.output[i].is_key;
      items.push_back(std::move(item));
    } else if (!first) {
      first = std::move(item);
    }
  }
  if (!has_aggregate) items.push_back(std::move(first));
  select.select_list = std::move(items);
  return select.ToString();
}

std::string Shown(const duckdb::SelectNode& outer, const TableRef& view) {
  const auto& from = outer.from_table->Cast<duckdb::BaseTableRef>();
  duckdb::vector<duckdb::unique_ptr<duckdb::ParsedExpression>> arguments;
  arguments.push_back(duckdb::ConstantExpression::FromValue(duckdb::Value(view.schema)));
  arguments.push_back(duckdb::ConstantExpression::FromValue(duckdb::Value(view.name)));
  auto scan = duckdb::make_uniq<duckdb::TableFunctionRef>();
  scan->function = duckdb::make_uniq<duckdb::FunctionExpression>(duckdb::Identifier("view_scan"), std::move(arguments));
  scan->alias = from.alias.empty() ? from.GetQualifiedName().Name() : from.alias;
  auto shown = duckdb::unique_ptr_cast<duckdb::QueryNode, duckdb::SelectNode>(outer.Copy());
  for (auto& item : shown->select_list) item->SetAlias(item->GetName());
  shown->from_table = std::move(scan);
  return shown->ToString();
}

bool HasZone(const duckdb::LogicalType& type) {
  return duckdb::TypeVisitor::Contains(type, [](const duckdb::LogicalType& part) {
    return part.id() == duckdb::LogicalTypeId::TIMESTAMP_TZ || part.id() == duckdb::LogicalTypeId::TIME_TZ;
  });
}

// Does what it gives depend on the time zone of whoever reads it?
bool DependsOnZone(const duckdb::Expression& expression) {
  bool depends = false;
  if (expression.GetExpressionClass() == ExpressionClass::BOUND_FUNCTION) {
    const auto& call = expression.Cast<duckdb::BoundFunctionExpression>();
    bool zoned = HasZone(call.GetReturnType());
    for (const auto& child : call.GetChildren()) zoned = zoned || HasZone(child->GetReturnType());
    const bool names_zone =
        call.Function().GetName() == duckdb::Identifier("timezone") && call.GetChildren().size() == 2;
    depends = zoned && !names_zone && !duckdb::BoundComparisonExpression::IsComparison(call);
  }
  duckdb::ExpressionIterator::EnumerateChildren(
      expression, [&](const duckdb::Expression& child) { depends = depends || DependsOnZone(child); });
  return depends;
}

bool DependsOnZone(duckdb::LogicalOperator& plan) {
  bool depends = false;
  duckdb::LogicalOperatorVisitor::EnumerateExpressions(plan, [&](duckdb::unique_ptr<duckdb::Expression>* expression) {
    depends = depends || DependsOnZone(**expression);
  });
  return depends || std::ranges::any_of(plan.children, [](const auto& child) { return DependsOnZone(*child); });
}

// Where the view of sessions can be bound, as when this one is created; later it means what it meant then.
arrow::Status CheckZone(duckdb::ClientContext& context, const duckdb::SelectNode& outer, const AggregateQuery& inner,
                        const std::string& database) {
  if (!ContextState::Of(context).snapshot) return arrow::Status::OK();
  auto statement = duckdb::make_uniq<duckdb::SelectStatement>();
  statement->node = outer.Copy();
  auto& from = statement->node->Cast<duckdb::SelectNode>().from_table->Cast<duckdb::BaseTableRef>();
  if (from.alias.empty()) from.alias = from.GetQualifiedName().Name();
  from.SetQualifiedName(duckdb::Identifier(database), duckdb::Identifier(inner.view.schema),
                        duckdb::Identifier(inner.view.name));
  duckdb::Planner planner(context);
  planner.CreatePlan(std::move(statement));
  if (!DependsOnZone(*planner.plan)) return arrow::Status::OK();
  return arrow::Status::NotImplemented(
      "A materialized view over ", inner.view.ToString(),
      ", which has sessions, is read in the time zone of whoever reads it: name the zone wherever it uses a TIMESTAMP "
      "WITH TIME ZONE but as it is, as in date_trunc('day', window_start AT TIME ZONE 'UTC')");
}

}  // namespace

arrow::Result<SessionsAndSelect> ComposeOverSessions(duckdb::ClientContext& context, const duckdb::SelectNode& outer,
                                                     const AggregateQuery& inner, const ViewText& text) {
  bool has_aggregate = false;
  for (const auto& item : outer.select_list) {
    ARROW_RETURN_NOT_OK(CheckStable(context, *item));
    has_aggregate = has_aggregate || ContainsAggregate(context, *item);
  }
  if (outer.where_clause) ARROW_RETURN_NOT_OK(CheckStable(context, *outer.where_clause));
  if (!has_aggregate) {
    return arrow::Status::NotImplemented(
        "A materialized view needs an aggregate, such as count(*); for the sessions themselves query ",
        inner.view.ToString());
  }
  ARROW_RETURN_NOT_OK(CheckZone(context, outer, inner, text.database));
  return SessionsAndSelect{.sessions = SessionsWith(inner, NamesIn(outer)), .shown = Shown(outer, text.view)};
}

}  // namespace hyprstream::engine
