#include "ingest/batch_check.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace hyprstream::ingest {
namespace {

using ::testing::HasSubstr;

std::shared_ptr<arrow::RecordBatch> BatchOf(const std::shared_ptr<arrow::Array>& column) {
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("a", column->type())}), column->length(), {column});
}

std::shared_ptr<arrow::Array> Texts(const std::vector<std::string>& values) {
  arrow::StringBuilder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return builder.Finish().ValueOrDie();
}

// `rows` rows that all share one text.
std::shared_ptr<arrow::Array> Shared(std::int64_t rows, const std::string& text) {
  arrow::Int32Builder indices;
  EXPECT_TRUE(indices.AppendValues(std::vector<std::int32_t>(static_cast<std::size_t>(rows), 0)).ok());
  return arrow::DictionaryArray::FromArrays(indices.Finish().ValueOrDie(), Texts({text})).ValueOrDie();
}

TEST(BatchCheck, TakesOrdinaryBatches) {
  EXPECT_TRUE(CheckBatch(*BatchOf(Texts({"a", "bb"})), 1000).ok());
  EXPECT_TRUE(CheckBatch(*BatchOf(Texts({})), 1000).ok());
  EXPECT_TRUE(CheckBatch(*BatchOf(Shared(10, "x")), 1000).ok());
}

TEST(BatchCheck, CountsASharedValueForEveryRow) {
  const auto batch = BatchOf(Shared(1000, std::string(100'000, 'x')));
  EXPECT_EQ(UnfoldedBytes(*batch), 1e8);
  EXPECT_THAT(CheckBatch(*batch, 10'000'000).message(), HasSubstr("1000 rows takes 100000000 bytes"));
  EXPECT_TRUE(CheckBatch(*batch, 100'000'000).ok());
}

TEST(BatchCheck, CountsRowsThatTakeNoBytes) {
  const auto nulls = std::make_shared<arrow::NullArray>(std::int64_t{1} << 60);
  EXPECT_THAT(CheckBatch(*BatchOf(nulls), 1LL << 30).message(), HasSubstr("rows takes"));
  EXPECT_TRUE(CheckBatch(*BatchOf(std::make_shared<arrow::NullArray>(100)), 1LL << 30).ok());
}

TEST(BatchCheck, CountsNestedColumns) {
  const auto shared = Shared(1000, std::string(100'000, 'x'));
  const auto rows = arrow::StructArray::Make({shared}, {arrow::field("s", shared->type())}).ValueOrDie();
  EXPECT_EQ(UnfoldedBytes(*BatchOf(rows)), 1e8);
}

TEST(BatchCheck, RefusesWhatLies) {
  auto data = Texts({"a", "bb"})->data()->Copy();
  const std::vector<std::int32_t> offsets{0, 1, 1 << 30};
  data->buffers[1] = arrow::Buffer::Wrap(offsets);
  EXPECT_THAT(CheckBatch(*BatchOf(arrow::MakeArray(data)), 1LL << 30).message(), HasSubstr("not valid Arrow data"));
}

}  // namespace
}  // namespace hyprstream::ingest
