#include "fuzz/random_look_up.h"

#include <array>
#include <cstdio>
#include <vector>

namespace hyprstream::fuzz {

namespace {

class LookUp {
 public:
  LookUp(Random& random, const Columns& columns, const Rows& rows) : random_(random), columns_(columns), rows_(rows) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const auto& [name, type] = columns[i];
      const bool is_float = type == "FLOAT" || type == "DOUBLE" || CellCount(type) > 1;
      if (!is_float || name.front() != 'a') usable_.push_back(i);
      cells_.push_back(i == 0 ? 0 : cells_.back() + CellCount(columns[i - 1].second));
    }
  }

  std::string Make() {
    if (usable_.empty() || rows_.empty()) return "";
    row_ = static_cast<std::size_t>(random_.Below(static_cast<std::int64_t>(rows_.size())));
    // Every key of one row, as a look-up of it would have.
    if (random_.Chance(30)) {
      std::string all;
      for (const auto column : usable_) {
        if (columns_[column].first.front() == 'a') continue;
        all += (all.empty() ? "" : " AND ") + Name(column) + " IS NOT DISTINCT FROM " + Value(row_, column);
      }
      if (!all.empty()) return all;
    }
    auto sql = Condition(random_.Pick(usable_));
    for (auto more = random_.Below(3); more > 0; --more) {
      sql += (random_.Chance(85) ? " AND " : " OR ") + Condition(random_.Pick(usable_));
    }
    return sql;
  }

 private:
  static bool IsNested(const std::string& type) {
    return type.ends_with("]") || type.starts_with("STRUCT") || type.starts_with("MAP") || type.starts_with("UNION");
  }
  std::string Name(std::size_t column) const { return "\"" + columns_[column].first + "\""; }

  std::string Value(std::size_t row, std::size_t column) const {
    const auto& cell = rows_[row][cells_[column]];
    std::string text;
    if (cell.number.has_value()) {
      std::array<char, 40> number{};
      std::snprintf(number.data(), number.size(), "%.17g", *cell.number);
      text = number.data();
    } else if (cell.text.has_value()) {
      for (const char c : *cell.text) text += c == '\'' ? std::string("''") : std::string(1, c);
    } else {
      return "CAST(NULL AS " + columns_[column].second + ")";
    }
    return "CAST('" + text + "' AS " + columns_[column].second + ")";
  }
  // Of the row that all conditions are about, or of another.
  std::string Value(std::size_t column) {
    if (random_.Chance(60)) return Value(row_, column);
    return Value(static_cast<std::size_t>(random_.Below(static_cast<std::int64_t>(rows_.size()))), column);
  }

  std::string Condition(std::size_t column) {
    const auto name = Name(column);
    switch (random_.Below(10)) {
      case 0:
        return name + " IS NULL";
      case 1:
        return name + " IN (" + Value(column) + ", " + Value(column) + ", " + Value(column) + ")";
      case 2:
        if (IsNested(columns_[column].second)) return name + " IS NOT NULL";  // DuckDB has none
        return name + " BETWEEN " + Value(column) + " AND " + Value(column);
      case 3:
        return Value(column) + random_.Text({" < ", " = ", " >= "}) + name;
      case 4:
        return name + " IS NOT DISTINCT FROM " + Value(column);
      case 5:
        return Cast(column);
      default:
        return name + random_.Text({" = ", " = ", " = ", " < ", " <= ", " > ", " >= ", " <> "}) + Value(column);
    }
  }

  // A time as another kind of time.
  std::string Cast(std::size_t column) {
    const auto& type = columns_[column].second;
    const bool is_time = (type.starts_with("TIMESTAMP") && !IsNested(type)) || type == "DATE";
    if (!is_time) return Name(column) + " IS NOT NULL";
    const auto other = random_.Text({"DATE", "TIMESTAMP", "TIMESTAMPTZ"});
    return Name(column) + "::" + other + random_.Text({" = ", " < ", " <= ", " > ", " >= "}) + Value(column) +
           "::" + other;
  }

  Random& random_;
  const Columns& columns_;
  const Rows& rows_;
  std::vector<std::size_t> usable_;
  std::vector<std::size_t> cells_;  // where in a row each column is
  std::size_t row_ = 0;
};

std::string SameValue(Random& random, const std::string& column) {
  switch (random.Below(6)) {
    case 0:
      return column;
    case 1:
      return "CASE WHEN " + column + " IS NOT NULL THEN " + column + " END";
    case 2:
      return "[" + column + "][1]";
    case 3:
      return "{'x': " + column + "}.x";
    case 4:
      return "coalesce(" + column + ", " + column + ")";
    default:
      return "CASE WHEN " + column + " IS NULL THEN NULL ELSE " + column + " END";
  }
}

}  // namespace

std::string RandomLookUp(Random& random, const Columns& columns, const Rows& rows) {
  return LookUp(random, columns, rows).Make();
}

std::string SameRows(Random& random, const Columns& columns, const std::string& source) {
  std::string select = "SELECT ";
  for (const auto& [name, type] : columns) {
    const auto column = "\"" + name + "\"";
    select += (select.ends_with("SELECT ") ? "" : ", ") + SameValue(random, column) + " AS " + column;
  }
  select += " FROM " + source;
  if (random.Chance(50)) return "(" + select + ") s";
  const auto split = "\"" + random.Pick(columns).first + "\" IS ";
  return "(" + select + " WHERE " + split + "NULL UNION ALL " + select + " WHERE " + split + "NOT NULL) s";
}

}  // namespace hyprstream::fuzz
