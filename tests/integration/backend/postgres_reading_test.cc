// PostgreSQL as a backend: connecting, its catalog, its types read from tables and statements.
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <gmock/gmock.h>

#include "documented_types.h"
#include "postgres_backend.h"

namespace hyprstream::testing {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(PostgresBackend, ConnectsAndSaysWhatItIs) {
  ASSERT_OK(Attach());
  const auto infos = registry_->Backends();
  ASSERT_EQ(infos.size(), 1);
  EXPECT_EQ(infos[0].name, "warehouse");
  EXPECT_EQ(infos[0].state, backend::BackendState::kAvailable);
  EXPECT_EQ(infos[0].breaker, "closed");
  EXPECT_THAT(infos[0].driver_version, HasSubstr("18"));
  EXPECT_EQ(infos[0].target, "postgresql at 127.0.0.1:" + std::to_string(server_.port()) + "/postgres");
  EXPECT_EQ(infos[0].pool_idle, 1);
  EXPECT_TRUE(registry_->Attach(Spec()).status().IsAlreadyExists());
  EXPECT_EQ(registry_->Find("nope"), nullptr);
  ASSERT_OK(registry_->Detach("warehouse"));
  EXPECT_TRUE(registry_->Detach("warehouse").IsKeyError());
  EXPECT_TRUE(Eventually([&] { return Connections() == 0; }));
}

TEST_F(PostgresBackend, RefusesAWrongPasswordWithoutSayingIt) {
  auto spec = Spec();
  spec.driver_options["uri"] = "postgresql://postgres@127.0.0.1:" + std::to_string(server_.port()) + "/postgres";
  spec.driver_options["password"] = "not-the-Marker";
  const auto status = registry_->Attach(spec).status();
  EXPECT_TRUE(status.IsIOError());
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("warehouse"), HasSubstr("authentication failed"), Not(HasSubstr("Marker"))));
  EXPECT_EQ(registry_->Find("warehouse"), nullptr) << "its name is free again";
  spec.driver_options["password"] = kPassword;
  EXPECT_OK(registry_->Attach(spec));
}

TEST_F(PostgresBackend, KeepsSecretsOutOfErrorsOfMalformedUris) {
  for (const std::string uri :
       {"postgresql://ada:Mar ker@127.0.0.1:1/x", "postgresql://ada:Mar/ker@127.0.0.1:1/x",
        "postgresql://ada:Marker@127.0.0.1:Marker/x", "postgresql://127.0.0.1:1/x?password=Marker&Marker=1",
        "host=127.0.0.1 port=1 password=Marker x", "postgresql://ada:%4darker@127.0.0.1:1/x"}) {
    auto spec = Spec();
    spec.driver_options["uri"] = uri;
    const auto status = registry_->Attach(spec).status();
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(status.ToString(), AllOf(Not(HasSubstr("Mar")), Not(HasSubstr("%4d")), Not(HasSubstr("ker ")))) << uri;
    EXPECT_THAT(Describe(spec), Not(HasSubstr("ker@")));
  }
}

TEST_F(PostgresBackend, MayBeDownWhenTheConfigurationNamesIt) {
  auto spec = Spec();
  spec.may_be_down = true;
  spec.driver_options["uri"] = "postgresql://postgres@127.0.0.1:1/postgres";
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec));
  EXPECT_EQ(registry_->Backends()[0].state, backend::BackendState::kUnavailable);
  const auto status = backend->Tables("public").status();
  EXPECT_TRUE(status.IsIOError());
  EXPECT_THAT(status.message(), AllOf(HasSubstr("warehouse is unavailable"), HasSubstr("refused")));
}

TEST_F(PostgresBackend, ShowsSchemasTablesAndColumns) {
  Sql("CREATE SCHEMA \"we ird\"; CREATE TABLE \"we ird\".\"T'able\" (a int NOT NULL, \"B\"\"c\" text, PRIMARY KEY (a));"
      "CREATE VIEW \"we ird\".seen AS SELECT a FROM \"we ird\".\"T'able\"; INSERT INTO \"we ird\".\"T'able\" VALUES "
      "(1, 'x')");
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  ASSERT_OK_AND_ASSIGN(const auto schemas, backend->Schemas());
  EXPECT_THAT(schemas, AllOf(Contains("public"), Contains("we ird"), Not(Contains("pg_catalog"))));
  ASSERT_OK_AND_ASSIGN(const auto tables, backend->Tables("we ird"));
  ASSERT_EQ(tables.size(), 2);
  EXPECT_EQ(tables[0].name, "T'able");
  EXPECT_FALSE(tables[0].is_view);
  EXPECT_EQ(tables[1].name, "seen");
  EXPECT_TRUE(tables[1].is_view);
  ASSERT_OK_AND_ASSIGN(const auto table, backend->Table("we ird", "T'able"));
  EXPECT_TRUE(table->schema()->Equals(
      arrow::schema({arrow::field("a", arrow::int32(), false), arrow::field("B\"c", arrow::utf8())})))
      << table->schema()->ToString();
  ASSERT_OK_AND_ASSIGN(const auto rows, Read(*table));
  EXPECT_THAT(Row(*rows, 0), ElementsAre("1", "x"));
  EXPECT_OK(backend->Table("pg_catalog", "pg_class"));
}

TEST_F(PostgresBackend, LooksUpAnewWhatItDoesNotKnow) {
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  const auto status = backend->Table("public", "arrivals_late").status();
  EXPECT_TRUE(status.IsKeyError());
  Sql("CREATE TABLE arrivals_later (a int)");
  EXPECT_THAT(backend->Table("public", "arrivals_latr").status().message(),
              HasSubstr("Unknown table: warehouse.public.arrivals_latr (did you mean arrivals_later?)"));
  EXPECT_OK(backend->Table("public", "arrivals_later"));
  EXPECT_TRUE(backend->Tables("publik").status().IsKeyError());
  EXPECT_TRUE(backend->Table("publik", "t").status().IsKeyError());
}

TEST_F(PostgresBackend, SaysWhenATableHasChangedSinceItWasRead) {
  Sql("CREATE TABLE changing (a int, b text); INSERT INTO changing VALUES (1, 'x')");
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  ASSERT_OK_AND_ASSIGN(const auto before, backend->Table("public", "changing"));
  Sql("ALTER TABLE changing ALTER a TYPE text, DROP b");
  EXPECT_THAT(Read(*before).status().message(), HasSubstr("has changed at the database: try again"));
  ScanRequest first{.projection = {0}};
  EXPECT_THAT(Read(*before, first).status().message(), HasSubstr("has changed at the database; try again"));
  ASSERT_OK_AND_ASSIGN(const auto after, backend->Table("public", "changing"));
  EXPECT_EQ(after->schema()->num_fields(), 1);
  EXPECT_OK(Read(*after));
}

// A type as PostgreSQL spells it, what it becomes, and values as PostgreSQL writes them and as they arrive.
struct TypeCase {
  std::string type;
  std::string arrow;
  std::vector<std::pair<std::string, std::string>> values;
};

std::vector<TypeCase> TypeCases() {
  return {
      {"int2", "int16", {{"-32768", "-32768"}, {"32767", "32767"}}},
      {"int4", "int32", {{"-2147483648", "-2147483648"}, {"2147483647", "2147483647"}}},
      {"int8",
       "int64",
       {{"-9223372036854775808", "-9223372036854775808"}, {"9223372036854775807", "9223372036854775807"}}},
      {"float4", "float", {{"1.17549435e-38", "1.1754944e-38"}, {"NaN", "nan"}, {"-Infinity", "-inf"}, {"-0", "-0"}}},
      {"float8",
       "double",
       {{"5e-324", "5e-324"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"NaN", "nan"},
        {"Infinity", "inf"}}},
      {"bool", "bool", {{"t", "true"}, {"f", "false"}}},
      {"numeric(5,2)",
       "decimal128(5, 2)",
       {{"-999.99", "-999.99"}, {"0.01", "0.01"}, {"0", "0.00"}, {"100", "100.00"}}},
      {"numeric(38,10)",
       "decimal128(38, 10)",
       {{"9999999999999999999999999999.9999999999", "9999999999999999999999999999.9999999999"},
        {"-0.0000000001", "-1E-10"},
        {"10000", "10000.0000000000"}}},
      {"numeric(38,0)",
       "decimal128(38, 0)",
       {{"-99999999999999999999999999999999999999", "-99999999999999999999999999999999999999"}}},
      {"numeric(2,-2)", "decimal128(4, 0)", {{"9900", "9900"}, {"-100", "-100"}}},
      {"numeric(2,4)", "decimal128(4, 4)", {{"0.0099", "0.0099"}}},
      {"numeric(39,1)",
       "string",
       {{"12345678901234567890123456789012345678.9", "12345678901234567890123456789012345678.9"}}},
      {"numeric",
       "string",
       {{"1.50", "1.50"}, {"NaN", "NaN"}, {"Infinity", "Infinity"}, {"1e60", "1" + std::string(60, '0')}}},
      {"text", "string", {{"", ""}, {"ä€😀'\"\\", "ä€😀'\"\\"}}},
      {"varchar(5)", "string", {{"abcde", "abcde"}}},
      {"char(4)", "string", {{"ab", "ab  "}}},
      {"name", "string", {{"ada", "ada"}}},
      {"bytea", "binary", {{"\\x3031ff", "01\xFF"}, {"\\x", ""}}},
      {"date", "date32[day]", {{"1970-01-01", "1970-01-01"}, {"0044-03-15 BC", "-0043-03-15"}}},
      {"time", "time64[us]", {{"00:00:00", "00:00:00.000000"}, {"23:59:59.999999", "23:59:59.999999"}}},
      {"timestamp",
       "timestamp[us]",
       {{"2013-01-01 00:00:00.000001", "2013-01-01 00:00:00.000001"},
        {"1969-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999"}}},
      {"timestamptz", "timestamp[us, tz=UTC]", {{"2013-01-01 02:00:00+02", "2013-01-01 00:00:00.000000Z"}}},
      {"interval", "month_day_nano_interval", {{"1 mon 2 days 3 sec", "1M2d3000000000ns"}, {"-1 us", "0M0d-1000ns"}}},
      {"uuid", "fixed_size_binary[16]", {{"30313233-3435-3637-3839-616263646566", "0123456789abcdef"}}},
      {"json", "string", {{"{\"a\": 1}", "{\"a\": 1}"}}},
      {"jsonb", "string", {{"{\"a\":  1}", "{\"a\": 1}"}}},
      {"oid", "int64", {{"4294967295", "4294967295"}, {"0", "0"}}},
      {"money", "string", {{"-1.50", "-1.50"}}},
      {"inet", "string", {{"10.0.0.1/8", "10.0.0.1/8"}}},
      {"bit(3)", "string", {{"101", "101"}}},
      {"int4range", "string", {{"[1,5)", "[1,5)"}}},
      {"timetz", "string", {{"12:00:00+02", "12:00:00+02"}}},
      {"point", "string", {{"(1,2)", "(1,2)"}}},
      {"mood", "string", {{"sad", "sad"}}},
      {"pair", "string", {{"(1,x)", "(1,x)"}}},
      {"small_sum", "decimal128(6, 2)", {{"12.3", "12.30"}}},
      {"int4[]", "list<item: int32>", {{"{1,NULL,3}", "list<item: int32>[1, null, 3]"}, {"{}", "list<item: int32>[]"}}},
      {"text[]", "list<item: string>", {{"{a,\"b c\"}", "list<item: string>[a, b c]"}}},
      {"numeric(5,2)[]", "list<item: string>", {{"{1.50,NaN}", "list<item: string>[1.50, NaN]"}}},
      {"mood[]", "list<item: string>", {{"{sad}", "list<item: string>[sad]"}}},
  };
}

class PostgresTypes : public PostgresBackend {
 protected:
  PostgresTypes() {
    Sql("DROP TABLE IF EXISTS typed; DROP TYPE IF EXISTS mood, pair; DROP DOMAIN IF EXISTS small_sum;"
        "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (a int, b text);"
        "CREATE DOMAIN small_sum AS numeric(6,2) CHECK (VALUE < 1000)");
  }

  static std::string Literal(const std::string& value) {
    std::string literal = "'";
    for (const char c : value) literal += c == '\'' ? "''" : std::string(1, c);
    return literal + "'";
  }
};

TEST_F(PostgresTypes, OfTablesArriveWithTheirBoundaryValues) {
  std::string columns;
  const auto cases = TypeCases();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    columns += (i == 0 ? "" : ", ") + std::string("c") + std::to_string(i) + " " + cases[i].type;
  }
  Sql("CREATE TABLE typed (" + columns + ")");
  for (std::size_t row = 0; row < 4; ++row) {
    std::string values;
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const bool has = row < cases[i].values.size();
      values += (i == 0 ? "" : ", ") + (has ? Literal(cases[i].values[row].first) : std::string("NULL"));
    }
    Sql("INSERT INTO typed VALUES (" + values + ")");
  }
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("public", "typed"));
  ASSERT_OK_AND_ASSIGN(const auto table, Read(*source));
  ASSERT_OK(table->ValidateFull());
  ASSERT_EQ(table->num_rows(), 4);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const int column = static_cast<int>(i);
    EXPECT_EQ(source->schema()->field(column)->type()->ToString(), cases[i].arrow) << cases[i].type;
    for (std::size_t row = 0; row < 4; ++row) {
      ASSERT_OK_AND_ASSIGN(const auto value, table->column(column)->GetScalar(static_cast<std::int64_t>(row)));
      if (row < cases[i].values.size()) {
        EXPECT_EQ(value->ToString(), cases[i].values[row].second) << cases[i].type;
      } else {
        EXPECT_FALSE(value->is_valid) << cases[i].type;
      }
    }
  }
}

TEST_F(PostgresTypes, OfStatementsArriveOrAreRefused) {
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  for (const auto& one : TypeCases()) {
    const std::string sql = "SELECT " + Literal(one.values[0].first) + "::" + one.type + " AS v";
    const auto source = backend->Query(sql, {});
    if (!source.ok()) {
      EXPECT_TRUE(source.status().IsInvalid());
      EXPECT_THAT(source.status().message(), AllOf(HasSubstr("Column v has the type"), HasSubstr("cast it to")))
          << one.type;
      continue;
    }
    ASSERT_OK_AND_ASSIGN(const auto table, Read(**source));
    const auto& type = (*source)->schema()->field(0)->type();
    // A cast gives no modifier to what is a numeric with a negative scale or none.
    if (type->ToString() == one.arrow) {
      EXPECT_EQ(Row(*table, 0)[0], one.values[0].second) << one.type;
    } else {
      EXPECT_THAT(one.type, AnyOf(HasSubstr("numeric"), HasSubstr("small_sum"))) << type->ToString();
    }
  }
}

TEST_F(PostgresTypes, AreWhatTheDocumentSays) {
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  const auto types = DocumentedTypes("PostgreSQL");
  EXPECT_GT(types.size(), 20);
  std::string columns;
  std::vector<std::string> expected;
  for (const auto& [names, arrow] : types) {
    for (const auto& name : names) {
      columns += (columns.empty() ? "c" : ", c") + std::to_string(expected.size()) + " " + name;
      expected.push_back(name + ": " + arrow);
    }
  }
  Sql("CREATE TABLE typed (" + columns + ")");
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("public", "typed"));
  ASSERT_EQ(source->schema()->num_fields(), static_cast<int>(expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto& said = expected[i];
    EXPECT_EQ(said.substr(0, said.find(": ")) + ": " + source->schema()->field(static_cast<int>(i))->type()->ToString(),
              said);
  }
}

TEST_F(PostgresTypes, UuidAndJsonSayWhatTheyAre) {
  Sql("CREATE TABLE typed (u uuid, j jsonb)");
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("public", "typed"));
  EXPECT_EQ(source->schema()->field(0)->metadata()->Get("ARROW:extension:name").ValueOrDie(), "arrow.uuid");
  EXPECT_EQ(source->schema()->field(1)->metadata()->Get("ARROW:extension:name").ValueOrDie(), "arrow.json");
}

// What the driver loses in silence.
TEST_F(PostgresTypes, InfiniteTimesStayInfinite) {
  Sql("CREATE TABLE typed (t timestamp, z timestamptz, d date, l timestamp[]);"
      "INSERT INTO typed VALUES ('infinity', 'infinity', 'infinity', '{infinity,2013-01-01}'),"
      "('-infinity', '-infinity', '-infinity', NULL), (NULL, NULL, NULL, '{}')");
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  const auto at = [](const arrow::Table& table, int column, std::int64_t row) {
    return table.column(column)->View(arrow::int64()).ValueOrDie()->GetScalar(row).ValueOrDie()->ToString();
  };
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("public", "typed"));
  ASSERT_OK_AND_ASSIGN(const auto of_table, Read(*source));
  ASSERT_OK_AND_ASSIGN(const auto of_statement, ReadQuery(*backend, "SELECT t, z, d FROM typed"));
  for (const auto& table : {of_table, of_statement}) {
    for (const int column : {0, 1}) {
      EXPECT_EQ(at(*table, column, 0), "9223372036854775807");
      EXPECT_EQ(at(*table, column, 1), "-9223372036854775807");
      EXPECT_EQ(at(*table, column, 2), "null");
    }
    const auto days = table->column(2)->View(arrow::int32()).ValueOrDie();
    EXPECT_EQ(days->GetScalar(0).ValueOrDie()->ToString(), "2147483647");
    EXPECT_EQ(days->GetScalar(1).ValueOrDie()->ToString(), "-2147483647");
  }
  const auto list = of_table->column(3)->GetScalar(0).ValueOrDie();
  const auto times = static_cast<const arrow::BaseListScalar&>(*list).value->View(arrow::int64()).ValueOrDie();
  EXPECT_EQ(times->GetScalar(0).ValueOrDie()->ToString(), "9223372036854775807");
  EXPECT_EQ(times->GetScalar(1).ValueOrDie()->ToString(), "1356998400000000");
}

TEST_F(PostgresTypes, WhatArrowCannotHoldIsRefusedByName) {
  struct Case {
    const char* type;
    const char* value;
    const char* words;
  };
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  int number = 0;
  for (const auto& one :
       std::vector<Case>{{"timestamp", "294276-12-31 23:59:59", "Column v has a time that is too late"},
                         {"timestamptz", "294247-01-10 04:00:54.775807+00", "Column v has a time that is too late"},
                         {"numeric(5,2)", "NaN", "Column v has a value that is no decimal128(5, 2): "},
                         {"int4[]", "{{1,2},{3,4}}", "Column v has an array of several dimensions"},
                         {"numeric[]", "{{1,2},{3,4}}", "Column v has an array of several dimensions"},
                         {"int4[]", "[3:4]={1,2}", "Column v has a value that cannot be read"},
                         {"interval", "infinity", "Column v has a value that cannot be read"},
                         {"interval", "100000000 hours", "Column v has a value that cannot be read"}}) {
    const std::string name = "refused_" + std::to_string(number++);
    Sql("CREATE TABLE " + name + " (v " + one.type + ", ok int); INSERT INTO " + name + " VALUES (NULL, 1), (" +
        Literal(one.value) + ", 2)");
    ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("public", name));
    const auto status = Read(*source).status();
    EXPECT_THAT(status.message(), AllOf(HasSubstr("warehouse: "), HasSubstr(one.words))) << one.type;
    EXPECT_OK(Read(*source, {.projection = {1}}));
  }
}

TEST_F(PostgresTypes, NotNullIsSaidOnlyWhereItIsTrue) {
  Sql("CREATE TABLE typed (a int, b int NOT NULL, c int); INSERT INTO typed VALUES (1, 1, NULL);"
      "ALTER TABLE typed ADD CONSTRAINT later NOT NULL c NOT VALID;"
      "CREATE OR REPLACE VIEW typed_view AS SELECT b FROM typed");
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("public", "typed"));
  EXPECT_TRUE(source->schema()->field(0)->nullable());
  EXPECT_FALSE(source->schema()->field(1)->nullable());
  EXPECT_TRUE(source->schema()->field(2)->nullable()) << "nobody has checked it";
  ASSERT_OK_AND_ASSIGN(const auto view, backend->Table("public", "typed_view"));
  EXPECT_TRUE(view->schema()->field(0)->nullable());
  Sql("DROP VIEW typed_view");
}

TEST_F(PostgresBackend, ReadsTextOfADatabaseInAnotherEncoding) {
  Sql("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0;"
      "CREATE DATABASE unknown ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0");
  for (const std::string database : {"latin", "unknown"}) {
    ASSERT_OK(server_.Run("CREATE TABLE t AS SELECT convert_from('\\xe4', 'LATIN1') AS v", database));
  }
  ASSERT_OK(server_.Run("CREATE TABLE bad AS SELECT convert_from('\\xff', 'SQL_ASCII') AS v", "unknown"));
  for (const std::string database : {"latin", "unknown"}) {
    auto spec = Spec(database);
    spec.driver_options["uri"] = server_.uri(database);
    ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec));
    ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("public", "t"));
    const auto rows = Read(*source);
    if (database == "latin") {
      ASSERT_OK(rows);
      EXPECT_EQ(Row(**rows, 0)[0], "ä");
    } else {
      ASSERT_OK_AND_ASSIGN(const auto bad, backend->Table("public", "bad"));
      EXPECT_THAT(Read(*bad).status().message(), HasSubstr("invalid byte sequence for encoding \"UTF8\""));
    }
    ASSERT_OK(registry_->Detach(database));
  }
}

TEST_F(PostgresBackend, CountsRowsAndStopsAtAMost) {
  Sql("CREATE TABLE counted AS SELECT g AS i FROM generate_series(1, 3000) g");
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  ASSERT_OK_AND_ASSIGN(const auto table, backend->Table("public", "counted"));
  ASSERT_OK_AND_ASSIGN(const auto statement, backend->Query("SELECT i FROM counted", {}));
  for (const auto& source : {table, statement}) {
    ASSERT_OK_AND_ASSIGN(const auto reader, source->Scan({}));
    std::int64_t rows = 0;
    for (auto batch = reader->Next().ValueOrDie(); batch != nullptr; batch = reader->Next().ValueOrDie()) {
      EXPECT_EQ(batch->num_columns(), 0);
      rows += batch->num_rows();
    }
    EXPECT_EQ(rows, 3000);
    ASSERT_OK_AND_ASSIGN(const auto few, Read(*source, {.projection = {0}, .rows_max = 7}));
    EXPECT_EQ(few->num_rows(), 7);
  }
}

TEST_F(PostgresBackend, LetsNoStatementThatIsPassedOnChangeAnything) {
  Sql("CREATE TABLE precious (i int, at timestamptz); INSERT INTO precious VALUES (1, '2024-01-01 00:00+00')");
  auto spec = Spec();
  spec.pool_max = 1;
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec));
  const auto text = [&](const std::string& sql) {
    const auto table = ReadQuery(*backend, sql);
    return table.ok() && (*table)->num_rows() == 1 ? Row(**table, 0).at(0) : table.status().message();
  };
  EXPECT_THAT(text("INSERT INTO precious VALUES (2) RETURNING i"), HasSubstr("read-only transaction"));
  EXPECT_THAT(text("WITH gone AS (DELETE FROM precious RETURNING i) SELECT i FROM gone"),
              HasSubstr("read-only transaction"));
  EXPECT_THAT(text("SELECT set_config('transaction_read_only', 'off', false)"), HasSubstr("read-write mode"));
  // What it changes of its connection nobody meets who comes after it.
  EXPECT_EQ(text("SELECT set_config('TimeZone', 'Asia/Tokyo', false)"), "Asia/Tokyo");
  EXPECT_EQ(text("SELECT set_config('default_transaction_read_only', 'off', false)"), "off");
  EXPECT_EQ(text("SELECT current_setting('TimeZone')"), "UTC");
  EXPECT_THAT(text("DELETE FROM precious RETURNING i"), HasSubstr("read-only transaction"));
  EXPECT_EQ(text("SELECT at::text FROM precious"), "2024-01-01 00:00:00+00");
  EXPECT_EQ(Sql("SELECT count(*) FROM precious"), "1");
}

TEST_F(PostgresBackend, RefusesStatementsWithoutRows) {
  Sql("CREATE TABLE kept (i int)");
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  for (const auto* sql : {"DROP TABLE kept", "SET TimeZone = 'UTC'", ""}) {
    EXPECT_FALSE(backend->Query(sql, {}).ok()) << sql;
  }
  EXPECT_FALSE(backend->Query("SELECT 1; DROP TABLE kept", {}).ok());
  EXPECT_EQ(Sql("SELECT count(*) FROM kept"), "0");
  EXPECT_THAT(
      backend->Query("SELEC 1", {}).status().message(),
      AllOf(HasSubstr("syntax error at or near \"SELEC\""), HasSubstr("SQLSTATE 42601"), Not(HasSubstr("Query was"))));
}

}  // namespace
}  // namespace hyprstream::testing
