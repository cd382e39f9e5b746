// What others commit while views and their tables are made, renamed and dropped: every row that was acknowledged counts
// once, or the statement that could not keep this is refused.
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "base/fake_clock.h"
#include "commit/commit_path_internal.h"

namespace hyprstream::commit {
namespace {

using ::testing::HasSubstr;
using Options = engine::Options;

class ViewRaces : public ::testing::Test {
 protected:
  using Connection = std::unique_ptr<engine::Connection>;

  Connection Begin() {
    auto connection = engine_->Connect().ValueOrDie();
    EXPECT_TRUE(path_->Begin(*connection).ok());
    return connection;
  }
  static arrow::Status Run(Connection& connection, const std::string& sql) { return connection->Run(sql).status(); }
  arrow::Status Commit(Connection& connection) { return path_->Commit(*connection, 1).status(); }
  arrow::Status Write(const std::string& sql) {
    auto connection = Begin();
    ARROW_RETURN_NOT_OK(Run(connection, sql));
    return Commit(connection);
  }

  // As session does it: CREATE [OR REPLACE] TABLE with options of ours.
  arrow::Status MakeTable(Connection& connection, const std::string& name, const std::string& columns,
                          const Options& options) {
    ARROW_RETURN_NOT_OK(Run(connection, "CREATE TABLE " + name + " (" + columns + ")"));
    return path_->SetTableOptions(*connection, {.table = {.name = name}, .options = options});
  }
  arrow::Status MakeTable(const std::string& name, const std::string& columns, const Options& options) {
    auto connection = Begin();
    ARROW_RETURN_NOT_OK(MakeTable(connection, name, columns, options));
    return Commit(connection);
  }
  arrow::Status Rename(Connection& connection, const std::string& table, const std::string& column,
                       const std::string& name) {
    ARROW_RETURN_NOT_OK(path_->CarryOptions(*connection, {.table = {.name = table}, .column = column, .name = name}));
    return Run(connection,
               "ALTER TABLE " + table + " RENAME " + (column.empty() ? "" : "COLUMN " + column) + " TO " + name);
  }

  arrow::Status MakeView(Connection& connection, const std::string& name, const std::string& select,
                         const Options& options = {}, bool or_replace = false) {
    return path_
        ->CreateView(*connection,
                     {.view = {.name = name}, .or_replace = or_replace, .options = options, .select = select}, "UTC")
        .status();
  }
  arrow::Status MakeView(const std::string& name, const std::string& select, const Options& options = {}) {
    auto connection = Begin();
    ARROW_RETURN_NOT_OK(MakeView(connection, name, select, options));
    return Commit(connection);
  }
  arrow::Status DropView(Connection& connection, const std::string& name) {
    return path_->DropView(*connection, {.view = {.name = name}}).status();
  }

  static std::string Ask(Connection& connection, const std::string& sql) {
    const auto executed = connection->Run(sql);
    if (!executed.ok()) return executed.status().ToString();
    std::string text;
    for (const auto& batch : executed->rows->ToRecordBatches().ValueOrDie()) {
      for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
        if (!text.empty()) text += " | ";
        for (int column = 0; column < batch->num_columns(); ++column) {
          text += (column > 0 ? " " : "") + batch->column(column)->GetScalar(row).ValueOrDie()->ToString();
        }
      }
    }
    return text;
  }
  std::string Ask(const std::string& sql) {
    auto connection = Begin();
    return Ask(connection, sql);
  }
  std::string Counted(const std::string& view) { return Ask("SELECT coalesce(sum(c), 0)::VARCHAR FROM " + view); }
  TableOptions OptionsOf(const std::string& table) {
    for (const auto& info : path_->Tables()) {
      if (info.table == TableRef{.name = table}) return info.options;
    }
    return {};
  }
  bool HasView(const std::string& view) {
    const auto views = path_->Views();
    return std::ranges::any_of(views, [&](const auto& info) { return info.view.name == view; });
  }
  void AwaitFilled() {
    const auto filling = [](const auto& view) { return view.status == ViewStatus::kFilling; };
    while (std::ranges::any_of(path_->Views(), filling)) std::this_thread::yield();
  }
  void Restart() {
    path_.reset();
    path_ = Open(*engine_);
  }
  static std::unique_ptr<CommitPathImpl> Open(engine::Engine& engine) {
    auto path = std::make_unique<CommitPathImpl>(engine, CommitLimits{});
    EXPECT_TRUE(path->Open().ok());
    path->StartTimer();
    return path;
  }

  std::unique_ptr<engine::Engine> engine_ = engine::Engine::Make({.threads = 1}).ValueOrDie();
  std::unique_ptr<CommitPathImpl> path_ = Open(*engine_);
};

constexpr const char* kCounts = "SELECT k, count(*) AS c FROM t GROUP BY ALL";

TEST_F(ViewRaces, OptionsOfTablesThatWereMadeAtOnce) {
  auto first = Begin();
  auto second = Begin();
  ASSERT_TRUE(MakeTable(first, "a", "k INTEGER", {{"keep_rows", "false"}}).ok());
  ASSERT_TRUE(MakeTable(second, "b", "k INTEGER", {{"keep_rows", "false"}}).ok());
  ASSERT_TRUE(Commit(first).ok());
  const auto done = Commit(second);
  ASSERT_TRUE(done.ok()) << done;
  EXPECT_FALSE(OptionsOf("a").keep_rows);
  EXPECT_FALSE(OptionsOf("b").keep_rows);
}

TEST_F(ViewRaces, RowsOfATableThatIsRenamedMeanwhile) {
  ASSERT_TRUE(Write("CREATE TABLE t (k INTEGER)").ok());
  auto writer = Begin();
  ASSERT_TRUE(Run(writer, "INSERT INTO t VALUES (1)").ok());
  auto other = Begin();
  ASSERT_TRUE(Rename(other, "t", "", "u").ok());
  ASSERT_TRUE(Commit(other).ok());
  ASSERT_TRUE(MakeView("v", "SELECT k, count(*) AS c FROM u GROUP BY ALL").ok());
  const auto written = Commit(writer);
  EXPECT_EQ(Counted("v"), Ask("SELECT count(*)::VARCHAR FROM u"));
  EXPECT_EQ(Counted("v"), written.ok() ? "1" : "0");
}

TEST_F(ViewRaces, ChangesOfATableThatIsRenamedMeanwhile) {
  ASSERT_TRUE(Write("CREATE TABLE t (k INTEGER)").ok());
  ASSERT_TRUE(Write("INSERT INTO t VALUES (1), (2)").ok());
  for (const std::string change : {"DELETE FROM t WHERE k = 1", "UPDATE t SET k = 7 WHERE k = 2"}) {
    auto writer = Begin();
    ASSERT_TRUE(Run(writer, change).ok());
    auto other = Begin();
    ASSERT_TRUE(Rename(other, "t", "", "u").ok());
    ASSERT_TRUE(Commit(other).ok());
    ASSERT_TRUE(MakeView("v", "SELECT k, count(*) AS c FROM u GROUP BY ALL").ok());
    const auto written = Commit(writer);
    EXPECT_EQ(Ask("SELECT k, c FROM v ORDER BY k"), Ask("SELECT k, count(*) FROM u GROUP BY k ORDER BY k"));
    auto back = Begin();
    ASSERT_TRUE(DropView(back, "v").ok());
    ASSERT_TRUE(Rename(back, "u", "", "t").ok());
    ASSERT_TRUE(Commit(back).ok());
  }
}

TEST_F(ViewRaces, RowsOfATableThatKeepsNoneAndIsRenamedMeanwhile) {
  ASSERT_TRUE(MakeTable("t", "k INTEGER", {{"keep_rows", "false"}}).ok());
  ASSERT_TRUE(MakeView("w", kCounts).ok());
  {
    auto other = Begin();
    ASSERT_TRUE(DropView(other, "w").ok());
    ASSERT_TRUE(Commit(other).ok());
  }
  auto writer = Begin();
  ASSERT_TRUE(Run(writer, "INSERT INTO t VALUES (1)").ok());
  auto other = Begin();
  ASSERT_TRUE(Rename(other, "t", "", "u").ok());
  ASSERT_TRUE(Commit(other).ok());
  ASSERT_TRUE(MakeView("v", "SELECT k, count(*) AS c FROM u GROUP BY ALL").ok());
  const auto written = Commit(writer);
  EXPECT_EQ(Counted("v"), written.ok() ? "1" : "0");
}

TEST_F(ViewRaces, RowsOfATableThatIsDroppedAndMadeAgainMeanwhile) {
  ASSERT_TRUE(Write("CREATE TABLE t (k INTEGER)").ok());
  auto writer = Begin();
  ASSERT_TRUE(Run(writer, "INSERT INTO t VALUES (1)").ok());
  ASSERT_TRUE(Write("DROP TABLE t").ok());
  ASSERT_TRUE(Write("CREATE TABLE t (k INTEGER)").ok());
  ASSERT_TRUE(MakeView("v", kCounts).ok());
  const auto written = Commit(writer);
  EXPECT_EQ(Counted("v"), Ask("SELECT count(*)::VARCHAR FROM t"));
  EXPECT_EQ(Counted("v"), written.ok() ? "1" : "0");
}

TEST_F(ViewRaces, RowsInsertedByAnOldNameAfterItWasDroppedAndMadeAgain) {
  ASSERT_TRUE(Write("CREATE TABLE t (k INTEGER)").ok());
  auto writer = Begin();
  ASSERT_TRUE(Write("DROP TABLE t").ok());
  ASSERT_TRUE(Write("CREATE TABLE t (k INTEGER)").ok());
  ASSERT_TRUE(MakeView("v", kCounts).ok());
  const auto ran = Run(writer, "INSERT INTO t VALUES (1)");
  const auto written = ran.ok() ? Commit(writer) : ran;
  EXPECT_EQ(Counted("v"), Ask("SELECT count(*)::VARCHAR FROM t"));
  EXPECT_EQ(Counted("v"), written.ok() ? "1" : "0");
}

TEST_F(ViewRaces, AViewOfATableThatIsMadeAnewMeanwhile) {
  ASSERT_TRUE(Write("CREATE TABLE t (k INTEGER)").ok());
  ASSERT_TRUE(Write("INSERT INTO t VALUES (1), (2)").ok());
  auto maker = Begin();
  ASSERT_TRUE(MakeView(maker, "v", kCounts).ok());
  ASSERT_TRUE(Write("DROP TABLE t").ok());
  ASSERT_TRUE(Write("CREATE TABLE t (k INTEGER)").ok());
  const auto made = Commit(maker);
  if (made.ok()) {
    EXPECT_EQ(Counted("v"), Ask("SELECT count(*)::VARCHAR FROM t"));
  }
}

TEST_F(ViewRaces, AViewOfATableWhoseColumnsSwapNames) {
  ASSERT_TRUE(Write("CREATE TABLE t (k INTEGER, v INTEGER)").ok());
  ASSERT_TRUE(Write("INSERT INTO t VALUES (1, 5), (2, 5)").ok());
  auto maker = Begin();
  ASSERT_TRUE(MakeView(maker, "v", kCounts).ok());
  auto other = Begin();
  ASSERT_TRUE(Rename(other, "t", "k", "x").ok());
  ASSERT_TRUE(Rename(other, "t", "v", "k").ok());
  ASSERT_TRUE(Rename(other, "t", "x", "v").ok());
  const auto renamed = Commit(other);
  ASSERT_TRUE(renamed.ok()) << renamed;
  const auto made = Commit(maker);
  if (made.ok()) {
    EXPECT_EQ(Ask("SELECT k, c FROM v ORDER BY k"), Ask("SELECT k, count(*) FROM t GROUP BY k ORDER BY k"));
  }
}

TEST_F(ViewRaces, AViewOfATableWhoseColumnIsComputedAnew) {
  ASSERT_TRUE(Write("CREATE TABLE t (k INTEGER)").ok());
  ASSERT_TRUE(Write("INSERT INTO t VALUES (1), (2)").ok());
  auto maker = Begin();
  ASSERT_TRUE(MakeView(maker, "v", kCounts).ok());
  auto other = Begin();
  ASSERT_TRUE(Run(other, "ALTER TABLE t ALTER COLUMN k SET DATA TYPE INTEGER USING k + 10").ok());
  const auto altered = Commit(other);
  ASSERT_TRUE(altered.ok()) << altered;
  const auto made = Commit(maker);
  if (made.ok()) {
    EXPECT_EQ(Ask("SELECT k, c FROM v ORDER BY k"), Ask("SELECT k, count(*) FROM t GROUP BY k ORDER BY k"));
  }
}

TEST_F(ViewRaces, AViewOverAViewThatIsReplacedMeanwhile) {
  ASSERT_TRUE(Write("CREATE TABLE t (k INTEGER)").ok());
  ASSERT_TRUE(Write("INSERT INTO t VALUES (1), (2)").ok());
  ASSERT_TRUE(MakeView("v", kCounts).ok());
  auto maker = Begin();
  ASSERT_TRUE(MakeView(maker, "w", "SELECT k, combine(c) AS c FROM v GROUP BY ALL").ok());
  auto other = Begin();
  ASSERT_TRUE(MakeView(other, "v", "SELECT k, count(*) AS c FROM t WHERE k > 1 GROUP BY ALL", {}, true).ok());
  const auto replaced = Commit(other);
  ASSERT_TRUE(replaced.ok()) << replaced;
  const auto made = Commit(maker);
  if (made.ok()) {
    EXPECT_EQ(Counted("w"), Counted("v"));
  }
}

TEST_F(ViewRaces, AViewOverAViewThatIsDroppedMeanwhile) {
  ASSERT_TRUE(Write("CREATE TABLE t (k INTEGER)").ok());
  ASSERT_TRUE(MakeView("v", kCounts).ok());
  auto maker = Begin();
  ASSERT_TRUE(MakeView(maker, "w", "SELECT k, combine(c) AS c FROM v GROUP BY ALL").ok());
  auto other = Begin();
  ASSERT_TRUE(DropView(other, "v").ok());
  ASSERT_TRUE(Commit(other).ok());
  const auto made = Commit(maker);
  EXPECT_FALSE(made.ok());
}

TEST_F(ViewRaces, AViewThatIsNewerThanTheTransactionIsDropped) {
  ASSERT_TRUE(Write("CREATE TABLE t (k INTEGER)").ok());
  ASSERT_TRUE(Write("CREATE TABLE other (k INTEGER)").ok());
  auto old = Begin();
  ASSERT_TRUE(MakeView("v", kCounts).ok());
  const auto dropped = DropView(old, "v");
  auto done = dropped;
  if (done.ok()) done = Run(old, "INSERT INTO other VALUES (1)");
  if (done.ok()) done = Commit(old);
  EXPECT_EQ(HasView("v"), !done.ok());
  EXPECT_EQ(Ask("SELECT count(*)::VARCHAR FROM duckdb_views() WHERE view_name = 'v'"), done.ok() ? "0" : "1");
}

TEST_F(ViewRaces, AViewThatIsNewerThanTheTransactionIsAltered) {
  ASSERT_TRUE(MakeTable("t", "ts TIMESTAMP", {{"time", "ts"}}).ok());
  ASSERT_TRUE(Write("CREATE TABLE other (k INTEGER)").ok());
  auto old = Begin();
  ASSERT_TRUE(MakeView("v", "SELECT date_trunc('hour', ts) AS h, count(*) AS c FROM t GROUP BY ALL").ok());
  auto done = path_->AlterView(*old, {.view = {.name = "v"}, .set = {{"retention", "1 day"}}}).status();
  if (done.ok()) done = Run(old, "INSERT INTO other VALUES (1)");
  if (done.ok()) done = Commit(old);
  const bool before = path_->Views().at(0).options.retention.has_value();
  Restart();
  EXPECT_EQ(path_->Views().at(0).options.retention.has_value(), before);
  EXPECT_EQ(before, done.ok());
}

TEST_F(ViewRaces, StatesForAViewThatIsNewerThanTheTransaction) {
  ASSERT_TRUE(Write("CREATE TABLE t (k INTEGER)").ok());
  ASSERT_TRUE(Write("INSERT INTO t VALUES (1)").ok());
  ASSERT_TRUE(MakeView("w", kCounts).ok());
  auto old = Begin();
  ASSERT_TRUE(MakeView("v", kCounts).ok());
  auto reader = Begin();
  auto states = reader->Run("SELECT * FROM states('w')");
  ASSERT_TRUE(states.ok()) << states.status();
  const auto merged = path_->MergeStates(*old, {.view = {.name = "v"}}, *states->rows);
  const auto done = merged.ok() ? Commit(old) : merged.status();
  EXPECT_EQ(Counted("v"), done.ok() ? "2" : "1");
  Restart();
  EXPECT_EQ(Counted("v"), done.ok() ? "2" : "1");
}

TEST_F(ViewRaces, AViewOfATableThatIsRenamedInItsTransaction) {
  for (const char* backfill : {"true", "false"}) {
    for (const char* keep : {"true", "false"}) {
      SCOPED_TRACE(std::string(backfill) + " " + keep);
      ASSERT_TRUE(MakeTable("t", "k INTEGER", {{"keep_rows", keep}}).ok());
      auto maker = Begin();
      ASSERT_TRUE(Rename(maker, "t", "", "u").ok());
      ASSERT_TRUE(MakeView(maker, "v", "SELECT k, count(*) AS c FROM u GROUP BY ALL", {{"backfill", backfill}}).ok());
      const auto written = Write("INSERT INTO t VALUES (1)");
      const auto made = Commit(maker);
      if (made.ok()) {
        EXPECT_EQ(Counted("v"), written.ok() ? "1" : "0");
      }
      auto last = Begin();
      if (made.ok()) {
        ASSERT_TRUE(DropView(last, "v").ok());
        ASSERT_TRUE(Run(last, "DROP TABLE u").ok());
      } else {
        ASSERT_TRUE(Run(last, "DROP TABLE t").ok());
      }
      ASSERT_TRUE(Commit(last).ok());
    }
  }
}

TEST_F(ViewRaces, AViewOfATableThatIsMadeAnewInItsTransaction) {
  for (const char* backfill : {"true", "false"}) {
    for (const char* keep : {"true", "false"}) {
      SCOPED_TRACE(std::string(backfill) + " " + keep);
      ASSERT_TRUE(MakeTable("t", "k INTEGER", {{"keep_rows", keep}}).ok());
      auto maker = Begin();
      ASSERT_TRUE(Run(maker, "DROP TABLE t").ok());
      ASSERT_TRUE(MakeTable(maker, "t", "k INTEGER", {{"keep_rows", keep}}).ok());
      ASSERT_TRUE(MakeView(maker, "v", kCounts, {{"backfill", backfill}}).ok());
      const auto written = Write("INSERT INTO t VALUES (1)");
      const auto made = Commit(maker);
      if (made.ok()) {
        EXPECT_EQ(Counted("v"), "0");
      }
      auto last = Begin();
      if (made.ok()) {
        ASSERT_TRUE(DropView(last, "v").ok());
      }
      ASSERT_TRUE(Run(last, "DROP TABLE t").ok());
      ASSERT_TRUE(Commit(last).ok());
    }
  }
}

TEST_F(ViewRaces, ATableThatIsMadeAnewAfterItsView) {
  for (const char* background : {"false", "true"}) {
    for (const char* keep : {"true", "false"}) {
      SCOPED_TRACE(std::string(background) + " " + keep);
      ASSERT_TRUE(Write("CREATE TABLE t (k INTEGER)").ok());
      ASSERT_TRUE(Write("INSERT INTO t VALUES (1)").ok());
      auto maker = Begin();
      ASSERT_TRUE(MakeView(maker, "v", kCounts, {{"background", background}}).ok());
      ASSERT_TRUE(Run(maker, "DROP TABLE t").ok());
      ASSERT_TRUE(MakeTable(maker, "t", "k INTEGER", {{"keep_rows", keep}}).ok());
      const auto made = Commit(maker);
      if (made.ok()) AwaitFilled();
      if (made.ok()) {
        EXPECT_EQ(Counted("v"), "0");
      }
      auto last = Begin();
      if (made.ok()) {
        ASSERT_TRUE(DropView(last, "v").ok());
      }
      ASSERT_TRUE(Run(last, "DROP TABLE t").ok());
      ASSERT_TRUE(Commit(last).ok());
    }
  }
}

// Two REFRESH of one transaction.
TEST_F(ViewRaces, SeveralRefreshesOfOneTransaction) {
  ASSERT_TRUE(MakeTable("t", "ts TIMESTAMP", {{"time", "ts"}}).ok());
  ASSERT_TRUE(
      MakeView("v", "SELECT date_trunc('hour', ts) AS h, count(*) AS c FROM t GROUP BY ALL", {{"late", "drop"}}).ok());
  ASSERT_TRUE(Write("INSERT INTO t VALUES ('2026-01-01 10:30:00')").ok());
  ASSERT_TRUE(Write("INSERT INTO t VALUES ('2026-01-01 01:30:00'), ('2026-01-01 02:30:00')").ok());
  EXPECT_EQ(Counted("v"), "1");
  auto refresher = Begin();
  for (const auto& [from, to] : {std::pair("01:00:00", "02:00:00"), std::pair("02:00:00", "03:00:00")}) {
    engine::RefreshMaterializedView refresh{.view = {.name = "v"}};
    refresh.windows = {.from = std::string("2026-01-01 ") + from, .to = std::string("2026-01-01 ") + to};
    const auto ran = path_->RefreshView(*refresher, refresh);
    EXPECT_TRUE(ran.ok()) << ran;
  }
  ASSERT_TRUE(Commit(refresher).ok());
  EXPECT_EQ(Counted("v"), "3");
}

TEST_F(ViewRaces, OptionsGoWithTheSchemaOfTheirTable) {
  ASSERT_TRUE(Write("CREATE SCHEMA s").ok());
  auto maker = Begin();
  ASSERT_TRUE(Run(maker, "CREATE TABLE s.t (k INTEGER)").ok());
  ASSERT_TRUE(path_
                  ->SetTableOptions(*maker, {.table = {.schema = "s", .name = "t"},
                                             .schema_given = true,
                                             .options = {{"keep_rows", "false"}}})
                  .ok());
  ASSERT_TRUE(Commit(maker).ok());
  EXPECT_EQ(path_->Tables().size(), 1);
  ASSERT_TRUE(Write("DROP SCHEMA s CASCADE").ok());
  EXPECT_TRUE(path_->KeepsRows({.schema = "s", .name = "t"}));
  EXPECT_EQ(path_->Tables().size(), 0);
}

TEST_F(ViewRaces, ARowThatAViewCannotTakeAndThatCommitsWhenItIsFilled) {
  ASSERT_TRUE(Write("CREATE TABLE t (k VARCHAR, v INTEGER)").ok());
  ASSERT_TRUE(Write("INSERT INTO t SELECT i::VARCHAR, i FROM range(100000) r(i)").ok());
  for (bool came_in_time = false; !came_in_time;) {  // before the view is filled, as one must for this
    ASSERT_TRUE(
        MakeView("v", "SELECT k::INTEGER % 10 AS k, count(*) AS c FROM t GROUP BY ALL", {{"background", "true"}}).ok());
    auto writer = Begin();
    ASSERT_TRUE(Run(writer, "INSERT INTO t VALUES ('x', 1)").ok());
    auto staged = path_->Stage(*writer, writer->Facts().ValueOrDie());
    came_in_time = staged.ok();
    AwaitFilled();
    ASSERT_EQ(path_->Views().at(0).status, ViewStatus::kReady);
    if (came_in_time) {
      ASSERT_NE(staged->deltas.at(0).unfit, "");
      const auto written = path_->CommitStaged(*writer, std::move(staged).ValueUnsafe(), 1).status();
      EXPECT_THAT(written.message(), HasSubstr("Could not convert string 'x' to INT32"));
      EXPECT_EQ(Counted("v"), Ask("SELECT count(*)::VARCHAR FROM t"));
    }
    writer.reset();
    auto last = Begin();
    ASSERT_TRUE(DropView(last, "v").ok());
    ASSERT_TRUE(Commit(last).ok());
  }
}

// DuckDB, which has nothing to store for it, does not see that the name is another table's.
TEST_F(ViewRaces, RowsOfATableThatKeepsNoneWhoseNameAnotherTakes) {
  ASSERT_TRUE(MakeTable("t", "k INTEGER", {{"keep_rows", "false"}}).ok());
  auto writer = Begin();
  ASSERT_TRUE(Run(writer, "INSERT INTO t VALUES (1)").ok());
  auto other = Begin();
  ASSERT_TRUE(Rename(other, "t", "", "u").ok());
  ASSERT_TRUE(MakeTable(other, "t", "k INTEGER", {{"keep_rows", "false"}}).ok());
  ASSERT_TRUE(Commit(other).ok());
  const auto written = Commit(writer);
  EXPECT_THAT(written.message(), HasSubstr("Table t was dropped or altered by another transaction; begin again"));
  ASSERT_TRUE(MakeView("v", "SELECT k, count(*) AS c FROM u GROUP BY ALL").ok());
  EXPECT_EQ(Counted("v"), "0");
}

TEST_F(ViewRaces, AColumnThatIsComputedAnewUnderAView) {
  ASSERT_TRUE(Write("CREATE TABLE t (k INTEGER)").ok());
  ASSERT_TRUE(Write("INSERT INTO t VALUES (1), (2)").ok());
  ASSERT_TRUE(MakeView("v", kCounts).ok());
  const auto altered = Write("ALTER TABLE t ALTER COLUMN k SET DATA TYPE INTEGER USING k + 10");
  EXPECT_EQ(Ask("SELECT k, c FROM v ORDER BY k"), Ask("SELECT k, count(*) FROM t GROUP BY k ORDER BY k"));
}

// A clock that is asked for the time, and lets others do something first.
class MeddlingClock final : public Clock {
 public:
  TimePoint Now() const override { return time_.Now(); }
  WallTime WallNow() const override {
    if (meddle_ && --asked_ == 0) std::exchange(meddle_, {})();
    return time_.WallNow();
  }
  bool WaitUntil(CondVar& condition, Mutex& mutex, TimePoint deadline) const override REQUIRES(mutex) {
    return time_.WaitUntil(condition, mutex, deadline);
  }
  void MeddleAt(int asked, std::function<void()> meddle) {
    asked_ = asked;
    meddle_ = std::move(meddle);
  }

 private:
  FakeClock time_;
  mutable int asked_ = 0;
  mutable std::function<void()> meddle_;
};

TEST(RowExpiry, IsOfTheTableThatTheRetentionIsOf) {
  MeddlingClock clock;
  const auto engine = engine::Engine::Make({.threads = 1}).ValueOrDie();
  CommitPathImpl path(*engine, {}, {}, &clock);
  ASSERT_TRUE(path.Open().ok());
  const auto write = [&](const std::function<arrow::Status(engine::Connection&)>& work) {
    auto connection = engine->Connect().ValueOrDie();
    ASSERT_TRUE(path.Begin(*connection).ok());
    const auto done = work(*connection);
    ASSERT_TRUE(done.ok()) << done;
    const auto committed = path.Commit(*connection, 1).status();
    ASSERT_TRUE(committed.ok()) << committed;
  };
  const auto make = [&](const std::string& retention) {
    write([&](engine::Connection& connection) -> arrow::Status {
      ARROW_RETURN_NOT_OK(connection.Run("CREATE TABLE t (ts TIMESTAMP)").status());
      return path.SetTableOptions(
          connection,
          {.table = {.name = "t"}, .options = {{"time", "ts"}, {"clock", "wall"}, {"retention", retention}}});
    });
  };
  make("1 hour");
  // The timer has seen the table, and asks for the time a second time: up to when its rows have expired.
  clock.MeddleAt(2, [&] {
    write([](engine::Connection& connection) { return connection.Run("DROP TABLE t").status(); });
    make("10000 days");
    write([](engine::Connection& connection) {
      return connection.Run("INSERT INTO t VALUES ('2012-12-24 12:00:00')").status();  // the clock starts in 2013
    });
  });
  path.ExpireByTime();
  write([](engine::Connection& connection) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const auto executed, connection.Run("SELECT count(*)::VARCHAR FROM t"));
    ARROW_ASSIGN_OR_RAISE(const auto batches, executed.rows->ToRecordBatches());
    EXPECT_EQ(batches.at(0)->column(0)->GetScalar(0).ValueOrDie()->ToString(), "1");
    return arrow::Status::OK();
  });
}

}  // namespace
}  // namespace hyprstream::commit
