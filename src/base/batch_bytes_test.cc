#include "base/batch_bytes.h"

#include <arrow/array/array_base.h>
#include <arrow/array/util.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace hyprstream {
namespace {

std::shared_ptr<arrow::RecordBatch> Nulls(std::size_t columns, const std::shared_ptr<arrow::DataType>& type,
                                          std::int64_t rows) {
  const auto column = arrow::MakeArrayOfNull(type, rows).ValueOrDie();
  const arrow::FieldVector fields(columns, arrow::field("c", type));
  return arrow::RecordBatch::Make(arrow::schema(fields), rows, arrow::ArrayVector(columns, column));
}

TEST(BatchBytes, CountsTheColumnsOfABatchWithoutRows) {
  EXPECT_GE(BatchBytes(*Nulls(500, arrow::int64(), 0)), 500 * 256);
  EXPECT_GT(BatchBytes(*Nulls(1, arrow::list(arrow::int64()), 0)), BatchBytes(*Nulls(1, arrow::int64(), 0)));
  EXPECT_GT(BatchBytes(*Nulls(0, arrow::int64(), 0)), 0);
}

TEST(BatchBytes, CountsBuffers) {
  const auto column = arrow::MakeArrayFromScalar(arrow::Int64Scalar(7), 10'000).ValueOrDie();
  const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("c", arrow::int64())}), 10'000, {column});
  EXPECT_EQ(BatchBytes(*batch), 80'000);
}

}  // namespace
}  // namespace hyprstream
