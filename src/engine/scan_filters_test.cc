// What a scan of a view is told of the conditions on its rows.
#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/declared_schema_internal.h"
#include "engine/engine.h"
#include "engine/one_view_test_support.h"

namespace hyprstream::engine {
namespace {

using duckdb::LogicalType;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// w, day, region, k, price, code of one row; remembers what it was asked.
class AskedSource : public TableSource {
 public:
  AskedSource()
      : schema_(std::make_shared<DeclaredSchema>(
            arrow::FieldVector{arrow::field("w", arrow::timestamp(arrow::TimeUnit::MICRO)),
                               arrow::field("day", arrow::date32()), arrow::field("region", arrow::utf8()),
                               arrow::field("k", arrow::int64()), arrow::field("price", arrow::decimal128(10, 2)),
                               arrow::field("code", arrow::binary())},
            duckdb::vector<LogicalType>{LogicalType::TIMESTAMP, LogicalType::DATE, LogicalType::VARCHAR,
                                        LogicalType::BIGINT, LogicalType::DECIMAL(10, 2), LogicalType::UUID},
            std::vector<Carriage>{Carriage::kArrow, Carriage::kArrow, Carriage::kArrow, Carriage::kArrow,
                                  Carriage::kArrow, Carriage::kOrderKey})) {}

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const ScanRequest& request) const override {
    asked.clear();
    for (const auto& filter : request.filters) {
      constexpr const char* kOps[] = {"=", "<", "<=", ">", ">=", "in", "is null"};
      auto text = schema_->field(filter.column)->name() + " " + kOps[static_cast<int>(filter.op)];
      if (filter.value != nullptr) text += " " + filter.value->ToString();
      for (const auto& value : filter.values) text += " " + value->ToString();
      asked.push_back(std::move(text));
    }
    arrow::FieldVector fields;
    for (const int column : request.projection) fields.push_back(schema_->field(column));
    return arrow::RecordBatchReader::Make({}, arrow::schema(fields));
  }

  mutable std::vector<std::string> asked;

 private:
  std::shared_ptr<arrow::Schema> schema_;
};

class ScanFilters : public ::testing::Test {
 protected:
  ScanFilters() {
    EXPECT_TRUE(connection_->Begin().ok());
    connection_->Attach(std::make_shared<OneView>(source_));
  }

  std::vector<std::string> Asked(const std::string& where) {
    const auto run = connection_->Run("SELECT k FROM view_scan('main', 'v') WHERE " + where);
    EXPECT_TRUE(run.ok()) << run.status();
    return source_->asked;
  }

  std::shared_ptr<AskedSource> source_ = std::make_shared<AskedSource>();
  std::unique_ptr<Engine> engine_ = Engine::Make({.threads = 1}).ValueOrDie();
  std::unique_ptr<Connection> connection_ = engine_->Connect().ValueOrDie();
};

TEST_F(ScanFilters, Comparisons) {
  EXPECT_THAT(Asked("k = 5"), ElementsAre("k = 5"));
  EXPECT_THAT(Asked("5 > k"), ElementsAre("k < 5"));
  EXPECT_THAT(Asked("w >= TIMESTAMP '2024-05-01 10:00' AND w < '2024-05-02'"),
              testing::UnorderedElementsAre("w >= 2024-05-01 10:00:00.000000", "w < 2024-05-02 00:00:00.000000"));
  EXPECT_THAT(Asked("k BETWEEN 1 AND 9"), testing::UnorderedElementsAre("k >= 1", "k <= 9"));
  EXPECT_THAT(Asked("region = 'n''s'"), ElementsAre("region = n's"));
  EXPECT_THAT(Asked("price = 1.5"), ElementsAre("price = 1.50"));
  EXPECT_THAT(Asked("region IS NULL"), ElementsAre("region is null"));
  EXPECT_THAT(Asked("region IN ('a', 'b')"), ElementsAre("region in a b"));
  EXPECT_THAT(Asked("region IS NOT DISTINCT FROM 'x'"), ElementsAre("region = x"));
}

TEST_F(ScanFilters, WhatIsKnownWhenItRuns) {
  EXPECT_THAT(Asked("w >= make_timestamp(2024, 5, 1, 10, 0, 0) - INTERVAL '1 hour'"),
              ElementsAre("w >= 2024-05-01 09:00:00.000000"));
  EXPECT_THAT(Asked("w <= now()::TIMESTAMP"), testing::SizeIs(1));
}

TEST_F(ScanFilters, CarriedValues) {
  const auto asked = Asked("code = '00000000-0000-0000-0000-000000000001'::UUID");
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_TRUE(asked[0].starts_with("code = ")) << asked[0];
  EXPECT_THAT(Asked("code > '00000000-0000-0000-0000-000000000001'::UUID"), IsEmpty()) << "bytes have another order";
}

TEST_F(ScanFilters, AnotherKindOfTimeIsARangeAround) {
  EXPECT_THAT(Asked("w > TIMESTAMPTZ '2024-05-10 00:00:00+00'"), ElementsAre("w >= 2024-05-08 00:00:00.000000"));
  EXPECT_THAT(Asked("w = TIMESTAMPTZ '2024-05-10 00:00:00+00'"),
              ElementsAre("w >= 2024-05-08 00:00:00.000000", "w <= 2024-05-12 00:00:00.000000"));
  EXPECT_THAT(Asked("day < TIMESTAMPTZ '2024-05-10 12:00+00'"), ElementsAre("day <= 2024-05-12"));
  EXPECT_THAT(Asked("w = TIMESTAMPTZ 'infinity'"), IsEmpty());
  EXPECT_THAT(Asked("w >= TIMESTAMPTZ '290309-12-22 (BC) 00:00:00+00'"), IsEmpty()) << "before the first time";
  EXPECT_THAT(Asked("w <= TIMESTAMPTZ '294247-01-10 04:00:54+00'"), IsEmpty()) << "after the last time";
  // DuckDB itself makes ranges of some.
  EXPECT_THAT(Asked("w::DATE = DATE '2024-05-10'"),
              testing::UnorderedElementsAre("w >= 2024-05-10 00:00:00.000000", "w < 2024-05-11 00:00:00.000000"));
}

TEST_F(ScanFilters, OthersAreThePlansAlone) {
  EXPECT_THAT(Asked("k + 1 = 5 OR region = 'x'"), IsEmpty());
  EXPECT_THAT(Asked("k <> 5"), IsEmpty());
  EXPECT_THAT(Asked("random() > k"), IsEmpty());
  EXPECT_THAT(Asked("lower(region) = 'x'"), IsEmpty());
  EXPECT_THAT(Asked("region IS NOT NULL"), IsEmpty());
}

TEST_F(ScanFilters, ParametersHaveTheValuesOfEachExecution) {
  const auto parsed = engine_->Parse("SELECT w FROM view_scan('main', 'v') WHERE k = ? AND region = ?").ValueOrDie();
  const auto prepared = connection_->Prepare(*parsed[0], Trust::kInternal).ValueOrDie();
  const auto schema = arrow::schema({arrow::field("1", arrow::int64()), arrow::field("2", arrow::utf8())});
  const auto execute = [&](const char* k, const char* region) {
    source_->asked.clear();
    const auto parameters =
        arrow::RecordBatch::Make(schema, 1,
                                 {arrow::json::ArrayFromJSONString(arrow::int64(), k).ValueOrDie(),
                                  arrow::json::ArrayFromJSONString(arrow::utf8(), region).ValueOrDie()});
    const auto run = connection_->Execute(*prepared, parameters, ResultMode::kBuffered);
    EXPECT_TRUE(run.ok()) << run.status();
    return source_->asked;
  };
  EXPECT_THAT(execute("[1]", R"(["a"])"), testing::UnorderedElementsAre("k = 1", "region = a"));
  EXPECT_THAT(execute("[2]", R"(["b"])"), testing::UnorderedElementsAre("k = 2", "region = b"));
  EXPECT_THAT(execute("[3]", "[null]"), IsEmpty()) << "nothing equals NULL, and nothing is scanned";
}

TEST_F(ScanFilters, ExplainShowsThem) {
  const auto run = connection_->Run("EXPLAIN SELECT w FROM view_scan('main', 'v') WHERE k = 5").ValueOrDie();
  const auto batches = run.rows->ToRecordBatches().ValueOrDie();
  const auto plan = batches.at(0)->column(1)->GetScalar(0).ValueOrDie()->ToString();
  EXPECT_THAT(plan, testing::HasSubstr("Looked up by"));
}

}  // namespace
}  // namespace hyprstream::engine
