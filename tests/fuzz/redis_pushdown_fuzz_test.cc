// Random queries over random tables of a real Valkey equal what DuckDB says over copies of the tables: what the driver
// looks up by key and time, the first rows by time, and everything else, which is done here. HYPRSTREAM_SEED is the
// first seed, HYPRSTREAM_SEEDS how many; HYPRSTREAM_LONG runs 20,000 queries.
#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend_registry.h"
#include "backend/driver.h"
#include "core/table_ref.h"
#include "engine/connection.h"
#include "engine/engine.h"
#include "fuzz/environment.h"
#include "fuzz/random.h"
#include "support/status_assertions.h"
#include "support/valkey_server.h"

namespace hyprstream::fuzz {
namespace {

constexpr int kQueriesOfSeed = 50;
constexpr int kSeedsMin = 20;
constexpr std::chrono::seconds kBudget{10};

// A type of the key or the time column, and literals of it as the driver and DuckDB both read them.
struct Role {
  std::string type;
  std::string cast;  // behind a literal in a query
  std::vector<std::string> values;
};

const std::vector<std::string> kTimes = {"2024-02-29 23:59:59", "1970-01-01 00:00:00", "1969-12-31 12:34:56",
                                         "2013-06-15 10:00:00", "2013-06-15 10:59:59", "0001-01-01 00:00:00",
                                         "9999-12-31 23:59:59", "2262-04-11 00:00:00", "1700-01-01 00:00:00"};
// Nanoseconds of 64 bits hold no more than this.
const std::vector<std::string> kNearTimes = {"2024-02-29 23:59:59", "1970-01-01 00:00:00", "1969-12-31 12:34:56",
                                             "2013-06-15 10:00:00", "2262-04-11 00:00:00", "1700-01-01 00:00:00"};

const std::vector<Role> kKeys = {
    {"BIGINT", "::BIGINT", {"0", "1", "-1", "7", "9223372036854775807", "-9223372036854775808", "9007199254740993"}},
    {"INTEGER", "::INTEGER", {"0", "1", "-1", "7", "2147483647", "-2147483648"}},
    {"UBIGINT", "::UBIGINT", {"0", "1", "7", "18446744073709551615"}},
    {"TEXT", "", {"", "a", "A", "b", "ab", "é", "a b", "'", "1", "\u65e5\u672c", "a:b", "{x}"}},
    {"DECIMAL(9, 2)", "::DECIMAL(9, 2)", {"0.00", "1.00", "-1.50", "1234567.89"}},
    {"BOOLEAN", "::BOOLEAN", {"true", "false"}}};
const std::vector<Role> kTimeTypes = {
    {"TIMESTAMP", "::TIMESTAMP", kTimes},
    {"TIMESTAMP(0)", "::TIMESTAMP_S", kTimes},
    {"TIMESTAMP(3)", "::TIMESTAMP_MS", kTimes},
    {"TIMESTAMP(9)", "::TIMESTAMP_NS", kNearTimes},
    {"TIMESTAMP WITH TIME ZONE", "::TIMESTAMPTZ", kTimes},
    {"DATE", "::DATE", {"2024-02-29", "1970-01-01", "1969-12-31", "0001-01-01", "9999-12-31", "2013-06-15"}}};

struct Table {
  std::string name;
  Role key;   // no type: none
  Role time;  // likewise
};

class QueryMaker {
 public:
  QueryMaker(Random& random, const Table& table, const Table& other) : random_(random), table_(table), other_(other) {}

  // With {t} and {o} for the tables.
  std::string Make() {
    const auto where = Where();
    const auto kind = random_.Below(10);
    if (kind < 4 && !table_.time.type.empty()) return First(where);
    if (kind < 5) return "SELECT count(*) FROM (SELECT * FROM {t}" + where + " LIMIT " + Count() + ")";
    if (kind < 6) return "SELECT s, count(*), sum(n), max(n) FROM {t}" + where + " GROUP BY s";
    if (kind < 7) return "SELECT t.n, o.s FROM {t} t JOIN {o} o ON t.n = o.n WHERE t.n < " + Small();
    if (kind < 8) return "SELECT count(*), count(n) FROM {t}" + where;
    return "SELECT " + Columns() + " FROM {t}" + where;
  }

 private:
  std::string Small() { return std::to_string(random_.Below(7) - 2); }
  std::string Count() { return std::to_string(random_.Below(12)); }
  std::string Literal(const Role& role) { return QuoteLiteral(random_.Pick(role.values)) + role.cast; }

  std::string Columns() {
    std::vector<std::string> names = {"n", "s", "v"};
    if (!table_.key.type.empty()) names.emplace_back("k");
    if (!table_.time.type.empty()) names.emplace_back("ts");
    if (random_.Chance(15)) return "*";
    std::string list;
    for (int i = 0; i < 1 + random_.Below(4); ++i) list += (i == 0 ? "" : ", ") + random_.Pick(names);
    return random_.Chance(15) ? list + ", n + 1" : list;
  }

  // Which of the rows that have one time come first is nobody's: only their times are looked at.
  std::string First(const std::string& where) {
    const std::string what = random_.Chance(20) ? "ts, ts" : "ts";
    std::string sql = "SELECT " + what + " FROM {t}" + where + " ORDER BY ts";
    sql += random_.Pick(std::vector<std::string>{"", " ASC", " DESC", " DESC NULLS LAST", " NULLS FIRST"});
    sql += " LIMIT " + Count();
    if (random_.Chance(20)) sql += " OFFSET " + Count();
    return random_.Chance(10) ? "SELECT count(*), max(ts) FROM (" + sql + ")" : sql;
  }

  std::string Comparison() {
    static const std::vector<std::string> kOperators = {" = ", " < ", " <= ", " > ", " >= ", " <> "};
    const auto kind = random_.Below(10);
    if (kind < 3 && !table_.key.type.empty()) {
      if (random_.Chance(50)) return "k" + random_.Pick(kOperators) + Literal(table_.key);
      std::string list;
      for (int i = 0; i < 1 + random_.Below(4); ++i) list += (i == 0 ? "" : ", ") + Literal(table_.key);
      return "k IN (" + list + (random_.Chance(15) ? ", NULL)" : ")");
    }
    if (kind < 7 && !table_.time.type.empty()) {
      if (random_.Chance(30)) return "ts BETWEEN " + Literal(table_.time) + " AND " + Literal(table_.time);
      if (random_.Chance(15)) return "ts IN (" + Literal(table_.time) + ", " + Literal(table_.time) + ")";
      return "ts" + random_.Pick(kOperators) + Literal(table_.time);
    }
    const std::vector<std::string> others = {"n = " + Small(), "n > " + Small(), "s = 'a'", "s IS NULL",
                                             "v < 1.5",        "n IS NOT NULL",  "n = NULL"};
    return random_.Pick(others);
  }

  std::string Where() {
    if (random_.Chance(20)) return "";
    auto where = " WHERE " + Comparison();
    while (random_.Chance(40)) where += (random_.Chance(80) ? " AND " : " OR ") + Comparison();
    return where;
  }

  Random& random_;
  const Table& table_;
  const Table& other_;
};

class RedisPushdownFuzz : public ::testing::Test {
 protected:
  RedisPushdownFuzz()
      : valkey_(testing::ValkeyServer::Start("secret").ValueOrDie()),
        registry_(backend::BackendRegistry::Make({})),
        engine_(engine::Engine::Make({}).ValueOrDie()),
        connection_(engine_->Connect().ValueOrDie()) {
    spec_.name = "there";
    spec_.driver = "redis";
    spec_.driver_options["uri"] = valkey_->uri();
  }

  void RunSeed(std::int64_t seed) {
    SCOPED_TRACE("HYPRSTREAM_SEED=" + std::to_string(seed));
    Random random(static_cast<std::uint64_t>(seed));
    const Table first = MakeTable(random, "t" + std::to_string(seed));
    const Table second = MakeTable(random, "o" + std::to_string(seed));
    QueryMaker maker(random, first, second);
    for (int i = 0; i < kQueriesOfSeed && !HasFatalFailure(); ++i) Compare(maker.Make(), first, second);
    for (const auto& table : {first, second}) {
      ASSERT_OK(Local("DROP TABLE copy_" + table.name));
      ASSERT_OK(database_->Run("DROP TABLE " + table.name));
    }
  }

  void Open() {
    ASSERT_OK_AND_ASSIGN(auto database, backend::DriverDatabase::Open(spec_, "redis"));
    ASSERT_OK_AND_ASSIGN(database_, backend::DriverConnection::Connect(std::move(database)));
    ASSERT_OK_AND_ASSIGN(auto attached, registry_->Attach(spec_));
    ASSERT_OK(engine_->AddBackend(std::move(attached)));
  }

  Table MakeTable(Random& random, const std::string& name) {
    Table table{.name = name, .key = {}, .time = {}};
    if (random.Chance(70)) table.key = random.Pick(kKeys);
    if (random.Chance(80)) table.time = random.Pick(kTimeTypes);
    const bool keyed = !table.key.type.empty();
    const bool timed = !table.time.type.empty();
    EXPECT_OK(database_->Run("CREATE TABLE " + name + " (n INTEGER, s TEXT, v DOUBLE" +
                             (keyed ? ", k " + table.key.type + " PRIMARY KEY" : "") +
                             (timed ? ", ts " + table.time.type + ") WITH (time = 'ts')" : ")")));
    const auto rows = random.Chance(10) ? 0 : random.Below(60);
    for (std::int64_t row = 0; row < rows; ++row) {
      const auto literal = [&](const Role& role) {
        const auto value = random.Pick(role.values);
        const bool bare =
            role.type != "TEXT" && role.cast.find("TIMESTAMP") == std::string::npos && role.type != "DATE";
        return bare ? value : QuoteLiteral(value);
      };
      const auto other = [&](const std::string& value) { return random.Chance(15) ? std::string("NULL") : value; };
      EXPECT_OK(database_->Run("INSERT INTO " + name + " VALUES (" + other(std::to_string(random.Below(7) - 2)) + ", " +
                               other(random.Pick(std::vector<std::string>{"'a'", "'A'", "''", "'b'"})) + ", " +
                               other(random.Pick(std::vector<std::string>{"0.5", "1.5", "-1.0"})) +
                               (keyed ? ", " + literal(table.key) : "") + (timed ? ", " + literal(table.time) : "") +
                               ")"));
    }
    EXPECT_OK(Local("CREATE TABLE copy_" + name + " AS SELECT * FROM there.main." + name));
    return table;
  }

  arrow::Status Local(const std::string& sql) {
    ARROW_RETURN_NOT_OK(connection_->Begin());
    ARROW_RETURN_NOT_OK(connection_->Run(sql));
    return connection_->Commit();
  }

  struct Answer {
    std::string types;
    std::vector<std::string> rows;
    bool pushed = false;
  };

  arrow::Result<Answer> Ask(const std::string& sql) {
    ARROW_RETURN_NOT_OK(connection_->Begin());
    auto answer = [&]() -> arrow::Result<Answer> {
      ARROW_ASSIGN_OR_RAISE(const auto parsed, engine_->Parse(sql));
      ARROW_ASSIGN_OR_RAISE(const auto prepared, connection_->Prepare(*parsed.at(0), engine::Trust::kClient));
      Answer result{.types = {}, .rows = {}, .pushed = !prepared->info().pushed.empty()};
      ARROW_ASSIGN_OR_RAISE(const auto run, connection_->Execute(*prepared, nullptr, engine::ResultMode::kStreaming));
      ARROW_ASSIGN_OR_RAISE(const auto table, run.rows->ToTable());
      for (const auto& field : table->schema()->fields()) result.types += field->type()->ToString() + ", ";
      ARROW_ASSIGN_OR_RAISE(const auto batch, table->CombineChunksToBatch());
      for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
        std::string text;
        for (const auto& column : batch->columns()) text += column->GetScalar(row).ValueOrDie()->ToString() + " | ";
        result.rows.push_back(std::move(text));
      }
      return result;
    }();
    ARROW_RETURN_NOT_OK(connection_->Rollback());
    return answer;
  }

  void Compare(const std::string& query, const Table& table, const Table& other) {
    const auto over = [&](const std::string& before) {
      std::string sql = query;
      for (const auto& [place, name] : {std::pair("{t}", table.name), std::pair("{o}", other.name)}) {
        for (auto at = sql.find(place); at != std::string::npos; at = sql.find(place))
          sql.replace(at, 3, before + name);
      }
      return sql;
    };
    const auto there = over("there.main.");
    ++queries_;
    ASSERT_OK_AND_ASSIGN(auto expected, Ask(over("copy_")));
    const auto answer = Ask(there);
    ASSERT_TRUE(answer.ok()) << there << "\n" << answer.status();
    auto found = *answer;
    pushed_ += found.pushed ? 1 : 0;
    EXPECT_EQ(found.types, expected.types) << there;
    const bool ordered = query.starts_with("SELECT ts") && query.find(" ORDER BY ") != std::string::npos;
    if (!ordered) {
      std::ranges::sort(expected.rows);
      std::ranges::sort(found.rows);
    }
    EXPECT_EQ(found.rows, expected.rows) << there;
  }

  const std::unique_ptr<testing::ValkeyServer> valkey_;
  backend::BackendSpec spec_;
  std::unique_ptr<backend::BackendRegistry> registry_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<engine::Connection> connection_;
  std::unique_ptr<backend::DriverConnection> database_;
  std::int64_t queries_ = 0;
  std::int64_t pushed_ = 0;
};

TEST_F(RedisPushdownFuzz, AnswersAreThoseOfCopies) {
  ASSERT_NO_FATAL_FAILURE(Open());
  const bool is_long = std::getenv("HYPRSTREAM_LONG") != nullptr;
  const auto first = Number("HYPRSTREAM_SEED", 1);
  const auto seeds = Number("HYPRSTREAM_SEEDS", is_long ? 20'000 / kQueriesOfSeed : 0);
  const auto end = std::chrono::steady_clock::now() + kBudget;
  for (std::int64_t seed = first; !HasFailure(); ++seed) {
    const auto done = seed - first;
    if (seeds > 0 ? done >= seeds : done >= kSeedsMin && std::chrono::steady_clock::now() > end) break;
    RunSeed(seed);
  }
  std::cout << "Redis: " << queries_ << " queries equal, of " << pushed_ << " the first rows came from there\n";
  EXPECT_GE(pushed_, queries_ / 20);
}

}  // namespace
}  // namespace hyprstream::fuzz
