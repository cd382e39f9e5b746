#include "cli/sized_source.h"

#include <arrow/array/array_base.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <string>

namespace hyprstream::cli {
namespace {

using ::testing::ElementsAre;

// Batches of the rows 0, 1, 2, ... in the sizes given; then the end, or an error.
class CountingSource final : public RowSource {
 public:
  CountingSource(std::deque<int> sizes, arrow::Status end) : sizes_(std::move(sizes)), end_(std::move(end)) {}

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  double fraction() const override { return -1; }
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    if (sizes_.empty()) {
      ARROW_RETURN_NOT_OK(end_);
      return nullptr;
    }
    std::string values = "[";
    for (int i = 0; i < sizes_.front(); ++i) values += (i > 0 ? "," : "") + std::to_string(next_++);
    auto column = arrow::json::ArrayFromJSONString(arrow::int64(), values + "]").ValueOrDie();
    const int rows = sizes_.front();
    sizes_.pop_front();
    return arrow::RecordBatch::Make(schema_, rows, {std::move(column)});
  }

 private:
  std::deque<int> sizes_;
  const arrow::Status end_;
  int next_ = 0;
  const std::shared_ptr<arrow::Schema> schema_ = arrow::schema({arrow::field("n", arrow::int64())});
};

// The values of each batch, and the error at the end.
std::vector<std::string> Read(std::deque<int> sizes, SizedSourceOptions options,
                              const arrow::Status& end = arrow::Status::OK()) {
  const auto source = MakeSizedSource(std::make_unique<CountingSource>(std::move(sizes), end), options);
  std::vector<std::string> batches;
  while (true) {
    const auto batch = source->Next();
    if (!batch.ok()) {
      batches.push_back(batch.status().message());
      return batches;
    }
    if (*batch == nullptr) return batches;
    std::string values = (*batch)->column(0)->ToString();
    std::erase_if(values, [](char c) { return c == '\n' || c == ' '; });
    batches.push_back(values);
  }
}

TEST(SizedSource, SmallBatchesAreJoinedAndLargeOnesCut) {
  EXPECT_THAT(Read({1, 2, 0, 4}, {.batch_rows = 3}), ElementsAre("[0,1,2]", "[3,4,5]", "[6]"));
  EXPECT_THAT(Read({7}, {.batch_rows = 3}), ElementsAre("[0,1,2]", "[3,4,5]", "[6]"));
  EXPECT_THAT(Read({2, 3}, {.batch_rows = 4}), ElementsAre("[0,1,2,3]", "[4]"));
  EXPECT_THAT(Read({}, {}), ElementsAre());
}

TEST(SizedSource, RowsThatMustNotWaitAreOnlyCut) {
  EXPECT_THAT(Read({1, 5}, {.batch_rows = 3, .join = false}), ElementsAre("[0]", "[1,2,3]", "[4,5]"));
}

TEST(SizedSource, BytesAreBounded) {
  EXPECT_THAT(Read({4, 2}, {.batch_rows = 100, .batch_bytes_max = 16}), ElementsAre("[0,1]", "[2,3]", "[4,5]"));
  EXPECT_THAT(Read({2}, {.batch_rows = 100, .batch_bytes_max = 1}), ElementsAre("[0]", "[1]"));
}

TEST(SizedSource, RowsBeforeAnErrorComeBeforeIt) {
  EXPECT_THAT(Read({2, 2}, {.batch_rows = 3}, arrow::Status::Invalid("bad")), ElementsAre("[0,1,2]", "[3]", "bad"));
}

}  // namespace
}  // namespace hyprstream::cli
