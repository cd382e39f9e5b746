// Folders, one merger at a time and readers at once; meant for the thread sanitizer.
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "aggregate/view_state.h"
#include "aggregate/view_test_support.h"
#include "arrow/array/array_decimal.h"
#include "arrow/array/array_primitive.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/buffer.h"
#include "arrow/result.h"
#include "core/aggregate_functions.h"
#include "gtest/gtest.h"

namespace hyprstream::aggregate {
namespace {

using enum AggregateKind;

constexpr int kFolders = 3;
constexpr int kReaders = 3;
constexpr int kDeltasPerFolder = 60;
constexpr std::int64_t kKeys = 50;

std::shared_ptr<AggregateQuery> Query() {
  return MakeTestQuery({{"w", arrow::int64()}, {"k", arrow::int64()}}, 0,
                       {{kCountStar, nullptr, arrow::int64()},
                        {kSum, arrow::int64(), arrow::decimal128(38, 0)},
                        {kMin, arrow::utf8(), arrow::utf8()}});
}

// A 1 for every key, over 4 windows: each delta adds the same to all, so a torn read would show.
std::shared_ptr<arrow::RecordBatch> Ones(const AggregateQuery& query) {
  arrow::Int64Builder windows;
  arrow::Int64Builder keys;
  arrow::Int64Builder ones;
  arrow::StringBuilder words;
  for (std::int64_t key = 0; key < kKeys; ++key) {
    EXPECT_TRUE(windows.Append(key % 4).ok());
    EXPECT_TRUE(keys.Append(key).ok());
    EXPECT_TRUE(ones.Append(1).ok());
    EXPECT_TRUE(words.Append("a word that is too long to be stored in place").ok());
  }
  return arrow::RecordBatch::Make(query.evaluated_schema, kKeys,
                                  {windows.Finish().ValueOrDie(), keys.Finish().ValueOrDie(),
                                   ones.Finish().ValueOrDie(), words.Finish().ValueOrDie()});
}

// The number of deltas that a version shows, -1 when it shows parts of one.
std::int64_t DeltasIn(const std::shared_ptr<const ViewVersion>& version) {
  const auto source = MakeViewSource(version);
  std::int64_t deltas = 0;
  std::int64_t groups = 0;
  for (const auto& batch : source->Scan(AllColumns(*source)).ValueOrDie()->ToRecordBatches().ValueOrDie()) {
    const auto& counts = static_cast<const arrow::Int64Array&>(*batch->column(2));
    for (std::int64_t row = 0; row < batch->num_rows(); ++row, ++groups) {
      if (groups == 0) deltas = counts.Value(row);
      if (counts.Value(row) != deltas) return -1;
    }
  }
  return groups == 0 || groups == kKeys ? deltas : -1;
}

TEST(ViewConcurrency, ReadersSeeWholeDeltasWhileOthersFoldAndMerge) {
  const auto query = Query();
  const auto state = ViewState::Make(query).ValueOrDie();
  std::mutex gate;
  std::atomic<int> folding = kFolders;
  std::atomic<int> torn = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < kFolders; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kDeltasPerFolder; ++n) {
        const auto delta = state->Fold({Ones(*query)}).ValueOrDie();
        const std::scoped_lock lock(gate);
        state->Merge(*delta);
      }
      --folding;
    });
  }
  for (int i = 0; i < kReaders; ++i) {
    threads.emplace_back([&, i] {
      std::shared_ptr<const ViewVersion> held;
      std::int64_t held_deltas = 0;
      std::int64_t last = 0;
      while (folding > 0) {
        const auto version = state->Pin();
        const std::int64_t deltas = DeltasIn(version);
        if (deltas < last || (held != nullptr && DeltasIn(held) != held_deltas)) ++torn;
        last = deltas;
        if (deltas % (7 + i) == 0) {
          held = version;
          held_deltas = deltas;
        }
      }
    });
  }
  threads.emplace_back([&] {
    while (folding > 0) {
      const auto stats = state->Stats();
      if (stats.rows % kKeys != 0) ++torn;
      if (!state->Serialize().ok() || state->Windows().size() > 4) ++torn;
    }
  });
  threads.clear();
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(DeltasIn(state->Pin()), kFolders * kDeltasPerFolder);
}

}  // namespace
}  // namespace hyprstream::aggregate
