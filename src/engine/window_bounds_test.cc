// max(window_start) of a whole view is what its source says of it, and the scan that is compared with it is asked for
// that window alone.
#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <duckdb.hpp>
#include <string>

#include "engine/connection.h"
#include "engine/declared_schema_internal.h"
#include "engine/engine.h"
#include "engine/one_view_test_support.h"
#include "engine/window_bounds_internal.h"

namespace hyprstream::engine {

namespace {

using duckdb::LogicalType;
using ::testing::ElementsAre;

// Windows w and numbers n; says that w is between 10 and 20 s, and remembers what it was asked.
class Windows : public TableSource {
 public:
  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const ScanRequest& request) const override {
    std::string text = "all";
    for (const auto& filter : request.filters) {
      if (filter.column != 0) continue;
      const char* const op = filter.op == ColumnFilter::Op::kEqual ? " = " : " >= ";
      text = schema_->field(filter.column)->name() + op + filter.value->ToString().substr(17, 2);
    }
    asked.push_back(text);
    arrow::FieldVector fields;
    for (const int column : request.projection) fields.push_back(schema_->field(column));
    return arrow::RecordBatchReader::Make({}, arrow::schema(fields));
  }
  std::optional<Bounds> BoundsOf(int column) const override {
    return column == 0 && known ? std::optional(bounds) : std::nullopt;
  }

  mutable std::vector<std::string> asked;
  Bounds bounds{.least = 10'000'000, .greatest = 20'000'000};
  bool known = true;

 private:
  std::shared_ptr<arrow::Schema> schema_ =
      std::make_shared<DeclaredSchema>(arrow::FieldVector{arrow::field("w", arrow::timestamp(arrow::TimeUnit::MICRO)),
                                                          arrow::field("n", arrow::int64())},
                                       duckdb::vector<LogicalType>{LogicalType::TIMESTAMP, LogicalType::BIGINT},
                                       std::vector<Carriage>(2, Carriage::kArrow));
};

class WindowBounds : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(connection_->Begin().ok());
    connection_->Attach(std::make_shared<OneView>(source_));
    ASSERT_TRUE(connection_->Run("CREATE VIEW v AS SELECT * FROM view_scan('main', 'v')").ok());
  }

  std::unique_ptr<Prepared> Prepare(const std::string& sql) {
    const auto parsed = engine_->Parse(sql).ValueOrDie();
    return connection_->Prepare(*parsed.at(0), Trust::kClient).ValueOrDie();
  }
  // The scans that it took, and its first value.
  std::vector<std::string> Run(Prepared& prepared) {
    source_->asked.clear();
    const auto rows = connection_->Execute(prepared, nullptr, ResultMode::kBuffered).ValueOrDie().rows;
    const auto batches = rows->ToRecordBatches().ValueOrDie();
    auto seen = source_->asked;
    if (!batches.empty() && batches[0]->num_rows() > 0) {
      seen.push_back(batches[0]->column(0)->GetScalar(0).ValueOrDie()->ToString());
    }
    return seen;
  }
  std::vector<std::string> Run(const std::string& sql) { return Run(*Prepare(sql)); }

  std::shared_ptr<Windows> source_ = std::make_shared<Windows>();
  std::unique_ptr<Engine> engine_ = Engine::Make({.threads = 1}).ValueOrDie();
  std::unique_ptr<Connection> connection_ = engine_->Connect().ValueOrDie();
};

TEST_F(WindowBounds, AreKnownWithoutAScan) {
  EXPECT_THAT(Run("SELECT max(w) FROM v"), ElementsAre("1970-01-01 00:00:20.000000"));
  EXPECT_THAT(Run("SELECT min(w), max(w) FROM (SELECT n, w FROM v)"), ElementsAre("1970-01-01 00:00:10.000000"));
  source_->bounds = {};
  EXPECT_THAT(Run("SELECT max(w) FROM v"), ElementsAre("null"));
}

TEST_F(WindowBounds, AreLookedUp) {
  EXPECT_THAT(Run("SELECT n FROM v WHERE w = (SELECT max(w) FROM v) ORDER BY n DESC LIMIT 10"), ElementsAre("w = 20"));
  EXPECT_THAT(Run("SELECT n FROM v WHERE w >= (SELECT max(w) - INTERVAL '5 seconds' FROM v)"), ElementsAre("w >= 15"));
  EXPECT_THAT(Run("SELECT n FROM v WHERE w = (SELECT min(w) FROM v) AND n > 3"), ElementsAre("w = 10"));
}

TEST_F(WindowBounds, APlanIsMadeAnewWhenTheyChange) {
  const auto prepared = Prepare("SELECT n FROM v WHERE w = (SELECT max(w) FROM v)");
  EXPECT_THAT(Run(*prepared), ElementsAre("w = 20"));
  source_->bounds.greatest = 25'000'000;
  EXPECT_THAT(Run(*prepared), ElementsAre("w = 25"));
  source_->known = false;
  EXPECT_THAT(Run(*prepared), testing::Contains("all")) << "DuckDB finds the greatest";
}

TEST_F(WindowBounds, AnythingElseIsScanned) {
  for (const auto* sql : {
           "SELECT max(n) FROM v",
           "SELECT max(w) FROM v WHERE n > 3",
           "SELECT max(w) FILTER (WHERE n > 3) FROM v",
           "SELECT max(w), count(*) FROM v",
           "SELECT max(w + INTERVAL '1 second') FROM v",
           "SELECT n, max(w) FROM v GROUP BY n",
           "SELECT max(w, 2) FROM v",
       }) {
    EXPECT_THAT(Run(sql), testing::Contains("all")) << sql;
  }
}

}  // namespace

}  // namespace hyprstream::engine
