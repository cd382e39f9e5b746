#include "backend/first_rows.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <array>
#include <utility>

#include "backend/select_statement.h"

namespace hyprstream::backend {
namespace {

using Kind = RemoteRelation::Kind;
using Op = ColumnFilter::Op;

// Rows of one table, with some of its columns.
struct Rows {
  const TableLayout* table = nullptr;
  std::vector<int> columns = {};  // of the table
  std::vector<ColumnFilter> filters = {};
};

arrow::Status No(std::string_view what) {
  return arrow::Status::NotImplemented(what, " is not answered there, only the first rows by a time column");
}

arrow::Status AddFilters(const RemoteExpression& condition, Rows& rows) {
  static constexpr std::array<std::pair<std::string_view, Op>, 6> kOps = {{{"=", Op::kEqual},
                                                                           {"<", Op::kLess},
                                                                           {"<=", Op::kLessEqual},
                                                                           {">", Op::kGreater},
                                                                           {">=", Op::kGreaterEqual},
                                                                           {"in", Op::kIn}}};
  if (condition.kind != RemoteExpression::Kind::kCall) return No("such a condition");
  if (condition.function == "and") {
    for (const auto& part : condition.arguments) ARROW_RETURN_NOT_OK(AddFilters(part, rows));
    return arrow::Status::OK();
  }
  const auto* op = std::ranges::find(kOps, condition.function, &std::pair<std::string_view, Op>::first);
  const auto& arguments = condition.arguments;
  if (op == kOps.end() || arguments.size() < 2 || arguments[0].kind != RemoteExpression::Kind::kColumn) {
    return No("such a condition");
  }
  ColumnFilter filter{.column = rows.columns.at(static_cast<std::size_t>(arguments[0].column)), .op = op->second};
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    if (arguments[i].kind != RemoteExpression::Kind::kLiteral) return No("a comparison with more than a constant");
    filter.values.push_back(arguments[i].value);
  }
  if (filter.op != Op::kIn) {
    filter.value = filter.values[0];
    filter.values.clear();
  }
  rows.filters.push_back(std::move(filter));
  return arrow::Status::OK();
}

arrow::Result<Rows> Read(const RemoteRelation& relation, const LayoutOf& layout_of) {
  if (relation.kind == Kind::kTable) {
    const auto* layout = relation.table == nullptr ? nullptr : layout_of(*relation.table);
    if (layout == nullptr) return arrow::Status::NotImplemented("a table is not read by this connection");
    return Rows{.table = layout, .columns = relation.columns};
  }
  if (relation.kind != Kind::kFilter && relation.kind != Kind::kProject) return No("such a query");
  ARROW_ASSIGN_OR_RAISE(auto rows, Read(relation.inputs.at(0), layout_of));
  for (const auto& condition : relation.conditions) ARROW_RETURN_NOT_OK(AddFilters(condition, rows));
  if (relation.kind == Kind::kFilter) return rows;
  std::vector<int> columns;
  for (const auto& expression : relation.expressions) {
    if (expression.kind != RemoteExpression::Kind::kColumn) return No("an expression");
    columns.push_back(rows.columns.at(static_cast<std::size_t>(expression.column)));
  }
  rows.columns = std::move(columns);
  return rows;
}

// Times whose order is that of the index, to the last digit.
bool HasOrder(const ColumnLayout& column) {
  if (column.conditions != Conditions::kRange || column.comparable == Comparable::kNone) return false;
  return column.arriving->id() != arrow::Type::TIMESTAMP ||
         static_cast<const arrow::TimestampType&>(*column.arriving).unit() != arrow::TimeUnit::NANO;
}

}  // namespace

arrow::Result<TableLayout> LayoutOfFirstRows(const Dialect& dialect, const RemoteRelation& query,
                                             const LayoutOf& layout_of) {
  if (query.kind != Kind::kTop || query.order.size() != 1 ||
      query.order[0].by.kind != RemoteExpression::Kind::kColumn) {
    return No("such a query");
  }
  ARROW_ASSIGN_OR_RAISE(const auto rows, Read(query.inputs.at(0), layout_of));
  const auto& order = query.order[0];
  const auto& by =
      rows.table->columns.at(static_cast<std::size_t>(rows.columns.at(static_cast<std::size_t>(order.by.column))));
  if (!HasOrder(by)) return No("ORDER BY " + by.name);
  auto from = TableWithConditions(dialect, *rows.table, rows.filters);
  if (!from) return No("such a condition");
  TableLayout layout;
  arrow::FieldVector fields;
  for (const int index : rows.columns) {
    const auto& column = rows.table->columns.at(static_cast<std::size_t>(index));
    fields.push_back(rows.table->schema->field(index)->WithName("c" + std::to_string(fields.size())));
    layout.columns.push_back(
        {.name = column.name, .expression = column.expression, .arriving = column.arriving, .reading = column.reading});
  }
  if (fields.empty()) return No("a count");
  layout.schema = arrow::schema(std::move(fields));
  layout.from = *std::move(from) + " ORDER BY " + by.expression + (order.descending ? " DESC" : "") + " LIMIT " +
                std::to_string(query.rows_max);
  layout.rows = query.rows_max;
  return layout;
}

}  // namespace hyprstream::backend
