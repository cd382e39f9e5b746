#include "fuzz/random_table.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <format>
#include <functional>

namespace hyprstream::fuzz {

using namespace std::chrono_literals;

namespace {

std::string Quoted(const std::string& text) { return "'" + text + "'"; }

std::string Integer(Random& random, const std::string& type) {
  if (random.Chance(4)) {  // the ends of the type; sums of wide ones may overflow, which is another test's matter
    if (type == "TINYINT") return random.Text({"127", "-128"});
    if (type == "SMALLINT") return random.Text({"32767", "-32768"});
    if (type == "INTEGER") return random.Text({"2147483647", "-2147483648"});
    if (type == "BIGINT") return random.Text({"9223372036854775807", "-9223372036854775808"});
    if (type == "UTINYINT") return "255";
    if (type == "USMALLINT") return "65535";
    if (type == "UINTEGER") return "4294967295";
    if (type == "UBIGINT") return "18446744073709551615";
    if (type == "HUGEINT") return random.Text({"170141183460469231731687303715884105", "-9223372036854775809"});
  }
  const std::int64_t value = random.Below(100);
  return std::to_string(type[0] == 'U' ? value : value - 50);
}

// In quarters, so that most sums are exact, and now and then what no sum gets over.
std::string Float(Random& random) {
  if (random.Chance(3)) return random.Text({"'nan'", "'-nan'", "'inf'", "'-inf'"});
  if (random.Chance(3)) return random.Text({"'1e300'", "'0'", "'1e-300'", "'0.1'"});
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "'%.2f'", static_cast<double>(random.Below(4000) - 2000) / 4);
  return text.data();
}

// Of any width; most are small, some as large as the type.
std::string Decimal(Random& random, const std::string& type) {
  int width = 0;
  int scale = 0;
  std::sscanf(type.c_str(), "DECIMAL(%d,%d)", &width, &scale);
  const auto whole = width - scale;
  if (random.Chance(3)) {
    return Quoted(random.Text({"", "-"}) +
                  std::string(static_cast<std::size_t>(std::max(whole, 1)), whole > 0 ? '9' : '0') +
                  (scale > 0 ? "." + std::string(static_cast<std::size_t>(scale), '9') : ""));
  }
  const auto number = whole == 0 ? 0 : whole == 1 ? random.Below(10) : random.Below(100);
  return Quoted(random.Text({"", "-"}) + std::to_string(number) +
                (scale > 0 ? "." + std::to_string(random.Below(10)) : ""));
}

// The ends of the type, and what lies before 1970.
std::string FarTime(Random& random, const std::string& type) {
  if (type == "TIMESTAMP_NS") return Quoted(random.Text({"1677-09-22 00:00:00", "2262-04-11 23:47:16.854775806"}));
  if (type == "DATE") return Quoted(random.Text({"5877642-06-25 (BC)", "5881580-07-10", "infinity", "-infinity"}));
  return Quoted(random.Text({"290308-12-22 (BC) 00:00:00", "294247-01-10 04:00:00", "infinity", "-infinity"}));
}

// Clustered, so that windows have company, in some disorder, some far away.
std::string Time(Random& random, const Column& column) {
  const auto& type = column.type;
  if (random.Chance(4)) {
    return Quoted(random.Text(
        {"1969-12-31 23:59:59.999999", "1969-12-31 23:00:00", "1900-01-01 00:00:00.5", "2000-02-29 00:00:00"}));
  }
  if (column.has_far_times && random.Chance(1)) return FarTime(random, type);
  const auto second = random.Chance(90) ? random.Below(4 * 3600) : random.Below(90LL * 86400);
  constexpr std::chrono::sys_seconds kFirst = std::chrono::sys_days(std::chrono::year(2024) / 3 / 30) + 22h;
  const auto time = kFirst + std::chrono::seconds(second);
  return Quoted(type == "DATE" ? std::format("{:%F}", time) : std::format("{:%F %T}", time));
}

std::string Text(Random& random) {
  return Quoted(random.Text(
      {"a", "b", "A", "", " ", "17", "-3", "twelve bytes", "thirteen bytes", "ein längerer Text 🦆", "''"}));
}

std::string Other(Random& random, const std::string& type) {
  if (type == "BLOB") return random.Text({"'\\x00'", "'\\xFF\\x00a'", "''", "'a longer blob, not inlined'"});
  if (type == "UUID") return Quoted("00000000-0000-4000-8000-00000000000" + std::to_string(random.Below(5)));
  if (type == "mood") return random.Text({"'bad'", "'so so'", "'good'"});
  if (type == "TIME") return Quoted("12:00:0" + std::to_string(random.Below(5)));
  if (type == "INTERVAL") return random.Text({"INTERVAL 1 DAY", "INTERVAL 24 HOUR", "INTERVAL 1 MONTH"});
  if (type == "TIMETZ") return random.Text({"'12:00:00+01'", "'11:00:00+00'", "'23:59:59.999999-15:59'"});
  if (type == "TIME_NS") return random.Text({"'12:00:00.123456789'", "'00:00:00'"});
  if (type == "BIT") return random.Text({"'0101'", "'1'", "'000000000'"});
  if (type == "UHUGEINT") return random.Text({"0", "7", "340282366920938463463374607431768211455"});
  if (type == "MAP(VARCHAR, INTEGER)") return random.Text({"MAP {'a': 1}", "MAP {'a': NULL, 'b': 2}", "MAP {}"});
  if (type == "DATE[2]") return random.Text({"['2024-01-01', NULL]", "['1969-01-01', '2024-01-01']"});
  if (type == "INTEGER[]") return random.Text({"[1, 2]", "[1, NULL]", "[]"});
  if (type == "STRUCT(x INTEGER, y VARCHAR)") return random.Text({"{'x': 1, 'y': 'a'}", "{'x': NULL, 'y': 'a'}"});
  return "NULL";
}

Column RandomColumn(Random& random, const std::string& name) {
  static const std::vector<std::pair<const char*, Family>> kTypes = {{"TINYINT", Family::kNumber},
                                                                     {"SMALLINT", Family::kNumber},
                                                                     {"INTEGER", Family::kNumber},
                                                                     {"BIGINT", Family::kNumber},
                                                                     {"UTINYINT", Family::kNumber},
                                                                     {"USMALLINT", Family::kNumber},
                                                                     {"UINTEGER", Family::kNumber},
                                                                     {"UBIGINT", Family::kNumber},
                                                                     {"HUGEINT", Family::kNumber},
                                                                     {"DECIMAL(4,1)", Family::kNumber},
                                                                     {"DECIMAL(9,2)", Family::kNumber},
                                                                     {"DECIMAL(18,3)", Family::kNumber},
                                                                     {"DECIMAL(38,6)", Family::kNumber},
                                                                     {"FLOAT", Family::kFloat},
                                                                     {"DOUBLE", Family::kFloat},
                                                                     {"VARCHAR", Family::kText},
                                                                     {"VARCHAR", Family::kText},
                                                                     {"BOOLEAN", Family::kBool},
                                                                     {"DATE", Family::kTime},
                                                                     {"TIMESTAMP", Family::kTime},
                                                                     {"TIMESTAMPTZ", Family::kTime},
                                                                     {"TIMESTAMP_NS", Family::kTime},
                                                                     {"BLOB", Family::kOther},
                                                                     {"UUID", Family::kOther},
                                                                     {"TIMESTAMP_S", Family::kTime},
                                                                     {"TIMESTAMP_MS", Family::kTime},
                                                                     {"TIMETZ", Family::kOther},
                                                                     {"TIME_NS", Family::kOther},
                                                                     {"BIT", Family::kOther},
                                                                     {"UHUGEINT", Family::kOther},
                                                                     {"MAP(VARCHAR, INTEGER)", Family::kOther},
                                                                     {"DATE[2]", Family::kOther},
                                                                     {"DECIMAL", Family::kNumber},
                                                                     {"mood", Family::kOther},
                                                                     {"TIME", Family::kOther},
                                                                     {"INTERVAL", Family::kOther},
                                                                     {"INTEGER[]", Family::kOther},
                                                                     {"STRUCT(x INTEGER, y VARCHAR)", Family::kOther}};
  const auto& [name_of_type, family] = random.Pick(kTypes);
  std::string type = name_of_type;
  if (type == "DECIMAL") {
    const auto width = 1 + random.Below(38);
    type += "(" + std::to_string(width) + "," + std::to_string(random.Below(width + 1)) + ")";
  }
  return {.name = name, .type = type, .family = family};
}

}  // namespace

std::string RandomTable::CreateSql() const {
  std::string sql = "CREATE TABLE " + name + " (";
  for (std::size_t i = 0; i < columns.size(); ++i) {
    sql += (i == 0 ? "" : ", ") + columns[i].name + " " + columns[i].type + (i == 1 && has_key ? " PRIMARY KEY" : "");
  }
  return sql + ")";
}

std::string RandomTable::OptionsSql() const {
  return std::string(" WITH (time = 'ts'") + (keeps_rows ? "" : ", keep_rows = false") + ")";
}

std::string RandomTable::SelectSql(const std::string& rows) const {
  std::string names;
  std::string typed;
  for (const auto& column : columns) {
    const auto* const comma = names.empty() ? "" : ", ";
    names += comma + column.name;
    typed += comma + column.name + "::" + column.type + " AS " + column.name;
  }
  return "SELECT " + typed + " FROM (VALUES " + rows + ") t(" + names + ")";
}

const Column& RandomTable::AnyOf(Random& random, const std::vector<Family>& families) const {
  std::vector<const Column*> fitting;
  for (const auto& column : columns) {
    if (std::ranges::find(families, column.family) != families.end()) fitting.push_back(&column);
  }
  return fitting.empty() ? columns[1] : *random.Pick(fitting);
}

RandomTable MakeTable(Random& random, const std::string& name) {
  RandomTable table{.name = name};
  table.columns.push_back({.name = "ts",
                           .type = random.Text({"TIMESTAMP", "TIMESTAMP", "TIMESTAMPTZ", "DATE", "TIMESTAMP_NS",
                                                "TIMESTAMP_S", "TIMESTAMP_MS"}),
                           .family = Family::kTime});
  table.columns[0].has_far_times = random.Chance(70);
  table.keeps_rows = random.Chance(80);
  table.has_key = table.keeps_rows && random.Chance(25);
  table.columns.push_back({.name = "id", .type = "INTEGER", .family = Family::kNumber});
  const auto more = 1 + random.Below(5);
  for (std::int64_t i = 0; i < more; ++i) table.columns.push_back(RandomColumn(random, "c" + std::to_string(i)));
  return table;
}

std::string Literal(Random& random, const Column& column) {
  const int nulls_percent = column.name == "id" ? 0 : 12;
  if (random.Chance(nulls_percent)) return "NULL";
  switch (column.family) {
    case Family::kNumber:
      return column.type.starts_with("DECIMAL") ? Decimal(random, column.type) : Integer(random, column.type);
    case Family::kFloat: {
      const auto value = Float(random);
      return column.type == "FLOAT" && value.find('e') != std::string::npos ? "'0.5'" : value;
    }
    case Family::kText:
      return Text(random);
    case Family::kTime:
      return Time(random, column);
    case Family::kBool:
      return random.Text({"true", "false"});
    case Family::kOther:
      break;
  }
  return "(" + Other(random, column.type) + ")::" + column.type;
}

std::string Value(Random& random, const Column& column) { return "(" + Literal(random, column) + ")::" + column.type; }

std::vector<std::string> RowTexts(Random& random, const RandomTable& table, int count) {
  std::vector<std::string> rows;
  for (int row = 0; row < count; ++row) {
    if (row > 0 && !table.has_key && random.Chance(8)) {  // the same once more
      rows.push_back(random.Pick(std::vector<std::string>(rows)));
      continue;
    }
    std::string text = "(";
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      if (i > 0) text += ", ";
      text += i == 1 && table.has_key ? std::to_string(random.Below(2'000'000'000)) : Literal(random, table.columns[i]);
    }
    rows.push_back(text + ")");
  }
  return rows;
}

std::string Joined(const std::vector<std::string>& rows, std::size_t begin, std::size_t end) {
  std::string text;
  for (std::size_t i = begin; i < end; ++i) text += (text.empty() ? "" : ", ") + rows[i];
  return text;
}

std::string Condition(Random& random, const RandomTable& table) {
  switch (random.Below(5)) {
    case 0:
      return "id % " + std::to_string(2 + random.Below(5)) + " = 0";
    case 1:
      return "ts > TIMESTAMP '2024-03-30 22:00:00' + INTERVAL (" + std::to_string(random.Below(4 * 3600)) + ") SECOND";
    case 2:
      return random.Pick(table.columns).name + " IS NULL";
    case 3: {
      const auto& column = random.Pick(table.columns);
      return column.name + " = " + Value(random, column);
    }
    default:
      return "hash(id) % 10 < 2";
  }
}

}  // namespace hyprstream::fuzz
