// Look-ups are answered by the view's source alone, and only they are. The source says yes to every condition and gives
// the row that it has, so that who answered can be told.
#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <duckdb.hpp>
#include <string>

#include "engine/connection.h"
#include "engine/declared_schema_internal.h"
#include "engine/engine.h"
#include "engine/look_up_internal.h"
#include "engine/one_view_test_support.h"

namespace hyprstream::engine {

namespace {

using duckdb::LogicalType;

class OneRow : public TableSource {
 public:
  OneRow()
      : schema_(std::make_shared<DeclaredSchema>(
            arrow::FieldVector{arrow::field("w", arrow::timestamp(arrow::TimeUnit::MICRO)),
                               arrow::field("region", arrow::utf8()), arrow::field("k", arrow::int32()),
                               arrow::field("n", arrow::int64())},
            duckdb::vector<LogicalType>{LogicalType::TIMESTAMP, LogicalType::VARCHAR, LogicalType::INTEGER,
                                        LogicalType::BIGINT},
            std::vector<Carriage>(4, Carriage::kArrow))) {}

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const ScanRequest& request) const override {
    const std::vector<std::string> values{R"(["2025-01-01"])", R"(["eu"])", "[7]", "[5]"};
    arrow::FieldVector fields;
    arrow::ArrayVector columns;
    for (const int column : request.projection) {
      fields.push_back(schema_->field(column));
      ARROW_ASSIGN_OR_RAISE(
          columns.emplace_back(),
          arrow::json::ArrayFromJSONString(schema_->field(column)->type(), values[static_cast<std::size_t>(column)]));
    }
    const auto schema = arrow::schema(fields);
    return arrow::RecordBatchReader::Make({arrow::RecordBatch::Make(schema, 1, columns)}, schema);
  }
  bool FindsOne(const std::vector<ColumnFilter>& filters) const override { return filters.size() == 2; }
  bool FindsExactly(const std::vector<ColumnFilter>& filters) const override { return filters.size() < 2; }

 private:
  std::shared_ptr<arrow::Schema> schema_;
};

class LookUps : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(connection_->Begin().ok());
    connection_->Attach(std::make_shared<OneView>(std::make_shared<OneRow>()));
    ASSERT_TRUE(connection_->Run("CREATE VIEW v AS SELECT * FROM view_scan('main', 'v')").ok());
  }

  // "found" when the source's row came although it is not the one that was asked for.
  std::string Ask(const std::string& sql, const std::shared_ptr<arrow::RecordBatch>& parameters = nullptr) {
    const auto parsed = engine_->Parse(sql);
    if (!parsed.ok()) return parsed.status().message();
    const auto prepared = connection_->Prepare(*parsed->at(0), Trust::kClient);
    if (!prepared.ok()) return prepared.status().message();
    std::string answers;
    for (const auto mode : {ResultMode::kBuffered, ResultMode::kStreaming}) {
      const auto run = connection_->Execute(**prepared, parameters, mode);
      if (!run.ok()) return run.status().message();
      const auto rows = run->rows->ToRecordBatches();
      if (!rows.ok()) return rows.status().message();
      EXPECT_TRUE(run->rows->schema()->Equals((*prepared)->info().schema));
      answers += rows->empty() || rows->at(0)->num_rows() == 0 ? "nothing " : "found ";
    }
    return answers == "found found " ? "found" : answers == "nothing nothing " ? "nothing" : answers;
  }

  std::shared_ptr<arrow::RecordBatch> One(const std::shared_ptr<arrow::DataType>& type, const std::string& value) {
    return arrow::RecordBatch::Make(arrow::schema({arrow::field("1", type)}), 1,
                                    {arrow::json::ArrayFromJSONString(type, "[" + value + "]").ValueOrDie()});
  }

  std::unique_ptr<Engine> engine_ = Engine::Make({.threads = 1}).ValueOrDie();
  std::unique_ptr<Connection> connection_ = engine_->Connect().ValueOrDie();
};

TEST_F(LookUps, AreTheSourcesAlone) {
  EXPECT_EQ(Ask("SELECT n FROM v WHERE k = 1 AND region = 'asia'"), "found");
  EXPECT_EQ(Ask("SELECT n, w, n AS again FROM v WHERE region = 'asia' AND k = 1"), "found");
  EXPECT_EQ(Ask("SELECT a.n FROM (SELECT n, k AS key, region FROM v) a WHERE a.key = 1 AND a.region = 'asia'"),
            "found");
  EXPECT_EQ(Ask("SELECT n FROM (SELECT * FROM v WHERE k = 1) WHERE region = 'asia'"), "found");
  EXPECT_EQ(Ask("FROM v WHERE w = TIMESTAMP '1999-01-01' AND k = 2 - 1"), "found");
}

TEST_F(LookUps, TakeParametersOfTheirType) {
  const std::string sql = "SELECT n FROM v WHERE k = ? AND region = 'asia'";
  EXPECT_EQ(Ask(sql, One(arrow::int32(), "1")), "found");
  EXPECT_EQ(Ask(sql, One(arrow::int64(), "1")), "found");
  EXPECT_EQ(Ask(sql, One(arrow::int64(), "99999999999")), "nothing") << "it is no INTEGER: DuckDB compares";
  EXPECT_EQ(Ask(sql, One(arrow::float64(), "0.9")), "nothing") << "not rounded";
}

TEST_F(LookUps, AreOfFirstRows) {
  EXPECT_EQ(Ask("SELECT n FROM v WHERE w = TIMESTAMP '1999-01-01' ORDER BY n DESC LIMIT 10"), "found");
  EXPECT_EQ(Ask("SELECT region, n AS total FROM v WHERE w = TIMESTAMP '1999-01-01' ORDER BY total LIMIT 1"), "found");
  EXPECT_EQ(Ask("SELECT n, w FROM v WHERE w = TIMESTAMP '1999-01-01' ORDER BY 2 NULLS FIRST LIMIT 1"), "found");
  EXPECT_EQ(Ask("SELECT n FROM v WHERE w = ? ORDER BY n LIMIT 3", One(arrow::timestamp(arrow::TimeUnit::MICRO), "0")),
            "found");
  EXPECT_EQ(Ask("SELECT n FROM v WHERE w = TIMESTAMP '1999-01-01' ORDER BY n LIMIT 0"), "nothing");
  for (const auto* sql : {
           "SELECT n FROM v WHERE w = TIMESTAMP '1999-01-01'",
           "SELECT n FROM v WHERE w = TIMESTAMP '1999-01-01' ORDER BY n",
           "SELECT n FROM v WHERE w = TIMESTAMP '1999-01-01' LIMIT 1",
           "SELECT n FROM v WHERE w = TIMESTAMP '1999-01-01' ORDER BY region LIMIT 1",
           "SELECT n FROM v WHERE w = TIMESTAMP '1999-01-01' ORDER BY n, k LIMIT 1",
           "SELECT n FROM v WHERE w = TIMESTAMP '1999-01-01' ORDER BY n + 1 LIMIT 1",
           "SELECT n FROM v WHERE w = TIMESTAMP '1999-01-01' ORDER BY n LIMIT 1 OFFSET 1",
           "SELECT n FROM v WHERE w = TIMESTAMP '1999-01-01' ORDER BY n LIMIT 2000",
           "SELECT n FROM v WHERE w = TIMESTAMP '1999-01-01' ORDER BY n LIMIT 10%",
           "SELECT DISTINCT n FROM v WHERE w = TIMESTAMP '1999-01-01' ORDER BY n LIMIT 1",
           "SELECT n FROM v WHERE w = TIMESTAMP '1999-01-01' AND k = 1 ORDER BY n LIMIT 1",
           "SELECT n FROM v WHERE w > TIMESTAMP '1999-01-01' AND k = 1 ORDER BY n LIMIT 1",
       }) {
    EXPECT_EQ(Ask(sql), "nothing") << sql;
  }
}

TEST_F(LookUps, AnythingElseIsDuckDBs) {
  for (const auto* sql : {
           "SELECT n FROM v WHERE k = 1",
           "SELECT n FROM v WHERE k = 1 AND region = 'asia' AND w = TIMESTAMP '1999-01-01'",
           "SELECT n FROM v WHERE k = 1 AND region <> 'eu'",
           "SELECT n FROM v WHERE k = 1 OR region = 'asia'",
           "SELECT n FROM v WHERE k::VARCHAR = '1' AND region = 'asia'",
           "SELECT n FROM v WHERE k = 1.5 AND region = 'asia'",
           "SELECT n FROM v WHERE k IS NOT DISTINCT FROM 1 AND region = 'asia'",
           "SELECT n FROM v WHERE k = 1 AND region = 'asia' AND random() < 2",
           "SELECT n + 1 FROM v WHERE k = 1 AND region = 'asia'",
           "SELECT a.n FROM v a JOIN v b USING (k) WHERE a.k = 1 AND a.region = 'asia'",
           "SELECT n FROM v WHERE k = 1 AND region = (SELECT 'asia')",
       }) {
    EXPECT_EQ(Ask(sql), "nothing") << sql;
  }
  EXPECT_EQ(Ask("SELECT count(*) FROM v WHERE k = 1 AND region = 'asia'"), "found") << "a count of none";
}

TEST_F(LookUps, AnAbortedTransactionAnswersNothing) {
  const auto parsed = engine_->Parse("SELECT n FROM v WHERE k = 1 AND region = 'asia'").ValueOrDie();
  const auto prepared = connection_->Prepare(*parsed[0], Trust::kClient).ValueOrDie();
  connection_->Invalidate("for the test");
  EXPECT_THAT(connection_->Execute(*prepared, nullptr, ResultMode::kStreaming).status().message(),
              testing::HasSubstr("aborted"));
}

}  // namespace

}  // namespace hyprstream::engine
