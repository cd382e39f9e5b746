#include "base/batch_read_ahead.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <stdexcept>

namespace hyprstream {
namespace {

using Batch = BatchReadAhead::Batch;

Batch Rows(std::int64_t rows) {
  auto column = arrow::MakeArrayFromScalar(arrow::Int64Scalar(7), rows).ValueOrDie();
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("i", arrow::int64())}), rows, {column});
}

TEST(BatchReadAhead, GivesEveryBatchInOrderAndThenTheEnd) {
  std::int64_t given = 0;
  BatchReadAhead ahead(
      {.next = [&]() -> arrow::Result<Batch> { return given < 1000 ? Rows(++given) : nullptr; }, .interrupt = {}},
      4096);
  for (std::int64_t rows = 1; rows <= 1000; ++rows) EXPECT_EQ(ahead.Pop().ValueOrDie()->num_rows(), rows);
  EXPECT_EQ(ahead.Pop().ValueOrDie(), nullptr);
  EXPECT_EQ(ahead.Pop().ValueOrDie(), nullptr);
  EXPECT_EQ(ahead.TryPop(), nullptr);
}

TEST(BatchReadAhead, AnErrorComesAfterTheBatchesBeforeIt) {
  bool first = true;
  BatchReadAhead ahead({.next = [&]() -> arrow::Result<Batch> {
                          if (std::exchange(first, false)) return Rows(1);
                          throw std::runtime_error("the disk is gone");
                        },
                        .interrupt = {}},
                       4096);
  EXPECT_EQ(ahead.Pop().ValueOrDie()->num_rows(), 1);
  EXPECT_EQ(ahead.Pop().status().message(), "Reading the next batch failed: the disk is gone");
  EXPECT_FALSE(ahead.Pop().ok());
}

TEST(BatchReadAhead, ReadsNoFurtherThanItsBound) {
  std::atomic<int> read = 0;
  std::latch third(3);
  {
    BatchReadAhead ahead({.next = [&]() -> arrow::Result<Batch> {
                            ++read;
                            third.count_down();
                            return Rows(1000);
                          },
                          .interrupt = {}},
                         16'000);
    third.wait();  // two in the queue, one in hand
  }
  EXPECT_EQ(read, 3);
}

TEST(BatchReadAhead, CountsBatchesWithoutRows) {
  std::atomic<int> read = 0;
  {
    BatchReadAhead ahead({.next = [&]() -> arrow::Result<Batch> {
                            ++read;
                            return Rows(0);
                          },
                          .interrupt = {}},
                         1);
    EXPECT_EQ(ahead.Pop().ValueOrDie()->num_rows(), 0);
  }
  EXPECT_LE(read, 3);  // one taken, one in the queue, one in hand
}

TEST(BatchReadAhead, WhoLeavesInterruptsWhatIsUnderWay) {
  std::promise<void> interrupted;
  std::atomic<bool> once = false;
  std::latch reading(1);
  BatchReadAhead ahead({.next = [&]() -> arrow::Result<Batch> {
                          reading.count_down();
                          interrupted.get_future().wait();
                          return arrow::Status::Cancelled("interrupted");
                        },
                        .interrupt =
                            [&] {
                              if (!once.exchange(true)) interrupted.set_value();
                            }},
                       4096);
  reading.wait();
}

}  // namespace
}  // namespace hyprstream
