#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/util/byte_size.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

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
  EXPECT_GT(found.bytes_max, 500'000);
}

TEST(BoundedFormat, LosesNoRowOfAnyType) {
  const auto found = Stream(
      "SELECT range AS i, [range::VARCHAR] AS l, {'a': repeat('y', 100)} AS s, NULL AS n, array_value(1, 2) AS a "
      "FROM range(300000)",
      ResultMode::kStreaming);
  EXPECT_EQ(found.rows, 300'000);
}

}  // namespace
}  // namespace hyprstream::engine
