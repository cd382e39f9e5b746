#include "backend/select_statement.h"

#include <arrow/scalar.h>

#include <algorithm>

namespace hyprstream::backend {
namespace {

using Op = ColumnFilter::Op;

const char* OperatorOf(Op op) {
  switch (op) {
    case Op::kLess:
      return " < ";
    case Op::kLessEqual:
      return " <= ";
    case Op::kGreater:
      return " > ";
    case Op::kGreaterEqual:
      return " >= ";
    default:
      return " = ";
  }
}

const std::string& ComparedOf(const ColumnLayout& column) {
  return column.compared.empty() ? column.expression : column.compared;
}

std::optional<std::string> InCondition(const Dialect& dialect, const ColumnLayout& column, const ColumnFilter& filter) {
  if (filter.values.size() > dialect.values_max()) return std::nullopt;
  std::string list;
  for (const auto& value : filter.values) {
    if (value == nullptr || !value->is_valid) continue;  // NULL equals nothing
    const auto literal = dialect.Literal(column.comparable, *value);
    if (!literal) return std::nullopt;
    list += (list.empty() ? "" : ", ") + *literal;
  }
  return list.empty() ? "FALSE" : ComparedOf(column) + " IN (" + list + ")";
}

// FALSE, IS NULL and the rest are expressions.
bool Takes(const Dialect& dialect, const ColumnLayout& column, const ColumnFilter& filter) {
  if (dialect.takes_expressions()) return true;
  const auto is_null = [](const auto& value) { return value == nullptr || !value->is_valid; };
  switch (filter.op) {
    case Op::kIsNull:
      return false;
    case Op::kIn:
      return column.conditions != Conditions::kRange && !std::ranges::all_of(filter.values, is_null);
    case Op::kEqual:
      return !is_null(filter.value);
    default:
      return column.conditions != Conditions::kKey && !is_null(filter.value);
  }
}

std::optional<std::string> Condition(const Dialect& dialect, const TableLayout& layout, const ColumnFilter& filter) {
  if (filter.column < 0 || static_cast<std::size_t>(filter.column) >= layout.columns.size()) return std::nullopt;
  const auto& column = layout.columns[static_cast<std::size_t>(filter.column)];
  if (!Takes(dialect, column, filter)) return std::nullopt;
  if (filter.op == Op::kIsNull) return ComparedOf(column) + " IS NULL";
  if (column.comparable == Comparable::kNone) return std::nullopt;
  if (filter.op == Op::kIn) return InCondition(dialect, column, filter);
  // Collations order differently than bytes.
  if (column.comparable == Comparable::kText && filter.op != Op::kEqual) return std::nullopt;
  if (filter.value == nullptr) return std::nullopt;
  if (!filter.value->is_valid) return "FALSE";
  const auto literal = dialect.Literal(column.comparable, *filter.value);
  if (!literal) return std::nullopt;
  return ComparedOf(column) + OperatorOf(filter.op) + *literal;
}

std::string Columns(const TableLayout& layout, const std::vector<int>& projection) {
  std::string columns;
  std::string checks;
  for (const int index : projection) {
    const auto& column = layout.columns[static_cast<std::size_t>(index)];
    columns += (columns.empty() ? "" : ", ") + column.expression;
    if (!column.check.empty()) checks += ", " + column.check;
  }
  return columns + checks;
}

}  // namespace

bool AllPushed(const Dialect& dialect, const TableLayout& layout, const std::vector<ColumnFilter>& filters) {
  return std::ranges::all_of(filters,
                             [&](const auto& filter) { return Condition(dialect, layout, filter).has_value(); });
}

std::optional<std::string> TableWithConditions(const Dialect& dialect, const TableLayout& layout,
                                               const std::vector<ColumnFilter>& filters) {
  std::string text = layout.from;
  const char* word = " WHERE ";
  for (const auto& filter : filters) {
    const auto condition = Condition(dialect, layout, filter);
    if (!condition) return std::nullopt;
    text += word + *condition;
    word = " AND ";
  }
  return text;
}

std::string SelectStatement(const Dialect& dialect, const TableLayout& layout, const ScanRequest& request) {
  std::string rest = " FROM " + layout.from;
  bool all = true;
  const char* word = " WHERE ";
  for (const auto& filter : request.filters) {
    const auto condition = Condition(dialect, layout, filter);
    all = all && condition.has_value();
    if (!condition) continue;
    rest += word + *condition;
    word = " AND ";
  }
  if (all && request.rows_max && dialect.takes_limit()) rest += " LIMIT " + std::to_string(*request.rows_max);
  if (!request.projection.empty()) return "SELECT " + Columns(layout, request.projection) + rest;
  if (!dialect.takes_expressions()) return "SELECT " + Columns(layout, {0}) + rest;  // whose rows are counted here
  return "SELECT count(*) FROM (SELECT 1 AS one" + rest + ") AS counted";
}

}  // namespace hyprstream::backend
