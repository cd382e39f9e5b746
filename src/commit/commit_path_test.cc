// What sessions cannot show: pins that last too long, and states that fail where DuckDB has committed.
#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <latch>
#include <new>
#include <string>
#include <thread>

#include "base/fake_clock.h"
#include "commit/commit_path_internal.h"

namespace hyprstream::commit {
namespace {

using ::testing::HasSubstr;

class Path {
 public:
  explicit Path(PinBounds bounds)
      : engine_(engine::Engine::Make({.threads = 1}).ValueOrDie()), path_(*engine_, {}, bounds, &clock_) {
    EXPECT_TRUE(path_.Open().ok());
    Write("CREATE TABLE t (k INTEGER, v INTEGER)");
    auto connection = Begin();
    EXPECT_TRUE(
        path_
            .CreateView(
                *connection,
                {.view = {.name = "v"}, .schema_given = true, .select = "SELECT k, count(*) AS c FROM t GROUP BY ALL"},
                "UTC")
            .ok());
    EXPECT_TRUE(path_.Commit(*connection, 1).ok());
  }

  FakeClock& clock() { return clock_; }

  std::unique_ptr<engine::Connection> Begin() {
    auto connection = engine_->Connect().ValueOrDie();
    EXPECT_TRUE(path_.Begin(*connection).ok());
    return connection;
  }
  void Write(const std::string& sql) {
    auto connection = Begin();
    EXPECT_TRUE(connection->Run(sql).ok());
    EXPECT_TRUE(path_.Commit(*connection, 1).ok());
  }
  std::size_t pins() const { return path_.pins(); }
  static std::string Count(engine::Connection& connection) {
    const auto executed = connection.Run("SELECT coalesce(sum(c), 0)::VARCHAR FROM v");
    if (!executed.ok()) return executed.status().ToString();
    return executed->rows->ToRecordBatches().ValueOrDie().at(0)->column(0)->GetScalar(0).ValueOrDie()->ToString();
  }

 private:
  FakeClock clock_;
  std::unique_ptr<engine::Engine> engine_;
  CommitPathImpl path_;
};

TEST(CommitPathPins, EndAfterTheirTime) {
  Path path({.age_max = std::chrono::seconds(60)});
  path.Write("INSERT INTO t VALUES (1, 1)");
  const auto reader = path.Begin();
  path.Write("INSERT INTO t VALUES (1, 1)");
  path.clock().Advance(std::chrono::seconds(59));
  path.Write("INSERT INTO t VALUES (1, 1)");
  EXPECT_EQ(Path::Count(*reader), "1");
  path.clock().Advance(std::chrono::seconds(2));
  const auto later = path.Begin();
  path.Write("INSERT INTO t VALUES (1, 1)");
  EXPECT_THAT(Path::Count(*reader), HasSubstr("more than 60 s ago; COMMIT or ROLLBACK"));
  EXPECT_EQ(Path::Count(*later), "3");
}

TEST(CommitPathPins, EndWhenTheyKeepTooMuch) {
  Path path({.bytes_max = 1 << 18});
  path.Write("INSERT INTO t SELECT range, 1 FROM range(50000)");
  const auto first = path.Begin();
  path.Write("INSERT INTO t SELECT range, 1 FROM range(100)");
  EXPECT_EQ(Path::Count(*first), "50000") << "a few groups are copied, not the view";
  path.Write("INSERT INTO t SELECT range, 1 FROM range(50000)");
  EXPECT_THAT(Path::Count(*first), HasSubstr("bytes; COMMIT or ROLLBACK"));
  const auto second = path.Begin();
  EXPECT_EQ(Path::Count(*second), "100100");
}

// Who reads goes on, and keeps the states that it reads, when its pin has ended.
TEST(CommitPathPins, WhatOneThatHasEndedStillReadsIsNotOfThoseBehindIt) {
  Path path({.bytes_max = 1 << 18});
  path.Write("INSERT INTO t SELECT range, 1 FROM range(50000)");
  const auto first = path.Begin();
  const auto read = first->snapshot()->View({.name = "v"}).ValueOrDie();
  path.Write("INSERT INTO t SELECT range, 1 FROM range(50000)");
  EXPECT_THAT(Path::Count(*first), HasSubstr("bytes; COMMIT or ROLLBACK"));
  const auto second = path.Begin();
  path.Write("INSERT INTO t VALUES (1, 1)");
  EXPECT_EQ(Path::Count(*second), "100000");
}

TEST(CommitPathPins, OneThatLastsKeepsNoneOfThoseBehindIt) {
  Path path({});
  const auto reader = path.Begin();
  for (int i = 0; i < 300; ++i) path.Write("INSERT INTO t VALUES (1, 1)");
  EXPECT_LT(path.pins(), 100U);
  EXPECT_EQ(Path::Count(*reader), "0");
}

// Of a table that keeps no rows: a row that is committed while a view is made on it is in the view, or the view is
// refused.
class FirstRows : public ::testing::TestWithParam<bool> {
 protected:
  static constexpr int kRoundsMax = 150;

  // What one round ends with: the view's rows, -1 where it was refused.
  std::int64_t Round(int round) {
    const std::string table = "t";
    Run([&](engine::Connection& connection) -> arrow::Status {
      ARROW_RETURN_NOT_OK(connection.Run("CREATE OR REPLACE TABLE " + table + " (k INTEGER)").status());
      return path_->SetTableOptions(connection, {.table = {.name = table}, .options = {{"keep_rows", "false"}}});
    });
    auto writer = engine_->Connect().ValueOrDie();
    EXPECT_TRUE(path_->Begin(*writer).ok());
    EXPECT_TRUE(writer->Run("INSERT INTO " + table + " VALUES (1)").ok());
    engine::CreateMaterializedView create{.view = {.name = "v"},
                                          .select = "SELECT k, count(*) AS c FROM " + table + " GROUP BY ALL"};
    if (GetParam()) create.options = {{"background", "true"}};
    const auto write = [&] { EXPECT_TRUE(path_->Commit(*writer).ok()); };
    // Before the CREATE, between it and its COMMIT, or at another moment in each round.
    const bool before = round % 4 == 0;
    const bool between = round % 4 == 3;
    if (before) write();
    auto maker = engine_->Connect().ValueOrDie();
    EXPECT_TRUE(path_->Begin(*maker).ok());
    std::latch both(2);
    std::jthread writing([&] {
      both.arrive_and_wait();
      if (before || between) return;
      // To yield would wait for whatever else the machine does.
      for (int turn = 0; turn < 40'000 * (round * 37 % kRoundsMax); ++turn)
        std::atomic_signal_fence(std::memory_order_seq_cst);
      write();
    });
    both.arrive_and_wait();
    const auto made = path_->CreateView(*maker, create, "UTC");
    if (between) write();
    const bool committed = made.ok() && path_->Commit(*maker).ok();
    writing.join();
    if (!committed) return -1;
    const auto rows = path_->Views().at(0).rows;
    Run([&](engine::Connection& connection) { return path_->DropView(connection, {.view = create.view}).status(); });
    return rows;
  }

  void Run(const std::function<arrow::Status(engine::Connection&)>& work) {
    auto connection = engine_->Connect().ValueOrDie();
    ASSERT_TRUE(path_->Begin(*connection).ok());
    const auto done = work(*connection);
    ASSERT_TRUE(done.ok()) << done;
    ASSERT_TRUE(path_->Commit(*connection).ok());
  }

  std::unique_ptr<engine::Engine> engine_ = engine::Engine::Make({.threads = 1}).ValueOrDie();
  std::unique_ptr<CommitPath> path_ = CommitPath::Make(*engine_).ValueOrDie();
};

TEST_P(FirstRows, AreInAViewThatIsMadeMeanwhileOrItIsRefused) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(4);
  int refused = 0;
  int round = 0;
  for (; round < kRoundsMax && (round < 20 || std::chrono::steady_clock::now() < deadline); ++round) {
    const auto rows = Round(round);
    refused += rows == -1 ? 1 : 0;
    ASSERT_TRUE(rows == 1 || rows == -1) << rows << " rows in round " << round;
  }
  EXPECT_GT(refused, 0);
  EXPECT_LT(refused, round);
}

INSTANTIATE_TEST_SUITE_P(WithBackground, FirstRows, ::testing::Bool());

// Two views, `good` and `large`, over a table that keeps no rows.
class SavedStates : public ::testing::Test {
 protected:
  SavedStates() {
    Commit([&](engine::Connection& connection) {
      ARROW_RETURN_NOT_OK(connection.Run("CREATE TABLE t (k INTEGER)").status());
      return path_->SetTableOptions(connection, {.table = {.name = "t"}, .options = {{"keep_rows", "false"}}});
    });
    for (const char* name : {"good", "large"}) {
      Commit([&](engine::Connection& connection) {
        return path_
            ->CreateView(connection, {.view = {.name = name}, .select = "SELECT k, count(*) AS c FROM t GROUP BY ALL"},
                         "UTC")
            .status();
      });
    }
    Commit([](engine::Connection& connection) { return connection.Run("INSERT INTO t VALUES (1), (1)").status(); });
  }

  void Commit(const std::function<arrow::Status(engine::Connection&)>& work) {
    auto connection = engine_->Connect().ValueOrDie();
    ASSERT_TRUE(path_->Begin(*connection).ok());
    const auto done = work(*connection);
    ASSERT_TRUE(done.ok()) << done;
    ASSERT_TRUE(path_->Commit(*connection).ok());
  }

  // What a server that starts now finds.
  std::int64_t RowsAfterAStart(const std::string& view) {
    path_ = CommitPath::Make(*engine_).ValueOrDie();
    for (const auto& info : path_->Views()) {
      if (info.view.name == view) return info.rows;
    }
    return -1;
  }

  std::unique_ptr<engine::Engine> engine_ = engine::Engine::Make({.threads = 1}).ValueOrDie();
  std::unique_ptr<CommitPath> path_ = CommitPath::Make(*engine_).ValueOrDie();
};

TEST_F(SavedStates, AreSavedEachForItself) {
  Commit([](engine::Connection& connection) {
    return connection
        .Run(
            "CREATE OR REPLACE TABLE __hyprstream.view_states (schema_name VARCHAR, table_name VARCHAR CHECK "
            "(table_name <> 'large'), state BLOB, piece BIGINT)")
        .status();
  });
  const auto saved = path_->SaveStates(Saving::kAtEnd);
  EXPECT_THAT(saved.message(), HasSubstr("Not saved: the state of materialized view large (CHECK constraint failed"));
  EXPECT_THAT(saved.message(), ::testing::Not(HasSubstr("good")));
  EXPECT_EQ(RowsAfterAStart("good"), 2);
  EXPECT_EQ(RowsAfterAStart("large"), 0);
}

TEST_F(SavedStates, StayUntilTheyAreSavedAgainAndAreNotAllAfterACrash) {
  const auto is_partial = [&] {
    const auto connection = engine_->Connect().ValueOrDie();
    const auto rows = connection->Run("SELECT partial FROM __hyprstream.views WHERE table_name = 'good'")
                          ->rows->ToRecordBatches()
                          .ValueOrDie();
    return rows.at(0)->column(0)->GetScalar(0).ValueOrDie()->ToString() == "true";
  };
  EXPECT_TRUE(path_->SaveStates(Saving::kAtEnd).ok());
  EXPECT_EQ(RowsAfterAStart("good"), 2);
  EXPECT_FALSE(is_partial());
  EXPECT_TRUE(path_->SaveStates(Saving::kMeanwhile).ok());
  Commit([](engine::Connection& connection) { return connection.Run("INSERT INTO t VALUES (3)").status(); });
  EXPECT_EQ(RowsAfterAStart("good"), 2);
  EXPECT_TRUE(is_partial());
  EXPECT_EQ(RowsAfterAStart("good"), 2);
}

TEST_F(SavedStates, OfAViewThatCouldNotBeSavedAreNotAll) {
  EXPECT_TRUE(path_->SaveStates(Saving::kAtEnd).ok());
  EXPECT_EQ(RowsAfterAStart("good"), 2);
  Commit([](engine::Connection& connection) { return connection.Run("INSERT INTO t VALUES (3)").status(); });
  const auto connection = engine_->Connect().ValueOrDie();
  ASSERT_TRUE(path_->Begin(*connection).ok());
  ASSERT_TRUE(connection->Run("UPDATE __hyprstream.views SET saves = '7' WHERE table_name = 'good'").ok());
  EXPECT_THAT(path_->SaveStates(Saving::kAtEnd).message(), HasSubstr("Not saved: the state of materialized view good"));
  ASSERT_TRUE(connection->Rollback().ok());
  EXPECT_EQ(RowsAfterAStart("good"), 2);
  const auto partial = connection->Run("SELECT partial FROM __hyprstream.views WHERE table_name = 'good'");
  EXPECT_EQ(partial->rows->ToRecordBatches().ValueOrDie().at(0)->column(0)->GetScalar(0).ValueOrDie()->ToString(),
            "true");
}

TEST_F(SavedStates, AreNotThoseOfAViewOfTheSameName) {
  const auto connection = engine_->Connect().ValueOrDie();
  ASSERT_TRUE(path_->Begin(*connection).ok());
  ASSERT_TRUE(path_->DropView(*connection, {.view = {.name = "good"}}).ok());
  EXPECT_FALSE(path_->SaveStates(Saving::kMeanwhile).ok());
  ASSERT_TRUE(path_
                  ->CreateView(*connection,
                               {.view = {.name = "good"},
                                .options = {{"backfill", "false"}},
                                .select = "SELECT k, count(*) AS c FROM t GROUP BY ALL"},
                               "UTC")
                  .ok());
  ASSERT_TRUE(path_->Commit(*connection).ok());
  EXPECT_EQ(RowsAfterAStart("good"), 0);
}

TEST_F(SavedStates, OfAViewThatThisVersionDoesNotTakeWaitForOneThatDoes) {
  const auto define = [&](const std::string& select) {
    Commit([&](engine::Connection& connection) {
      return connection.Run("UPDATE __hyprstream.views SET definition = '" + select + "' WHERE table_name = 'good'")
          .status();
    });
  };
  const auto ask = [&](const std::string& sql) -> arrow::Status {
    const auto connection = engine_->Connect().ValueOrDie();
    ARROW_RETURN_NOT_OK(path_->Begin(*connection));
    ARROW_RETURN_NOT_OK(connection->Run(sql).status());
    return path_->Commit(*connection).status();
  };
  EXPECT_TRUE(path_->SaveStates(Saving::kAtEnd).ok());
  define("SELECT k, of_long_ago(k) AS c FROM t GROUP BY ALL");
  EXPECT_EQ(RowsAfterAStart("large"), 2);
  EXPECT_EQ(path_->Views().size(), 2);
  const auto refused = path_->Views().at(1);
  EXPECT_EQ(refused.view.name, "good");
  EXPECT_EQ(refused.status, ViewStatus::kBroken);
  EXPECT_THAT(refused.problem, HasSubstr("its definition is not one that this version takes ("));
  EXPECT_THAT(ask("SELECT * FROM good").message(), HasSubstr("good cannot be read: its definition is not one that"));
  EXPECT_THAT(ask("DROP VIEW good").message(), HasSubstr("use DROP MATERIALIZED VIEW good"));
  EXPECT_TRUE(ask("INSERT INTO t VALUES (3)").ok());
  EXPECT_TRUE(path_->SaveStates(Saving::kAtEnd).ok());

  define("SELECT k, count(*) AS c FROM t GROUP BY ALL");  // the earlier version
  EXPECT_EQ(RowsAfterAStart("good"), 2);
  EXPECT_EQ(RowsAfterAStart("large"), 3);
  const auto partial =
      engine_->Connect().ValueOrDie()->Run("SELECT partial FROM __hyprstream.views WHERE table_name = 'good'");
  EXPECT_EQ(partial->rows->ToRecordBatches().ValueOrDie().at(0)->column(0)->GetScalar(0).ValueOrDie()->ToString(),
            "true");

  define("SELECT k, of_long_ago(k) AS c FROM t GROUP BY ALL");
  EXPECT_EQ(RowsAfterAStart("large"), 3);
  const auto drop = [&](const std::string& name) {
    Commit(
        [&](engine::Connection& connection) { return path_->DropView(connection, {.view = {.name = name}}).status(); });
  };
  drop("large");
  EXPECT_THAT(ask("DROP TABLE t").message(), HasSubstr("DROP MATERIALIZED VIEW good first (which cannot be read: its"));
  drop("good");
  EXPECT_TRUE(path_->Views().empty());
  EXPECT_EQ(RowsAfterAStart("good"), -1);
}

TEST_F(SavedStates, MayBeSavedInPieces) {
  const TableRef view{.name = "good"};
  Commit([&](engine::Connection& connection) {
    return StoreState(connection, view, arrow::Buffer::FromString("0123456789"), 4);
  });
  Commit([&](engine::Connection& connection) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const auto state, LoadState(connection, view));
    EXPECT_EQ(state, "0123456789");
    ARROW_RETURN_NOT_OK(RemoveSaved(connection, view));
    ARROW_ASSIGN_OR_RAISE(const auto again, LoadState(connection, view));
    EXPECT_EQ(again, std::nullopt);
    return arrow::Status::OK();
  });
}

TEST_F(SavedStates, OfEarlierBuildsAreRead) {
  EXPECT_TRUE(path_->SaveStates(Saving::kAtEnd).ok());
  path_.reset();
  const auto connection = engine_->Connect().ValueOrDie();
  ASSERT_TRUE(connection->Begin().ok());
  const auto drop = [&](const std::string& table, const std::vector<std::string>& columns) {
    for (const auto& column : columns) {
      const auto dropped = connection->Run("ALTER TABLE __hyprstream." + table + " DROP COLUMN " + column);
      EXPECT_TRUE(dropped.ok()) << dropped.status();
    }
  };
  drop("view_states", {"piece"});
  drop("table_options", {"retention", "max_future", "clock", "idle_timeout", "mark", "mark_is_last", "rows_before"});
  drop("views", {"lateness", "late", "retention"});
  EXPECT_TRUE(connection->Run("DROP TABLE __hyprstream.view_late_rows").ok());
  ASSERT_TRUE(connection->Commit().ok());
  EXPECT_EQ(RowsAfterAStart("good"), 2);
}

// A state that runs out of memory.
class FullState final : public aggregate::ViewState {
 public:
  const AggregateQuery& query() const override { return query_; }
  arrow::Result<std::unique_ptr<aggregate::Delta>> Fold(
      const std::vector<std::shared_ptr<arrow::RecordBatch>>&) const override {
    return arrow::Status::NotImplemented("not in this test");
  }
  std::unique_ptr<aggregate::DeltaBuilder> BuildDelta() const override { return nullptr; }
  void Merge(const aggregate::Delta&, const std::set<aggregate::WindowStart>&) override { throw std::bad_alloc(); }
  aggregate::ViewStats DropOldest(const std::function<aggregate::Expiry(aggregate::WindowStart)>&,
                                  const aggregate::WindowsGone&) override {
    return {};
  }
  arrow::Result<std::vector<aggregate::WindowStart>> StartsOf(
      const std::shared_ptr<arrow::RecordBatch>&) const override {
    return std::vector<aggregate::WindowStart>{};
  }
  std::int64_t GrowthBound(const aggregate::Delta&) const override { return 0; }
  arrow::Status Replace(const std::shared_ptr<arrow::RecordBatch>&, const aggregate::Delta&) override {
    throw std::bad_alloc();
  }
  void ReplaceAll(const aggregate::Delta&) override { throw std::bad_alloc(); }
  void ReplaceAmong(const std::function<bool(aggregate::WindowStart)>&, const aggregate::Delta&) override {
    throw std::bad_alloc();
  }
  std::unique_ptr<aggregate::ViewState> MakeEmpty() const override { return nullptr; }
  arrow::Result<std::unique_ptr<aggregate::Delta>> ToDelta() const override { return nullptr; }
  std::map<aggregate::WindowStart, std::vector<std::string>> GroupsOf(const aggregate::Delta&) const override {
    return {};
  }
  std::shared_ptr<const aggregate::ViewVersion> Pin() override { return nullptr; }
  std::int64_t CopiedSince(const aggregate::ViewVersion&) const override { return 0; }
  aggregate::ViewStats Stats() const override { return {}; }
  std::vector<aggregate::WindowStats> Windows() const override { return {}; }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Serialize() const override { return nullptr; }
  arrow::Status Restore(std::string_view) override { return arrow::Status::OK(); }
  arrow::Result<std::shared_ptr<arrow::Buffer>> SerializeDelta(const aggregate::Delta&) const override {
    return nullptr;
  }
  arrow::Result<std::unique_ptr<aggregate::Delta>> RestoreDelta(std::string_view) const override { return nullptr; }

 private:
  AggregateQuery query_;
};

class EmptyDelta final : public aggregate::Delta {
 public:
  std::int64_t rows() const override { return 0; }
  std::int64_t groups() const override { return 0; }
  std::int64_t bytes() const override { return 0; }
  std::vector<aggregate::WindowRows> Windows() const override { return {}; }
};

TEST(ViewMaintenance, AStateThatCannotFollowIsUnreadable) {
  for (const bool merge : {true, false}) {
    MaintainedView view;
    view.state = std::make_unique<FullState>();
    if (merge) {
      MergeOrBreak(view, EmptyDelta());
    } else {
      ReplaceOrBreak(view, nullptr, EmptyDelta());
    }
    EXPECT_EQ(view.status, ViewStatus::kBroken);
    EXPECT_THAT(view.problem, HasSubstr("drop and create it again"));
  }
}

}  // namespace
}  // namespace hyprstream::commit
