// A commit whose states do not fit is refused as a whole, by the name of the view that takes most; what expires with it
// makes room first.
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fake_clock.h"
#include "commit/commit_path_internal.h"

namespace hyprstream::commit {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kBytesMax = 4 << 20;
constexpr const char* kSelect =
    "SELECT time_bucket(INTERVAL '1 minute', ts) AS w, k, count(*) AS c FROM t GROUP BY ALL";

// A commit path whose timer does not run; its clock starts on 1 January 2013 at 00:26:40.
class StateBytes : public ::testing::Test {
 protected:
  StateBytes() { EXPECT_TRUE(path_.Open().ok()); }

  arrow::Status Commit(const std::function<arrow::Status(engine::Connection&)>& work) {
    const auto connection = engine_->Connect().ValueOrDie();
    ARROW_RETURN_NOT_OK(path_.Begin(*connection));
    ARROW_RETURN_NOT_OK(work(*connection));
    return path_.Commit(*connection, 1).status();
  }
  arrow::Status Try(const std::string& sql) {
    return Commit([&](engine::Connection& connection) { return connection.Run(sql).status(); });
  }
  void Create(engine::Options of_table, engine::Options of_view, const std::string& select = kSelect) {
    const auto made = Commit([&](engine::Connection& connection) -> arrow::Status {
      ARROW_RETURN_NOT_OK(connection.Run("CREATE TABLE t (ts TIMESTAMP, k BIGINT)").status());
      ARROW_RETURN_NOT_OK(connection.Run("CREATE TABLE other (k BIGINT)").status());
      ARROW_RETURN_NOT_OK(path_.SetTableOptions(
          connection, {.table = {.name = "t"}, .schema_given = true, .options = std::move(of_table)}));
      return path_
          .CreateView(connection,
                      {.view = {.name = "v"}, .schema_given = true, .options = std::move(of_view), .select = select},
                      "UTC")
          .status();
    });
    ASSERT_TRUE(made.ok()) << made;
  }
  // Keys that the view does not have.
  arrow::Status Insert(const std::string& ts, std::int64_t keys) {
    const auto first = std::to_string(next_key_);
    next_key_ += keys;
    return Try("INSERT INTO t SELECT " + ts + ", " + first + " + range FROM range(" + std::to_string(keys) + ")");
  }
  // What the first commit beyond the bound says.
  arrow::Status FillUp(const std::string& ts) {
    for (;;) {
      auto inserted = Insert(ts, kKeys);
      if (!inserted.ok()) return inserted;
    }
  }
  ViewInfo View() { return path_.Views().at(0); }
  std::string Text(const std::string& sql) {
    std::string text;
    const auto read = Commit([&](engine::Connection& connection) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(const auto executed, connection.Run(sql));
      ARROW_ASSIGN_OR_RAISE(const auto batches, executed.rows->ToRecordBatches());
      text = batches.at(0)->column(0)->GetScalar(0).ValueOrDie()->ToString();
      return arrow::Status::OK();
    });
    return read.ok() ? text : read.ToString();
  }

  static constexpr std::int64_t kKeys = 2000;
  FakeClock clock_;
  std::unique_ptr<engine::Engine> engine_ = engine::Engine::Make({.threads = 1}).ValueOrDie();
  CommitPathImpl path_{*engine_, {.state_bytes_max = kBytesMax}, {}, &clock_};
  std::int64_t next_key_ = 0;
};

TEST_F(StateBytes, ARefusedCommitNamesTheViewAndItsGroupsAndLeavesNothing) {
  Create({{"time", "ts"}}, {});
  const auto refused = FillUp("TIMESTAMP '2013-01-01'");
  ASSERT_TRUE(refused.IsCapacityError()) << refused;
  const auto groups = next_key_ - kKeys;
  EXPECT_THAT(refused.message(), HasSubstr("those of v, which has " + std::to_string(groups) + " groups"));
  EXPECT_EQ(View().groups, groups);
  EXPECT_LE(View().bytes, kBytesMax);
  EXPECT_EQ(Text("SELECT count(*) FROM t"), std::to_string(groups));
  EXPECT_EQ(Text("SELECT sum(c)::BIGINT FROM v"), std::to_string(groups));
  EXPECT_TRUE(Try("INSERT INTO other VALUES (1)").ok());
  EXPECT_TRUE(Try("DELETE FROM t WHERE k < 10").ok());
  const auto dropped = Commit([&](engine::Connection& connection) {
    return path_.DropView(connection, {.view = {.name = "v"}, .schema_given = true}).status();
  });
  EXPECT_TRUE(dropped.ok()) << dropped;
  EXPECT_TRUE(Insert("TIMESTAMP '2013-01-01'", kKeys).ok());
}

TEST_F(StateBytes, AViewThatCannotBeFilledIsNamed) {
  Create({{"time", "ts"}}, {}, "SELECT count(*) AS c FROM t");
  ASSERT_TRUE(Insert("TIMESTAMP '2013-01-01'", 500'000).ok());
  const auto refused = Commit([&](engine::Connection& connection) {
    return path_.CreateView(connection, {.view = {.name = "fine"}, .schema_given = true, .select = kSelect}, "UTC")
        .status();
  });
  ASSERT_TRUE(refused.IsCapacityError()) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("fine"));
}

TEST_F(StateBytes, WindowsThatExpireWithACommitMakeRoomForIt) {
  Create({{"time", "ts"}}, {{"retention", "1 minute"}});
  ASSERT_TRUE(FillUp("TIMESTAMP '2013-01-01 00:00:30'").IsCapacityError());
  const auto later = Insert("TIMESTAMP '2013-01-01 00:10:00'", kKeys);
  EXPECT_TRUE(later.ok()) << later;
  EXPECT_EQ(View().groups, kKeys);
}

TEST_F(StateBytes, SessionsThatExpireWithACommitMakeRoomForIt) {
  Create({{"time", "ts"}}, {{"retention", "1 minute"}},
         "SELECT window_start, k, count(*) AS c FROM session(t, ts, INTERVAL '1 minute', k) GROUP BY ALL");
  ASSERT_TRUE(FillUp("TIMESTAMP '2013-01-01 00:00:30'").IsCapacityError());
  const auto later = Insert("TIMESTAMP '2013-01-01 01:00:00'", kKeys);
  EXPECT_TRUE(later.ok()) << later;
  EXPECT_EQ(View().groups, kKeys);
}

TEST_F(StateBytes, WindowsThatTheClockLetExpireMakeRoomBeforeTheTimerRuns) {
  Create({{"time", "ts"}, {"clock", "wall"}}, {{"retention", "1 minute"}});
  ASSERT_TRUE(FillUp("TIMESTAMP '2013-01-01 00:26:30'").IsCapacityError());
  clock_.Advance(std::chrono::minutes(10));
  const auto later = Insert("TIMESTAMP '2013-01-01 00:36:00'", kKeys);
  EXPECT_TRUE(later.ok()) << later;
  EXPECT_EQ(View().groups, kKeys);
}

}  // namespace
}  // namespace hyprstream::commit
