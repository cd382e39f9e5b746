#include "fuzz/random_view.h"

#include <vector>

namespace hyprstream::fuzz {

namespace {

std::string Window(Random& random) {
  return random.Text({"time_bucket(INTERVAL '5 minutes', ts)", "time_bucket(INTERVAL '30 minutes', ts)",
                      "time_bucket(INTERVAL '1 hour', ts)", "time_bucket(INTERVAL '1 day', ts)",
                      "time_bucket(INTERVAL '7 days', ts)", "time_bucket(INTERVAL '1 month', ts)",
                      "time_bucket(INTERVAL '1 hour', ts, INTERVAL '10 minutes')", "date_trunc('hour', ts)",
                      "date_trunc('day', ts)", "date_trunc('week', ts)", "date_trunc('month', ts)"});
}

std::string Key(Random& random, const RandomTable& table) {
  const auto& column = random.Pick(table.columns);
  switch (random.Below(7)) {
    case 6:
      return "[" +
             table.AnyOf(random, {Family::kNumber, Family::kText, Family::kTime, Family::kBool, Family::kOther}).name +
             "]";
    case 0:
      return table.AnyOf(random, {Family::kNumber}).name + " % 3";
    case 1:
      return "lower(" + table.AnyOf(random, {Family::kText}).name + "::VARCHAR)";
    case 2:
      return column.name + " IS NULL";
    case 3:
      return "CASE WHEN id % 2 = 0 THEN " + column.name + " END";
    default:
      return column.name;
  }
}

std::string Argument(Random& random, const RandomTable& table, const std::vector<Family>& families) {
  const auto& column = table.AnyOf(random, families);
  if (random.Chance(80)) return column.name;
  if (column.family == Family::kNumber) return column.name + " % 7";
  if (column.family == Family::kFloat) return "abs(" + column.name + ")";
  if (column.family == Family::kText) return "upper(" + column.name + ")";
  return column.name;
}

std::string Aggregate(Random& random, const RandomTable& table) {
  const std::vector<Family> numbers = {Family::kNumber, Family::kFloat};
  const std::vector<Family> any = {Family::kNumber, Family::kFloat, Family::kText,
                                   Family::kTime,   Family::kBool,  Family::kOther};
  std::string sql;
  switch (random.Below(7)) {
    case 0:
      sql = "count(*)";
      break;
    case 1:
      sql = "count(" + Argument(random, table, any) + ")";
      break;
    case 2:
    case 3:
      sql = "sum(" + Argument(random, table, numbers) + ")";
      break;
    case 4:
      sql = "avg(" + Argument(random, table, numbers) + ")";
      break;
    case 5:
      sql = "min(" + Argument(random, table, any) + ")";
      break;
    default:
      sql = "max(" + Argument(random, table, any) + ")";
      break;
  }
  if (sql != "count(*)" && random.Chance(6)) {  // fails for most texts, whatever the condition leaves out
    const auto text = table.AnyOf(random, {Family::kText}).name;
    sql = sql.substr(0, sql.find('(')) + "(" + random.Text({"", "TRY_"}) + "CAST(" + text + "::VARCHAR AS INTEGER))";
    return sql + " FILTER (WHERE " + text + "::VARCHAR IN ('17', '-3'))";
  }
  if (random.Chance(20)) sql += " FILTER (WHERE " + Condition(random, table) + ")";
  return sql;
}

}  // namespace

std::string RandomView::Select() const {
  return items_from + (where.empty() ? "" : " WHERE " + where) + " GROUP BY ALL";
}

std::string RandomView::Oracle() const {
  std::string condition = where;
  if (first_row > 0)
    condition = (where.empty() ? "" : "(" + where + ") AND ") + "rowid >= " + std::to_string(first_row);
  return items_from + (condition.empty() ? "" : " WHERE " + condition) + " GROUP BY ALL";
}

RandomView MakeView(Random& random, const RandomTable& table, const std::string& name) {
  std::vector<std::string> items;
  if (random.Chance(70)) items.push_back(Window(random) + " AS window_start");
  const auto keys = random.Below(items.empty() ? 3 : 4);
  for (std::int64_t i = 0; i < keys; ++i) items.push_back(Key(random, table) + " AS k" + std::to_string(i));
  const auto aggregates = 1 + random.Below(5);
  for (std::int64_t i = 0; i < aggregates; ++i) {
    const auto at = static_cast<std::ptrdiff_t>(random.Chance(80) ? static_cast<std::int64_t>(items.size()) : 0);
    items.insert(items.begin() + at, Aggregate(random, table) + " AS a" + std::to_string(i));
  }
  std::string select = "SELECT ";
  for (std::size_t i = 0; i < items.size(); ++i) select += (i == 0 ? "" : ", ") + items[i];
  select += " FROM " + table.name;
  auto where = random.Chance(25) ? Condition(random, table) : "";
  return {.name = name,
          .table = table.name,
          .items_from = std::move(select),
          .where = std::move(where),
          .time_zone = random.Text({"UTC", "UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"})};
}

}  // namespace hyprstream::fuzz
