#include "engine/edge_rows_internal.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/optimizer/optimizer.hpp>
#include <duckdb/parser/parser.hpp>
#include <duckdb/parser/query_node/select_node.hpp>
#include <duckdb/parser/statement/select_statement.hpp>
#include <duckdb/planner/binder.hpp>
#include <duckdb/planner/expression/bound_columnref_expression.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>
#include <duckdb/planner/operator/logical_projection.hpp>
#include <limits>
#include <utility>

#include "engine/arrow_out_internal.h"
#include "engine/declared_schema_internal.h"

namespace hyprstream::engine {

namespace {

using Expression = duckdb::unique_ptr<duckdb::Expression>;

// ---- states of single rows

struct RowStateData : duckdb::FunctionData {
  RowStateData(std::shared_ptr<const MergeableState> of, bool filter) : states(std::move(of)), has_filter(filter) {}

  std::shared_ptr<const MergeableState> states;
  bool has_filter;  // the last argument

  duckdb::unique_ptr<duckdb::FunctionData> Copy() const override {
    return duckdb::make_uniq<RowStateData>(states, has_filter);
  }
  bool Equals(const duckdb::FunctionData& other) const override { return states == other.Cast<RowStateData>().states; }
};

arrow::Result<std::shared_ptr<arrow::Array>> StatesOfRows(duckdb::ClientContext& context, const RowStateData& data,
                                                          duckdb::DataChunk& arguments) {
  const auto rows = static_cast<std::int64_t>(arguments.size());
  if (arguments.ColumnCount() == 0) return data.states->OfRows({}, nullptr, rows);
  std::vector<std::string> names(arguments.ColumnCount(), "argument");
  BatchBuilder builder(context, arguments.GetTypes(), std::move(names));
  builder.Append(arguments);
  const auto batch = builder.Finish().at(0);
  std::vector<const arrow::Array*> columns;
  for (const auto& column : batch->columns()) columns.push_back(column.get());
  const arrow::Array* filter = nullptr;
  if (data.has_filter) {
    filter = columns.back();
    columns.pop_back();
  }
  return data.states->OfRows(columns, filter, rows);
}

void RowState(duckdb::DataChunk& arguments, duckdb::ExpressionState& state, duckdb::Vector& result) {
  const auto& data = state.expr.Cast<duckdb::BoundFunctionExpression>().BindInfo()->Cast<RowStateData>();
  const auto states = StatesOfRows(state.GetContext(), data, arguments);
  if (!states.ok()) throw duckdb::InvalidInputException(states.status().message());
  const auto& bytes = static_cast<const arrow::BinaryArray&>(**states);
  result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
  auto* values = duckdb::FlatVector::GetDataMutable<duckdb::string_t>(result);
  for (std::int64_t row = 0; row < bytes.length(); ++row) {
    const auto value = bytes.GetView(row);
    values[row] = duckdb::StringVector::AddStringOrBlob(result, value.data(), value.size());
  }
}

Expression RowStateOf(std::shared_ptr<const MergeableState> states, duckdb::vector<Expression> arguments,
                      bool has_filter) {
  duckdb::vector<duckdb::LogicalType> types;
  for (const auto& argument : arguments) types.push_back(argument->GetReturnType());
  duckdb::ScalarFunction function(duckdb::Identifier("hyprstream_row_state"), std::move(types),
                                  duckdb::LogicalType::BLOB, RowState);
  function.SetFallible();
  function.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  return duckdb::make_uniq<duckdb::BoundFunctionExpression>(
      duckdb::BoundScalarFunction(function), std::move(arguments),
      duckdb::make_uniq<RowStateData>(std::move(states), has_filter));
}

// ---- the rows

std::string ConditionOf(const std::string& time, const duckdb::LogicalType& type, const TimeRange& range) {
  std::string sql;
  if (range.from == kAfterMinusInfinity) {
    sql += time + " > " + TimeValue(type, kAfterMinusInfinity - 1).ToSQLString();
  } else if (range.from) {
    sql += time + " >= " + TimeValue(type, *range.from).ToSQLString();
  }
  if (range.to) sql += (sql.empty() ? "" : " AND ") + time + " < " + TimeValue(type, *range.to).ToSQLString();
  return "(" + sql + ")";
}

// `SELECT keys, arguments`, as the view evaluates them.
std::string RowsSql(const AggregateQuery& query, const duckdb::LogicalType& type,
                    const std::vector<TimeRange>& ranges) {
  std::string sql = "SELECT ";
  for (const auto* list : {&query.key_sql, &query.argument_sql}) {
    for (const auto& expression : *list) sql += (sql.size() > 7 ? ", (" : "(") + expression + ")";
  }
  const auto time = QuoteIdentifier(query.alias) + "." + QuoteIdentifier(query.window_time);
  std::string condition;
  for (const auto& range : ranges) condition += (condition.empty() ? "" : " OR ") + ConditionOf(time, type, range);
  sql += " FROM " + query.from_sql + " WHERE (" + condition + ")";
  return query.where_sql.empty() ? sql : sql + " AND (" + query.where_sql + ")";
}

duckdb::BoundStatement Bind(duckdb::Optimizer& optimizer, const std::string& sql) {
  auto parser = duckdb::Parser::GetBuiltinParser();  // whatever the session has set
  parser.ParseQuery(sql);
  auto& select = parser.statements.at(0)->Cast<duckdb::SelectStatement>();
  return duckdb::Binder::CreateBinder(optimizer.context, &optimizer.binder)->Bind(*select.node);
}

std::int64_t Floor(const FixedWindow& windows, std::int64_t time) {
  const auto over = (time % windows.size - windows.origin % windows.size) % windows.size;
  return time - (over < 0 ? over + windows.size : over);
}

}  // namespace

std::optional<WindowSplit> SplitByWindows(const FixedWindow& windows, const TimeRange& range,
                                          std::optional<std::int64_t> whole_from) {
  constexpr auto kInfinity = std::numeric_limits<std::int64_t>::max();
  // Beyond a window of either end of time nothing is told apart.
  const auto is_far = [&](std::int64_t time) {
    return time > kInfinity - windows.size || time < windows.size - kInfinity;
  };
  WindowSplit split;
  const auto first = std::max(range.from, whole_from);
  if (first && is_far(*first) && *first > 1 - kInfinity) return std::nullopt;
  if (first) {
    split.windows.from = is_far(*first) ? *first : Floor(windows, *first + windows.size - 1);
    if (range.from != split.windows.from) split.rows.push_back({.from = range.from, .to = split.windows.from});
  }
  if (range.to && is_far(*range.to) && *range.to < kInfinity) return std::nullopt;
  if (range.to) {
    split.windows.to = is_far(*range.to) ? *range.to : Floor(windows, *range.to);
    if (range.to != split.windows.to) split.rows.push_back({.from = split.windows.to, .to = range.to});
  }
  if (split.windows.from && split.windows.to && *split.windows.from >= *split.windows.to) return std::nullopt;
  return split;
}

duckdb::Value TimeValue(const duckdb::LogicalType& type, std::int64_t time) {
  const duckdb::timestamp_t value(time);
  return type.id() == duckdb::LogicalTypeId::TIMESTAMP_TZ ? duckdb::Value::TIMESTAMPTZ(duckdb::timestamp_tz_t(value))
                                                          : duckdb::Value::TIMESTAMP(value);
}

duckdb::unique_ptr<duckdb::LogicalOperator> RowsAsStates(duckdb::Optimizer& optimizer, const AnsweringView& view,
                                                         const duckdb::LogicalGet& scan,
                                                         const duckdb::LogicalType& time_type,
                                                         const std::vector<TimeRange>& ranges) {
  const auto& query = *view.query;
  auto rows = Bind(optimizer, RowsSql(query, time_type, ranges));
  const auto index = rows.plan->GetRootIndex();
  const auto column = [&](int evaluated) -> Expression {
    const auto at = static_cast<duckdb::idx_t>(evaluated);
    return duckdb::make_uniq<duckdb::BoundColumnRefExpression>(
        rows.types.at(at), duckdb::ColumnBinding(index, duckdb::ProjectionIndex(at)));
  };
  const auto* declared = AsDeclared(*query.output_schema);
  duckdb::vector<Expression> columns;
  for (const auto& scanned : scan.GetColumnIds()) {
    const auto at = scanned.GetPrimaryIndex();
    const bool as_state = at >= query.output.size();
    const auto output = as_state ? at - query.output.size() : at;
    const auto& of = query.output.at(output);
    if (!as_state) {
      if (!of.is_key || declared == nullptr || declared->carriage(output) != Carriage::kArrow) return nullptr;
      columns.push_back(column(of.index));
      if (columns.back()->GetReturnType() != scan.returned_types.at(at)) return nullptr;
      continue;
    }
    const auto& aggregate = query.aggregates.at(static_cast<std::size_t>(of.index));
    duckdb::vector<Expression> arguments;
    for (const int argument : aggregate.arguments) arguments.push_back(column(argument));
    if (aggregate.filter >= 0) arguments.push_back(column(aggregate.filter));
    columns.push_back(
        RowStateOf(view.source->StatesOf(static_cast<int>(output)), std::move(arguments), aggregate.filter >= 0));
  }
  auto projection =
      duckdb::make_uniq<duckdb::LogicalProjection>(optimizer.binder.GenerateTableIndex(), std::move(columns));
  projection->children.push_back(std::move(rows.plan));
  return projection;
}

}  // namespace hyprstream::engine
