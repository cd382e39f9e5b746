#include "flight/batch_slicer.h"

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/ipc/options.h>
#include <arrow/ipc/writer.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace hyprstream::flight {
namespace {

std::shared_ptr<arrow::RecordBatch> Texts(std::int64_t rows, std::size_t bytes) {
  arrow::StringBuilder builder;
  for (std::int64_t i = 0; i < rows; ++i) EXPECT_TRUE(builder.Append(std::string(bytes, 'x')).ok());
  auto column = builder.Finish().ValueOrDie();
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("t", arrow::utf8())}), rows, {column});
}

std::int64_t Encoded(const arrow::RecordBatch& batch) {
  std::int64_t bytes = 0;
  EXPECT_TRUE(arrow::ipc::GetRecordBatchSize(batch, arrow::ipc::IpcWriteOptions::Defaults(), &bytes).ok());
  return bytes;
}

TEST(SliceBatch, LeavesSmallBatchesWhole) {
  const auto batch = Texts(10, 10);
  const auto pieces = SliceBatch(batch, {}).ValueOrDie();
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_EQ(pieces[0], batch);
}

TEST(SliceBatch, CutsLargeOnesWithoutLosingRows) {
  const auto batch = Texts(5'000, 1'000);
  const SliceBounds bounds{.batch_bytes_max = 300'000, .row_bytes_max = 500'000};
  const auto pieces = SliceBatch(batch, bounds).ValueOrDie();
  std::int64_t rows = 0;
  for (const auto& piece : pieces) {
    EXPECT_LE(Encoded(*piece), bounds.batch_bytes_max);
    rows += piece->num_rows();
  }
  EXPECT_EQ(rows, 5'000);
  EXPECT_LT(pieces.size(), 40u);
}

TEST(SliceBatch, SaysWhichRowIsTooLarge) {
  arrow::StringBuilder builder;
  ASSERT_TRUE(builder.Append("small").ok());
  ASSERT_TRUE(builder.Append(std::string(2'000'000, 'x')).ok());
  const auto batch =
      arrow::RecordBatch::Make(arrow::schema({arrow::field("t", arrow::utf8())}), 2, {builder.Finish().ValueOrDie()});
  const auto sliced = SliceBatch(batch, {.batch_bytes_max = 100'000, .row_bytes_max = 1'000'000});
  ASSERT_TRUE(sliced.status().IsCapacityError());
  EXPECT_THAT(sliced.status().message(), testing::HasSubstr("Row 1 of the result"));
  // A row above the batch's bound but within its own goes alone.
  EXPECT_EQ(SliceBatch(batch, {.batch_bytes_max = 100'000, .row_bytes_max = 3'000'000}).ValueOrDie().size(), 2u);
}

TEST(SlicedReader, SendsOneBatchOfNoRowsForAnEmptyResult) {
  const auto schema = arrow::schema({arrow::field("t", arrow::utf8())});
  class Nothing final : public arrow::RecordBatchReader {
   public:
    explicit Nothing(std::shared_ptr<arrow::Schema> schema) : schema_(std::move(schema)) {}
    std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
    arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
      batch->reset();
      return arrow::Status::OK();
    }

   private:
    std::shared_ptr<arrow::Schema> schema_;
  };
  SlicedReader reader(std::make_unique<Nothing>(schema), {});
  std::shared_ptr<arrow::RecordBatch> batch;
  ASSERT_TRUE(reader.ReadNext(&batch).ok());
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(batch->num_rows(), 0);
  ASSERT_TRUE(reader.ReadNext(&batch).ok());
  EXPECT_EQ(batch, nullptr);
  SlicedReader update(std::make_unique<Nothing>(arrow::schema({})), {});
  ASSERT_TRUE(update.ReadNext(&batch).ok());
  EXPECT_EQ(batch, nullptr);
}

}  // namespace
}  // namespace hyprstream::flight
