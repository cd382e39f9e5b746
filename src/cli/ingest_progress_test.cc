#include "cli/ingest_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fake_clock.h"

namespace hyprstream::cli {
namespace {

using namespace std::chrono_literals;

class IngestProgressTest : public ::testing::Test {
 protected:
  IngestProgressOptions Options(bool terminal) {
    return {.terminal = terminal, .write = [this](std::string_view text) { screen_ += text; }};
  }

  FakeClock clock_;
  std::string screen_;
};

TEST_F(IngestProgressTest, ATerminalShowsABar) {
  IngestProgress progress(Options(true), clock_);
  progress.Show(10, 0.1);
  EXPECT_EQ(screen_, "");  // too early to say anything
  clock_.Advance(500ms);
  progress.Show(1500, 0.5);
  EXPECT_EQ(screen_, "\r\x1b[K[===============               ]  50 %  1,500 rows, 3,000 rows/s");
  progress.Show(1600, 0.6);
  screen_.clear();
  progress.Say("line 7 is bad");
  EXPECT_EQ(screen_, "\r\x1b[Kline 7 is bad\n[===============               ]  50 %  1,500 rows, 3,000 rows/s");
  screen_.clear();
  progress.Finish();
  EXPECT_EQ(screen_, "\r\x1b[K");
}

TEST_F(IngestProgressTest, AnythingElseGetsALineNowAndThen) {
  IngestProgress progress(Options(false), clock_);
  clock_.Advance(9s);
  progress.Show(9, 0.09);
  clock_.Advance(1s);
  progress.Show(1000000, 0.1);
  progress.Show(1000001, 0.11);
  clock_.Advance(10s);
  progress.Show(2000000, -1);
  progress.Finish();
  EXPECT_EQ(screen_, "10 %, 1,000,000 rows, 100,000 rows/s\n2,000,000 rows, 100,000 rows/s\n");
}

TEST_F(IngestProgressTest, QuietShowsOnlyWhatMustBeSaid) {
  auto options = Options(true);
  options.quiet = true;
  IngestProgress progress(options, clock_);
  clock_.Advance(10s);
  progress.Show(10, 0.5);
  progress.Say("line 7 is bad");
  progress.Finish();
  EXPECT_EQ(screen_, "line 7 is bad\n");
}

TEST(Grouped, ThousandsAreApart) {
  EXPECT_EQ(Grouped(0), "0");
  EXPECT_EQ(Grouped(999), "999");
  EXPECT_EQ(Grouped(1000), "1,000");
  EXPECT_EQ(Grouped(-1234567), "-1,234,567");
  EXPECT_EQ(RowRate(5, 0), "");
}

}  // namespace
}  // namespace hyprstream::cli
