#include "cli/pacer.h"

#include <arrow/array/array_base.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <vector>

#include "base/fake_clock.h"
#include "cli/stop_signal.h"

namespace hyprstream::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::shared_ptr<arrow::RecordBatch> Batch(const std::shared_ptr<arrow::DataType>& type, const std::string& values) {
  auto column = arrow::json::ArrayFromJSONString(type, values).ValueOrDie();
  const std::int64_t rows = column->length();
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("Ts", type)}), rows, {std::move(column)});
}

// Rows and due time (ms after the clock's present) of each portion.
std::vector<std::pair<std::int64_t, std::int64_t>> Portions(Pacer& pacer, const Clock& clock,
                                                            const arrow::RecordBatch& batch) {
  std::vector<std::pair<std::int64_t, std::int64_t>> portions;
  for (std::int64_t row = 0; row < batch.num_rows();) {
    const Pacer::Portion portion = pacer.Next(batch, row).ValueOrDie();
    portions.emplace_back(portion.rows,
                          std::chrono::duration_cast<std::chrono::milliseconds>(portion.due - clock.Now()).count());
    row += portion.rows;
  }
  return portions;
}

TEST(Pacer, UnboundSendsWholeBatchesAtOnce) {
  const FakeClock clock;
  const auto pacer = MakeUnboundPacer(clock);
  EXPECT_THAT(Portions(*pacer, clock, *Batch(arrow::int32(), "[1,2,3]")), ElementsAre(Pair(3, 0)));
}

TEST(Pacer, ARateIsCutIntoTenthsOfASecond) {
  FakeClock clock;
  clock.Advance(5s);
  const auto pacer = MakeRatePacer(20, clock);
  EXPECT_THAT(Portions(*pacer, clock, *Batch(arrow::int32(), "[1,2,3,4,5]")),
              ElementsAre(Pair(2, 0), Pair(2, 100), Pair(1, 200)));
  EXPECT_THAT(Portions(*pacer, clock, *Batch(arrow::int32(), "[6,7]")), ElementsAre(Pair(2, 250)));
}

TEST(Pacer, ASlowRateSendsRowByRowAndCatchesUp) {
  FakeClock clock;
  const auto pacer = MakeRatePacer(0.5, clock);
  const auto batch = Batch(arrow::int32(), "[1,2,3]");
  EXPECT_THAT(Portions(*pacer, clock, *batch), ElementsAre(Pair(1, 0), Pair(1, 2000), Pair(1, 4000)));
  clock.Advance(10s);  // held up
  EXPECT_THAT(Portions(*pacer, clock, *batch), ElementsAre(Pair(1, -4000), Pair(1, -2000), Pair(1, 0)));
}

TEST(Pacer, AReplayFollowsTheEventTime) {
  const FakeClock clock;
  const auto pacer = MakeReplayPacer(10, "ts", clock);
  // Seconds; a tenth of a second holds one of them.
  const auto type = arrow::timestamp(arrow::TimeUnit::SECOND);
  EXPECT_THAT(Portions(*pacer, clock, *Batch(type, "[100, 101, 110, 130, 130]")),
              ElementsAre(Pair(2, 100), Pair(1, 1000), Pair(2, 3000)));
  // The next batch goes on, in a finer unit too.
  const auto finer = arrow::timestamp(arrow::TimeUnit::MILLI, "UTC");
  EXPECT_THAT(Portions(*pacer, clock, *Batch(finer, "[140000, 160000]")), ElementsAre(Pair(1, 4000), Pair(1, 6000)));
}

TEST(Pacer, LateAndTimelessRowsGoWithTheirNeighbours) {
  const FakeClock clock;
  const auto pacer = MakeReplayPacer(1, "TS", clock);
  const auto type = arrow::timestamp(arrow::TimeUnit::SECOND);
  EXPECT_THAT(Portions(*pacer, clock, *Batch(type, "[null, null]")), ElementsAre(Pair(2, 0)));
  EXPECT_THAT(Portions(*pacer, clock, *Batch(type, "[null, 50, 20, null, 51, 50]")),
              ElementsAre(Pair(4, 0), Pair(2, 1000)));
}

TEST(Pacer, AReplayNeedsAColumnOfTimes) {
  const FakeClock clock;
  EXPECT_THAT(MakeReplayPacer(1, "ts", clock)->Next(*Batch(arrow::utf8(), R"(["x"])"), 0).status().message(),
              HasSubstr("Column ts holds string, but --replay needs times"));
  EXPECT_THAT(MakeReplayPacer(1, "when", clock)->Next(*Batch(arrow::utf8(), R"(["x"])"), 0).status().message(),
              HasSubstr("There is no column when"));
  EXPECT_TRUE(MakeReplayPacer(1, "ts", clock)->Next(*Batch(arrow::date32(), "[1]"), 0).ok());
}

TEST(StopSignal, AWaitEndsAtItsDeadline) {
  FakeClock clock;
  const StopSignal stop;
  auto waiting = std::async([&] { return stop.WaitUntil(clock, clock.Now() + 2s); });
  clock.WaitForSleepers(1);
  clock.Advance(2s);
  EXPECT_FALSE(waiting.get());
}

TEST(StopSignal, AWaitEndsWhenItIsRaised) {
  const SystemClock clock;
  StopSignal stop;
  auto waiting = std::async([&] { return stop.WaitUntil(clock, clock.Now() + 1h); });
  stop.Raise();
  EXPECT_TRUE(waiting.get());
  EXPECT_TRUE(stop.WaitUntil(clock, clock.Now() - 1s));
}

}  // namespace
}  // namespace hyprstream::cli
