#include "fuzz/random_view.h"

#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

namespace hyprstream::fuzz {

namespace {

// Of a day or more in a zone that is named, for some of them one for each group. With times at the ends of their type
// in a batch, DuckDB's time_bucket puts the rows after them into other windows.
std::string CalendarWindow(Random& random) {
  const auto zone = random.Text({"'Europe/Berlin'", "'America/St_Johns'", "'Asia/Kathmandu'",
                                 "CASE WHEN id % 2 = 0 THEN 'Pacific/Apia' ELSE 'Europe/Dublin' END"});
  if (random.Chance(50))
    return "date_trunc('" + random.Text({"hour", "day", "week", "month"}) + "', ts AT TIME ZONE " + zone + ")";
  return "time_bucket(INTERVAL '" + random.Text({"1 day", "7 days", "1 month"}) + "', ts, " + zone + ")";
}

std::string Window(Random& random, const RandomTable& table) {
  const auto& time = table.columns.front();
  if (time.type == "TIMESTAMPTZ" && !time.has_far_times && random.Chance(60)) return CalendarWindow(random);
  return random.Text({"time_bucket(INTERVAL '5 minutes', ts)", "time_bucket(INTERVAL '30 minutes', ts)",
                      "time_bucket(INTERVAL '1 hour', ts)", "time_bucket(INTERVAL '1 day', ts)",
                      "time_bucket(INTERVAL '7 days', ts)", "time_bucket(INTERVAL '1 month', ts)",
                      "time_bucket(INTERVAL '1 hour', ts, INTERVAL '10 minutes')", "date_trunc('hour', ts)",
                      "date_trunc('day', ts)", "date_trunc('week', ts)", "date_trunc('month', ts)"});
}

// FROM, and how windows are selected from it.
struct Source {
  std::string from;
  std::string window;       // may be empty
  std::string oracle_from;  // FROM without the server's functions, up to its last condition; empty: from
};

// Written out with DuckDB's own functions: `starts` are of the windows that the time `at`, in UTC, is in.
std::string WrittenOut(const RandomTable& table, const std::string& starts, const std::string& size) {
  const bool zoned = table.columns.front().type == "TIMESTAMPTZ";
  const std::string back = zoned ? " AT TIME ZONE 'UTC'" : "";
  const std::string time = zoned ? "ts AT TIME ZONE 'UTC'" : "ts::TIMESTAMP";
  return "(SELECT *, (s)" + back + " AS window_start, (s + " + size + ")" + back +
         " AS window_end FROM (SELECT *, unnest(" + starts + ") AS s FROM (SELECT *, rowid, " + time +
         " AS moment FROM " + table.name + " WHERE isfinite(ts)";
}

Source WindowFunction(Random& random, const RandomTable& table) {
  const auto window = random.Text({"window_start AS window_start", "window_start, window_end", "window_end AS until"});
  if (random.Chance(40)) {
    const auto size = "INTERVAL '" + random.Text({"5 minutes", "1 hour", "36 hours", "7 days", "1 month"}) + "'";
    // tumble is time_bucket, also where that fails: with a zone near the ends of time. Days count as 24 hours.
    const bool zoned = table.columns.front().type == "TIMESTAMPTZ";
    const std::string width = size == "INTERVAL '7 days'" ? "INTERVAL '168 hours'" : size;
    const std::string start =
        zoned ? "time_bucket(" + width + ", ts) AT TIME ZONE 'UTC'" : "time_bucket(" + size + ", moment)";
    return {.from = "tumble(" + table.name + ", ts, " + size + ")",
            .window = window,
            .oracle_from = WrittenOut(table, "[" + start + "]", size)};
  }
  const auto [slide, size] =
      random.Pick(std::vector<std::pair<std::string, std::string>>{{"INTERVAL '5 minutes'", "INTERVAL '1 hour'"},
                                                                   {"INTERVAL '7 minutes'", "INTERVAL '1 hour'"},
                                                                   {"INTERVAL '1 hour'", "INTERVAL '1 hour'"},
                                                                   {"INTERVAL '6 hours'", "INTERVAL '2 days'"},
                                                                   {"INTERVAL '2 days'", "INTERVAL '3 days'"},
                                                                   {"INTERVAL '1 day'", "INTERVAL '50 days'"}});
  return {.from = "hop(" + table.name + ", ts, " + slide + ", " + size + ")",
          .window = window,
          .oracle_from = WrittenOut(
              table, "range(time_bucket(" + slide + ", moment), moment - " + size + ", -" + slide + ")", size)};
}

// Sessions written out: numbered by the rows that begin one.
Source Sessions(Random& random, const RandomTable& table, const std::vector<std::string>& keys) {
  const auto gap = "INTERVAL '" + random.Text({"1 minute", "20 minutes", "1 hour", "36 hours"}) + "'";
  const bool zoned = table.columns.front().type == "TIMESTAMPTZ";
  const std::string back = zoned ? " AT TIME ZONE 'UTC'" : "";
  std::string time = zoned ? "(ts AT TIME ZONE 'UTC')" : "ts::TIMESTAMP";
  if (table.columns.front().type == "TIMESTAMP_NS") {  // a cast would round
    time = "make_timestamp((epoch_ns(ts) - (epoch_ns(ts) % 1000 + 1000) % 1000) // 1000)";
  }
  std::string arguments;
  std::string partition;
  for (const auto& key : keys) {
    arguments += ", " + key;
    partition += (partition.empty() ? "" : ", ") + key;
  }
  const auto by = partition.empty() ? std::string() : "PARTITION BY " + partition + " ";
  const auto whole = " OVER (PARTITION BY " + (partition.empty() ? "" : partition + ", ") + "session_number)";
  return {.from = "session(" + table.name + ", ts, " + gap + arguments + ")",
          .window = random.Text({"window_start AS window_start", "window_start, window_end", "window_end AS until"}),
          .oracle_from = "(SELECT *, min(moment)" + whole + back + " AS window_start, (max(moment)" + whole + " + " +
                         gap + ")" + back + " AS window_end FROM (SELECT *, count(*) FILTER (WHERE before IS NULL OR " +
                         "moment >= before + " + gap + ") OVER (" + by +
                         "ORDER BY moment RANGE UNBOUNDED PRECEDING) AS session_number FROM (SELECT *, rowid, " + time +
                         " AS moment, lag(" + time + ") OVER (" + by + "ORDER BY " + time + ") AS before FROM " +
                         table.name + " WHERE isfinite(ts)"};
}

Source From(Random& random, const RandomTable& table) {
  if (random.Chance(35)) return WindowFunction(random, table);
  return {.from = table.name,
          .window = random.Chance(70) ? Window(random, table) + " AS window_start" : "",
          .oracle_from = ""};
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

// Of small whole numbers: their moments are well conditioned, whatever the order of the rows.
std::string Small(Random& random, const RandomTable& table) {
  return random.Chance(50) ? "id % 13" : table.AnyOf(random, {Family::kNumber}).name + " % 7";
}

std::string MomentAggregate(Random& random, const RandomTable& table) {
  const auto x = Small(random, table);
  if (random.Chance(50)) {
    return random.Text({"var_pop", "var_samp", "variance", "stddev", "stddev_pop", "stddev_samp", "sem", "favg"}) +
           "(" + x + ")";
  }
  return random.Text({"covar_pop", "covar_samp", "corr", "regr_slope", "regr_intercept", "regr_r2", "regr_count",
                      "regr_avgx", "regr_avgy", "regr_sxx", "regr_syy", "regr_sxy"}) +
         "(" + Small(random, table) + ", " + x + ")";
}

// Rows that compare equal have equal values, so that any of them will do.
std::string PickAggregate(Random& random, const RandomTable& table) {
  const auto value = random.Pick(table.columns).name;
  const auto by = random.Pick(table.columns).name;
  switch (random.Below(4)) {
    case 0:
      return "any_value(CASE WHEN " + value + " IS NOT NULL THEN 'some' END)";
    case 1:
      return random.Text({"first(ts)", "last(ts)"});
    default:
      return random.Text({"arg_min", "arg_max", "min_by", "max_by", "arg_min_null", "arg_max_null"}) + "(" + value +
             ", {'by': " + by + ", 'value': " + value + "})";
  }
}

std::string ExactAggregate(Random& random, const RandomTable& table) {
  switch (random.Below(6)) {
    case 0:
      return random.Text({"bool_and", "bool_or", "count_if"}) + "(" + random.Pick(table.columns).name + " IS NULL)";
    case 1:
      return random.Text({"bool_and", "bool_or", "count_if"}) + "(" + table.AnyOf(random, {Family::kNumber}).name +
             " % 2 = 0)";
    case 2:
      // Near to 1: a product of thousands of rows must not pass the ends of DOUBLE on the way.
      return "product(CASE id % 3 WHEN 0 THEN 1.25 WHEN 1 THEN -0.8 END)";
    case 3:
      return random.Text({"fsum", "kahan_sum"}) + "(id)";
    default:
      return random.Text({"bit_and", "bit_or", "bit_xor"}) + "(" +
             random.Text({"id", "hash(id)", table.AnyOf(random, {Family::kNumber}).name.c_str()}) + ")";
  }
}

// What keeps every distinct value, and sketches where they are exact.
std::string DistinctAggregate(Random& random, const RandomTable& table) {
  const std::vector<Family> any = {Family::kNumber, Family::kFloat, Family::kText,
                                   Family::kTime,   Family::kBool,  Family::kOther};
  switch (random.Below(8)) {
    case 0:
      return random.Text({"approx_count_distinct(id % 300)", "approx_quantile(id % 128, 0.9)"});
    case 1:
      return "approx_top_k(CASE WHEN " + random.Pick(table.columns).name + " IS NOT NULL THEN 'some' END, 3)";
    case 2:
    case 3:
      return "count(DISTINCT " + Argument(random, table, any) + ")";
    case 4:
      return random.Text({"sum", "avg"}) + "(DISTINCT " + Argument(random, table, {Family::kNumber}) + ")";
    case 5:
      return "quantile_disc(" + Argument(random, table, any) + ", " + random.Text({"0.3", "[0, 0.5, 1]"}) + ")";
    case 6:
      return random.Text({"median", "entropy", "histogram"}) + "(" + Small(random, table) + ")";
    default:
      return "quantile_cont(" + random.Text({"id", "ts", Small(random, table).c_str()}) + ", " +
             random.Text({"0.3", "[0.1, 0.9]"}) + ")";
  }
}

// What DuckDB has no aggregate for, beside what says the same there. Of whole numbers, so that sums are exact and fits
// well conditioned; of times around which weights are doubles of a reasonable size.
struct Written {
  std::string_view ours;
  std::string_view theirs;
};
constexpr Written kWritten[] = {
    {"vec_sum([id % 7, CASE WHEN id % 2 = 0 THEN id % 5 END]::INTEGER[2])",
     "CASE WHEN count(*) > 0 THEN [sum(id % 7), sum(id % 5) FILTER (WHERE id % 2 = 0)]::DOUBLE[2] END"},
    {"vec_avg([id % 7, CASE WHEN id % 2 = 0 THEN id % 5 END]::INTEGER[2])",
     "CASE WHEN count(*) > 0 THEN [favg(id % 7), favg(id % 5) FILTER (WHERE id % 2 = 0)]::DOUBLE[2] END"},
    {"vec_min(CASE WHEN id % 3 > 0 THEN [id % 7, id % 5]::FLOAT[2] END)",
     "CASE WHEN count(*) FILTER (WHERE id % 3 > 0) > 0 THEN [min(id % 7) FILTER (WHERE id % 3 > 0), min(id % 5) FILTER "
     "(WHERE id % 3 > 0)]::DOUBLE[2] END"},
    {"vec_max([id % 7, id])", "CASE WHEN count(*) > 0 THEN [max(id % 7), max(id)]::DOUBLE[] END"},
    {"linear_fit(id % 13, [id % 7])",
     "CASE WHEN count(*) > 0 THEN {'weights': [CASE WHEN regr_sxx(id % 13, id % 7) > 0 THEN regr_slope(id % 13, id % "
     "7) "
     "ELSE 0 END], 'bias': CASE WHEN regr_sxx(id % 13, id % 7) > 0 THEN regr_intercept(id % 13, id % 7) ELSE avg(id % "
     "13) END, 'r2': CASE WHEN regr_syy(id % 13, id % 7) > 0 THEN CASE WHEN regr_sxx(id % 13, id % 7) > 0 THEN "
     "regr_r2(id % 13, id % 7) ELSE 0 END END, 'n': count(*)} END"},
    {"standard_scaler(id % 13)",
     "CASE WHEN count(*) > 0 THEN {'mean': avg(id % 13), 'stddev': stddev_pop(id % 13), 'weight': 1.0::DOUBLE, 'bias': "
     "0.0::DOUBLE} END"},
    {"ewma(CASE WHEN ts BETWEEN '2023-06-01' AND '2025-01-01' THEN id % 13 END, ts, INTERVAL '1 day')",
     "(sum((id % 13) * POWER) / sum(POWER))"},
    {"decayed_sum(CASE WHEN ts BETWEEN '2023-06-01' AND '2025-01-01' THEN id % 13 END, ts, INTERVAL '1 day')",
     "(sum((id % 13) * POWER) / max(POWER))"},
    {"decayed_count(CASE WHEN ts BETWEEN '2023-06-01' AND '2025-01-01' THEN id END, ts, INTERVAL '1 day')",
     "coalesce(sum(POWER) / max(POWER), 0)"},
};
constexpr std::string_view kPower =
    "CASE WHEN ts BETWEEN '2023-06-01' AND '2025-01-01' THEN pow(2, epoch(ts) / 86400 - 19800) END";

std::string Aggregate(Random& random, const RandomTable& table) {
  if (random.Chance(12))
    return std::string(
        kWritten[static_cast<std::size_t>(random.Below(static_cast<std::int64_t>(std::size(kWritten))))].ours);
  const std::vector<Family> numbers = {Family::kNumber, Family::kFloat};
  const std::vector<Family> any = {Family::kNumber, Family::kFloat, Family::kText,
                                   Family::kTime,   Family::kBool,  Family::kOther};
  std::string sql;
  bool is_plain = true;
  switch (random.Below(13)) {
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
    case 6:
      sql = "max(" + Argument(random, table, any) + ")";
      break;
    case 7:
    case 8:
      sql = MomentAggregate(random, table);
      is_plain = false;
      break;
    case 9:
      sql = PickAggregate(random, table);
      is_plain = false;
      break;
    case 10:
    case 11:
      sql = DistinctAggregate(random, table);
      is_plain = false;
      break;
    default:
      sql = ExactAggregate(random, table);
      is_plain = false;
      break;
  }
  if (is_plain && sql != "count(*)" && random.Chance(6)) {  // fails for most texts, whatever the condition leaves out
    const auto text = table.AnyOf(random, {Family::kText}).name;
    sql = sql.substr(0, sql.find('(')) + "(" + random.Text({"", "TRY_"}) + "CAST(" + text + "::VARCHAR AS INTEGER))";
    return sql + " FILTER (WHERE " + text + "::VARCHAR IN ('17', '-3'))";
  }
  if (random.Chance(20)) sql += " FILTER (WHERE " + Condition(random, table) + ")";
  return sql;
}

}  // namespace

std::string RandomView::Select() const {
  if (!definition.empty()) return definition;
  return items + " FROM " + from + (where.empty() ? "" : " WHERE " + where) + " GROUP BY ALL";
}

namespace {

void ReplaceAll(std::string& text, std::string_view ours, std::string_view theirs) {
  for (std::size_t at = text.find(ours); at != std::string::npos; at = text.find(ours, at + theirs.size())) {
    text.replace(at, ours.size(), theirs);
  }
}

// What first and last mean to a view, what sketches of few values give, and what DuckDB has not, in DuckDB's words.
std::string InOracleWords(std::string items) {
  for (const auto& [ours, theirs] : kWritten) ReplaceAll(items, ours, theirs);
  ReplaceAll(items, "POWER", kPower);
  for (const auto& [ours, theirs] :
       {std::pair{"first(ts)", "arg_min_null(ts, ts)"}, std::pair{"last(ts)", "arg_max_null(ts, ts)"},
        std::pair{"approx_count_distinct(id % 300)", "count(DISTINCT id % 300)"},
        std::pair{"approx_quantile(id % 128, 0.9)", "quantile_disc(id % 128, 0.9)"}}) {
    ReplaceAll(items, ours, theirs);
  }
  return items;
}

}  // namespace

bool RandomView::Decays() const {
  return items.find("ewma(") != std::string::npos || items.find("decayed_") != std::string::npos;
}

std::string RandomView::Oracle() const {
  const auto rows = first_row > 0 ? "rowid >= " + std::to_string(first_row) : std::string();
  if (from.starts_with("session(")) {  // which are those of all rows
    return InOracleWords(items) + " FROM " + oracle_from + (rows.empty() ? "" : " AND " + rows) + ")))" +
           (where.empty() ? "" : " WHERE " + where) + " GROUP BY ALL";
  }
  if (!oracle_from.empty()) {
    return InOracleWords(items) + " FROM " + oracle_from + (rows.empty() ? "" : " AND " + rows) +
           (where.empty() ? "" : " AND (" + where + ")") + "))) GROUP BY ALL";
  }
  auto condition = where;
  if (!rows.empty()) condition = (where.empty() ? "" : "(" + where + ") AND ") + rows;
  return InOracleWords(items) + " FROM " + from + (condition.empty() ? "" : " WHERE " + condition) + " GROUP BY ALL";
}

namespace {

std::string SelectOf(const std::vector<std::string>& items) {
  std::string select = "SELECT ";
  for (std::size_t i = 0; i < items.size(); ++i) select += (i == 0 ? "" : ", ") + items[i];
  return select;
}

std::string WithoutName(const std::string& item) { return item.substr(0, item.rfind(" AS ")); }
std::string NameOf(const std::string& item) { return item.substr(item.rfind(" AS ") + 4); }

// Whose result depends on the order of rows, unless a view maintains them.
bool HasOrder(const std::string& aggregate) {
  return aggregate.starts_with("first(") || aggregate.starts_with("last(") || aggregate.starts_with("any_value(");
}

std::string CoarserKey(Random& random, const RandomView& view, const std::string& key) {
  if (!view.oracle_from.empty() || !key.ends_with(" AS window_start") || random.Chance(40)) return key;
  return random.Text({"date_trunc('hour', ts)", "date_trunc('day', ts)", "date_trunc('week', ts)",
                      "date_trunc('month', ts)", "ts::DATE", "year(ts)", "dayofweek(ts)", "hour(ts)",
                      "time_bucket(INTERVAL '6 hours', ts)", "time_bucket(INTERVAL '1 day', ts)",
                      "time_bucket(INTERVAL '1 month', ts)"}) +
         " AS window_start";
}

std::string CoarserCondition(Random& random, const RandomView& view) {
  const auto edge = random.Text({"'2024-03-31'", "'2024-03-30 23:00:00'", "'2024-03-31 01:00:00'", "'2024-04-01'",
                                 "'2024-03-30 22:05:00'", "'2024-03-30 22:07:30'"});
  switch (random.Below(5)) {
    case 0:
      return "ts >= " + edge;
    case 1:
      return "ts < " + edge + " AND ts > '2023-12-31 23:59:59.999999'";
    case 2:
      return "ts BETWEEN '2023-06-01' AND '2024-03-30 22:59:59.999999'";
    case 3:
      return "ts IS NOT NULL";
    default:
      break;
  }
  const auto& key = random.Pick(view.keys);
  return key.find(", window") == std::string::npos ? "(" + WithoutName(key) + ") IS NOT NULL" : "";
}

}  // namespace

RandomView MakeCoarser(Random& random, const RandomView& view) {
  auto query = view;
  query.first_row = 0;  // the table has them all
  query.definition = "";
  query.keys.clear();
  query.aggregates.clear();
  for (const auto& key : view.keys) {
    if (random.Chance(60)) query.keys.push_back(CoarserKey(random, view, key));
  }
  for (const auto& aggregate : view.aggregates) {
    if (HasOrder(aggregate) || aggregate.starts_with("approx_")) continue;  // of DuckDB's own sketches
    if (random.Chance(70)) query.aggregates.push_back(aggregate);
  }
  if (query.aggregates.empty()) query.aggregates.push_back("count(*) AS n");
  auto items = query.keys;
  items.insert(items.end(), query.aggregates.begin(), query.aggregates.end());
  query.items = SelectOf(items);
  // The sessions of some rows are others than those of all.
  const bool bare = view.keys.empty() || view.from.starts_with("session(");
  const auto more = bare || random.Chance(50) ? "" : CoarserCondition(random, view);
  if (!more.empty()) query.where = view.where.empty() ? more : view.where + " AND " + more;
  return query;
}

namespace {

// Over hop, a row would be counted as often as it is in a window. A view over a view of sessions keeps just the
// sessions.
bool CanBeMerged(const RandomView& view) {
  return !view.from.starts_with("hop(") && (view.definition.empty() || !view.from.starts_with("session("));
}

}  // namespace

std::pair<std::string, RandomView> MakeCombine(Random& random, const RandomView& view) {
  if (!CanBeMerged(view)) return {"", view};
  auto same = view;
  same.definition = "";
  same.keys.clear();
  std::vector<std::string> items;
  for (const auto& key : view.keys) {
    if (key.find(", window") != std::string::npos || random.Chance(50)) continue;
    same.keys.push_back(key);
    items.push_back(NameOf(key));
  }
  auto all = same.keys;
  for (const auto& aggregate : view.aggregates) {
    items.push_back("combine(" + NameOf(aggregate) + ") AS " + NameOf(aggregate));
    all.push_back(aggregate);
  }
  same.items = SelectOf(all);
  return {SelectOf(items) + " FROM " + view.name + " GROUP BY ALL", same};
}

RandomView MakeView(Random& random, const RandomTable& table, const std::string& name) {
  std::vector<std::string> items;
  std::vector<std::string> by;
  for (auto more = random.Below(4); more > 0; --more) by.push_back(Key(random, table));
  const bool sessions = random.Chance(15);
  const auto source = sessions ? Sessions(random, table, by) : From(random, table);
  if (!source.window.empty()) items.push_back(source.window);
  for (std::size_t i = 0; i < by.size(); ++i) items.push_back(by[i] + " AS k" + std::to_string(i));
  const auto keys = items;
  std::vector<std::string> aggregates(static_cast<std::size_t>(1 + random.Below(5)));
  for (std::size_t i = 0; i < aggregates.size(); ++i) {
    const auto at = static_cast<std::ptrdiff_t>(random.Chance(80) ? static_cast<std::int64_t>(items.size()) : 0);
    aggregates[i] = Aggregate(random, table) + " AS a" + std::to_string(i);
    items.insert(items.begin() + at, aggregates[i]);
  }
  auto where = random.Chance(25) ? Condition(random, table) : "";
  return {.name = name,
          .table = table.name,
          .items = SelectOf(items),
          .keys = keys,
          .aggregates = aggregates,
          .from = source.from,
          .oracle_from = source.oracle_from,
          .where = std::move(where),
          .time_zone = random.Text({"UTC", "UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"})};
}

namespace {

bool IsOfWindow(const std::string& key) { return key.find("window_") != std::string::npos; }

// What stands for a column in a view over its view: an expression over it. `of` puts what the column is into that.
struct Over {
  std::string before;
  std::string after;
  std::string Of(const std::string& column) const { return before + column + after; }
};

Over CoarserOver(Random& random, const std::string& key) {
  if (!IsOfWindow(key)) return random.Chance(85) ? Over{} : Over{.before = "(", .after = ") IS NULL"};
  if (!key.ends_with(" AS window_start") || random.Chance(30)) return {};
  return random.Pick(std::vector<Over>{{.before = "date_trunc('day', ", .after = ")"},
                                       {.before = "date_trunc('week', ", .after = ")"},
                                       {.before = "date_trunc('month', ", .after = ")"},
                                       {.before = "time_bucket(INTERVAL '7 days', ", .after = ")"},
                                       {.before = "time_bucket(INTERVAL '1 month', ", .after = ")"},
                                       {.before = "year(", .after = ")"}});
}

// combine() and, where it is the same, the aggregate itself.
std::string Merging(Random& random, const std::string& aggregate) {
  for (const auto* same : {"min(", "max("}) {
    if (aggregate.starts_with(same) && random.Chance(40)) return same;
  }
  return "combine(";
}

}  // namespace

RandomView MakeViewOnView(Random& random, const RandomView& finer, const std::string& name) {
  auto view = finer;
  view.name = name;
  view.source = finer.name;
  view.definition = "";
  if (name == finer.name || !CanBeMerged(finer)) return view;
  view.keys.clear();
  view.aggregates.clear();
  std::vector<std::string> items;
  std::string where;
  for (const auto& key : finer.keys) {
    if (key.find(", window") != std::string::npos) continue;  // two columns
    const auto column = NameOf(key);
    const bool in_windows = !finer.oracle_from.empty() && IsOfWindow(key);  // known outside of its conditions only
    if (where.empty() && !in_windows && random.Chance(15)) {
      const auto condition = Over{.before = "(", .after = random.Text({") IS NOT NULL", ") IS NULL"})};
      where = condition.Of(column);
      view.where = (finer.where.empty() ? "" : "(" + finer.where + ") AND ") + condition.Of(WithoutName(key));
    }
    if (random.Chance(40)) continue;
    const auto over = in_windows ? Over{} : CoarserOver(random, key);
    items.push_back(over.Of(column) + " AS " + column);
    view.keys.push_back(over.Of(WithoutName(key)) + " AS " + column);
  }
  for (const auto& aggregate : finer.aggregates) {
    if (!view.aggregates.empty() && random.Chance(20)) continue;
    const auto column = NameOf(aggregate);
    items.push_back(Merging(random, aggregate) + column + ") AS " + column);
    view.aggregates.push_back(aggregate);
  }
  auto all = view.keys;
  all.insert(all.end(), view.aggregates.begin(), view.aggregates.end());
  view.items = SelectOf(all);
  view.definition =
      SelectOf(items) + " FROM " + finer.name + (where.empty() ? "" : " WHERE " + where) + " GROUP BY ALL";
  return view;
}

}  // namespace hyprstream::fuzz
