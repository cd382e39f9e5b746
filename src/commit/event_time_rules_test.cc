// What needs a clock that a test can set: max_future, silent tables, retention by the wall clock; and the small parts.
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/fake_clock.h"
#include "commit/commit_path_internal.h"

namespace hyprstream::commit {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;

// A commit path whose timer does not run; its clock starts on 1 January 2013 at 00:26:40.
class TimedPath : public ::testing::Test {
 protected:
  explicit TimedPath(const std::string& file = "")
      : engine_(engine::Engine::Make({.path = file, .threads = 1}).ValueOrDie()) {
    EXPECT_TRUE(path_.Open().ok());
  }

  arrow::Status Try(const std::string& sql) {
    const auto connection = engine_->Connect().ValueOrDie();
    ARROW_RETURN_NOT_OK(path_.Begin(*connection));
    ARROW_RETURN_NOT_OK(connection->Run(sql).status());
    return path_.Commit(*connection, 1).status();
  }
  void Write(const std::string& sql) {
    const auto written = Try(sql);
    EXPECT_TRUE(written.ok()) << sql << ": " << written;
  }
  void CreateTable(const std::string& columns, engine::Options options) {
    const auto connection = engine_->Connect().ValueOrDie();
    ASSERT_TRUE(path_.Begin(*connection).ok());
    ASSERT_TRUE(connection->Run("CREATE TABLE t (" + columns + ")").ok());
    const auto set = path_.SetTableOptions(
        *connection, {.table = {.name = "t"}, .schema_given = true, .options = std::move(options)});
    ASSERT_TRUE(set.ok()) << set;
    ASSERT_TRUE(path_.Commit(*connection, 1).ok());
  }
  void CreateView(engine::Options options,
                  const std::string& select =
                      "SELECT time_bucket(INTERVAL '1 minute', ts) AS w, count(*) AS c FROM t GROUP BY ALL") {
    const auto connection = engine_->Connect().ValueOrDie();
    ASSERT_TRUE(path_.Begin(*connection).ok());
    const auto made = path_.CreateView(
        *connection, {.view = {.name = "v"}, .schema_given = true, .options = std::move(options), .select = select},
        "UTC");
    ASSERT_TRUE(made.ok()) << made.status();
    ASSERT_TRUE(path_.Commit(*connection, 1).ok());
  }
  std::string Mark() {
    const auto mark = path_.Tables().at(0).mark;
    return mark.has_value() ? ToText(*mark) : "none";
  }
  std::string Text(const std::string& sql) {
    const auto connection = engine_->Connect().ValueOrDie();
    EXPECT_TRUE(path_.Begin(*connection).ok());
    const auto executed = connection->Run(sql);
    if (!executed.ok()) return executed.status().ToString();
    const auto batches = executed->rows->ToRecordBatches().ValueOrDie();
    return batches.empty() ? "" : batches[0]->column(0)->GetScalar(0).ValueOrDie()->ToString();
  }

  FakeClock clock_;
  std::unique_ptr<engine::Engine> engine_;
  CommitPathImpl path_{*engine_, {}, {}, &clock_};
};

TEST_F(TimedPath, AMarkIsBoundedByTheClock) {
  CreateTable("ts TIMESTAMP", {{"time", "ts"}, {"max_future", "1 hour"}});
  EXPECT_EQ(Mark(), "none");
  Write("INSERT INTO t VALUES (NULL), ('infinity')");
  EXPECT_EQ(Mark(), "none");
  Write("INSERT INTO t VALUES ('2013-01-01 01:00:00')");
  EXPECT_EQ(Mark(), "2013-01-01 01:00:00");
  Write("INSERT INTO t VALUES ('2999-01-01')");
  EXPECT_EQ(Mark(), "2013-01-01 01:26:40");
  Write("UPDATE t SET ts = '2012-01-01'");
  Write("DELETE FROM t");
  EXPECT_EQ(Mark(), "2013-01-01 01:26:40");
  clock_.Advance(hours(1));
  Write("INSERT INTO t VALUES ('2999-01-01')");
  EXPECT_EQ(Mark(), "2013-01-01 02:26:40");
}

TEST_F(TimedPath, AnUpdateMovesTheMarkOfATableWithAndWithoutViews) {
  CreateTable("k INTEGER, ts DATE", {{"time", "ts"}});
  Write("INSERT INTO t VALUES (1, '2020-02-29')");
  Write("UPDATE t SET ts = '2020-03-01'");
  EXPECT_EQ(Mark(), "2020-03-01 00:00:00");
  CreateView({});
  Write("UPDATE t SET ts = '2020-03-02'");
  EXPECT_EQ(Mark(), "2020-03-02 00:00:00");
}

TEST_F(TimedPath, TheMarkOfASilentTableFollowsTheClock) {
  CreateTable("ts TIMESTAMP", {{"time", "ts"}, {"clock", "wall"}, {"idle_timeout", "5 minutes"}});
  CreateView({{"late", "reject"}});
  Write("INSERT INTO t VALUES ('2013-01-01 00:26:00')");
  clock_.Advance(minutes(5) - seconds(1));
  path_.ExpireByTime();
  EXPECT_EQ(Mark(), "2013-01-01 00:26:00");
  clock_.Advance(minutes(2));
  path_.ExpireByTime();
  EXPECT_EQ(Mark(), "2013-01-01 00:28:39");
  EXPECT_TRUE(path_.Windows().at(0).closed);
  EXPECT_THAT(Try("INSERT INTO t VALUES ('2013-01-01 00:26:59')").message(),
              HasSubstr("a row of ts 2013-01-01 00:26:59 belongs to the window that ended at 2013-01-01 00:27:00, and "
                        "the view's watermark is 2013-01-01 00:28:39"));
  Write("INSERT INTO t VALUES ('2013-01-01 00:28:00')");  // heard of again
  clock_.Advance(minutes(4));
  path_.ExpireByTime();
  EXPECT_EQ(Mark(), "2013-01-01 00:28:39");
  clock_.Advance(minutes(6));  // also without the timer
  EXPECT_FALSE(Try("INSERT INTO t VALUES ('2013-01-01 00:29:00')").ok());
}

TEST_F(TimedPath, WindowsAndRowsExpireByTheWallClock) {
  CreateTable("ts TIMESTAMP", {{"time", "ts"}, {"clock", "wall"}, {"retention", "10 minutes"}});
  CreateView({{"retention", "5 minutes"}});
  Write("INSERT INTO t VALUES ('2013-01-01 00:26:00'), ('2013-01-01 00:30:00')");
  const auto before = path_.position();
  clock_.Advance(minutes(5));  // 00:31:40
  path_.ExpireByTime();
  EXPECT_EQ(path_.position(), before);
  clock_.Advance(seconds(20));  // the first window ended five minutes ago
  path_.ExpireByTime();
  EXPECT_FALSE(path_.position() == before);
  EXPECT_EQ(Text("SELECT string_agg(w, ' ') FROM v"), "2013-01-01 00:30:00");
  EXPECT_EQ(path_.Views().at(0).late.gone, 1);
  EXPECT_EQ(Text("SELECT count(*)::VARCHAR FROM t"), "2");
  clock_.Advance(minutes(5));  // 00:37
  path_.ExpireByTime();
  EXPECT_EQ(Text("SELECT string_agg(ts, ' ') FROM t"), "2013-01-01 00:30:00");
  Write("INSERT INTO t VALUES ('2013-01-01 00:27:30')");
  EXPECT_EQ(path_.Views().at(0).late.expired, 1);
}

class EveryKindOfWindow : public TimedPath, public ::testing::WithParamInterface<const char*> {};

// Over a table that falls silent: windows close and expire with the clock, rows that come for them then are late or
// expired, and all rows that came are accounted for.
TEST_P(EveryKindOfWindow, FollowsTheClock) {
  CreateTable("ts TIMESTAMPTZ", {{"time", "ts"}, {"clock", "wall"}, {"idle_timeout", "5 minutes"}});
  CreateView({{"late", "drop"}, {"retention", "20 minutes"}}, GetParam());
  Write("INSERT INTO t VALUES ('2013-01-01 00:21:00+00'), ('2013-01-01 00:22:00+00')");
  const auto closed = [&] { return Text("SELECT count(*) FROM v WHERE window_closed('v', w)"); };
  const auto before = [&] { return Text("SELECT count(*) FROM v WHERE w < '2013-01-01 00:34:00+00'"); };
  EXPECT_EQ(closed(), "0");
  clock_.Advance(minutes(15));  // to 00:41:40, so the mark to 00:36:40
  path_.ExpireByTime();
  EXPECT_EQ(closed(), before());
  Write("INSERT INTO t VALUES ('2013-01-01 00:22:30+00'), ('2013-01-01 00:40:00+00')");
  clock_.Advance(minutes(14));  // to 00:55:40: what ended by 00:35:40 has expired
  path_.ExpireByTime();
  EXPECT_EQ(before(), "0");
  Write("INSERT INTO t VALUES ('2013-01-01 00:23:00+00'), ('2013-01-01 00:55:00+00')");
  EXPECT_EQ(before(), "0");
  const auto view = path_.Views().at(0);
  EXPECT_EQ(view.late.dropped, 1);
  EXPECT_EQ(view.late.expired, 1);
  EXPECT_EQ(view.late.gone, 2);
  EXPECT_EQ(view.rows, 2);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, EveryKindOfWindow,
    ::testing::Values(
        "SELECT time_bucket(INTERVAL '10 minutes', ts) AS w, count(*) AS c FROM t GROUP BY ALL",
        "SELECT window_start AS w, count(*) AS c FROM tumble(t, ts, INTERVAL '10 minutes') GROUP BY ALL",
        "SELECT window_start AS w, count(*) AS c FROM hop(t, ts, INTERVAL '5 minutes', INTERVAL '10 minutes') GROUP BY "
        "ALL",
        "SELECT window_end AS w, count(*) AS c FROM session(t, ts, INTERVAL '10 minutes') GROUP BY ALL",
        "SELECT time_bucket(INTERVAL '10 minutes', ts, 'Asia/Kathmandu') AS w, count(*) AS c FROM t GROUP BY ALL"));

TEST_F(TimedPath, AViewIsNotMadeThatIsToBeFilledLaterWithRowsThatExpireFirst) {
  CreateTable("ts TIMESTAMP", {{"time", "ts"}, {"retention", "1 hour"}});
  Write("INSERT INTO t VALUES ('2013-01-01 00:10:00')");
  const auto creator = engine_->Connect().ValueOrDie();
  ASSERT_TRUE(path_.Begin(*creator).ok());
  const auto made = path_.CreateView(*creator,
                                     {.view = {.name = "v"},
                                      .schema_given = true,
                                      .options = {{"background", "true"}},
                                      .select = "SELECT count(*) AS c FROM t"},
                                     "UTC");
  ASSERT_TRUE(made.ok()) << made.status();
  Write("INSERT INTO t VALUES ('2013-01-01 02:00:00')");
  clock_.Advance(hours(2));
  path_.ExpireByTime();
  EXPECT_EQ(Text("SELECT count(*)::VARCHAR FROM t"), "1");
  EXPECT_THAT(path_.Commit(*creator, 1).status().message(),
              HasSubstr("t have expired while materialized view v was created; create it again"));
  EXPECT_TRUE(path_.Views().empty());
}

// A database that is a file, which keeps the states of rows that are gone.
class TimedPathInAFile : public TimedPath {
 protected:
  TimedPathInAFile() : TimedPath(Fresh()) {}
  ~TimedPathInAFile() override { Fresh(); }
  static std::string Fresh() {
    const auto file = std::filesystem::path(::testing::TempDir()) / ("timed_path_" + std::to_string(::getpid()));
    std::filesystem::remove(file);
    std::filesystem::remove(file.string() + ".wal");
    return file.string();
  }
};

TEST_F(TimedPathInAFile, AViewIsMadeOfStatesThatItsTransactionDoesNotSeeYet) {
  CreateTable("ts TIMESTAMP", {{"time", "ts"}, {"retention", "1 hour"}});
  Write("INSERT INTO t VALUES ('2013-01-01 00:10:00')");
  const auto creator = engine_->Connect().ValueOrDie();
  ASSERT_TRUE(path_.Begin(*creator).ok());
  ASSERT_TRUE(creator->Run("SELECT count(*) FROM t").ok());
  CreateView({});  // which the creator cannot read
  Write("INSERT INTO t VALUES ('2013-01-01 01:20:00')");
  path_.ExpireByTime();
  EXPECT_EQ(Text("SELECT count(*)::VARCHAR FROM t"), "1");
  const auto made = path_.CreateView(
      *creator, {.view = {.name = "coarse"}, .schema_given = true, .select = "SELECT count(*) AS c FROM t"}, "UTC");
  ASSERT_TRUE(made.ok()) << made.status();
  const auto committed = path_.Commit(*creator, 1);
  ASSERT_TRUE(committed.ok()) << committed.status();
  EXPECT_EQ(Text("SELECT c::VARCHAR FROM coarse"), "2");
}

TEST_F(TimedPathInAFile, RowsThatAreGoneStaySoWhereTheMarkIsLowerAfterACrash) {
  CreateTable("ts TIMESTAMP", {{"time", "ts"}, {"retention", "10 minutes"}});
  CreateView({});
  Write("INSERT INTO t VALUES ('2026-01-01 10:00:00'), ('2030-01-01 10:00:00')");
  path_.ExpireByTime();
  Write("DELETE FROM t");
  const auto gone = path_.Tables().at(0).rows_before;
  ASSERT_TRUE(gone.has_value());
  CommitPathImpl again(*engine_, {}, {}, &clock_);
  ASSERT_TRUE(again.Open().ok());
  const auto connection = engine_->Connect().ValueOrDie();
  ASSERT_TRUE(again.Begin(*connection).ok());
  ASSERT_TRUE(connection->Run("INSERT INTO t VALUES ('2026-01-01 10:00:10'), ('2026-01-01 09:40:00')").ok());
  ASSERT_TRUE(again.Commit(*connection, 1).ok());
  again.ExpireByTime();
  EXPECT_EQ(again.Tables().at(0).rows_before, gone);
}

TEST_F(TimedPath, RowsThatExpireAreNotChangedByWhoBeganBefore) {
  CreateTable("k INTEGER, ts TIMESTAMP", {{"time", "ts"}, {"retention", "10 minutes"}});
  Write("INSERT INTO t VALUES (1, '2013-01-01 10:00:00'), (2, '2013-01-01 12:00:00')");
  const auto editor = engine_->Connect().ValueOrDie();
  ASSERT_TRUE(path_.Begin(*editor).ok());
  ASSERT_TRUE(editor->Run("UPDATE t SET k = 3 WHERE k = 1").ok());
  path_.ExpireByTime();
  EXPECT_EQ(Text("SELECT count(*)::VARCHAR FROM t"), "1");
  EXPECT_THAT(path_.Commit(*editor, 1).status().message(), HasSubstr("nothing of it stays: run it again"));
}

TEST_F(TimedPath, RowsThatCannotBeDeletedSayWhy) {
  CreateTable("ts TIMESTAMP PRIMARY KEY", {{"time", "ts"}, {"retention", "1 day"}});
  Write("CREATE TABLE child (ts TIMESTAMP REFERENCES t (ts))");
  Write("INSERT INTO t VALUES ('2013-01-01'), ('2013-01-03')");
  Write("INSERT INTO child VALUES ('2013-01-01')");
  path_.ExpireByTime();
  EXPECT_THAT(path_.Tables().at(1).problem, HasSubstr("its expired rows cannot be deleted"));
  Write("DELETE FROM child");
  path_.ExpireByTime();
  EXPECT_EQ(path_.Tables().at(1).problem, "");
  EXPECT_EQ(Text("SELECT count(*)::VARCHAR FROM t"), "1");
}

TEST_F(TimedPath, AReaderKeepsTheWindowsThatItHasPinned) {
  CreateTable("ts TIMESTAMP", {{"time", "ts"}});
  CreateView({{"retention", "1 hour"}});
  Write("INSERT INTO t VALUES ('2013-01-01 10:00:00')");
  const auto reader = engine_->Connect().ValueOrDie();
  ASSERT_TRUE(path_.Begin(*reader).ok());
  Write("INSERT INTO t VALUES ('2013-01-02 10:00:00')");
  EXPECT_EQ(Text("SELECT string_agg(w, ' ') FROM v"), "2013-01-02 10:00:00");
  const auto rows = reader->Run("SELECT string_agg(w, ' ') FROM v")->rows->ToRecordBatches().ValueOrDie();
  EXPECT_EQ(rows.at(0)->column(0)->GetScalar(0).ValueOrDie()->ToString(), "2013-01-01 10:00:00");
}

TEST(EventTimeText, IsThatOfDuckDB) {
  EXPECT_EQ(ToText(EventTime(Micros(-1))), "1969-12-31 23:59:59.999999");
  EXPECT_EQ(ToText(EventTime(Micros(1'500'000))), "1970-01-01 00:00:01.5");
  EXPECT_EQ(ToText(Micros(0)), "00:00:00");
  EXPECT_EQ(ToText(Micros(86'400'000'000)), "1 day");
  EXPECT_EQ(ToText(Micros(2 * 86'400'000'000 + 7'200'250'000)), "2 days 02:00:00.25");
}

TEST(EventTimeEnds, AreNotPassed) {
  EXPECT_EQ(Minus(EventTime::min(), Micros(1)), EventTime::min());
  EXPECT_EQ(Plus(EventTime::max(), Micros(1)), EventTime::max());
  EXPECT_EQ(EventTimeOf(*arrow::timestamp(arrow::TimeUnit::NANO), -1), EventTime(Micros(-1)));
  EXPECT_EQ(EventTimeOf(*arrow::timestamp(arrow::TimeUnit::SECOND), INT64_MAX - 1), EventTime::max());
  EXPECT_EQ(EventTimeOf(*arrow::date32(), INT32_MAX), std::nullopt);
}

TEST(DroppedWindows, AreManyInLittleMemory) {
  LateRows rows;
  constexpr std::int64_t kWindows = 3 * DroppedWindows::kExactMax;
  for (std::int64_t start = 0; start < kWindows; ++start) rows.dropped.Add({.start = 2 * start});
  for (std::int64_t start = 0; start < kWindows; ++start) {
    EXPECT_TRUE(rows.dropped.Contains({.start = 2 * start}));
  }
  EXPECT_TRUE(rows.dropped.Contains({.start = 1}));  // among the oldest: taken for one
  EXPECT_FALSE(rows.dropped.Contains({.start = 2 * kWindows - 3}));
  EXPECT_FALSE(rows.dropped.Contains({.is_null = true}));
  rows.counts = {.updated = 1, .dropped = 2, .rejected = 3, .expired = 4, .gone = 5};
  rows.expired_to = EventTime(Micros(-7));
  EXPECT_EQ(LateRows::Load(rows.Save()).ValueOrDie().Save(), rows.Save());
  EXPECT_TRUE(LateRows::Load("")->empty());
  EXPECT_FALSE(LateRows::Load("2 what comes later").ok());
}

}  // namespace
}  // namespace hyprstream::commit
