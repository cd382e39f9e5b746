#include "fuzz/random_query.h"

#include <algorithm>

#include "core/table_ref.h"

namespace hyprstream::fuzz {
namespace {

std::string Replaced(std::string text, const std::string& what, const std::string& by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

bool IsKey(ColumnKind kind) { return kind != ColumnKind::kFloat && kind != ColumnKind::kOther; }

}  // namespace

QueryMaker::Scope QueryMaker::ScopeOf(const RandomTable& table, const std::string& alias) const {
  Scope scope;
  for (const auto& column : table.columns) scope.push_back({.name = alias + "." + column.name, .column = &column});
  return scope;
}

const QueryMaker::Scoped* QueryMaker::AnyOf(const Scope& scope, ColumnKind kind) {
  std::vector<const Scoped*> found;
  for (const auto& scoped : scope) {
    if (scoped.column->kind == kind) found.push_back(&scoped);
  }
  return found.empty() ? nullptr : random_.Pick(found);
}

std::string QueryMaker::Literal(const RandomColumn& column) {
  if (random_.Chance(3)) return "NULL";
  return Replaced(column.literal, "$", QuoteLiteral(random_.Pick(column.values)));
}

std::string QueryMaker::TextCondition(const std::string& text, const RandomColumn& column) {
  const auto part = random_.Pick(column.values);
  switch (random_.Below(8)) {
    case 0:
      return text + (random_.Chance(20) ? " NOT" : "") + " LIKE " +
             QuoteLiteral(random_.Text({"a%", "%b", "_%", "%", "", "A_", "%\\%", "%é%", "ab__", "%'%"}));
    case 1:
      return "starts_with(" + text + ", " + QuoteLiteral(part.substr(0, std::min<std::size_t>(part.size(), 1))) + ")";
    case 2:
      return "contains(" + text + ", " + QuoteLiteral(random_.Text({"a", "", "B", "%", "é"})) + ")";
    case 3:
      return "length(" + text + ") > " + std::to_string(random_.Below(4));
    case 4:
      return random_.Text({"lower(", "upper(", "trim("}) + text + ") = " + QuoteLiteral(part);
    case 5:
      return "ends_with(" + text + ", " + QuoteLiteral(random_.Text({"a", "", "B", "b", "%"})) + ")";
    case 6:
      return text + " LIKE " + QuoteLiteral(random_.Text({"%b", "%B", "%a%", "a%b", "\\%"}));
    default:
      return "strlen(" + text + ") <= " + std::to_string(random_.Below(5));
  }
}

std::string QueryMaker::Comparison(const Scope& scope) {
  const auto& [name, column] = Any(scope);
  if (column->kind == ColumnKind::kOther || random_.Chance(10)) {
    return name + (random_.Chance(50) ? " IS NULL" : " IS NOT NULL");
  }
  if (column->kind == ColumnKind::kBoolean && random_.Chance(40)) return name;
  if (column->kind == ColumnKind::kText && random_.Chance(40)) return TextCondition(name, *column);
  const auto op =
      random_.Text({" = ", " <> ", " < ", " <= ", " > ", " >= ", " IS DISTINCT FROM ", " IS NOT DISTINCT FROM "});
  switch (random_.Below(6)) {
    case 0: {
      const auto* other = AnyOf(scope, column->kind);
      return name + op + other->name;
    }
    case 1:
      return name + (random_.Chance(30) ? " NOT" : "") + " IN (" + Literal(*column) + ", " + Literal(*column) + ", " +
             Literal(*column) + ")";
    case 2:
      return name + " BETWEEN " + Literal(*column) + " AND " + Literal(*column);
    case 3:
      if (column->kind == ColumnKind::kInteger || column->kind == ColumnKind::kDecimal) {
        return name + op + random_.Text({"1", "2.5", "-1", "100000", "3000000000", "1e2"});
      }
      [[fallthrough]];
    default:
      return name + op + Literal(*column);
  }
}

std::string QueryMaker::Condition(const Scope& scope, int depth) {
  if (depth > 0 && random_.Chance(45)) {
    const auto left = Condition(scope, depth - 1);
    const auto right = Condition(scope, depth - 1);
    return "(" + left + (random_.Chance(50) ? " AND " : " OR ") + right + ")";
  }
  if (depth > 0 && random_.Chance(12)) return "NOT (" + Condition(scope, depth - 1) + ")";
  if (depth > 0 && random_.Chance(8)) {
    return "CASE WHEN " + Condition(scope, 0) + " THEN " + Condition(scope, 0) + " ELSE " + Condition(scope, 0) +
           " END";
  }
  return Comparison(scope);
}

std::string QueryMaker::Equality(const Scope& left, const Scope& right) {
  for (int attempt = 0; attempt < 20; ++attempt) {
    const auto& one = Any(left);
    if (one.column->kind == ColumnKind::kOther) continue;
    const auto* other = AnyOf(right, one.column->kind);
    if (other == nullptr) continue;
    return one.name + (random_.Chance(85) ? " = " : random_.Text({" < ", " IS NOT DISTINCT FROM ", " >= "})) +
           other->name;
  }
  return Any(left).name + " IS NULL OR " + Any(right).name + " IS NULL";
}

std::string QueryMaker::Subquery(const Scope& scope) {
  const auto& table = random_.Pick(tables_);
  const auto alias = NewAlias();
  const auto inner = ScopeOf(table, alias);
  const auto from = "{" + table.name + "} " + alias;
  if (random_.Chance(60)) {
    const auto& outer = Any(scope);
    const auto* column = outer.column->kind == ColumnKind::kOther ? nullptr : AnyOf(inner, outer.column->kind);
    if (column != nullptr) {
      return outer.name + (random_.Chance(40) ? " NOT" : "") + " IN (SELECT " + column->name + " FROM " + from +
             (random_.Chance(60) ? " WHERE " + Condition(inner, 1) : "") + ")";
    }
  }
  return std::string(random_.Chance(40) ? "NOT " : "") + "EXISTS (SELECT " + inner[0].name + " FROM " + from +
         " WHERE " + Equality(scope, inner) + (random_.Chance(40) ? " AND " + Condition(inner, 1) : "") + ")";
}

QueryMaker::From QueryMaker::MakeJoin() {
  const auto& first = random_.Pick(tables_);
  const auto alias = NewAlias();
  From from{.sql = "{" + first.name + "} " + alias, .scope = ScopeOf(first, alias)};
  const auto more = 1 + random_.Below(2);
  for (std::int64_t i = 0; i < more; ++i) {
    const auto& table = random_.Pick(tables_);
    const auto other = NewAlias();
    const auto scope = ScopeOf(table, other);
    const auto word = random_.Text({" JOIN ", " JOIN ", " LEFT JOIN ", " SEMI JOIN ", " ANTI JOIN ", " RIGHT JOIN "});
    std::string on = Equality(from.scope, scope);
    if (random_.Chance(30)) on += " AND " + Equality(from.scope, scope);
    if (random_.Chance(15)) {
      auto both = from.scope;
      both.insert(both.end(), scope.begin(), scope.end());
      on += " AND " + Comparison(both);
    }
    from.sql += word + "{" + table.name + "} " + other + " ON " + on;
    if (word != " SEMI JOIN " && word != " ANTI JOIN ") {
      from.scope.insert(from.scope.end(), scope.begin(), scope.end());
    }
  }
  return from;
}

QueryMaker::From QueryMaker::MakeFrom() {
  if (random_.Chance(45)) return MakeJoin();
  const auto& table = random_.Pick(tables_);
  const auto alias = NewAlias();
  return {.sql = "{" + table.name + "} " + alias, .scope = ScopeOf(table, alias)};
}

std::string QueryMaker::MakeWhere(const Scope& scope) {
  std::string where;
  if (random_.Chance(65)) where = " WHERE " + Condition(scope, 2);
  if (random_.Chance(20)) where += (where.empty() ? " WHERE " : " AND ") + Subquery(scope);
  return where;
}

std::string QueryMaker::Value(const Scope& scope) {
  const auto& [name, column] = Any(scope);
  if (random_.Chance(70)) return name;
  const auto* other = AnyOf(scope, column->kind);
  switch (random_.Below(8)) {
    case 0:
      return "coalesce(" + name + ", " + other->name + ")";
    case 1:
      return "CASE WHEN " + Condition(scope, 1) + " THEN " + name + " ELSE " + other->name + " END";
    case 2:
      return "(" + Condition(scope, 0) + ")";
    case 3:
      return name + " IS NULL";
    case 4:
      if (column->kind == ColumnKind::kInteger) return random_.Chance(50) ? name + "::BIGINT" : name + "::DOUBLE";
      return name;
    case 5:
      if (column->kind == ColumnKind::kText) return random_.Chance(50) ? "length(" + name + ")" : "upper(" + name + ")";
      if (column->kind == ColumnKind::kInteger || column->kind == ColumnKind::kBoolean ||
          column->kind == ColumnKind::kUuid || column->kind == ColumnKind::kDate) {
        return name + "::VARCHAR";
      }
      return name;
    case 6:
      return column->kind == ColumnKind::kOther ? "1" : Literal(*column);
    default:
      return Key(scope);
  }
}

std::string QueryMaker::Key(const Scope& scope) {
  for (int attempt = 0; attempt < 20; ++attempt) {
    const auto& [name, column] = Any(scope);
    if (!IsKey(column->kind)) continue;
    if (column->kind == ColumnKind::kTimestamp && random_.Chance(60)) {
      return random_.Chance(50)
                 ? "date_trunc('" +
                       random_.Text({"second", "minute", "hour", "day", "week", "month", "quarter", "year"}) + "', " +
                       name + ")"
                 : "extract(" + random_.Text({"year", "month", "day", "hour", "minute", "second", "quarter", "dow"}) +
                       " FROM " + name + ")";
    }
    if (column->kind == ColumnKind::kDate && random_.Chance(50)) {
      return random_.Text({"year(", "month(", "day(", "quarter(", "dayofweek("}) + name + ")";
    }
    if (random_.Chance(10)) return "CASE WHEN " + Condition(scope, 0) + " THEN 'x' ELSE 'y' END";
    return name;
  }
  return "1";
}

std::string QueryMaker::Aggregate(const Scope& scope) {
  const auto filter = random_.Chance(12) ? " FILTER (WHERE " + Condition(scope, 1) + ")" : std::string();
  const auto& [name, column] = Any(scope);
  const bool number = column->kind == ColumnKind::kInteger || column->kind == ColumnKind::kDecimal;
  if (column->kind == ColumnKind::kBoolean && random_.Chance(40)) {
    return random_.Text({"bool_and(", "bool_or("}) + name + ")" + filter;
  }
  switch (random_.Below(7)) {
    case 0:
      return "count(*)" + filter;
    case 1:
      return "count(" + name + ")" + filter;
    case 2:
      return IsKey(column->kind) ? "count(DISTINCT " + name + ")" + filter : "count(*)";
    case 3:
      return number ? "sum(" + name + ")" + filter : "count(*)" + filter;
    case 4:
      // Not avg(): how DuckDB divides depends on the rest of the plan.
      return number ? "sum(" + name + ") / count(" + name + ")" : "count(" + name + ")";
    case 5:
      return column->kind == ColumnKind::kOther ? "count(*)" : "min(" + name + ")" + filter;
    default:
      return column->kind == ColumnKind::kOther ? "count(*)" : "max(" + name + ")" + filter;
  }
}

std::string QueryMaker::MakeEnd(int columns) {
  std::string order;
  if (!random_.Chance(35)) return order;
  std::vector<int> all;
  for (int i = 1; i <= columns; ++i) all.push_back(i);
  for (std::size_t i = all.size(); i > 1; --i) {
    std::swap(all[i - 1], all[static_cast<std::size_t>(random_.Below(static_cast<std::int64_t>(i)))]);
  }
  for (const int column : all) {
    order += (order.empty() ? " ORDER BY " : ", ") + std::to_string(column) + random_.Text({"", " ASC", " DESC"}) +
             random_.Text({"", " NULLS FIRST", " NULLS LAST"});
  }
  if (random_.Chance(80)) order += " LIMIT " + std::to_string(random_.Below(12));
  if (random_.Chance(25)) order += " OFFSET " + std::to_string(random_.Below(5));
  return order;
}

std::string QueryMaker::MakePlain() {
  const auto from = MakeFrom();
  const auto columns = static_cast<int>(1 + random_.Below(4));
  std::string items;
  for (int i = 0; i < columns; ++i) items += (i == 0 ? "" : ", ") + Value(from.scope) + " AS o" + std::to_string(i);
  return std::string("SELECT ") + (random_.Chance(15) ? "DISTINCT " : "") + items + " FROM " + from.sql +
         MakeWhere(from.scope) + MakeEnd(columns);
}

std::string QueryMaker::MakeRead() {
  const auto& table = random_.Pick(tables_);
  const auto scope = ScopeOf(table, table.name);
  std::string sql = "SELECT ";
  const auto columns = 1 + random_.Below(4);
  for (std::int64_t i = 0; i < columns; ++i) {
    sql += (i == 0 ? "" : ", ") + Any(scope).column->name + " AS o" + std::to_string(i);
  }
  sql += " FROM {" + table.name + "}";
  const auto conditions = random_.Below(4);
  for (std::int64_t i = 0; i < conditions; ++i) {
    const auto& column = *Any(scope).column;
    sql += i == 0 ? " WHERE " : " AND ";
    if (column.kind == ColumnKind::kOther || random_.Chance(15)) {
      sql += column.name + " IS NULL";
    } else if (random_.Chance(20)) {
      sql += column.name + " IN (" + Literal(column) + ", " + Literal(column) + random_.Text({")", ", NULL)"});
    } else if (random_.Chance(20)) {
      sql += column.name + " BETWEEN " + Literal(column) + " AND " + Literal(column);
    } else {
      sql += column.name + random_.Text({" = ", " = ", " < ", " <= ", " > ", " >= ", " IS NOT DISTINCT FROM "}) +
             Literal(column);
    }
  }
  return sql;
}

std::string QueryMaker::MakeAggregate() {
  const auto from = MakeFrom();
  const auto keys = static_cast<int>(random_.Below(3));
  const auto aggregates = static_cast<int>(1 + random_.Below(3));
  std::string items;
  std::string groups;
  for (int i = 0; i < keys; ++i) {
    items += (items.empty() ? "" : ", ") + Key(from.scope) + " AS o" + std::to_string(i);
    groups += (groups.empty() ? " GROUP BY " : ", ") + std::to_string(i + 1);
  }
  for (int i = keys; i < keys + aggregates; ++i) {
    items += (items.empty() ? "" : ", ") + Aggregate(from.scope) + " AS o" + std::to_string(i);
  }
  std::string having;
  if (random_.Chance(20)) having = " HAVING " + Aggregate(from.scope) + " IS NOT NULL";
  if (random_.Chance(20)) having = " HAVING count(*) > " + std::to_string(random_.Below(3));
  return "SELECT " + items + " FROM " + from.sql + MakeWhere(from.scope) + groups + having + MakeEnd(keys + aggregates);
}

std::string QueryMaker::MakeUnion() {
  const auto& table = random_.Pick(tables_);
  const auto one = NewAlias();
  const auto other = NewAlias();
  const auto& first = Any(ScopeOf(table, one));
  const auto& second = Any(ScopeOf(table, one));
  const auto part = [&](const std::string& alias) {
    return "SELECT " + alias + "." + first.column->name + " AS o0, " + alias + "." + second.column->name +
           " AS o1 FROM {" + table.name + "} " + alias + MakeWhere(ScopeOf(table, alias));
  };
  const auto both = part(one) + " UNION ALL " + part(other);
  if (random_.Chance(50)) return both;
  return "SELECT count(*), min(o0 IS NULL) FROM (" + both + ") u";
}

std::string QueryMaker::MakeNested() {
  const auto inner = random_.Chance(50) ? MakeAggregate() : MakePlain();
  if (random_.Chance(50)) return "SELECT count(*), count(o0) FROM (" + inner + ") n";
  return "SELECT o0, count(*) FROM (" + inner + ") n GROUP BY o0";
}

std::string QueryMaker::Make() {
  switch (random_.Below(10)) {
    case 0:
      return MakeUnion();
    case 1:
      return MakeNested();
    case 2:
    case 3:
    case 4:
      return MakeAggregate();
    case 5:
    case 6:
      return MakeRead();
    default:
      return MakePlain();
  }
}

}  // namespace hyprstream::fuzz
