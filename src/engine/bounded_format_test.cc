#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/util/byte_size.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/arrow_out_internal.h"
#include "engine/bounded_format_internal.h"
#include "engine/connection.h"
#include "engine/engine.h"

namespace hyprstream::engine {
namespace {

// The rows of a query and its largest batch.
struct Batches {
  std::int64_t rows = 0;
  std::int64_t bytes_max = 0;
};

Batches Stream(const std::string& sql, ResultMode mode) {
  auto engine = Engine::Make({}).ValueOrDie();
  auto connection = engine->Connect().ValueOrDie();
  EXPECT_TRUE(connection->Begin().ok());
  const auto statements = engine->Parse(sql).ValueOrDie();
  auto prepared = connection->Prepare(*statements[0], Trust::kClient).ValueOrDie();
  Batches found;
  {
    auto executed = connection->Execute(*prepared, nullptr, mode).ValueOrDie();
    while (auto batch = executed.rows->Next().ValueOrDie()) {
      found.rows += batch->num_rows();
      found.bytes_max = std::max(found.bytes_max, arrow::util::ReferencedBufferSize(*batch).ValueOrDie());
    }
  }
  EXPECT_TRUE(connection->Rollback().ok());
  return found;
}

std::shared_ptr<arrow::Table> Read(const std::string& sql, ResultMode mode) {
  auto engine = Engine::Make({}).ValueOrDie();
  auto connection = engine->Connect().ValueOrDie();
  EXPECT_TRUE(connection->Begin().ok());
  auto prepared = connection->Prepare(*engine->Parse(sql).ValueOrDie()[0], Trust::kClient).ValueOrDie();
  auto rows = connection->Execute(*prepared, nullptr, mode).ValueOrDie().rows->ToTable().ValueOrDie();
  EXPECT_TRUE(rows->ValidateFull().ok());
  return rows;
}

// What is copied whole must be what DuckDB's own appender, which buffered results use, makes value by value.
TEST(BoundedFormat, CopiesFixedWidthsAsDuckDbConvertsThem) {
  for (const std::string value : {
           "i",                                // no NULL
           "CASE WHEN i % 7 <> 3 THEN i END",  // some
           "CASE WHEN i > 70000 THEN i END",   // late
           "CASE WHEN i < 100 THEN i END",     // early
           "NULL",                             // all
           "42",                               // one constant
           "CASE WHEN i % 2 = 0 THEN 1 WHEN i % 3 = 0 THEN 2 END",
       }) {
    const std::string sql = "SELECT i, (" + value + " % 100)::TINYINT, (" + value + " % 100)::UTINYINT, (" + value +
                            " % 30000)::SMALLINT, (" + value + " % 30000)::USMALLINT, (" + value + ")::INTEGER, (" +
                            value + ")::UINTEGER, (" + value + ")::BIGINT, (" + value + ")::UBIGINT, (" + value +
                            ")::FLOAT, (" + value + ")::DOUBLE, DATE '2013-01-01' + (" + value +
                            " % 9999)::INTEGER, make_timestamp((" + value + ")::BIGINT), make_timestamp((" + value +
                            ")::BIGINT)::TIMESTAMPTZ, make_timestamp((" + value +
                            ")::BIGINT)::TIMESTAMP_NS, make_timestamp((" + value + ")::BIGINT)::TIMESTAMP_S, " +
                            "make_timestamp((" + value + ")::BIGINT)::TIME, (" + value + ")::VARCHAR, (" + value +
                            " % 2)::BOOLEAN, [(" + value + ")::INTEGER], (" + value +
                            ")::DECIMAL(18, 2) FROM (SELECT range AS i FROM range(100000)) WHERE i % 5 <> 1 ORDER BY i";
    SCOPED_TRACE(value);
    const auto streamed = Read(sql, ResultMode::kStreaming);
    EXPECT_EQ(streamed->num_rows(), 80'000);
    EXPECT_TRUE(streamed->Equals(*Read(sql, ResultMode::kBuffered)));
  }
}

TEST(BoundedFormat, ReadsResultsThatAreKnownToBeEmpty) {
  for (const std::string from : {"range(10) WHERE false", "range(10) WHERE range > 100", "range(10) LIMIT 0"}) {
    const auto streamed = Read("SELECT range AS i, 'x' AS s FROM " + from, ResultMode::kStreaming);
    EXPECT_EQ(streamed->num_rows(), 0);
    EXPECT_EQ(streamed->num_columns(), 2);
  }
}

TEST(BoundedFormat, BoundsBatchesInBytes) {
  for (const auto mode : {ResultMode::kStreaming, ResultMode::kBuffered}) {
    const auto found = Stream("SELECT range AS i, repeat('x', 1000) AS s FROM range(100000)", mode);
    EXPECT_EQ(found.rows, 100'000);
    EXPECT_LT(found.bytes_max, 2 * kResultBatchBytes + (1 << 20));
  }
}

TEST(BoundedFormat, KeepsLargeBatchesOfNarrowRows) {
  const auto found = Stream("SELECT range AS i FROM range(1000000)", ResultMode::kStreaming);
  EXPECT_EQ(found.rows, 1'000'000);
  EXPECT_GT(found.bytes_max, static_cast<std::int64_t>(kResultBatchRows * sizeof(std::int64_t) / 2));
}

TEST(BoundedFormat, LosesNoRowOfAnyType) {
  const auto found = Stream(
      "SELECT range AS i, [range::VARCHAR] AS l, {'a': repeat('y', 100)} AS s, NULL AS n, array_value(1, 2) AS a "
      "FROM range(300000)",
      ResultMode::kStreaming);
  EXPECT_EQ(found.rows, 300'000);
}

// A result of which somebody has read one batch and then stopped.
struct Stalled {
  std::unique_ptr<Connection> connection;
  std::unique_ptr<Prepared> prepared;
  std::shared_ptr<arrow::RecordBatchReader> rows;
  std::shared_ptr<arrow::RecordBatch> batch;
};

Stalled Stall(Engine& engine, ResultMode mode, std::int64_t rows) {
  Stalled stalled{.connection = engine.Connect().ValueOrDie(), .prepared = nullptr, .rows = nullptr, .batch = nullptr};
  EXPECT_TRUE(stalled.connection->Begin().ok());
  const auto sql = "SELECT range AS i, repeat('x', 100) AS s FROM range(" + std::to_string(rows) + ")";
  stalled.prepared = stalled.connection->Prepare(*engine.Parse(sql).ValueOrDie()[0], Trust::kClient).ValueOrDie();
  stalled.rows = stalled.connection->Execute(*stalled.prepared, nullptr, mode).ValueOrDie().rows;
  stalled.batch = stalled.rows->Next().ValueOrDie();
  return stalled;
}

TEST(BoundedFormat, BatchesGetSmallerAsTheRoomForResultsFillsUp) {
  auto engine = Engine::Make({.memory_bytes_max = 240LL << 20, .threads = 2}).ValueOrDie();
  constexpr std::int64_t kRoom = 20LL << 20;
  const auto idle = engine->memory_bytes();
  std::vector<Stalled> readers;
  for (int i = 0; i < 12; ++i) readers.push_back(Stall(*engine, ResultMode::kStreaming, 10'000'000));
  readers.push_back(Stall(*engine, ResultMode::kBuffered, 100'000));
  const auto bytes = [](const Stalled& reader) {
    return arrow::util::ReferencedBufferSize(*reader.batch).ValueOrDie();
  };
  EXPECT_GT(bytes(readers.front()), 1 << 20);
  EXPECT_LT(bytes(readers[11]), 2 * kResultBatchBytesMin);
  EXPECT_LT(bytes(readers[12]), 2 * kResultBatchBytesMin);
  readers.pop_back();  // what is buffered counts as DuckDB's
  EXPECT_GT(engine->memory_bytes() - idle, kRoom / 2);
  EXPECT_LT(engine->memory_bytes() - idle, 2 * kRoom);
  auto kept = readers.front().batch;
  readers.clear();
  EXPECT_GT(engine->memory_bytes(), idle + (1 << 20));  // buffers count for as long as somebody has them
  kept.reset();
  EXPECT_LT(engine->memory_bytes(), idle + (1 << 20));
}

}  // namespace
}  // namespace hyprstream::engine
