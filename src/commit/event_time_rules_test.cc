// What needs a clock that a test can set: max_future, silent tables, retention by the wall clock; and the small parts.
#include <arrow/array.h>
#include <arrow/array/builder_primitive.h>
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
    CreateView(*connection, "v", std::move(options), select);
    ASSERT_TRUE(path_.Commit(*connection, 1).ok());
  }
  void CreateView(engine::Connection& connection, const std::string& name, engine::Options options,
                  const std::string& select) {
    const auto made = path_.CreateView(
        connection, {.view = {.name = name}, .schema_given = true, .options = std::move(options), .select = select},
        "UTC");
    ASSERT_TRUE(made.ok()) << made.status();
  }
  void ResetRetention(engine::Connection& connection, const std::string& name) {
    const auto altered =
        path_.AlterView(connection, {.view = {.name = name}, .schema_given = true, .reset = {"retention"}});
    ASSERT_TRUE(altered.ok()) << altered.status();
  }
  void ResetRetention(const std::string& name) {
    const auto connection = engine_->Connect().ValueOrDie();
    ASSERT_TRUE(path_.Begin(*connection).ok());
    ResetRetention(*connection, name);
    ASSERT_TRUE(path_.Commit(*connection, 1).ok());
  }
  // A time that no text of SQL says, as a client's rows may have it.
  void Append(const std::shared_ptr<arrow::DataType>& type, std::int64_t time) {
    arrow::TimestampBuilder builder(type, arrow::default_memory_pool());
    ASSERT_TRUE(builder.Append(time).ok());
    const auto rows =
        arrow::RecordBatch::Make(arrow::schema({arrow::field("ts", type)}), 1, {builder.Finish().ValueOrDie()});
    const auto connection = engine_->Connect().ValueOrDie();
    ASSERT_TRUE(path_.Begin(*connection).ok());
    const auto appended = connection->Append({.name = "t"}, {"ts"}, {rows});
    ASSERT_TRUE(appended.ok()) << appended;
    const auto committed = path_.Commit(*connection, 1);
    ASSERT_TRUE(committed.ok()) << committed.status();
  }
  std::string Mark() {
    const auto mark = path_.Tables().at(0).mark;
    return mark.has_value() ? ToText(*mark) : "none";
  }
  std::string Text(const std::string& sql) {
    const auto connection = engine_->Connect().ValueOrDie();
    EXPECT_TRUE(path_.Begin(*connection).ok());
    return Text(*connection, sql);
  }
  static std::string Text(engine::Connection& connection, const std::string& sql) {
    const auto executed = connection.Run(sql);
    if (!executed.ok()) return executed.status().ToString();
    return FirstOf(*executed);
  }
  // As a client asks, whom views may answer.
  std::string ClientsText(const std::string& sql) {
    const auto connection = engine_->Connect().ValueOrDie();
    EXPECT_TRUE(path_.Begin(*connection).ok());
    const auto prepared = connection->Prepare(*engine_->Parse(sql).ValueOrDie().at(0), engine::Trust::kClient);
    if (!prepared.ok()) return prepared.status().ToString();
    const auto executed = connection->Execute(**prepared, nullptr, engine::ResultMode::kBuffered);
    if (!executed.ok()) return executed.status().ToString();
    return FirstOf(*executed);
  }
  static std::string FirstOf(const engine::Execution& executed) {
    const auto batches = executed.rows->ToRecordBatches().ValueOrDie();
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

TEST_F(TimedPath, RowsOfInfiniteTimesNeverExpire) {
  CreateTable("ts TIMESTAMP", {{"time", "ts"}, {"retention", "1 hour"}});
  Write("INSERT INTO t VALUES ('-infinity'), ('infinity'), (NULL), ('2026-01-01 00:00:00'), ('2026-01-01 10:00:00')");
  path_.ExpireByTime();
  EXPECT_EQ(Text("SELECT string_agg(coalesce(ts::VARCHAR, '-'), ' ' ORDER BY ts NULLS LAST) FROM t"),
            "-infinity 2026-01-01 10:00:00 infinity -");
}

TEST_F(TimedPath, RowsOfLongAgoMoveNoMark) {
  CreateTable("ts DATE", {{"time", "ts"}, {"retention", "10 days"}});
  Write("INSERT INTO t VALUES ('2026-01-01')");
  Write("INSERT INTO t VALUES ('300000-01-01 (BC)')");
  EXPECT_EQ(Mark(), "2026-01-01 00:00:00");
  path_.ExpireByTime();
  EXPECT_EQ(Text("SELECT string_agg(ts, ' ') FROM t"), "2026-01-01");
  EXPECT_EQ(path_.Tables().at(0).problem, "");
}

TEST_F(TimedPath, RowsExpireWhereTheFirstWereOfLongAgo) {
  CreateTable("ts DATE", {{"time", "ts"}, {"retention", "10 days"}});
  Write("INSERT INTO t VALUES ('300000-01-01 (BC)')");
  path_.ExpireByTime();
  Write("INSERT INTO t VALUES ('2026-01-01')");
  path_.ExpireByTime();
  EXPECT_EQ(Text("SELECT string_agg(ts, ' ') FROM t"), "2026-01-01");
}

TEST_F(TimedPath, RowsExpireWhereOthersAreFarAwayInTheUnitOfTheirColumn) {
  CreateTable("ts TIMESTAMP_MS", {{"time", "ts"}, {"retention", "1 hour"}, {"max_future", "0"}});
  Append(arrow::timestamp(arrow::TimeUnit::MILLI), 10'000'000'000'000'000);
  Write("INSERT INTO t VALUES ('2012-01-01'), ('2012-12-31 23:26:39.999'), ('2012-12-31 23:26:40')");
  path_.ExpireByTime();  // the mark is the clock's time, 00:26:40
  EXPECT_EQ(path_.Tables().at(0).problem, "");
  EXPECT_EQ(Text("SELECT string_agg(ts, ' ') FROM t WHERE ts < '2013-01-01'::TIMESTAMP_MS"), "2012-12-31 23:26:40");
  EXPECT_EQ(Text("SELECT count(*)::VARCHAR FROM t"), "2");
}

class EveryKindOfTime : public TimedPath, public ::testing::WithParamInterface<const char*> {};

TEST_P(EveryKindOfTime, HasRowsThatExpire) {
  CreateTable("ts " + std::string(GetParam()), {{"time", "ts"}, {"retention", "36 hours"}});
  Write("INSERT INTO t VALUES ('2012-12-30'), ('2012-12-31'), ('2013-01-01'), ('2013-01-02'), ('-infinity')");
  path_.ExpireByTime();
  EXPECT_EQ(Text("SELECT string_agg(ts::DATE, ' ' ORDER BY ts) FROM t"), "-infinity 2013-01-01 2013-01-02");
  EXPECT_EQ(path_.Tables().at(0).problem, "");
}

INSTANTIATE_TEST_SUITE_P(Types, EveryKindOfTime,
                         ::testing::Values("DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_S", "TIMESTAMP_MS",
                                           "TIMESTAMP_NS"));

TEST_F(TimedPath, NothingExpiresBeforeTheTimesOfAColumn) {
  CreateTable("ts TIMESTAMP_NS", {{"time", "ts"}, {"retention", "2000000 days"}});
  Write("INSERT INTO t VALUES ('1677-09-22'), ('2013-01-01')");
  path_.ExpireByTime();
  EXPECT_EQ(path_.Tables().at(0).problem, "");
  EXPECT_EQ(Text("SELECT count(*)::VARCHAR FROM t"), "2");
}

TEST_F(TimedPath, RowsWithoutATimeAreNeverLate) {
  CreateTable("ts TIMESTAMP_S", {{"time", "ts"}});
  CreateView({{"late", "drop"}},
             "SELECT time_bucket(INTERVAL '1 hour', ts) AS w, count(*) AS c FROM t "
             "WHERE ts IS NULL OR ts < '2200-01-01'::TIMESTAMP_S GROUP BY ALL");
  Append(arrow::timestamp(arrow::TimeUnit::SECOND), 10'000'000'000'000);
  Write("INSERT INTO t VALUES (NULL)");
  EXPECT_EQ(path_.Views().at(0).late.dropped, 0);
  EXPECT_EQ(Text("SELECT c::VARCHAR FROM v"), "1");
}

TEST_F(TimedPathInAFile, AServerStartsWithTimesThatAreFarAwayInTheUnitOfTheirColumn) {
  for (const auto* type : {"TIMESTAMP_S", "TIMESTAMP_MS"}) {
    CreateTable("ts " + std::string(type), {{"time", "ts"}});
    const auto unit = type == std::string("TIMESTAMP_S") ? arrow::TimeUnit::SECOND : arrow::TimeUnit::MILLI;
    Append(arrow::timestamp(unit), 9'000'000'000'000'000'000);
    Write("INSERT INTO t VALUES ('2013-01-01'), ('infinity'), (NULL)");
    const auto mark = Mark();
    CommitPathImpl again(*engine_, {}, {}, &clock_);
    const auto opened = again.Open();
    ASSERT_TRUE(opened.ok()) << type << ": " << opened;
    EXPECT_EQ(ToText(*again.Tables().at(0).mark), mark);
    Write("DROP TABLE t");
  }
}

TEST_F(TimedPath, QueriesAreNotAnsweredByWindowsOfAnotherTimeWhoseRowsHaveExpired) {
  CreateTable("ts TIMESTAMP, other TIMESTAMP", {{"time", "ts"}, {"retention", "1 hour"}});
  CreateView({}, "SELECT time_bucket(INTERVAL '1 minute', other) AS w, count(*) AS c FROM t GROUP BY ALL");
  Write("INSERT INTO t VALUES ('2026-01-01 00:00:00', '2026-06-01 00:00:00')");
  Write("INSERT INTO t VALUES ('2026-01-01 10:00:00', '2026-06-01 00:00:30')");
  const auto* by_day = "SELECT count(*)::VARCHAR AS c FROM t GROUP BY date_trunc('day', other)";
  EXPECT_EQ(ClientsText(by_day), "2");
  path_.ExpireByTime();
  EXPECT_EQ(ClientsText(by_day), "1");
  EXPECT_EQ(Text("SELECT c::VARCHAR FROM v"), "2");
}

// Of rows that are gone, those that a view with a retention of its own still has.
class Supply : public TimedPathInAFile {
 protected:
  static constexpr const char* kHours =
      "SELECT time_bucket(INTERVAL '1 hour', ts) AS w, count(*) AS c FROM t GROUP BY ALL";

  void MakeFine() {
    CreateTable("ts TIMESTAMP", {{"time", "ts"}, {"retention", "30 minutes"}});
    CreateView({{"retention", "3 hours"}});
    Write(
        "INSERT INTO t VALUES ('2026-01-01 08:00:00'), ('2026-01-01 10:15:00'), ('2026-01-01 11:40:00'), ('2026-01-01 "
        "11:41:00')");
    Write("INSERT INTO t VALUES ('2026-01-01 12:29:00')");
    path_.ExpireByTime();
    EXPECT_EQ(Text("SELECT count(*)::VARCHAR FROM t"), "1");
  }
};

TEST_F(Supply, IsByAViewThatHasLetGoOnlyWhatIsNotNeeded) {
  MakeFine();
  const auto connection = engine_->Connect().ValueOrDie();
  ASSERT_TRUE(path_.Begin(*connection).ok());
  CreateView(*connection, "hours", {{"retention", "1 hour"}}, kHours);
  ASSERT_TRUE(path_.Commit(*connection, 1).ok());
  EXPECT_EQ(Text("SELECT string_agg(hour(w) || ':' || c, ' ' ORDER BY w) FROM hours"), "11:2 12:1");
}

TEST_F(Supply, LeavesOutWhatHasExpired) {
  CreateTable("ts TIMESTAMP", {{"time", "ts"}, {"keep_rows", "false"}});
  CreateView({{"retention", "2 hours"}});
  Write("INSERT INTO t VALUES ('2026-01-01 00:00:00'), ('2026-01-01 10:00:00'), ('2026-01-01 10:30:00')");
  Write("INSERT INTO t VALUES ('2026-01-01 12:29:00')");
  const auto connection = engine_->Connect().ValueOrDie();
  ASSERT_TRUE(path_.Begin(*connection).ok());
  CreateView(*connection, "hours", {{"retention", "1 hour"}}, kHours);
  const auto* hours = "SELECT string_agg(hour(w) || ':' || c, ' ' ORDER BY w) FROM hours";
  EXPECT_EQ(Text(*connection, hours), "12:1");
  ResetRetention(*connection, "hours");
  ASSERT_TRUE(path_.Commit(*connection, 1).ok());
  EXPECT_EQ(Text(hours), "12:1");
  Write("INSERT INTO t VALUES ('2026-01-01 10:40:00')");  // remembered as gone
  EXPECT_EQ(Text(hours), "12:1");
}

TEST_F(Supply, LeavesOutWhatHasExpiredAlsoAfterACrash) {
  MakeFine();
  const auto creator = engine_->Connect().ValueOrDie();
  ASSERT_TRUE(path_.Begin(*creator).ok());
  CreateView(*creator, "hours", {{"retention", "1 hour"}}, kHours);
  ResetRetention(*creator, "hours");
  ASSERT_TRUE(path_.Commit(*creator, 1).ok());
  CommitPathImpl again(*engine_, {}, {}, &clock_);
  ASSERT_TRUE(again.Open().ok());
  const auto connection = engine_->Connect().ValueOrDie();
  ASSERT_TRUE(again.Begin(*connection).ok());
  EXPECT_EQ(Text(*connection, "SELECT string_agg(hour(w) || ':' || c, ' ' ORDER BY w) FROM hours"), "11:2 12:1");
}

TEST_F(TimedPath, WindowsThatHaveExpiredStayGoneWithoutARetention) {
  CreateTable("ts TIMESTAMP", {{"time", "ts"}});
  CreateView({{"retention", "30 minutes"}},
             "SELECT window_start AS w, count(*) AS c FROM hop(t, ts, INTERVAL '5 minutes', INTERVAL '10 minutes') "
             "GROUP BY ALL");
  Write("INSERT INTO t VALUES ('2026-01-01 10:00:00')");
  Write("INSERT INTO t VALUES ('2026-01-01 12:00:00')");
  ResetRetention("v");
  Write("INSERT INTO t VALUES ('2026-01-01 11:26:00')");  // in the windows of 11:20, which is gone, and of 11:25
  EXPECT_EQ(Text("SELECT string_agg(strftime(w, '%H:%M'), ' ' ORDER BY w) FROM v"), "11:25 11:55 12:00");
}

TEST_F(TimedPath, WindowsCloseWithTheClockWhileATransactionIsOpen) {
  CreateTable("ts TIMESTAMP", {{"time", "ts"}, {"clock", "wall"}, {"idle_timeout", "1 minute"}});
  CreateView({});
  Write("INSERT INTO t VALUES ('2013-01-01 00:26:00')");
  const auto* closed = "SELECT window_closed('v', w)::VARCHAR FROM v";
  const auto reader = engine_->Connect().ValueOrDie();
  ASSERT_TRUE(path_.Begin(*reader).ok());
  EXPECT_EQ(Text(*reader, closed), "false");
  clock_.Advance(minutes(10));
  path_.ExpireByTime();
  EXPECT_EQ(Text(closed), "true");
  EXPECT_EQ(Text(*reader, closed), "false");
}

TEST_F(TimedPath, MonthsCloseThatAViewHasNeverHad) {
  CreateTable("ts TIMESTAMP", {{"time", "ts"}});
  CreateView({}, "SELECT date_trunc('month', ts) AS w, count(*) AS c FROM t GROUP BY ALL");
  Write("INSERT INTO t VALUES ('2026-01-05'), ('2026-05-05')");
  EXPECT_EQ(
      Text("SELECT string_agg(window_closed('v', w)::VARCHAR, ' ' ORDER BY w) "
           "FROM (SELECT unnest(range(TIMESTAMP '2026-01-01', TIMESTAMP '2026-07-01', INTERVAL '1 month')) AS w)"),
      "true true true true false false");
}

TEST(EventTimeText, IsThatOfDuckDB) {
  EXPECT_EQ(ToText(EventTime(Micros(-1))), "1969-12-31 23:59:59.999999");
  EXPECT_EQ(ToText(EventTime(Micros(1'500'000))), "1970-01-01 00:00:01.5");
  EXPECT_EQ(ToText(EventTime(Micros(3'093'527'980'800'000'000))), "100000-01-01 00:00:00");
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
  EXPECT_EQ(EventTimeOf(*arrow::date32(), INT32_MAX - 1), EventTime::max());
  EXPECT_EQ(EventTimeOf(*arrow::date32(), INT32_MIN + 2), EventTime::min());
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
