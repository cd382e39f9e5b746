#include "backend/remote_statement.h"

#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "backend/select_statement.h"

namespace hyprstream::backend {
namespace {

using Kind = RemoteRelation::Kind;
using Join = RemoteRelation::Join;

// Longer statements are left to the engine.
constexpr std::size_t kStatementBytesMax = 256 * 1024;

// 10^10 of them are summed within 38.
constexpr int kSummedDigitsMax = 28;

// One column of a rendered SELECT, which calls it c and its number.
struct Column {
  std::shared_ptr<arrow::Field> field;
  std::string_view word;  // empty: it is handed on and nothing else
  Arrival arrival;
};

struct Select {
  std::string sql;
  std::vector<Column> columns;
  std::optional<std::int64_t> rows;  // an estimate
};

// What expressions are over: the columns of one SELECT, or of two that are joined.
struct Scope {
  const std::vector<Column>& columns;
  std::size_t left;  // so many are called q, those behind them r
};

struct Value {
  std::string sql;
  std::shared_ptr<arrow::DataType> type;
  std::string_view word;
  bool computed = true;
};

arrow::Status No(std::string_view what, std::string_view word) {
  return arrow::Status::NotImplemented(what, " of ", word.empty() ? "such values" : word,
                                       " is not known to mean the same there");
}

std::string Listed(const std::vector<std::string>& parts, std::string_view between) {
  std::string list;
  for (const auto& part : parts) list += (list.empty() ? std::string() : std::string(between)) + part;
  return list;
}

std::string With(std::string_view pattern, const std::vector<std::string>& arguments) {
  std::string sql;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '$' || i + 1 == pattern.size()) {
      sql += pattern[i];
    } else {
      sql += arguments.at(static_cast<std::size_t>(pattern[++i] - '1'));
    }
  }
  return sql;
}

// How many arguments a pattern has.
std::size_t ArgumentsOf(std::string_view pattern) {
  std::size_t count = 0;
  for (std::size_t i = 0; i + 1 < pattern.size(); ++i) {
    if (pattern[i] == '$') count = std::max(count, static_cast<std::size_t>(pattern[i + 1] - '0'));
  }
  return count;
}

std::string ColumnName(std::size_t column) { return "c" + std::to_string(column); }

std::string NameIn(const Scope& scope, int column) {
  const auto at = static_cast<std::size_t>(column);
  return at < scope.left ? "q." + ColumnName(at) : "r." + ColumnName(at - scope.left);
}

class Renderer {
 public:
  Renderer(const QueryDialect& dialect, const LayoutOf& layout_of) : dialect_(dialect), layout_of_(layout_of) {}

  arrow::Result<Select> Render(const RemoteRelation& relation) {
    ARROW_ASSIGN_OR_RAISE(auto select, RenderKind(relation));
    if (select.sql.size() > kStatementBytesMax) return arrow::Status::NotImplemented("the statement would be too long");
    return select;
  }

 private:
  arrow::Result<Select> RenderKind(const RemoteRelation& relation) {
    switch (relation.kind) {
      case Kind::kTable:
        return Table(relation, "");
      case Kind::kFilter:
        return Filter(relation);
      case Kind::kProject:
        return Project(relation);
      case Kind::kJoin:
        return JoinOf(relation);
      case Kind::kAggregate:
        return Aggregate(relation);
      case Kind::kDistinct:
        return Distinct(relation);
      case Kind::kUnionAll:
        return UnionAll(relation);
      case Kind::kTop:
        return Top(relation);
    }
    return arrow::Status::NotImplemented("no such operation");
  }

  // ---- relations

  arrow::Result<Select> Table(const RemoteRelation& relation, const std::string& where) {
    const auto* layout = relation.table == nullptr ? nullptr : layout_of_(*relation.table);
    if (layout == nullptr) return arrow::Status::NotImplemented("a table is not read by this connection");
    Select select;
    std::vector<std::string> items;
    for (const int index : relation.columns) {
      const auto& column = layout->columns.at(static_cast<std::size_t>(index));
      if (column.value.empty()) {
        return arrow::Status::NotImplemented("column ", column.name, " is looked at value by value when it is read");
      }
      const auto& field = layout->schema->field(index);
      const auto word = column.computed == Comparable::kNone ? std::string_view() : TypeWord(*field->type());
      items.push_back(column.value + " AS " + ColumnName(items.size()));
      select.columns.push_back(
          {.field = field, .word = word, .arrival = {.arriving = column.arriving, .reading = column.reading}});
    }
    select.sql = "SELECT " + (items.empty() ? "1 AS one" : Listed(items, ", ")) + " FROM " + layout->from + where;
    select.rows = layout->rows;
    return select;
  }

  arrow::Result<Select> Filter(const RemoteRelation& relation) {
    const auto& below = relation.inputs.at(0);
    ARROW_ASSIGN_OR_RAISE(
        auto input, below.kind == Kind::kTable ? Table(below, FoundBy(below, relation.conditions)) : Render(below));
    ARROW_ASSIGN_OR_RAISE(const auto conditions,
                          Conditions(relation.conditions, {input.columns, input.columns.size()}));
    input.sql = "SELECT " + Names(input.columns) + " FROM (" + input.sql + ") AS q WHERE " + conditions;
    if (input.rows) input.rows = std::max<std::int64_t>(1, *input.rows / 5);
    return input;
  }

  // Comparisons of bare columns again where the table is read, so that an index is used although values are checked.
  std::string FoundBy(const RemoteRelation& table, const std::vector<RemoteExpression>& conditions) {
    const auto* layout = table.table == nullptr ? nullptr : layout_of_(*table.table);
    if (layout == nullptr) return "";
    std::string where;
    for (const auto& condition : conditions) {
      if (condition.kind != RemoteExpression::Kind::kCall || condition.arguments.size() != 2) continue;
      const auto& column = condition.arguments[0];
      const auto& literal = condition.arguments[1];
      const auto* capability = dialect_.Find(condition.function, TypeWord(*condition.arguments[1].type));
      if (column.kind != RemoteExpression::Kind::kColumn || literal.kind != RemoteExpression::Kind::kLiteral ||
          capability == nullptr || literal.value == nullptr || !literal.value->is_valid) {
        continue;
      }
      const auto& of =
          layout->columns.at(static_cast<std::size_t>(table.columns.at(static_cast<std::size_t>(column.column))));
      const auto& raw = of.compared.empty() ? of.expression : of.compared;
      const auto text = dialect_.Literal(*literal.type, *literal.value);
      if (of.value == raw || of.comparable == Comparable::kNone || !text) continue;
      if (of.comparable == Comparable::kText && condition.function != "=") continue;
      where += (where.empty() ? " WHERE " : " AND ") + With(capability->pattern, {raw, *text});
    }
    return where;
  }

  arrow::Result<Select> Project(const RemoteRelation& relation) {
    ARROW_ASSIGN_OR_RAISE(const auto input, Render(relation.inputs.at(0)));
    Select select{.sql = {}, .columns = {}, .rows = input.rows};
    ARROW_ASSIGN_OR_RAISE(const auto items, Items(relation.expressions, input, select.columns));
    select.sql = "SELECT " + (items.empty() ? "1 AS one" : Listed(items, ", ")) + " FROM (" + input.sql + ") AS q";
    return select;
  }

  arrow::Result<Select> JoinOf(const RemoteRelation& relation) {
    ARROW_ASSIGN_OR_RAISE(auto left, Render(relation.inputs.at(0)));
    ARROW_ASSIGN_OR_RAISE(auto right, Render(relation.inputs.at(1)));
    const auto width = left.columns.size();
    auto columns = left.columns;
    columns.insert(columns.end(), right.columns.begin(), right.columns.end());
    const Scope scope{columns, width};
    const auto from = " FROM (" + left.sql + ") AS q";
    const auto other = "(" + right.sql + ") AS r";
    const auto rows = left.rows && right.rows ? std::optional(std::max(*left.rows, *right.rows)) : std::nullopt;
    if (relation.join == Join::kMark) return Mark(relation, left, scope, other);
    std::string conditions = "TRUE";
    if (!relation.conditions.empty()) {
      ARROW_ASSIGN_OR_RAISE(conditions, Conditions(relation.conditions, scope));
    }
    switch (relation.join) {
      case Join::kSemi:
      case Join::kAnti:
        return Select{.sql = "SELECT " + Names(left.columns) + from + " WHERE " +
                             (relation.join == Join::kAnti ? "NOT " : "") + "EXISTS (SELECT 1 FROM " + other +
                             " WHERE " + conditions + ")",
                      .columns = std::move(left.columns),
                      .rows = left.rows};
      case Join::kCross:
        return Select{.sql = "SELECT " + JoinedNames(scope) + from + " CROSS JOIN " + other,
                      .columns = std::move(columns),
                      .rows = rows};
      default:
        for (std::size_t i = width; relation.join == Join::kLeft && i < columns.size(); ++i) {
          columns[i].field = columns[i].field->WithNullable(true);
        }
        return Select{.sql = "SELECT " + JoinedNames(scope) + from +
                             (relation.join == Join::kLeft ? " LEFT JOIN " : " INNER JOIN ") + other + " ON " +
                             conditions,
                      .columns = std::move(columns),
                      .rows = rows};
    }
  }

  // `x IN (SELECT y …)`, whose partners are told apart by conditions that are never NULL.
  arrow::Result<Select> Mark(const RemoteRelation& relation, const Select& left, const Scope& scope,
                             const std::string& other) {
    std::vector<RemoteExpression> certain;
    const RemoteExpression* equal = nullptr;
    for (const auto& condition : relation.conditions) {
      if (condition.function == "is not distinct from") {
        certain.push_back(condition);
      } else if (condition.function == "=" && equal == nullptr) {
        equal = &condition;
      } else {
        return arrow::Status::NotImplemented("IN or EXISTS with such conditions");
      }
    }
    std::string where;
    if (!certain.empty()) {
      ARROW_ASSIGN_OR_RAISE(const auto conditions, Conditions(certain, scope));
      where = " WHERE " + conditions;
    }
    std::string mark = "EXISTS (SELECT 1 FROM " + other + where + ")";
    if (equal != nullptr) {
      ARROW_RETURN_NOT_OK(Expression(*equal, scope));  // is it one that can be said?
      ARROW_ASSIGN_OR_RAISE(const auto what, Expression(equal->arguments.at(0), scope));
      ARROW_ASSIGN_OR_RAISE(const auto among, Expression(equal->arguments.at(1), scope));
      mark = "(" + what.sql + " IN (SELECT " + among.sql + " FROM " + other + where + "))";
    }
    Select select{.sql = {}, .columns = left.columns, .rows = left.rows};
    const auto names = Names(left.columns);
    select.sql = "SELECT " + (left.columns.empty() ? "" : names + ", ") + mark + " AS " +
                 ColumnName(left.columns.size()) + " FROM (" + left.sql + ") AS q";
    ARROW_ASSIGN_OR_RAISE(auto column, ColumnOf(arrow::boolean()));
    select.columns.push_back(std::move(column));
    return select;
  }

  arrow::Result<Select> Aggregate(const RemoteRelation& relation) {
    ARROW_ASSIGN_OR_RAISE(const auto input, Render(relation.inputs.at(0)));
    Select select;
    ARROW_ASSIGN_OR_RAISE(auto items, Items(relation.expressions, input, select.columns));
    const auto keys = items.size();
    std::vector<std::string> groups;
    for (std::size_t i = 0; i < keys; ++i) {
      if (dialect_.Find("group by", select.columns[i].word) == nullptr) return No("GROUP BY", select.columns[i].word);
      groups.push_back(std::to_string(i + 1));
    }
    const Scope scope{input.columns, input.columns.size()};
    for (const auto& aggregate : relation.aggregates) {
      ARROW_ASSIGN_OR_RAISE(auto item, AggregateItem(aggregate, scope, select.columns));
      items.push_back(std::move(item) + " AS " + ColumnName(items.size()));
    }
    select.sql = "SELECT " + (items.empty() ? "1 AS one" : Listed(items, ", ")) + " FROM (" + input.sql + ") AS q";
    if (!groups.empty()) select.sql += " GROUP BY " + Listed(groups, ", ");
    if (groups.empty()) {
      select.rows = 1;
    } else if (input.rows) {
      select.rows = std::max<std::int64_t>(1, *input.rows / 10);
    }
    return select;
  }

  arrow::Result<std::string> AggregateItem(const RemoteAggregate& aggregate, const Scope& scope,
                                           std::vector<Column>& columns) {
    std::string filter;
    if (!aggregate.conditions.empty()) {
      ARROW_ASSIGN_OR_RAISE(const auto conditions, Conditions(aggregate.conditions, scope));
      filter = " FILTER (WHERE " + conditions + ")";
    }
    if (aggregate.function == "count_star") {
      ARROW_ASSIGN_OR_RAISE(auto column, ColumnOf(arrow::int64()));
      columns.push_back(std::move(column));
      return "count(*)" + filter;
    }
    if (aggregate.arguments.size() != 1) return No(aggregate.function, "");
    const auto construct = aggregate.function + (aggregate.distinct ? " distinct" : "");
    if (aggregate.function == "count" && !aggregate.distinct && IsPresence(aggregate.arguments[0], scope)) {
      ARROW_ASSIGN_OR_RAISE(auto column, ColumnOf(arrow::int64()));
      columns.push_back(std::move(column));
      return "count(" + NameIn(scope, aggregate.arguments[0].column) + ")" + filter;
    }
    ARROW_ASSIGN_OR_RAISE(const auto argument, Expression(aggregate.arguments[0], scope));
    const auto* capability = dialect_.Find(construct, argument.word);
    if (capability == nullptr || aggregate.type == nullptr) return No(construct, argument.word);
    // The engine's sums are allowed more digits than their type says; those of so few digits do not come to that.
    if (construct == "sum" && argument.word == "decimal" &&
        static_cast<const arrow::Decimal128Type&>(*argument.type).precision() > kSummedDigitsMax) {
      return No("sum", "decimals of so many digits");
    }
    const bool ordered = construct == "min" || construct == "max";
    auto sql =
        With(capability->pattern, {ordered ? dialect_.Ordered(argument.sql, argument.word) : argument.sql, filter});
    if (ordered && !argument.type->Equals(*aggregate.type)) return No(construct, argument.word);
    ARROW_ASSIGN_OR_RAISE(auto column, ColumnOf(aggregate.type));
    if (construct != "sum") {
      columns.push_back(std::move(column));
      return sql;
    }
    if (const auto arrival = dialect_.SumArrival(argument.word)) {
      column.word = {};
      column.arrival = *arrival;
    } else {
      sql = dialect_.Typed(sql, *column.field->type());
    }
    columns.push_back(std::move(column));
    return sql;
  }

  arrow::Result<Select> Distinct(const RemoteRelation& relation) {
    ARROW_ASSIGN_OR_RAISE(auto input, Render(relation.inputs.at(0)));
    for (const auto& column : input.columns) {
      if (dialect_.Find("group by", column.word) == nullptr) return No("DISTINCT", column.word);
    }
    if (input.columns.empty()) return arrow::Status::NotImplemented("DISTINCT without columns");
    input.sql = "SELECT DISTINCT " + Names(input.columns) + " FROM (" + input.sql + ") AS q";
    if (input.rows) input.rows = std::max<std::int64_t>(1, *input.rows / 10);
    return input;
  }

  arrow::Result<Select> UnionAll(const RemoteRelation& relation) {
    ARROW_ASSIGN_OR_RAISE(auto first, Render(relation.inputs.at(0)));
    ARROW_ASSIGN_OR_RAISE(const auto second, Render(relation.inputs.at(1)));
    if (first.columns.empty() || first.columns.size() != second.columns.size()) {
      return arrow::Status::NotImplemented("UNION ALL of different columns");
    }
    for (std::size_t i = 0; i < first.columns.size(); ++i) {
      const auto& one = first.columns[i];
      const auto& other = second.columns[i];
      if (one.word.empty() || one.word != other.word || !one.field->type()->Equals(*other.field->type())) {
        return No("UNION ALL", one.word);
      }
      first.columns[i].field = one.field->WithNullable(one.field->nullable() || other.field->nullable());
    }
    first.sql = "SELECT " + Names(first.columns) + " FROM (" + first.sql + ") AS q UNION ALL SELECT " +
                Names(second.columns) + " FROM (" + second.sql + ") AS q";
    if (first.rows && second.rows) first.rows = *first.rows + *second.rows;
    return first;
  }

  arrow::Result<Select> Top(const RemoteRelation& relation) {
    ARROW_ASSIGN_OR_RAISE(auto input, Render(relation.inputs.at(0)));
    const Scope scope{input.columns, input.columns.size()};
    std::vector<std::string> terms;
    for (const auto& order : relation.order) {
      ARROW_ASSIGN_OR_RAISE(const auto by, Expression(order.by, scope));
      if (dialect_.Find("order by", by.word) == nullptr) return No("ORDER BY", by.word);
      // A number alone would be a column's place.
      if (order.by.kind == RemoteExpression::Kind::kLiteral) continue;
      terms.push_back(dialect_.Ordered(by.sql, by.word) + (order.descending ? " DESC" : " ASC") +
                      (order.nulls_first ? " NULLS FIRST" : " NULLS LAST"));
    }
    input.sql = "SELECT " + (input.columns.empty() ? "1 AS one" : Names(input.columns)) + " FROM (" + input.sql +
                ") AS q" + (terms.empty() ? "" : " ORDER BY " + Listed(terms, ", ")) + " LIMIT " +
                std::to_string(relation.rows_max);
    input.rows = std::min(input.rows.value_or(relation.rows_max), relation.rows_max);
    return input;
  }

  // ---- columns

  static std::string Names(const std::vector<Column>& columns) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < columns.size(); ++i) names.push_back("q." + ColumnName(i) + " AS " + ColumnName(i));
    return names.empty() ? "1 AS one" : Listed(names, ", ");
  }

  static std::string JoinedNames(const Scope& scope) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < scope.columns.size(); ++i) {
      names.push_back(NameIn(scope, static_cast<int>(i)) + " AS " + ColumnName(i));
    }
    return names.empty() ? "1 AS one" : Listed(names, ", ");
  }

  arrow::Result<Column> ColumnOf(const std::shared_ptr<arrow::DataType>& type) {
    const auto word = TypeWord(*type);
    if (word.empty()) return arrow::Status::NotImplemented("values of type ", type->ToString());
    auto field = arrow::field("column", type);
    if (word == "uuid") {
      field = arrow::field(
          "column", type, true,
          arrow::key_value_metadata({{"ARROW:extension:name", "arrow.uuid"}, {"ARROW:extension:metadata", ""}}));
    }
    return Column{.field = std::move(field), .word = word, .arrival = dialect_.ArrivalOf(type)};
  }

  arrow::Result<std::vector<std::string>> Items(const std::vector<RemoteExpression>& expressions, const Select& input,
                                                std::vector<Column>& columns) {
    const Scope scope{input.columns, input.columns.size()};
    std::vector<std::string> items;
    for (const auto& expression : expressions) {
      const auto name = " AS " + ColumnName(items.size());
      if (expression.kind == RemoteExpression::Kind::kColumn) {
        columns.push_back(input.columns.at(static_cast<std::size_t>(expression.column)));
        items.push_back(NameIn(scope, expression.column) + name);
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(const auto value, Expression(expression, scope));
      ARROW_ASSIGN_OR_RAISE(auto column, ColumnOf(value.type));
      columns.push_back(std::move(column));
      items.push_back(dialect_.Typed(value.sql, *value.type) + name);
    }
    return items;
  }

  // ---- expressions

  // A column of which it is certain whether it has a value, whatever that is.
  static bool IsPresence(const RemoteExpression& expression, const Scope& scope) {
    return expression.kind == RemoteExpression::Kind::kColumn &&
           scope.columns.at(static_cast<std::size_t>(expression.column)).arrival.reading != Reading::kTimeText;
  }

  arrow::Result<std::string> Conditions(const std::vector<RemoteExpression>& conditions, const Scope& scope) {
    std::vector<std::string> parts;
    for (const auto& condition : conditions) {
      ARROW_ASSIGN_OR_RAISE(auto value, Expression(condition, scope));
      if (value.word != "boolean") return No("a condition", value.word);
      parts.push_back(std::move(value.sql));
    }
    return Listed(parts, " AND ");
  }

  arrow::Result<Value> Expression(const RemoteExpression& expression, const Scope& scope) {
    switch (expression.kind) {
      case RemoteExpression::Kind::kColumn: {
        const auto& column = scope.columns.at(static_cast<std::size_t>(expression.column));
        if (column.word.empty()) {
          return arrow::Status::NotImplemented("values of column ", column.field->name(), " (",
                                               column.field->type()->ToString(), ") are only handed on");
        }
        return Value{.sql = NameIn(scope, expression.column), .type = column.field->type(), .word = column.word};
      }
      case RemoteExpression::Kind::kLiteral:
        return Literal(expression);
      case RemoteExpression::Kind::kCall:
        return Call(expression, scope);
    }
    return arrow::Status::NotImplemented("no such expression");
  }

  arrow::Result<Value> Literal(const RemoteExpression& expression) {
    const auto word = expression.type == nullptr ? std::string_view() : TypeWord(*expression.type);
    if (word.empty() || expression.value == nullptr || dialect_.Find("literal", word) == nullptr) {
      return No("a constant", word);
    }
    if (!expression.value->is_valid) {
      return Value{.sql = dialect_.Typed("NULL", *expression.type), .type = expression.type, .word = word};
    }
    auto sql = dialect_.Literal(*expression.type, *expression.value);
    if (!sql) return arrow::Status::NotImplemented("the constant ", expression.value->ToString().substr(0, 60));
    return Value{.sql = *std::move(sql), .type = expression.type, .word = word};
  }

  arrow::Result<Value> Call(const RemoteExpression& call, const Scope& scope) {
    if (call.type == nullptr) return No(call.function, "");
    if ((call.function == "is null" || call.function == "is not null") && IsPresence(call.arguments.at(0), scope)) {
      return Value{.sql = "(" + NameIn(scope, call.arguments[0].column) +
                          (call.function == "is null" ? " IS NULL)" : " IS NOT NULL)"),
                   .type = arrow::boolean(),
                   .word = "boolean"};
    }
    std::vector<Value> arguments;
    std::vector<std::string> texts;
    for (const auto& argument : call.arguments) {
      ARROW_ASSIGN_OR_RAISE(auto value, Expression(argument, scope));
      texts.push_back(value.sql);
      arguments.push_back(std::move(value));
    }
    if (arguments.empty()) return No(call.function, "");
    Value value{.sql = {}, .type = call.type, .word = TypeWord(*call.type)};
    if (value.word.empty()) return No(call.function, arguments[0].word);
    if (call.function == "cast") {
      if (!dialect_.Casts(*arguments[0].type, *call.type)) {
        return arrow::Status::NotImplemented("a cast of ", arguments[0].type->ToString(), " to ",
                                             call.type->ToString());
      }
      value.sql = dialect_.Typed(texts[0], *value.type);
      return value;
    }
    if (call.function == "case") return Case(std::move(value), arguments, texts);
    if (call.function == "date_trunc" || call.function == "date_part")
      return TimePart(call, std::move(value), texts, arguments);
    const auto* capability = dialect_.Find(call.function, arguments[0].word);
    if (capability == nullptr) return No(call.function, arguments[0].word);
    const bool alike =
        std::ranges::all_of(arguments, [&](const auto& other) { return other.word == arguments[0].word; });
    if (!alike) return No(call.function, "values of several types");
    if (call.function == "and" || call.function == "or") {
      value.sql = "(" + Listed(texts, call.function == "and" ? " AND " : " OR ") + ")";
    } else if (call.function == "in") {
      value.sql = "(" + texts[0] + " IN (" + Listed({texts.begin() + 1, texts.end()}, ", ") + "))";
    } else if (call.function == "coalesce") {
      if (!call.type->Equals(*arguments[0].type) || texts.size() < 2) return No(call.function, arguments[0].word);
      value.sql = "COALESCE(" + Listed(texts, ", ") + ")";
    } else {
      if (ArgumentsOf(capability->pattern) != texts.size()) {
        return No(call.function + " with " + std::to_string(texts.size()) + " arguments", arguments[0].word);
      }
      if (call.function.find_first_of("<>") != std::string::npos && call.function != "<>") {
        texts[0] = dialect_.Ordered(texts[0], arguments[0].word);
      }
      if (call.function.ends_with("~~") && call.arguments.at(1).kind != RemoteExpression::Kind::kLiteral) {
        return No("LIKE", "patterns that are no constants");
      }
      value.sql = With(capability->pattern, texts);
    }
    return value;
  }

  arrow::Result<Value> Case(Value value, const std::vector<Value>& arguments, const std::vector<std::string>& texts) {
    if (dialect_.Find("case", value.word) == nullptr) return No("CASE", value.word);
    value.sql = "(CASE";
    for (std::size_t i = 0; i + 1 < texts.size(); i += 2) {
      if (arguments[i].word != "boolean" || !arguments[i + 1].type->Equals(*value.type)) return No("CASE", value.word);
      value.sql += " WHEN " + texts[i] + " THEN " + texts[i + 1];
    }
    if (texts.size() % 2 != 1 || !arguments.back().type->Equals(*value.type)) return No("CASE", value.word);
    value.sql += " ELSE " + texts.back() + " END)";
    return value;
  }

  // date_trunc('hour', time), date_part('year', time)
  arrow::Result<Value> TimePart(const RemoteExpression& call, Value value, const std::vector<std::string>& texts,
                                const std::vector<Value>& arguments) {
    if (call.arguments.size() != 2 || call.arguments[0].kind != RemoteExpression::Kind::kLiteral ||
        call.arguments[0].value == nullptr || !call.arguments[0].value->is_valid) {
      return No(call.function, "");
    }
    const auto construct = call.function + " " + call.arguments[0].value->ToString();
    const auto* capability = dialect_.Find(construct, arguments[1].word);
    const bool same_kind = call.function == "date_part" ? value.word == "int64" : value.word == arguments[1].word;
    if (capability == nullptr || !same_kind) return No(construct, arguments[1].word);
    value.sql = With(capability->pattern, {texts[1]});
    return value;
  }

  const QueryDialect& dialect_;
  const LayoutOf& layout_of_;
};

}  // namespace

std::string_view TypeWord(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
      return "boolean";
    case arrow::Type::INT8:
      return "int8";
    case arrow::Type::INT16:
      return "int16";
    case arrow::Type::INT32:
      return "int32";
    case arrow::Type::INT64:
      return "int64";
    case arrow::Type::UINT8:
      return "uint8";
    case arrow::Type::UINT16:
      return "uint16";
    case arrow::Type::UINT32:
      return "uint32";
    case arrow::Type::UINT64:
      return "uint64";
    case arrow::Type::FLOAT:
      return "float";
    case arrow::Type::DOUBLE:
      return "double";
    case arrow::Type::DECIMAL128:
      return "decimal";
    case arrow::Type::STRING:
      return "text";
    case arrow::Type::DATE32:
      return "date";
    case arrow::Type::TIME64:
      return static_cast<const arrow::Time64Type&>(type).unit() == arrow::TimeUnit::MICRO ? "time" : "";
    case arrow::Type::TIMESTAMP: {
      const auto& timestamp = static_cast<const arrow::TimestampType&>(type);
      if (timestamp.unit() != arrow::TimeUnit::MICRO) return "";
      return timestamp.timezone().empty() ? "timestamp" : "timestamptz";
    }
    case arrow::Type::FIXED_SIZE_BINARY:
      return static_cast<const arrow::FixedSizeBinaryType&>(type).byte_width() == 16 ? "uuid" : "";
    default:
      return "";
  }
}

Comparable ComparableOf(std::string_view word) {
  static constexpr std::array<std::pair<std::string_view, Comparable>, 18> kOf = {{
      {"boolean", Comparable::kBoolean},
      {"int8", Comparable::kInteger},
      {"int16", Comparable::kInteger},
      {"int32", Comparable::kInteger},
      {"int64", Comparable::kInteger},
      {"uint8", Comparable::kInteger},
      {"uint16", Comparable::kInteger},
      {"uint32", Comparable::kInteger},
      {"uint64", Comparable::kInteger},
      {"float", Comparable::kFloat},
      {"double", Comparable::kDouble},
      {"decimal", Comparable::kDecimal},
      {"text", Comparable::kText},
      {"date", Comparable::kDate},
      {"time", Comparable::kTime},
      {"timestamp", Comparable::kTimestamp},
      {"timestamptz", Comparable::kTimestampTz},
      {"uuid", Comparable::kUuid},
  }};
  const auto* found = std::ranges::find(kOf, word, &std::pair<std::string_view, Comparable>::first);
  return found == kOf.end() ? Comparable::kNone : found->second;
}

const Capability* QueryDialect::Find(std::string_view construct, std::string_view word) const {
  if (word.empty()) return nullptr;
  for (const auto& capability : capabilities()) {
    if (capability.construct != construct) continue;
    for (auto types = capability.types; !types.empty();) {
      const auto end = std::min(types.find(' '), types.size());
      if (types.substr(0, end) == word) return &capability;
      types.remove_prefix(std::min(end + 1, types.size()));
    }
  }
  return nullptr;
}

arrow::Result<TableLayout> LayoutOfQuery(const QueryDialect& dialect, const RemoteRelation& query,
                                         const LayoutOf& layout_of) {
  ARROW_ASSIGN_OR_RAISE(const auto select, Renderer(dialect, layout_of).Render(query));
  TableLayout layout;
  arrow::FieldVector fields;
  for (std::size_t i = 0; i < select.columns.size(); ++i) {
    const auto& column = select.columns[i];
    auto selected = dialect.Selected("q." + ColumnName(i), column.arrival);
    selected.name = column.field->name();
    selected.comparable = ComparableOf(column.word);
    selected.compared = "q." + ColumnName(i);
    fields.push_back(column.field->WithName(ColumnName(i)));
    layout.columns.push_back(std::move(selected));
  }
  layout.schema = arrow::schema(std::move(fields));
  layout.from = "(" + select.sql + ") AS q";
  layout.rows = select.rows;
  layout.types_come_with_rows = dialect.types_come_with_rows();
  return layout;
}

}  // namespace hyprstream::backend
