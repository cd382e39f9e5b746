// Queries that are nothing but rows of a backend are its own to answer, and only they are. The backend says yes to
// every condition and gives all of its rows, so that who answered can be told.
#include <arrow/array.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/type.h>
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

class PlainReads : public testing::Test {
 protected:
  void SetUp() override {
    backend_->SayExactly();
    backend_->Put("s", "t",
                  RowsOf({arrow::field("id", arrow::int64()), arrow::field("name", arrow::utf8()),
                          arrow::field("n", arrow::int32()), arrow::field("u", arrow::fixed_size_binary(4)),
                          arrow::field("ts", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"))},
                         {"[1, 2, 3]", R"(["ann", "bob", null])", "[10, 20, 30]", R"(["abcd", "abcd", null])",
                          R"(["2025-01-01 00:00:00", "2025-06-01 12:00:00", null])"}));
    ASSERT_TRUE(engine_->AddBackend(backend_).ok());
    ASSERT_TRUE(connection_->Begin().ok());
    ASSERT_TRUE(connection_->Run("CREATE TABLE here AS SELECT 1::BIGINT AS id").ok());
  }

  arrow::Result<std::shared_ptr<arrow::Table>> Ask(const std::string& sql,
                                                   const std::shared_ptr<arrow::RecordBatch>& parameters = nullptr,
                                                   ResultMode mode = ResultMode::kStreaming) {
    ARROW_ASSIGN_OR_RAISE(const auto parsed, engine_->Parse(sql));
    ARROW_ASSIGN_OR_RAISE(const auto prepared, connection_->Prepare(*parsed.at(0), Trust::kClient));
    backend_->TakeAsked();
    ARROW_ASSIGN_OR_RAISE(const auto run, connection_->Execute(*prepared, parameters, mode));
    EXPECT_TRUE(run.rows->schema()->Equals(prepared->info().schema)) << sql;
    return run.rows->ToTable();
  }
  // Who answered: the backend gives all three rows where DuckDB keeps those that satisfy the conditions.
  std::string By(const std::string& sql, const std::shared_ptr<arrow::RecordBatch>& parameters = nullptr,
                 ResultMode mode = ResultMode::kStreaming) {
    const auto table = Ask(sql, parameters, mode);
    if (!table.ok()) return table.status().message();
    return (*table)->num_rows() == 3 ? "backend" : "engine";
  }

  std::unique_ptr<Engine> engine_ = Engine::Make({}).ValueOrDie();
  std::unique_ptr<Connection> connection_ = engine_->Connect().ValueOrDie();
  std::shared_ptr<MemoryBackend> backend_ = std::make_shared<MemoryBackend>("w");
};

TEST_F(PlainReads, AreTheBackendsToAnswer) {
  EXPECT_EQ(By("SELECT name, id FROM w.s.t WHERE id = 2"), "backend");
  EXPECT_EQ(By("SELECT name FROM w.s.t WHERE 2 = id AND n >= 10 AND name IN ('bob', NULL)"), "backend");
  EXPECT_EQ(By("SELECT name FROM w.s.t WHERE id BETWEEN 2 AND 1 + 1"), "backend");
  EXPECT_EQ(By("SELECT n AS other FROM (SELECT * FROM w.s.t WHERE id = 2) WHERE n = 20"), "backend");
  EXPECT_THAT(backend_->TakeAsked(), Contains("scan s.t [n] 2 filters"));
  const auto table = Ask("SELECT name, id FROM w.s.t WHERE id = 1").ValueOrDie();
  EXPECT_EQ(table->schema()->ToString(), "name: string\nid: int64");
  EXPECT_EQ(table->GetColumnByName("name")->GetScalar(1).ValueOrDie()->ToString(), "bob");
}

TEST_F(PlainReads, TakeParameters) {
  const auto id = [](const char* value) { return RowsOf({arrow::field("id", arrow::int64())}, {value}); };
  EXPECT_EQ(By("SELECT name FROM w.s.t WHERE id = ?", id("[2]")), "backend");
  EXPECT_EQ(By("SELECT name FROM w.s.t WHERE n = ?", id("[20]")), "backend");
  EXPECT_EQ(By("SELECT name FROM w.s.t WHERE id = ?", id("[null]")), "backend");
  // It fits no value of the column: what DuckDB makes of the comparison is its own.
  EXPECT_EQ(By("SELECT name FROM w.s.t WHERE n = ?", id("[9223372036854775807]")), "engine");
  EXPECT_EQ(By("SELECT name FROM w.s.t WHERE id = ?", RowsOf({arrow::field("id", arrow::utf8())}, {R"(["2"])"})),
            "engine");
}

TEST_F(PlainReads, AreNothingElse) {
  for (const auto* sql :
       {"SELECT name FROM w.s.t WHERE id = 2 OR n = 20", "SELECT name FROM w.s.t WHERE id + 1 = 3",
        "SELECT name || 'x' FROM w.s.t WHERE id = 2", "SELECT name FROM w.s.t WHERE id BETWEEN 1 AND n - 18",
        "SELECT DISTINCT name FROM w.s.t WHERE id = 2", "SELECT max(name) FROM w.s.t WHERE id = 2",
        "SELECT name FROM w.s.t WHERE id = 2 ORDER BY n", "SELECT name FROM w.s.t WHERE id = 2 LIMIT 1",
        "SELECT name FROM w.s.t WHERE id = 2 AND random() >= 0", "SELECT name FROM w.s.t WHERE name NOT IN ('ann')",
        "SELECT name FROM w.s.t WHERE id IN (SELECT id + 1 FROM here)",
        "SELECT here.id FROM w.s.t JOIN here USING (id)",
        // DuckDB carries it otherwise.
        "SELECT u::VARCHAR FROM w.s.t WHERE id = 2"}) {
    EXPECT_EQ(By(sql), "engine") << sql;
  }
  EXPECT_EQ(By("SELECT name FROM w.s.t WHERE id = 2", nullptr, ResultMode::kBuffered), "engine");
  ASSERT_TRUE(connection_->Run("SET use_pushdown = false").ok());
  EXPECT_EQ(By("SELECT name FROM w.s.t WHERE id = 2"), "engine");
}

TEST_F(PlainReads, AreNotOfABackendThatIsNotExact) {
  backend_->SayExactly(false);
  EXPECT_EQ(By("SELECT name FROM w.s.t WHERE id = 2"), "engine");
}

TEST_F(PlainReads, HaveTheSessionsTimeZone) {
  ASSERT_TRUE(connection_->Run("SET TimeZone = 'Europe/Berlin'").ok());
  const auto table = Ask("SELECT ts FROM w.s.t WHERE id = 2").ValueOrDie();
  EXPECT_EQ(table->num_rows(), 3);
  EXPECT_EQ(table->schema()->field(0)->type()->ToString(), "timestamp[us, tz=Europe/Berlin]");
}

TEST_F(PlainReads, SayWhatGoesWrong) {
  backend_->FailLater(arrow::Status::IOError("the line is cut"));
  EXPECT_THAT(By("SELECT name FROM w.s.t WHERE id = 2"), HasSubstr("Backend w: the line is cut"));
}

TEST_F(PlainReads, AreNotOfOtherColumnsThanPlanned) {
  const auto parsed = engine_->Parse("SELECT name FROM w.s.t WHERE id = 2").ValueOrDie();
  const auto prepared = connection_->Prepare(*parsed.at(0), Trust::kClient).ValueOrDie();
  backend_->Put(
      "s", "t",
      RowsOf({arrow::field("id", arrow::int64()), arrow::field("name", arrow::int64())}, {"[1, 2, 3]", "[1, 2, 3]"}));
  const auto run = connection_->Execute(*prepared, nullptr, ResultMode::kStreaming).ValueOrDie();
  EXPECT_EQ(run.rows->ToTable().ValueOrDie()->num_rows(), 1);  // the transaction's table is what it was
}

TEST_F(PlainReads, ComeInBatchesOfTheResultsSizes) {
  arrow::Int64Builder ids;
  for (std::int64_t i = 0; i < 100'000; ++i) ASSERT_TRUE(ids.Append(i).ok());
  const auto schema = arrow::schema({arrow::field("id", arrow::int64())});
  backend_->Put("s", "many", arrow::RecordBatch::Make(schema, 100'000, arrow::ArrayVector{ids.Finish().ValueOrDie()}));
  const auto parsed = engine_->Parse("SELECT id FROM w.s.many WHERE id >= 0").ValueOrDie();
  const auto prepared = connection_->Prepare(*parsed.at(0), Trust::kClient).ValueOrDie();
  const auto run = connection_->Execute(*prepared, nullptr, ResultMode::kStreaming).ValueOrDie();
  std::int64_t next = 0;
  while (const auto batch = run.rows->Next().ValueOrDie()) {
    EXPECT_LE(batch->num_rows(), 30'720);
    for (const auto id : static_cast<const arrow::Int64Array&>(*batch->column(0))) EXPECT_EQ(id, next++);
  }
  EXPECT_EQ(next, 100'000);
}

}  // namespace

}  // namespace hyprstream::engine
