// Random queries over random tables of real databases equal what DuckDB says over copies of the tables, whether they
// are answered at the database whole, in part or not at all. HYPRSTREAM_SEED is the first seed, HYPRSTREAM_SEEDS how
// many; HYPRSTREAM_LONG runs 20,000 queries of each dialect.
#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <regex>

#include "backend/backend_registry.h"
#include "backend/driver.h"
#include "core/table_ref.h"
#include "engine/connection.h"
#include "engine/engine.h"
#include "fuzz/environment.h"
#include "fuzz/random_query.h"
#include "support/postgres_server.h"
#include "support/status_assertions.h"

namespace hyprstream::fuzz {
namespace {

constexpr int kQueriesOfSeed = 50;
constexpr int kSeedsMin = 20;
constexpr std::chrono::seconds kBudget{20};

// A real database, from both of its sides.
struct Database {
  std::string schema;                 // behind the backend's name
  std::vector<RandomColumn> columns;  // that tables have some of
  std::function<void(const std::vector<std::string>&)> run;
  backend::BackendSpec spec;
  bool is_open_once = false;  // `run` needs it to be closed meanwhile
};

std::string ValueText(const arrow::Array& array, std::int64_t row) {
  if (array.IsNull(row)) return "NULL";
  if (array.type_id() == arrow::Type::DOUBLE || array.type_id() == arrow::Type::FLOAT) {
    double value = array.type_id() == arrow::Type::DOUBLE ? static_cast<const arrow::DoubleArray&>(array).Value(row)
                                                          : static_cast<const arrow::FloatArray&>(array).Value(row);
    if (value == 0) value = 0;  // whichever zero
    char text[40];
    std::snprintf(text, sizeof(text), "%.17g", value);
    return text[0] == '-' && text[1] == 'n' ? "nan" : text;
  }
  return array.GetScalar(row).ValueOrDie()->ToString();
}

struct Answer {
  std::string types;
  std::vector<std::string> rows;
  engine::PreparedInfo info;
};

class Fuzz {
 public:
  Fuzz(Database database, std::string dialect) : database_(std::move(database)), dialect_(std::move(dialect)) {
    const char* drivers = std::getenv("HYPRSTREAM_ADBC_DRIVERS");
    registry_ = backend::BackendRegistry::Make({.driver_folder = drivers == nullptr ? "" : drivers});
    engine_ = engine::Engine::Make({}).ValueOrDie();
    connection_ = engine_->Connect().ValueOrDie();
  }

  void Run() {
    Attach();
    const bool is_long = std::getenv("HYPRSTREAM_LONG") != nullptr;
    const auto first = Number("HYPRSTREAM_SEED", 1);
    const auto seeds = Number("HYPRSTREAM_SEEDS", is_long ? 20'000 / kQueriesOfSeed : 0);
    const auto end = std::chrono::steady_clock::now() + kBudget;
    for (std::int64_t seed = first;; ++seed) {
      const auto done = seed - first;
      if (seeds > 0 ? done >= seeds : done >= kSeedsMin && std::chrono::steady_clock::now() > end) break;
      RunSeed(seed);
      if (::testing::Test::HasFailure() && std::getenv("HYPRSTREAM_FUZZ_ON") == nullptr) break;
    }
    std::cout << dialect_ << ": " << queries_ << " queries equal, " << whole_ << " answered there whole, " << part_
              << " in part, " << queries_ - whole_ - part_ << " by scans alone; " << errors_
              << " were errors on both sides\n";
    for (const auto& [why, times] : kept_) std::cout << "  " << times << " x " << why << "\n";
    EXPECT_GE(whole_, queries_ / 10);
  }

 private:
  void Attach() {
    auto attached = registry_->Attach(database_.spec);
    ASSERT_OK(attached);
    ASSERT_OK(engine_->AddBackend(*attached));
  }

  void Change(const std::vector<std::string>& statements) {
    if (!database_.is_open_once) return database_.run(statements);
    ASSERT_OK(engine_->RemoveBackend("there"));
    ASSERT_OK(registry_->Detach("there"));
    database_.run(statements);
    Attach();
  }

  void RunSeed(std::int64_t seed) {
    SCOPED_TRACE("HYPRSTREAM_SEED=" + std::to_string(seed));
    Random random(static_cast<std::uint64_t>(seed));
    std::vector<RandomTable> tables;
    std::vector<std::string> statements;
    for (int i = 0; i < 3; ++i) tables.push_back(MakeTable(random, seed, i, statements));
    Change(statements);
    for (const auto& table : tables) {
      ASSERT_OK(Local("CREATE OR REPLACE TABLE copy_" + table.name + " AS SELECT * FROM " + There(table)));
    }
    QueryMaker maker(random, tables);
    for (int i = 0; i < kQueriesOfSeed && !::testing::Test::HasFatalFailure(); ++i) Compare(maker.Make(), tables);
    std::vector<std::string> drops;
    for (const auto& table : tables) {
      drops.push_back("DROP TABLE " + table.name);
      ASSERT_OK(Local("DROP TABLE copy_" + table.name));
    }
    Change(drops);
  }

  std::string There(const RandomTable& table) const { return "there." + database_.schema + "." + table.name; }

  RandomTable MakeTable(Random& random, std::int64_t seed, int number, std::vector<std::string>& statements) {
    RandomTable table{.name = "t" + std::to_string(seed % 1'000'000'000) + "_" + std::to_string(number), .columns = {}};
    std::string columns;
    for (const auto& column : database_.columns) {
      if (!random.Chance(70) && !(table.columns.empty() && &column == &database_.columns.back())) continue;
      table.columns.push_back(column);
      columns += (columns.empty() ? "" : ", ") + column.name + " " + column.type;
    }
    statements.push_back("CREATE TABLE " + table.name + " (" + columns + ")");
    const auto rows = random.Chance(10) ? 0 : random.Below(40);
    if (rows == 0) return table;
    std::string insert = "INSERT INTO " + table.name + " VALUES ";
    for (std::int64_t row = 0; row < rows; ++row) {
      insert += row == 0 ? "(" : ", (";
      for (std::size_t i = 0; i < table.columns.size(); ++i) {
        const auto& column = table.columns[i];
        const auto value = random.Pick(column.values);
        const bool bare = database_.spec.driver == "sqlite" &&
                          (column.kind == ColumnKind::kInteger || column.kind == ColumnKind::kFloat ||
                           column.kind == ColumnKind::kBoolean);
        insert += (i == 0 ? "" : ", ") + (random.Chance(15) ? "NULL" : bare ? value : QuoteLiteral(value));
      }
      insert += ")";
    }
    statements.push_back(insert);
    return table;
  }

  arrow::Status Local(const std::string& sql) {
    ARROW_RETURN_NOT_OK(connection_->Begin());
    auto run = connection_->Run(sql);
    if (!run.ok()) {
      ARROW_UNUSED(connection_->Rollback());
      return run.status();
    }
    return connection_->Commit();
  }

  arrow::Result<Answer> Ask(const std::string& sql) {
    ARROW_RETURN_NOT_OK(connection_->Begin());
    auto answer = [&]() -> arrow::Result<Answer> {
      ARROW_ASSIGN_OR_RAISE(const auto parsed, engine_->Parse(sql));
      ARROW_ASSIGN_OR_RAISE(const auto prepared, connection_->Prepare(*parsed.at(0), engine::Trust::kClient));
      Answer result{.types = {}, .rows = {}, .info = prepared->info()};
      ARROW_ASSIGN_OR_RAISE(const auto run, connection_->Execute(*prepared, nullptr, engine::ResultMode::kStreaming));
      ARROW_ASSIGN_OR_RAISE(const auto table, run.rows->ToTable());
      for (const auto& field : table->schema()->fields()) result.types += field->type()->ToString() + ", ";
      ARROW_ASSIGN_OR_RAISE(const auto batch, table->CombineChunksToBatch());
      for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
        std::string text;
        for (const auto& column : batch->columns()) text += ValueText(*column, row) + " | ";
        result.rows.push_back(std::move(text));
      }
      return result;
    }();
    ARROW_RETURN_NOT_OK(connection_->Rollback());
    return answer;
  }

  // DuckDB drops a LIMIT where it believes that there are no more rows, and is wrong about some LEFT JOINs.
  static bool IsOverLimit(const std::string& query, std::size_t rows) {
    static const std::regex limit(" LIMIT ([0-9]+)( OFFSET [0-9]+)?$");
    std::smatch found;
    return std::regex_search(query, found, limit) && rows > std::stoull(found[1].str());
  }

  void Compare(const std::string& query, const std::vector<RandomTable>& tables) {
    const auto over = [&](const std::function<std::string(const RandomTable&)>& name) {
      std::string sql = query;
      for (const auto& table : tables) {
        const auto place = "{" + table.name + "}";
        for (auto at = sql.find(place); at != std::string::npos; at = sql.find(place)) {
          sql.replace(at, place.size(), name(table));
        }
      }
      return sql;
    };
    const auto there = over([&](const auto& table) { return There(table); });
    auto expected = Ask(over([](const auto& table) { return "copy_" + table.name; }));
    auto found = Ask(there);
    ++queries_;
    if (!expected.ok() && !found.ok()) {
      ++errors_;
      return;
    }
    ASSERT_TRUE(expected.ok()) << there << "\nhere: " << expected.status();
    ASSERT_TRUE(found.ok()) << there << "\nthere: " << found.status();
    if (IsOverLimit(query, expected->rows.size())) {
      ++errors_;
      return;
    }
    const auto& info = found->info;
    (info.pushed.empty() ? dropped_ : info.not_pushed.empty() ? whole_ : part_) += 1;
    if (std::getenv("HYPRSTREAM_FUZZ_WHY") != nullptr) {
      for (const auto& why : info.not_pushed) ++kept_[why];
    }
    EXPECT_EQ(found->types, expected->types) << there;
    const bool ordered = query.find(" ORDER BY ") != std::string::npos && !query.starts_with("SELECT o0, ") &&
                         !query.starts_with("SELECT count(*), ");
    if (!ordered) {
      std::ranges::sort(expected->rows);
      std::ranges::sort(found->rows);
    }
    std::string pushed;
    for (const auto& part : info.pushed) pushed += part + "; ";
    EXPECT_EQ(found->rows, expected->rows) << there << "\npushed: " << pushed;
  }

  const Database database_;
  const std::string dialect_;
  std::unique_ptr<backend::BackendRegistry> registry_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<engine::Connection> connection_;
  std::int64_t queries_ = 0, whole_ = 0, part_ = 0, dropped_ = 0, errors_ = 0;
  std::map<std::string, int> kept_;
};

const std::vector<std::string> kSmallIntegers = {"0", "1", "2", "-1", "3", "100", "-32768", "32767"};
const std::vector<std::string> kTexts = {"",  "a",  "A",   "b",          "ab", "aB",   "Ab", "é",
                                         "e", "ß",  "a b", "100%",       "_",  "\\",   "'",  "\u65e5\u672c",
                                         "z", "a%", "ab ", "\U0001F600", "1",  "ab\nc"};
const std::vector<std::string> kDates = {"2024-02-29", "1970-01-01", "1969-12-31", "2000-01-01",
                                         "9999-12-31", "0001-01-01", "2013-06-15", "2013-06-16"};

std::vector<std::string> With(std::vector<std::string> values, const std::vector<std::string>& more) {
  values.insert(values.end(), more.begin(), more.end());
  return values;
}

TEST(PushdownFuzz, Postgres) {
  auto server = testing::PostgresServer::Start({.password = "secret"}).ValueOrDie();
  Database database{.schema = "public", .columns = {}, .run = {}, .spec = {}};
  using enum ColumnKind;
  const auto times = std::vector<std::string>{"2024-02-29 23:59:59.999999",
                                              "1970-01-01 00:00:00",
                                              "1969-12-31 12:34:56.000001",
                                              "2013-06-15 10:00:00",
                                              "2013-06-15 10:59:59",
                                              "0001-01-01 00:00:00",
                                              "infinity",
                                              "-infinity"};
  database.columns = {
      {"i2", "int2", kInteger, "$::SMALLINT", kSmallIntegers},
      {"i4", "int4", kInteger, "$::INTEGER", With(kSmallIntegers, {"2147483647", "-2147483648"})},
      {"i8", "int8", kInteger, "$::BIGINT",
       With(kSmallIntegers, {"9223372036854775807", "-9223372036854775808", "9007199254740993"})},
      {"n",
       "numeric(12, 3)",
       kDecimal,
       "$::DECIMAL(12, 3)",
       {"0", "1", "1.000", "-1.5", "2.125", "999999999.999", "100"}},
      {"big",
       "numeric(38, 2)",
       kDecimal,
       "$::DECIMAL(38, 2)",
       {"0", "1.00", "-99999999999999999999999999999999999.99", "7"}},
      {"r", "float4", kFloat, "$::FLOAT", {"0", "1.5", "NaN", "Infinity", "-Infinity", "3.4e38", "-1", "1e-40"}},
      {"d",
       "float8",
       kFloat,
       "$::DOUBLE",
       {"0", "1.5", "NaN", "Infinity", "-Infinity", "1e308", "-1", "0.1", "5e-324"}},
      {"s", "text", kText, "$", kTexts},
      {"v", "varchar(9)", kText, "$", kTexts},
      {"k", "text COLLATE \"de-x-icu\"", kText, "$", kTexts},
      {"c", "char(4)", kOther, "$", {"a", "ab", "", "abcd"}},
      {"b", "bool", kBoolean, "$::BOOLEAN", {"true", "false"}},
      {"da", "date", kDate, "$::DATE", With(kDates, {"infinity", "-infinity"})},
      {"ti", "time", kTime, "$::TIME", {"00:00:00", "12:34:56.789", "23:59:59.999999"}},
      {"ts", "timestamp", kTimestamp, "$::TIMESTAMP", times},
      {"tz", "timestamptz", kTimestampTz, "$::TIMESTAMPTZ", times},
      {"u",
       "uuid",
       kUuid,
       "$::UUID",
       {"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "550e8400-e29b-41d4-a716-446655440000"}},
      {"y", "bytea", kOther, "$", {"\\x00", "\\xff00"}},
      {"j", "jsonb", kOther, "$", {"{\"a\": 1}", "[]"}},
      {"l", "int4[]", kOther, "$", {"{}", "{1,2}", "{NULL}"}}};
  database.run = [&](const std::vector<std::string>& statements) {
    std::string all;
    for (const auto& statement : statements) all += statement + ";\n";
    ASSERT_OK(server->Run(all));
  };
  database.spec.name = "there";
  database.spec.driver = "postgresql";
  database.spec.driver_options["uri"] = server->uri();
  Fuzz(std::move(database), "PostgreSQL").Run();
}

TEST(PushdownFuzz, Sqlite) {
  const auto path =
      (std::filesystem::temp_directory_path() / ("hyprstream-fuzz-" + std::to_string(getpid()) + ".db")).string();
  using enum ColumnKind;
  Database database{.schema = "main", .columns = {}, .run = {}, .spec = {}};
  const auto integers =
      With(kSmallIntegers, {"9223372036854775807", "-9223372036854775808", "9007199254740993", "-4294967296"});
  database.columns = {
      {"i", "INTEGER", kInteger, "$::BIGINT", integers},
      {"x", "BIGINT", kInteger, "$::BIGINT", integers},
      {"d", "DOUBLE", kFloat, "$::DOUBLE", {"0.0", "1.5", "9e999", "-9e999", "1e308", "-1", "0.1", "7"}},
      {"s", "TEXT", kText, "$", kTexts},
      {"n", "TEXT COLLATE NOCASE", kText, "$", kTexts},
      {"b", "BOOLEAN", kBoolean, "$::BOOLEAN", {"0", "1"}},
      {"da", "DATE", kDate, "$::DATE", kDates},
      {"ts",
       "TIMESTAMP",
       kTimestamp,
       "$::TIMESTAMP",
       {"2024-02-29 23:59:59.999999", "1970-01-01 00:00:00", "2013-06-15T10:00:00", "2013-06-15 10:00:00.000"}},
      {"y", "BLOB", kOther, "$", {"a", ""}},
      {"j", "JSON", kOther, "$", {"{}", "1"}}};
  std::erase_if(database.columns, [](const auto& column) { return column.name == "y"; });
  database.spec.name = "there";
  database.spec.driver = "sqlite";
  database.spec.driver_options["uri"] = "file:" + path;
  const char* drivers = std::getenv("HYPRSTREAM_ADBC_DRIVERS");
  auto library = backend::DriverLibrary("sqlite", drivers == nullptr ? "" : drivers);
  ASSERT_OK(library);
  auto opened = backend::DriverDatabase::Open(database.spec, *library);
  ASSERT_OK(opened);
  database.run = [&](const std::vector<std::string>& statements) {
    auto connection = backend::DriverConnection::Connect(*opened);
    ASSERT_OK(connection);
    for (const auto& statement : statements) ASSERT_OK((*connection)->Run(statement));
  };
  Fuzz(std::move(database), "SQLite").Run();
  std::filesystem::remove(path);
}

TEST(PushdownFuzz, Duckdb) {
  const auto path =
      (std::filesystem::temp_directory_path() / ("hyprstream-fuzz-" + std::to_string(getpid()) + ".duckdb")).string();
  using enum ColumnKind;
  Database database{.schema = "main", .columns = {}, .run = {}, .spec = {}, .is_open_once = true};
  const auto times = std::vector<std::string>{"2024-02-29 23:59:59.999999",
                                              "1970-01-01 00:00:00",
                                              "1969-12-31 12:34:56.000001",
                                              "2013-06-15 10:00:00",
                                              "0001-01-01 00:00:00",
                                              "infinity",
                                              "-infinity"};
  const auto floats = std::vector<std::string>{"0", "-0.0", "1.5", "nan", "inf", "-inf", "-1", "0.1", "1e-40"};
  database.columns = {
      {"i1", "TINYINT", kInteger, "$::TINYINT", {"0", "1", "2", "-1", "100", "-128", "127"}},
      {"i2", "SMALLINT", kInteger, "$::SMALLINT", kSmallIntegers},
      {"i4", "INTEGER", kInteger, "$::INTEGER", With(kSmallIntegers, {"2147483647", "-2147483648"})},
      {"i8", "BIGINT", kInteger, "$::BIGINT",
       With(kSmallIntegers, {"9223372036854775807", "-9223372036854775808", "9007199254740993"})},
      {"u1", "UTINYINT", kInteger, "$::UTINYINT", {"0", "1", "2", "100", "255"}},
      {"u2", "USMALLINT", kInteger, "$::USMALLINT", {"0", "1", "2", "100", "65535"}},
      {"u4", "UINTEGER", kInteger, "$::UINTEGER", {"0", "1", "2", "100", "4294967295"}},
      {"u8", "UBIGINT", kInteger, "$::UBIGINT", {"0", "1", "2", "18446744073709551615", "9223372036854775808"}},
      {"h", "HUGEINT", kDecimal, "$::DECIMAL(38, 0)", {"0", "1", "-99999999999999999999999999999999", "3"}},
      {"n", "DECIMAL(12, 3)", kDecimal, "$::DECIMAL(12, 3)", {"0", "1", "1.000", "-1.5", "2.125", "999999999.999"}},
      {"big",
       "DECIMAL(38, 2)",
       kDecimal,
       "$::DECIMAL(38, 2)",
       {"0", "1.00", "-99999999999999999999999999999999999.99", "7"}},
      {"r", "FLOAT", kFloat, "$::FLOAT", floats},
      {"d", "DOUBLE", kFloat, "$::DOUBLE", With(floats, {"1e308", "5e-324"})},
      {"s", "VARCHAR", kText, "$", kTexts},
      {"c", "VARCHAR COLLATE NOCASE", kText, "$", kTexts},
      {"e", "ENUM ('b', 'a', 'ab', 'A')", kText, "$", {"b", "a", "ab", "A"}},
      {"tt", "TIMETZ", kText, "$", {"10:00:00+00", "10:00:00+02", "00:00:00-01"}},
      {"b", "BOOLEAN", kBoolean, "$::BOOLEAN", {"true", "false"}},
      {"da", "DATE", kDate, "$::DATE", With(kDates, {"infinity", "-infinity"})},
      {"ti", "TIME", kTime, "$::TIME", {"00:00:00", "12:34:56.789", "23:59:59.999999"}},
      {"ts", "TIMESTAMP", kTimestamp, "$::TIMESTAMP", times},
      {"tz", "TIMESTAMPTZ", kTimestampTz, "$::TIMESTAMPTZ", times},
      {"u",
       "UUID",
       kUuid,
       "$::UUID",
       {"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "550e8400-e29b-41d4-a716-446655440000"}},
      {"y", "BLOB", kOther, "$", {"a", "\\x00"}},
      {"iv", "INTERVAL", kOther, "$", {"1 day", "-2 months"}},
      {"tn", "TIMESTAMP_NS", kOther, "$", {"2024-02-29 00:00:01.000000001"}},
      {"l", "INTEGER[]", kOther, "$", {"[]", "[1, 2]", "[NULL]"}}};
  database.spec.name = "there";
  database.spec.driver = "duckdb";
  database.spec.driver_options["uri"] = path;
  database.spec.driver_options["threads"] = "1";  // it is opened anew for each seed
  auto writing = database.spec;
  writing.driver_options["access_mode"] = "READ_WRITE";  // and made where it is not there
  const auto run = [&writing](const std::vector<std::string>& statements) {
    auto opened = backend::DriverDatabase::Open(writing, "duckdb");
    ASSERT_OK(opened);
    auto connection = backend::DriverConnection::Connect(*opened);
    ASSERT_OK(connection);
    for (const auto& statement : statements) ASSERT_OK((*connection)->Run(statement));
  };
  run({});
  database.run = run;
  Fuzz(std::move(database), "DuckDB").Run();
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace hyprstream::fuzz
