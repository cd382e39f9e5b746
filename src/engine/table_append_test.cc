#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "engine/connection.h"
#include "engine/engine.h"

namespace hyprstream::engine {
namespace {

std::shared_ptr<arrow::RecordBatch> Numbers(std::vector<std::int64_t> values) {
  const auto rows = static_cast<std::int64_t>(values.size());
  const auto column = std::make_shared<arrow::Int64Array>(rows, arrow::Buffer::FromVector(std::move(values)));
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("n", arrow::int64())}), rows, {column});
}

class TableAppendTest : public ::testing::Test {
 protected:
  void SetUp() override {
    engine_ = Engine::Make({}).ValueOrDie();
    connection_ = engine_->Connect().ValueOrDie();
  }

  void Run(const std::string& sql) {
    ASSERT_TRUE(connection_->Begin().ok());
    const auto ran = connection_->Run(sql);
    ASSERT_TRUE(ran.ok()) << ran.status().ToString();
    ASSERT_TRUE(connection_->Commit().ok());
  }

  arrow::Status Append(const std::vector<std::string>& columns,
                       const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) {
    ARROW_RETURN_NOT_OK(connection_->Begin());
    return connection_->Append({.name = "t"}, columns, batches);
  }

  // One BIGINT, in a transaction of its own.
  std::int64_t Ask(const std::string& sql) {
    EXPECT_TRUE(connection_->Begin().ok());
    const auto rows = connection_->Run(sql).ValueOrDie().rows->ToRecordBatches().ValueOrDie();
    EXPECT_TRUE(connection_->Rollback().ok());
    return static_cast<const arrow::Int64Array&>(*rows.at(0)->column(0)).Value(0);
  }

  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Connection> connection_;
};

TEST_F(TableAppendTest, KeepsEveryRowOfSeveralBatchesAndAppends) {
  Run("CREATE TABLE t (n BIGINT)");
  std::vector<std::int64_t> many(200'000);
  std::iota(many.begin(), many.end(), 0);
  ASSERT_TRUE(Append({}, {Numbers(many), Numbers({200'000})}).ok());
  ASSERT_TRUE(connection_->Append({.name = "t"}, {}, {Numbers({200'001})}).ok());
  ASSERT_TRUE(connection_->Commit().ok());
  EXPECT_EQ(Ask("SELECT count(*) FROM t"), 200'002);
  EXPECT_EQ(Ask("SELECT count(DISTINCT n) FROM t"), 200'002);
  EXPECT_EQ(Ask("SELECT max(n) FROM t"), 200'001);
}

TEST_F(TableAppendTest, AFailedAppendLeavesNothingThatCouldBeCommitted) {
  for (const std::string column : {"BIGINT PRIMARY KEY", "BIGINT UNIQUE", "BIGINT CHECK (n <> 7)"}) {
    Run("CREATE OR REPLACE TABLE t (n " + column + ")");
    Run("INSERT INTO t VALUES (3)");
    ASSERT_TRUE(Append({}, {Numbers({1, 2})}).ok());
    EXPECT_FALSE(connection_->Append({.name = "t"}, {}, {Numbers({4}), Numbers({3, 4, 7})}).ok()) << column;
    EXPECT_FALSE(connection_->Commit().ok()) << column;
    ASSERT_TRUE(connection_->Rollback().ok());
    EXPECT_EQ(Ask("SELECT count(*) FROM t"), 1) << column;
  }
}

TEST_F(TableAppendTest, WhatNeedsAStatementStillGoesThroughOne) {
  Run("CREATE TABLE t (n INTEGER, twice INTEGER GENERATED ALWAYS AS (n * 2))");
  ASSERT_TRUE(Append({"n"}, {Numbers({5})}).ok());  // a cast, a generated column
  ASSERT_TRUE(connection_->Commit().ok());
  EXPECT_EQ(Ask("SELECT sum(twice)::BIGINT FROM t"), 10);
  Run("CREATE OR REPLACE TABLE t (n INTEGER)");
  EXPECT_FALSE(Append({}, {Numbers({1LL << 40})}).ok());
  ASSERT_TRUE(connection_->Rollback().ok());
}

}  // namespace
}  // namespace hyprstream::engine
