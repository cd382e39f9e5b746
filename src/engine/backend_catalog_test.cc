// A backend's tables are read as `name.schema.table` like tables of the server's own; nothing else of it is.
#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "engine/backend_test_support.h"
#include "engine/connection.h"
#include "engine/engine.h"

namespace hyprstream::engine {

namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

class Backends : public testing::Test {
 protected:
  void SetUp() override {
    backend_->Put("public", "customers",
                  RowsOf({arrow::field("id", arrow::int64(), false), arrow::field("name", arrow::utf8())},
                         {"[1, 2, 3]", R"(["ann", "bob", null])"}));
    backend_->Put("public", "Mixed", RowsOf({arrow::field("Value", arrow::float64())}, {"[0.5]"}));
    ASSERT_TRUE(engine_->AddBackend(backend_).ok());
    ASSERT_EQ(Text("CREATE TABLE orders AS SELECT * FROM (VALUES (1, 10), (1, 20), (3, 5)) t(customer, amount)"), "");
    backend_->TakeAsked();
  }

  // Rows as text, or the error.
  std::string Text(const std::string& sql) { return TextOn(*connection_, sql); }
  std::string TextOn(Connection& connection, const std::string& sql) {
    const bool own = !connection.in_transaction();
    if (own && !connection.Begin().ok()) return "no transaction";
    auto text = Run(connection, sql);
    if (own) {
      const auto ended = text.ok() ? connection.Commit() : connection.Rollback();
      if (!ended.ok()) return ended.ToString();
    }
    return text.ok() ? *text : text.status().ToString();
  }
  arrow::Result<std::string> Run(Connection& connection, const std::string& sql) {
    ARROW_ASSIGN_OR_RAISE(const auto parsed, engine_->Parse(sql));
    ARROW_ASSIGN_OR_RAISE(const auto prepared, connection.Prepare(*parsed.at(0), Trust::kClient));
    reads_ = prepared->info();
    ARROW_ASSIGN_OR_RAISE(const auto executed, connection.Execute(*prepared, nullptr, ResultMode::kBuffered));
    if (executed.rows == nullptr) return "";
    ARROW_ASSIGN_OR_RAISE(const auto table, executed.rows->ToTable());
    std::string text;
    for (std::int64_t row = 0; row < table->num_rows(); ++row) {
      text += row == 0 ? "" : "; ";
      for (int column = 0; column < table->num_columns(); ++column) {
        ARROW_ASSIGN_OR_RAISE(const auto value, table->column(column)->GetScalar(row));
        text += (column == 0 ? "" : ",") + (value->is_valid ? value->ToString() : "NULL");
      }
    }
    return text;
  }

  std::unique_ptr<Engine> engine_ = Engine::Make({}).ValueOrDie();
  std::unique_ptr<Connection> connection_ = engine_->Connect().ValueOrDie();
  std::shared_ptr<MemoryBackend> backend_ = std::make_shared<MemoryBackend>("warehouse");
  PreparedInfo reads_;
};

TEST_F(Backends, AreReadLikeTables) {
  EXPECT_EQ(Text("SELECT * FROM warehouse.public.customers ORDER BY id"), "1,ann; 2,bob; 3,NULL");
  EXPECT_THAT(reads_.reads, IsEmpty());
  ASSERT_EQ(reads_.backend_reads.size(), 1U);
  EXPECT_EQ(reads_.backend_reads[0].backend, "warehouse");
  EXPECT_EQ(reads_.backend_reads[0].table.ToString(), "public.customers");
  EXPECT_EQ(Text("SELECT count(*) FROM warehouse.public.customers"), "3");
  EXPECT_EQ(Text("SELECT name, sum(amount) FROM orders JOIN warehouse.public.customers ON customer = id "
                 "GROUP BY name ORDER BY ALL"),
            "ann,30; NULL,5");
  EXPECT_EQ(reads_.reads.size(), 1U);
  EXPECT_EQ(Text("WITH c AS (SELECT * FROM warehouse.public.customers) "
                 "SELECT count(*) FROM c a JOIN c b ON a.id = b.id WHERE a.id IN (SELECT id FROM c)"),
            "3");
  EXPECT_EQ(engine_->failure(), "");
}

TEST_F(Backends, GiveOnlyTheColumnsAndGetTheConditions) {
  EXPECT_EQ(Text("SELECT name FROM warehouse.public.customers WHERE id = 2"), "bob");
  EXPECT_THAT(backend_->TakeAsked(), Contains("scan public.customers [id, name] 1 filters"));
  EXPECT_THAT(Text("EXPLAIN SELECT name FROM warehouse.public.customers WHERE id = 2"),
              testing::AllOf(HasSubstr("warehouse"), HasSubstr("public.customers"), HasSubstr("id = 2")));
}

TEST_F(Backends, NamesAreFoundWhateverTheirCase) {
  EXPECT_EQ(Text("SELECT value FROM Warehouse.PUBLIC.mixed"), "0.5");
  backend_->Put("public", "mixed", RowsOf({arrow::field("other", arrow::int32())}, {"[7]"}));
  EXPECT_EQ(Text("SELECT * FROM warehouse.public.mixed"), "7");
  EXPECT_EQ(Text("SELECT * FROM warehouse.public.\"Mixed\""), "0.5");
  EXPECT_THAT(Text("SELECT * FROM warehouse.public.MIXED"), HasSubstr("has both Mixed and mixed"));
  EXPECT_THAT(Text("SELECT * FROM warehouse.nowhere.t"), HasSubstr("schema \"nowhere\" does not exist"));
  EXPECT_THAT(Text("SELECT * FROM warehouse.public.nothing"), StartsWith("Key error"));
}

TEST_F(Backends, AreNotAskedByStatementsThatDoNotNameThem) {
  EXPECT_EQ(Text("SELECT count(*) FROM orders"), "3");
  EXPECT_THAT(Text("SELECT * FROM ordres"), HasSubstr("orders"));
  EXPECT_THAT(Text("SELECT summ(1)"), HasSubstr("sum"));
  ASSERT_TRUE(connection_->Begin().ok());
  EXPECT_TRUE(connection_->Run("SELECT * FROM duckdb_tables()").ok());
  ASSERT_TRUE(connection_->Rollback().ok());
  EXPECT_THAT(backend_->TakeAsked(), IsEmpty());
}

TEST_F(Backends, ListTheirTablesButNotWhenTheyAreDown) {
  const std::string list =
      "SELECT database_name, schema_name, table_name FROM duckdb_tables() WHERE NOT internal ORDER BY ALL";
  EXPECT_EQ(Text(list), "memory,main,orders; warehouse,public,Mixed; warehouse,public,customers");
  EXPECT_EQ(Text("SELECT column_name, is_nullable FROM duckdb_columns() WHERE table_name = 'customers' ORDER BY ALL"),
            "id,false; name,true");
  EXPECT_THAT(Text("DESCRIBE warehouse.public.customers"), HasSubstr("id,BIGINT,NO"));
  EXPECT_THAT(Text("SHOW ALL TABLES"), HasSubstr("customers"));
  for (const auto* listing : {"duckdb_constraints", "duckdb_indexes", "duckdb_views", "duckdb_dependencies",
                              "duckdb_sequences", "duckdb_types", "duckdb_schemas", "duckdb_triggers"}) {
    EXPECT_THAT(Text(std::string("SELECT * FROM ") + listing + "()"), Not(HasSubstr("rror"))) << listing;
    EXPECT_EQ(engine_->failure(), "") << listing;
  }
  backend_->Fail(arrow::Status::IOError("warehouse cannot be reached"));
  EXPECT_EQ(Text(list), "memory,main,orders");
  EXPECT_THAT(Text("SHOW ALL TABLES"), Not(HasSubstr("customers")));
  EXPECT_EQ(Text("SELECT count(*) FROM information_schema.tables WHERE table_catalog = 'warehouse'"), "0");
  EXPECT_EQ(Text("SELECT * FROM warehouse.public.customers"), "IOError: warehouse cannot be reached");
}

TEST_F(Backends, ErrorsKeepTheirKind) {
  backend_->FailLater(arrow::Status::Cancelled("warehouse was detached"));
  EXPECT_EQ(Text("SELECT * FROM warehouse.public.customers"), "Cancelled: warehouse was detached");
  backend_->FailLater(arrow::Status::CapacityError("no connection came free in 10 s"));
  EXPECT_EQ(Text("SELECT * FROM warehouse.public.customers"),
            "Capacity error: Backend warehouse: no connection came free in 10 s");
  EXPECT_EQ(engine_->failure(), "");
}

TEST_F(Backends, AFailureLeavesNothingHalfWritten) {
  backend_->FailLater(arrow::Status::IOError("connection lost"));
  ASSERT_TRUE(connection_->Begin().ok());
  EXPECT_THAT(Text("INSERT INTO orders SELECT id, id FROM warehouse.public.customers"), HasSubstr("connection lost"));
  EXPECT_FALSE(connection_->Commit().ok());
  EXPECT_EQ(Text("SELECT count(*) FROM orders"), "3");
}

TEST_F(Backends, OneThatIsOnlyReadSaysSo) {
  for (const auto* sql : {
           "INSERT INTO warehouse.public.customers VALUES (4, 'dan')",
           "UPDATE warehouse.public.customers SET name = 'x'",
           "DELETE FROM warehouse.public.customers",
           "TRUNCATE warehouse.public.customers",
           "MERGE INTO warehouse.public.customers c USING orders o ON c.id = o.customer WHEN MATCHED THEN DELETE",
           "CREATE TABLE warehouse.public.t (i INT)",
           "CREATE TABLE warehouse.public.t AS SELECT 1 AS i",
           "DROP TABLE warehouse.public.customers",
       }) {
    EXPECT_THAT(Text(sql), HasSubstr("Backend warehouse can only be read")) << sql;
    EXPECT_EQ(engine_->failure(), "") << sql;
  }
  EXPECT_EQ(Text("SELECT count(*) FROM warehouse.public.customers"), "3");
}

TEST_F(Backends, ChangesOfOtherKindsAreRefusedByName) {
  for (const auto* sql : {
           "CREATE VIEW warehouse.public.v AS SELECT 1 AS i",
           "CREATE SCHEMA warehouse.s",
           "CREATE INDEX i ON warehouse.public.customers (id)",
           "DROP SCHEMA warehouse.public",
           "ALTER TABLE warehouse.public.customers ADD COLUMN x INT",
           "COMMENT ON TABLE warehouse.public.customers IS 'x'",
           "WITH w AS (DELETE FROM warehouse.public.customers RETURNING id) SELECT * FROM w",
           "EXPLAIN INSERT INTO warehouse.public.customers VALUES (4, 'dan')",
       }) {
    EXPECT_THAT(Text(sql), HasSubstr("Backend warehouse is changed by INSERT, UPDATE, DELETE")) << sql;
    EXPECT_EQ(engine_->failure(), "") << sql;
  }
  EXPECT_THAT(Text("SELECT rowid FROM warehouse.public.customers"), HasSubstr("no row ids"));
  EXPECT_THAT(Text("USE warehouse.public"), HasSubstr("cannot be the current database"));
  EXPECT_THAT(Text("SET schema = 'warehouse.public'"), HasSubstr("cannot be the current database"));
  EXPECT_THAT(Text("SET search_path = 'main,warehouse.public'"), HasSubstr("cannot be the current database"));
  EXPECT_EQ(Text("SELECT count(*) FROM warehouse.public.customers"), "3");
}

TEST_F(Backends, LocalTablesCanBeMadeOfThem) {
  EXPECT_EQ(Text("CREATE TABLE copy AS SELECT * FROM warehouse.public.customers"), "");
  EXPECT_EQ(Text("SELECT count(*) FROM copy"), "3");
  EXPECT_EQ(Text("CREATE VIEW named AS SELECT id FROM warehouse.public.customers WHERE name IS NOT NULL"), "");
  EXPECT_EQ(Text("SELECT * FROM named ORDER BY id"), "1; 2");
  ASSERT_TRUE(engine_->RemoveBackend("warehouse").ok());
  EXPECT_THAT(Text("SELECT * FROM named"), HasSubstr("warehouse"));
  EXPECT_THAT(Text("SHOW ALL TABLES"), HasSubstr("named"));
  EXPECT_THAT(Text("SELECT count(*) FROM duckdb_columns() WHERE table_name = 'copy'"), "2");
}

TEST_F(Backends, MaterializedViewsOfThemAreRefusedWithTheReason) {
  ASSERT_TRUE(connection_->Begin().ok());
  const auto analysed = engine_->AnalyzeView(*connection_, {.schema = "main", .name = "v"},
                                             "SELECT count(*) FROM warehouse.public.customers", "UTC", {});
  EXPECT_THAT(analysed.status().message(), HasSubstr("is a table of backend warehouse"));
}

TEST_F(Backends, ChangedTablesAreBoundAnew) {
  EXPECT_EQ(Text("PREPARE p AS SELECT * FROM warehouse.public.\"Mixed\""), "");
  EXPECT_EQ(Text("EXECUTE p"), "0.5");
  backend_->Put("public", "Mixed",
                RowsOf({arrow::field("Value", arrow::float64()), arrow::field("n", arrow::int64())}, {"[1.5]", "[9]"}));
  EXPECT_EQ(Text("EXECUTE p"), "1.5,9");
  backend_->Drop("public", "Mixed");
  EXPECT_THAT(Text("EXECUTE p"), HasSubstr("Mixed"));
  ASSERT_TRUE(engine_->RemoveBackend("warehouse").ok());
  EXPECT_THAT(Text("EXECUTE p"), HasSubstr("warehouse"));
  EXPECT_EQ(engine_->failure(), "");
}

TEST_F(Backends, RunningStatementsOutliveADetach) {
  auto reading = engine_->Connect().ValueOrDie();
  ASSERT_TRUE(reading->Begin().ok());
  const auto parsed = engine_->Parse("SELECT * FROM warehouse.public.customers").ValueOrDie();
  const auto prepared = reading->Prepare(*parsed.at(0), Trust::kClient).ValueOrDie();
  auto executed = reading->Execute(*prepared, nullptr, ResultMode::kStreaming).ValueOrDie();
  ASSERT_TRUE(engine_->RemoveBackend("warehouse").ok());
  EXPECT_THAT(Text("SELECT * FROM warehouse.public.customers"), HasSubstr("warehouse"));
  EXPECT_EQ(executed.rows->ToTable().ValueOrDie()->num_rows(), 3);
  EXPECT_TRUE(engine_->RemoveBackend("warehouse").IsKeyError());
  ASSERT_TRUE(engine_->AddBackend(backend_).ok());
  EXPECT_EQ(Text("SELECT count(*) FROM warehouse.public.customers"), "3");
}

TEST_F(Backends, NamesThatMeanSomethingElseAreRefused) {
  EXPECT_TRUE(engine_->AddBackend(std::make_shared<MemoryBackend>("Warehouse")).IsAlreadyExists());
  for (const auto* name : {"memory", "system", "temp", "main", "hyprstream"}) {
    EXPECT_TRUE(engine_->AddBackend(std::make_shared<MemoryBackend>(name)).IsInvalid()) << name;
  }
  ASSERT_EQ(Text("CREATE SCHEMA sales"), "");
  EXPECT_THAT(engine_->AddBackend(std::make_shared<MemoryBackend>("sales")).message(), HasSubstr("schema sales"));
}

TEST_F(Backends, AnswerInTheirOwnLanguage) {
  EXPECT_EQ(Text("SELECT \"Value\" * 2 FROM backend_query('warehouse', $$SELECT lo_get(1)$$)"), "1");
  EXPECT_THAT(backend_->TakeAsked(), Contains("query SELECT lo_get(1)"));
  EXPECT_EQ(reads_.backend_reads.at(0).backend, "warehouse");
  EXPECT_THAT(Text("SELECT * FROM backend_query('nowhere', 'x')"), StartsWith("Key error: Unknown backend: nowhere"));
  EXPECT_THAT(Text("SELECT * FROM backend_query(NULL, 'x')"), HasSubstr("not NULL"));
  EXPECT_THAT(Text("SELECT * FROM backend_query('warehouse', (SELECT 'x'))"), Not(HasSubstr("0.5")));
  EXPECT_THAT(Text("SELECT * FROM backend_scan()"), StartsWith("Key error"));
}

TEST_F(Backends, OneTableThatCannotBeReadHidesNoOther) {
  backend_->Put("public", "twins",
                RowsOf({arrow::field("a", arrow::int32()), arrow::field("A", arrow::int32())}, {"[1]", "[2]"}));
  EXPECT_THAT(Text("SELECT * FROM warehouse.public.twins"), HasSubstr("differ in case alone"));
  EXPECT_EQ(Text("SELECT table_name FROM duckdb_tables() WHERE database_name = 'warehouse' ORDER BY ALL"),
            "Mixed; customers; twins");
  EXPECT_THAT(Text("SHOW ALL TABLES"), HasSubstr("customers"));
}

}  // namespace

}  // namespace hyprstream::engine
