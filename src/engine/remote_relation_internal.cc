#include "engine/remote_relation_internal.h"

#include <arrow/type.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/planner/bound_result_modifier.hpp>
#include <duckdb/planner/expression/bound_aggregate_expression.hpp>
#include <duckdb/planner/expression/bound_columnref_expression.hpp>
#include <duckdb/planner/operator/logical_aggregate.hpp>
#include <duckdb/planner/operator/logical_any_join.hpp>
#include <duckdb/planner/operator/logical_comparison_join.hpp>
#include <duckdb/planner/operator/logical_distinct.hpp>
#include <duckdb/planner/operator/logical_filter.hpp>
#include <duckdb/planner/operator/logical_get.hpp>
#include <duckdb/planner/operator/logical_limit.hpp>
#include <duckdb/planner/operator/logical_order.hpp>
#include <duckdb/planner/operator/logical_projection.hpp>
#include <duckdb/planner/operator/logical_set_operation.hpp>
#include <utility>

#include "engine/backend_scan_internal.h"
#include "engine/remote_expression_internal.h"

namespace hyprstream::engine {

namespace {

using duckdb::LogicalOperatorType;
using Kind = RemoteRelation::Kind;
using Join = RemoteRelation::Join;

// More rows are not worth to be counted beforehand.
constexpr std::uint64_t kRowsMax = std::uint64_t{1} << 40;

const RemoteColumn* FindColumn(const RemoteQuery& query, const duckdb::ColumnBinding& binding) {
  const auto found = std::ranges::find(query.columns, binding, &RemoteColumn::binding);
  return found == query.columns.end() ? nullptr : &*found;
}

ColumnAt ColumnsOf(const RemoteQuery& query) {
  return [&query](const duckdb::ColumnBinding& binding) -> std::optional<int> {
    const auto* column = FindColumn(query, binding);
    return column == nullptr ? std::nullopt : std::optional(column->column);
  };
}

RemoteRelation Over(Kind kind, RemoteRelation input) {
  RemoteRelation relation{.kind = kind};
  relation.inputs.push_back(std::move(input));
  return relation;
}

// Is each of its columns one of the plan's, in that order?
bool IsPlain(const RemoteQuery& query) {
  if (query.width != static_cast<int>(query.columns.size())) return false;
  for (int i = 0; i < query.width; ++i) {
    if (query.columns[static_cast<std::size_t>(i)].column != i) return false;
  }
  return true;
}

std::optional<Join> JoinOf(duckdb::JoinType type) {
  switch (type) {
    case duckdb::JoinType::INNER:
      return Join::kInner;
    case duckdb::JoinType::LEFT:
      return Join::kLeft;
    case duckdb::JoinType::SEMI:
      return Join::kSemi;
    case duckdb::JoinType::ANTI:
      return Join::kAnti;
    case duckdb::JoinType::MARK:
      return Join::kMark;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<std::int64_t> RowsOf(const duckdb::LogicalLimit& limit) {
  using duckdb::LimitNodeType;
  std::uint64_t offset = 0;
  if (limit.offset_val.Type() == LimitNodeType::CONSTANT_VALUE) {
    offset = limit.offset_val.GetConstantValue();
  } else if (limit.offset_val.Type() != LimitNodeType::UNSET) {
    return std::nullopt;
  }
  if (limit.limit_val.Type() != LimitNodeType::CONSTANT_VALUE) return std::nullopt;
  const std::uint64_t rows = limit.limit_val.GetConstantValue();
  if (rows > kRowsMax || offset > kRowsMax) return std::nullopt;
  return static_cast<std::int64_t>(rows + offset);
}

std::optional<RemoteQuery> RelationReader::Refuse(const std::string& what) {
  if (refusal_.empty()) refusal_ = what;
  return std::nullopt;
}

std::optional<RemoteQuery> RelationReader::Read(duckdb::LogicalOperator& plan) {
  if (plan.HasProjectionMap()) return Refuse("a plan that leaves columns out");
  switch (plan.type) {
    case LogicalOperatorType::LOGICAL_GET:
      return ReadGet(plan.Cast<duckdb::LogicalGet>());
    case LogicalOperatorType::LOGICAL_FILTER:
      return ReadFilter(plan);
    case LogicalOperatorType::LOGICAL_PROJECTION:
      return ReadProjection(plan);
    case LogicalOperatorType::LOGICAL_COMPARISON_JOIN:
      return ReadJoin(plan.Cast<duckdb::LogicalComparisonJoin>());
    case LogicalOperatorType::LOGICAL_ANY_JOIN:
    case LogicalOperatorType::LOGICAL_CROSS_PRODUCT:
      return ReadConditional(plan);
    case LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY:
      return ReadAggregate(plan.Cast<duckdb::LogicalAggregate>());
    case LogicalOperatorType::LOGICAL_DISTINCT:
      return ReadDistinct(plan);
    case LogicalOperatorType::LOGICAL_UNION:
      return ReadUnion(plan);
    default:
      return Refuse(duckdb::LogicalOperatorToString(plan.type) + " is done here");
  }
}

std::optional<RemoteQuery> RelationReader::ReadGet(duckdb::LogicalGet& get) {
  const auto* rows = BackendRowsOf(get);
  if (rows == nullptr) return std::nullopt;  // nobody would expect it to be sent
  if (rows->table.name.empty()) return Refuse("it reads a statement of its own");
  if (!get.children.empty() || get.table_filters.HasFilters() || !get.projection_ids.empty()) {
    return Refuse("a scan that was planned already");
  }
  if (backend_.empty()) backend_ = rows->backend;
  if (backend_ != rows->backend) return Refuse("it reads " + backend_ + " and " + rows->backend);
  tables_.push_back(rows->table);
  RemoteQuery query{.relation = {.kind = Kind::kTable}, .columns = {}, .width = 0};
  query.relation.table = rows->source;
  const auto bindings = get.GetColumnBindings();
  const auto& columns = get.GetColumnIds();
  if (bindings.size() != columns.size()) return Refuse("a scan that was planned already");
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].IsVirtualColumn()) continue;  // for the number of rows
    if (columns[i].HasChildren() || columns[i].GetPrimaryIndex() >= get.returned_types.size()) {
      return Refuse("a part of a column");
    }
    const auto index = columns[i].GetPrimaryIndex();
    query.relation.columns.push_back(static_cast<int>(index));
    query.columns.push_back({.binding = bindings[i], .type = get.returned_types[index], .column = query.width++});
  }
  return query;
}

std::optional<RemoteQuery> RelationReader::ReadFilter(duckdb::LogicalOperator& filter) {
  auto query = Read(*filter.children[0]);
  if (!query) return query;
  ExpressionReader reader(context_, ColumnsOf(*query), refusal_);
  std::vector<RemoteExpression> conditions;
  for (const auto& condition : filter.expressions) {
    if (!reader.ReadConditions(*condition, conditions)) return std::nullopt;
  }
  query->relation = Over(Kind::kFilter, std::move(query->relation));
  query->relation.conditions = std::move(conditions);
  return query;
}

std::optional<RemoteQuery> RelationReader::ReadProjection(duckdb::LogicalOperator& projection) {
  auto input = Read(*projection.children[0]);
  if (!input) return input;
  ExpressionReader reader(context_, ColumnsOf(*input), refusal_);
  RemoteQuery query{.relation = {.kind = Kind::kProject}, .columns = {}, .width = 0};
  const auto bindings = projection.GetColumnBindings();
  for (std::size_t i = 0; i < bindings.size(); ++i) {
    const auto& expression = *projection.expressions[i];
    auto read = reader.Read(expression);
    if (!read) return std::nullopt;
    query.relation.expressions.push_back(*std::move(read));
    query.columns.push_back({.binding = bindings[i], .type = expression.GetReturnType(), .column = query.width++});
  }
  query.relation.inputs.push_back(std::move(input->relation));
  return query;
}

// With the columns of both; the conditions are put in by the caller.
RemoteQuery RelationReader::Joined(RemoteQuery left, RemoteQuery right) {
  RemoteQuery query{.relation = {.kind = Kind::kJoin}, .columns = std::move(left.columns), .width = left.width};
  for (auto& column : right.columns) {
    column.column += left.width;
    query.columns.push_back(std::move(column));
  }
  query.width += right.width;
  query.relation.inputs.push_back(std::move(left.relation));
  query.relation.inputs.push_back(std::move(right.relation));
  return query;
}

std::optional<RemoteQuery> RelationReader::ReadJoin(duckdb::LogicalComparisonJoin& join) {
  const auto kind = JoinOf(join.join_type);
  if (!kind) return Refuse("a " + duckdb::EnumUtil::ToString(join.join_type) + " join is done here");
  auto left = Read(*join.children[0]);
  if (!left) return left;
  auto right = Read(*join.children[1]);
  if (!right) return right;
  const auto kept = left->columns;
  const int width = left->width;
  std::optional<RemoteQuery> query = Joined(*std::move(left), *std::move(right));
  query->relation.join = *kind;
  ExpressionReader reader(context_, ColumnsOf(*query), refusal_);
  for (const auto& condition : join.conditions) {
    if (!condition.IsComparison()) {
      if (!reader.ReadConditions(condition.GetJoinExpression(), query->relation.conditions)) return std::nullopt;
      continue;
    }
    auto read = reader.ReadComparison(condition.GetComparisonType(), condition.GetLHS(), condition.GetRHS());
    if (!read) return std::nullopt;
    query->relation.conditions.push_back(*std::move(read));
  }
  if (*kind == Join::kInner || *kind == Join::kLeft) return query;
  query->columns = kept;
  query->width = width;
  if (*kind == Join::kMark) {
    query->columns.push_back({.binding = duckdb::ColumnBinding(join.mark_index, duckdb::ProjectionIndex(0)),
                              .type = duckdb::LogicalType::BOOLEAN,
                              .column = query->width++});
  }
  return query;
}

std::optional<RemoteQuery> RelationReader::ReadConditional(duckdb::LogicalOperator& join) {
  const bool is_cross = join.type == LogicalOperatorType::LOGICAL_CROSS_PRODUCT;
  std::optional<Join> kind = Join::kCross;
  if (!is_cross) kind = JoinOf(join.Cast<duckdb::LogicalAnyJoin>().join_type);
  if (!kind || (!is_cross && *kind != Join::kInner && *kind != Join::kLeft)) return Refuse("such a join is done here");
  auto left = Read(*join.children[0]);
  if (!left) return left;
  auto right = Read(*join.children[1]);
  if (!right) return right;
  std::optional<RemoteQuery> query = Joined(*std::move(left), *std::move(right));
  query->relation.join = *kind;
  if (is_cross) return query;
  ExpressionReader reader(context_, ColumnsOf(*query), refusal_);
  if (!reader.ReadConditions(*join.Cast<duckdb::LogicalAnyJoin>().condition, query->relation.conditions)) {
    return std::nullopt;
  }
  return query;
}

std::optional<RemoteQuery> RelationReader::ReadAggregate(duckdb::LogicalAggregate& aggregation) {
  if (aggregation.grouping_sets.size() > 1 || !aggregation.grouping_functions.empty()) {
    return Refuse("GROUPING SETS are done here");
  }
  // One row where there are none, although there are keys.
  if (aggregation.grouping_sets.size() == 1 && aggregation.grouping_sets[0].size() != aggregation.groups.size()) {
    return Refuse("GROUPING SETS are done here");
  }
  auto input = Read(*aggregation.children[0]);
  if (!input) return input;
  ExpressionReader reader(context_, ColumnsOf(*input), refusal_);
  RemoteQuery query{.relation = {.kind = Kind::kAggregate}, .columns = {}, .width = 0};
  for (std::size_t i = 0; i < aggregation.groups.size(); ++i) {
    auto key = reader.Read(*aggregation.groups[i]);
    if (!key) return std::nullopt;
    query.relation.expressions.push_back(*std::move(key));
    query.columns.push_back({.binding = duckdb::ColumnBinding(aggregation.group_index, duckdb::ProjectionIndex(i)),
                             .type = aggregation.groups[i]->GetReturnType(),
                             .column = query.width++});
  }
  for (std::size_t i = 0; i < aggregation.expressions.size(); ++i) {
    const duckdb::ColumnBinding binding(aggregation.aggregate_index, duckdb::ProjectionIndex(i));
    if (!ReadAggregateCall(*aggregation.expressions[i], binding, *input, query)) return std::nullopt;
  }
  query.relation.inputs.push_back(std::move(input->relation));
  return query;
}

bool RelationReader::ReadAggregateCall(const duckdb::Expression& expression, const duckdb::ColumnBinding& binding,
                                       const RemoteQuery& input, RemoteQuery& query) {
  const auto refuse = [&] { return Refuse(expression.ToString() + " is computed here").has_value(); };
  if (expression.GetExpressionClass() != duckdb::ExpressionClass::BOUND_AGGREGATE) return refuse();
  const auto& call = expression.Cast<duckdb::BoundAggregateExpression>();
  if (call.GetOrderBys() || call.StateExportMode() != duckdb::AggregateStateExportMode::NONE) return refuse();
  const auto name = FoldIdentifier(call.Function().GetName().GetIdentifierName());
  ExpressionReader reader(context_, ColumnsOf(input), refusal_);
  RemoteAggregate aggregate{.function = name, .distinct = call.IsDistinct()};
  aggregate.type = RemoteType(expression.GetReturnType());
  for (const auto& child : call.GetChildren()) {
    auto argument = reader.Read(*child);
    if (!argument) return false;
    aggregate.arguments.push_back(*std::move(argument));
  }
  if (call.GetFilter() && !reader.ReadConditions(*call.GetFilter(), aggregate.conditions)) return false;
  if (aggregate.distinct && (name == "min" || name == "max")) aggregate.distinct = false;
  query.relation.aggregates.push_back(std::move(aggregate));
  query.columns.push_back({.binding = binding, .type = expression.GetReturnType(), .column = query.width++});
  return true;
}

std::optional<RemoteQuery> RelationReader::ReadDistinct(duckdb::LogicalOperator& plan) {
  const auto& distinct = plan.Cast<duckdb::LogicalDistinct>();
  if (distinct.distinct_type != duckdb::DistinctType::DISTINCT || distinct.order_by) {
    return Refuse("DISTINCT ON is done here");
  }
  auto query = Read(*plan.children[0]);
  if (!query) return query;
  if (!IsPlain(*query)) return Refuse("DISTINCT of what is computed here");
  // Of just these columns, in whatever order.
  if (distinct.distinct_targets.size() < query->columns.size()) return Refuse("DISTINCT of some columns is done here");
  for (const auto& target : distinct.distinct_targets) {
    if (target->GetExpressionClass() != duckdb::ExpressionClass::BOUND_COLUMN_REF ||
        FindColumn(*query, target->Cast<duckdb::BoundColumnRefExpression>().Binding()) == nullptr) {
      return Refuse("DISTINCT of what is computed here");
    }
  }
  query->relation = Over(Kind::kDistinct, std::move(query->relation));
  return query;
}

std::optional<RemoteQuery> RelationReader::ReadUnion(duckdb::LogicalOperator& plan) {
  const auto& set = plan.Cast<duckdb::LogicalSetOperation>();
  if (!set.setop_all || plan.children.size() != 2) return Refuse("UNION is done here");
  auto first = Read(*plan.children[0]);
  if (!first) return first;
  auto second = Read(*plan.children[1]);
  if (!second) return second;
  if (!IsPlain(*first) || !IsPlain(*second) || first->width != second->width) {
    return Refuse("UNION ALL of what is computed here");
  }
  const auto bindings = plan.GetColumnBindings();
  for (std::size_t i = 0; i < first->columns.size(); ++i) {
    if (first->columns[i].type != second->columns[i].type) return Refuse("UNION ALL of several types");
    first->columns[i].binding = bindings.at(i);
  }
  first->relation = Over(Kind::kUnionAll, std::move(first->relation));
  first->relation.inputs.push_back(std::move(second->relation));
  return first;
}

std::optional<RemoteQuery> RelationReader::ReadTop(const duckdb::LogicalLimit& limit, duckdb::LogicalOperator& below) {
  const auto rows = RowsOf(limit);
  if (!rows) return Refuse("a LIMIT that is no constant, or large");
  const bool ordered = below.type == LogicalOperatorType::LOGICAL_ORDER_BY;
  if (ordered && below.HasProjectionMap()) return Refuse("a plan that leaves columns out");
  auto query = Read(ordered ? *below.children[0] : below);
  if (!query) return query;
  std::vector<RemoteOrder> order;
  if (ordered) {
    ExpressionReader reader(context_, ColumnsOf(*query), refusal_);
    for (const auto& term : below.Cast<duckdb::LogicalOrder>().orders) {
      auto by = reader.Read(*term.expression);
      const bool known = (term.type == duckdb::OrderType::ASCENDING || term.type == duckdb::OrderType::DESCENDING) &&
                         (term.null_order == duckdb::OrderByNullType::NULLS_FIRST ||
                          term.null_order == duckdb::OrderByNullType::NULLS_LAST);
      if (!by || !known) return std::nullopt;
      order.push_back({.by = *std::move(by),
                       .descending = term.type == duckdb::OrderType::DESCENDING,
                       .nulls_first = term.null_order == duckdb::OrderByNullType::NULLS_FIRST});
    }
  }
  query->relation = Over(Kind::kTop, std::move(query->relation));
  query->relation.order = std::move(order);
  query->relation.rows_max = *rows;
  return query;
}

}  // namespace hyprstream::engine
