// Subscriptions in the commit path: what is due, told once, in its latest state; tokens; closing, expiry, bounds.
#include "commit/subscription.h"

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <map>

#include "base/fake_clock.h"
#include "commit/commit_path_internal.h"

namespace hyprstream::commit {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Texts = std::vector<std::string>;

constexpr const char* kWindows =
    "SELECT time_bucket(INTERVAL '1 minute', ts) AS w, k, count(*) AS c FROM t GROUP BY ALL";

// A commit path whose timer does not run, and a table t(ts, k) with event time.
class Subscribing : public ::testing::Test {
 protected:
  Subscribing() {
    EXPECT_TRUE(path_.Open().ok());
    const auto connection = engine_->Connect().ValueOrDie();
    EXPECT_TRUE(path_.Begin(*connection).ok());
    EXPECT_TRUE(connection->Run("CREATE TABLE t (ts TIMESTAMP, k INTEGER)").ok());
    EXPECT_TRUE(
        path_.SetTableOptions(*connection, {.table = {.name = "t"}, .schema_given = true, .options = {{"time", "ts"}}})
            .ok());
    EXPECT_TRUE(path_.Commit(*connection, 1).ok());
  }

  void CreateView(const std::string& select = kWindows, engine::Options options = {}) {
    const auto connection = engine_->Connect().ValueOrDie();
    ASSERT_TRUE(path_.Begin(*connection).ok());
    const auto made = path_.CreateView(*connection,
                                       {.view = {.name = "v"},
                                        .schema_given = true,
                                        .or_replace = true,
                                        .options = std::move(options),
                                        .select = select},
                                       "UTC");
    ASSERT_TRUE(made.ok()) << made.status();
    ASSERT_TRUE(path_.Commit(*connection, 1).ok());
  }
  void Write(const std::string& sql) {
    const auto connection = engine_->Connect().ValueOrDie();
    ASSERT_TRUE(path_.Begin(*connection).ok());
    const auto ran = connection->Run(sql);
    ASSERT_TRUE(ran.ok()) << ran.status();
    const auto committed = path_.Commit(*connection, 1);
    ASSERT_TRUE(committed.ok()) << committed.status();
  }
  void Insert(const std::string& time, int key) {
    Write("INSERT INTO t VALUES ('2026-01-01 " + time + "', " + std::to_string(key) + ")");
  }

  std::unique_ptr<Subscription> Subscribe(SubscribeOptions options = {}) {
    options.view.name = "v";
    auto subscription = path_.Subscribe(options);
    EXPECT_TRUE(subscription.ok()) << subscription.status();
    return std::move(subscription).ValueOrDie();
  }
  arrow::Status Refused(SubscribeOptions options) {
    if (options.view.name.empty()) options.view.name = "v";
    return path_.Subscribe(options).status();
  }
  bool IsDue(Subscription& subscription) const {
    return subscription.Await(clock_.Now()) == ViewChanges::Awaited::kDue;
  }

  // The next delivery as text, which counts as told: "reset", "gone 10:00", "+10:00 k=1 c=2", "!" for corrections.
  Texts Next(Subscription& subscription) {
    if (!IsDue(subscription)) return {"nothing"};
    const auto connection = engine_->Connect().ValueOrDie();
    auto begun = subscription.Begin(*connection);
    if (!begun.ok()) return {begun.status().message()};
    Texts texts;
    if (begun->is_snapshot) texts.emplace_back("reset");
    for (const auto& gone : begun->gone) {
      texts.push_back("gone " + (gone.has_value() ? ToText(EventTime(Micros(*gone))).substr(11, 5) : "NULL"));
    }
    for (const auto& rows : begun->rows) {
      connection->Attach(rows.seen);
      const auto read = connection->Run("SELECT '" + std::string(rows.is_correction ? "!" : "+") +
                                        "' || v::VARCHAR FROM (SELECT v FROM v) ORDER BY ALL");
      EXPECT_TRUE(read.ok()) << read.status();
      for (const auto& batch : read->rows->ToRecordBatches().ValueOrDie()) {
        for (std::int64_t i = 0; i < batch->num_rows(); ++i) {
          texts.push_back(batch->column(0)->GetScalar(i).ValueOrDie()->ToString());
        }
      }
    }
    subscription.Told(*begun);
    return texts;
  }

  FakeClock clock_;
  std::unique_ptr<engine::Engine> engine_ = engine::Engine::Make({.threads = 1}).ValueOrDie();
  CommitPathImpl path_{*engine_, {}, {}, &clock_};
};

std::string Row(const std::string& sign, const std::string& minute, int key, int count) {
  return sign + "{'w': '2026-01-01 " + minute + ":00', 'k': " + std::to_string(key) +
         ", 'c': " + std::to_string(count) + "}";
}

TEST_F(Subscribing, BeginsWithTheWholeViewAndGoesOnWithWhatChanges) {
  CreateView();
  Insert("10:00:01", 1);
  const auto windows = Subscribe();
  const auto groups = Subscribe({.by_group = true});
  const Texts whole{"reset", Row("+", "10:00", 1, 1)};
  EXPECT_EQ(Next(*windows), whole);
  EXPECT_EQ(Next(*groups), whole);
  EXPECT_THAT(Next(*windows), ElementsAre("nothing"));
  Insert("10:00:02", 2);
  EXPECT_THAT(Next(*windows), ElementsAre(Row("+", "10:00", 1, 1), Row("+", "10:00", 2, 1)));
  EXPECT_THAT(Next(*groups), ElementsAre(Row("+", "10:00", 2, 1)));
  EXPECT_THAT(Next(*groups), ElementsAre("nothing"));
}

TEST_F(Subscribing, WhoIsBehindIsToldTheLatestStateOnce) {
  CreateView();
  const auto subscription = Subscribe({.by_group = true, .from_now = true});
  EXPECT_THAT(Next(*subscription), ElementsAre("nothing"));
  for (int i = 0; i < 50; ++i) Insert("10:00:01", 1);
  EXPECT_EQ(subscription->lag(), 50);
  const auto bytes = subscription->bytes();
  for (int i = 0; i < 50; ++i) Insert("10:00:01", 1);
  EXPECT_EQ(subscription->bytes(), bytes);
  EXPECT_THAT(Next(*subscription), ElementsAre(Row("+", "10:00", 1, 100)));
  EXPECT_EQ(subscription->lag(), 0);
}

TEST_F(Subscribing, RowsThatAreChangedOrDeletedSendTheirWindowsAnew) {
  CreateView();
  Insert("10:00:01", 1);
  Insert("10:01:01", 1);
  const auto subscription = Subscribe({.by_group = true, .from_now = true});
  Write("UPDATE t SET k = 2 WHERE ts < '2026-01-01 10:01:00'");
  EXPECT_THAT(Next(*subscription), ElementsAre("gone 10:00", Row("!", "10:00", 2, 1)));
  Write("DELETE FROM t WHERE ts >= '2026-01-01 10:01:00'");
  EXPECT_THAT(Next(*subscription), ElementsAre("gone 10:01"));
}

TEST_F(Subscribing, WindowsAreToldWhenTheyCloseAndThenWhenTheyAreCorrected) {
  CreateView(kWindows, {{"lateness", "1 minute"}});
  Insert("10:00:01", 1);
  const auto subscription = Subscribe({.on_close = true});
  EXPECT_THAT(Next(*subscription), ElementsAre("reset"));
  Insert("10:00:02", 1);
  Insert("10:01:59", 1);
  EXPECT_THAT(Next(*subscription), ElementsAre("nothing"));
  Insert("10:02:00", 1);  // the watermark: 10:01:00
  EXPECT_THAT(Next(*subscription), ElementsAre(Row("+", "10:00", 1, 2)));
  Insert("10:00:03", 2);
  EXPECT_THAT(Next(*subscription), ElementsAre(Row("!", "10:00", 1, 2), Row("!", "10:00", 2, 1)));
  Insert("10:30:00", 1);  // closes two at once
  EXPECT_THAT(Next(*subscription), ElementsAre(Row("+", "10:01", 1, 1), Row("+", "10:02", 1, 1)));
  EXPECT_THAT(Next(*subscription), ElementsAre("nothing"));
  EXPECT_THAT(Next(*Subscribe({.on_close = true})), SizeIs(5));  // reset, and the rows of closed windows
}

// Of a silent table no commit says so.
TEST_F(Subscribing, WindowsThatTheClockClosesAreTold) {
  const auto connection = engine_->Connect().ValueOrDie();
  ASSERT_TRUE(path_.Begin(*connection).ok());
  ASSERT_TRUE(connection->Run("CREATE TABLE silent (ts TIMESTAMP, k INTEGER)").ok());
  ASSERT_TRUE(
      path_
          .SetTableOptions(*connection, {.table = {.name = "silent"},
                                         .schema_given = true,
                                         .options = {{"time", "ts"}, {"clock", "wall"}, {"idle_timeout", "5 minutes"}}})
          .ok());
  ASSERT_TRUE(path_.Commit(*connection, 1).ok());
  CreateView("SELECT time_bucket(INTERVAL '1 minute', ts) AS w, k, count(*) AS c FROM silent GROUP BY ALL");
  const auto subscription = Subscribe({.on_close = true});
  EXPECT_THAT(Next(*subscription), ElementsAre("reset"));
  const auto now = std::chrono::floor<std::chrono::minutes>(clock_.WallNow());
  Write("INSERT INTO silent VALUES (make_timestamp(" +
        std::to_string(std::chrono::microseconds(now.time_since_epoch()).count()) + "), 1)");
  EXPECT_THAT(Next(*subscription), ElementsAre("nothing"));
  clock_.Advance(std::chrono::minutes(7));
  path_.ExpireByTime();
  EXPECT_THAT(Next(*subscription), ElementsAre(HasSubstr("'k': 1, 'c': 1")));
  EXPECT_THAT(Next(*subscription), ElementsAre("nothing"));
}

TEST_F(Subscribing, LateRowsOfClosedWindowsAreCorrections) {
  CreateView();
  Insert("10:05:00", 1);
  const auto subscription = Subscribe({.from_now = true});
  Insert("10:00:00", 1);
  Insert("10:05:01", 1);
  EXPECT_THAT(Next(*subscription), ElementsAre(Row("+", "10:05", 1, 2), Row("!", "10:00", 1, 1)));
}

TEST_F(Subscribing, ExpiredWindowsAreToldToBeGone) {
  CreateView(kWindows, {{"retention", "5 minutes"}});
  Insert("10:00:00", 1);
  const auto updates = Subscribe({.from_now = true});
  const auto closes = Subscribe({.on_close = true});
  EXPECT_THAT(Next(*closes), ElementsAre("reset"));
  Insert("10:06:00", 1);  // what ended by 10:01 is gone
  EXPECT_THAT(Next(*updates), ElementsAre("gone 10:00", Row("+", "10:06", 1, 1)));
  EXPECT_THAT(Next(*closes), IsEmpty());  // it was never told: it closed as it expired
}

constexpr const char* kHopping =
    "SELECT window_start AS w, count(*) AS c FROM hop(t, ts, INTERVAL '5 minutes', INTERVAL '10 minutes') GROUP BY ALL";

// One slice of a hopping view is in windows that have expired and in others; each goes once.
TEST_F(Subscribing, WindowsThatHopAreToldToBeGoneOnce) {
  CreateView(kHopping, {{"retention", "1 minute"}});
  Write("CREATE TABLE other (a INTEGER)");
  Insert("10:06:00", 1);
  const auto updates = Subscribe({.from_now = true});
  const auto closes = Subscribe({.on_close = true, .from_now = true});
  Insert("10:12:00", 1);
  EXPECT_THAT(Next(*updates), ElementsAre("gone 10:00", "+{'w': '2026-01-01 10:05:00', 'c': 2}",
                                          "+{'w': '2026-01-01 10:10:00', 'c': 1}"));
  EXPECT_THAT(Next(*closes), IsEmpty());
  Write("INSERT INTO other VALUES (1)");
  EXPECT_THAT(Next(*updates), ElementsAre("nothing"));
  EXPECT_THAT(Next(*closes), ElementsAre("nothing"));
  Insert("10:17:00", 1);  // of the slice of 10:05 the last window goes now
  EXPECT_THAT(Next(*updates), ElementsAre("gone 10:05", "+{'w': '2026-01-01 10:10:00', 'c': 2}",
                                          "+{'w': '2026-01-01 10:15:00', 'c': 1}"));
  EXPECT_THAT(Next(*closes), IsEmpty());
}

TEST_F(Subscribing, TheTimerTellsNothingWhereNothingExpires) {
  for (const std::string size : {"10 minutes", "6000 minutes"}) {
    CreateView("SELECT window_start AS w, count(*) AS c FROM hop(t, ts, INTERVAL '5 minutes', INTERVAL '" + size +
                   "') GROUP BY ALL",
               {{"retention", "1 minute"}});
    Insert("10:06:00", 1);
    Insert("10:12:00", 1);
    const auto updates = Subscribe({.from_now = true});
    const auto connection = engine_->Connect().ValueOrDie();
    ASSERT_TRUE(path_.Begin(*connection).ok());
    ASSERT_TRUE(connection->Run("CREATE OR REPLACE TABLE wall (ts TIMESTAMP)").ok());
    ASSERT_TRUE(path_
                    .SetTableOptions(*connection, {.table = {.name = "wall"},
                                                   .schema_given = true,
                                                   .options = {{"time", "ts"}, {"clock", "wall"}}})
                    .ok());
    ASSERT_TRUE(path_.Commit(*connection, 1).ok());
    const auto before = path_.position();
    for (int i = 0; i < 3; ++i) path_.ExpireByTime();
    EXPECT_EQ(path_.position(), before) << size;
    EXPECT_THAT(Next(*updates), ElementsAre("nothing")) << size;
  }
}

// What was told as closed may change while it is open again.
TEST_F(Subscribing, MoreLatenessTellsWhatIsClosedAnew) {
  CreateView();
  Insert("10:00:01", 1);
  Insert("10:00:02", 2);
  Insert("10:01:01", 1);
  Insert("10:05:00", 1);
  const auto closes = Subscribe({.on_close = true});
  EXPECT_THAT(Next(*closes), SizeIs(4));
  const auto updates = Subscribe({.from_now = true});
  const auto alter = [&](const std::string& lateness) {
    const auto connection = engine_->Connect().ValueOrDie();
    ASSERT_TRUE(path_.Begin(*connection).ok());
    ASSERT_TRUE(
        path_.AlterView(*connection, {.view = {.name = "v"}, .schema_given = true, .set = {{"lateness", lateness}}})
            .ok());
    ASSERT_TRUE(path_.Commit(*connection, 1).ok());
  };
  alter("1 hour");
  EXPECT_THAT(Next(*closes), ElementsAre("reset"));
  EXPECT_THAT(Next(*updates), ElementsAre("nothing"));
  Write("DELETE FROM t WHERE k = 2 OR ts >= '2026-01-01 10:01:00' AND ts < '2026-01-01 10:02:00'");
  EXPECT_THAT(Next(*closes), ElementsAre("nothing"));
  Insert("12:00:00", 1);
  EXPECT_THAT(Next(*closes), ElementsAre(Row("+", "10:00", 1, 1), Row("+", "10:05", 1, 1)));
  EXPECT_THAT(Next(*closes), ElementsAre("nothing"));
}

// Groups are told apart in as many windows as they are in.
TEST_F(Subscribing, GroupsOfWindowsThatHopAreBoundedByTheirWindows) {
  CreateView(
      "SELECT window_start AS w, k, count(*) AS c FROM hop(t, ts, INTERVAL '1 minute', INTERVAL '900 minutes') GROUP "
      "BY ALL");
  Write("INSERT INTO t SELECT TIMESTAMP '2026-01-01 10:00:00', i FROM range(10) r(i)");
  const auto groups = Subscribe({.by_group = true, .from_now = true});
  Insert("10:00:00", 3);
  EXPECT_THAT(Next(*groups), SizeIs(900));
  Write("INSERT INTO t SELECT TIMESTAMP '2026-01-01 10:00:00', i FROM range(5) r(i)");
  EXPECT_THAT(Next(*groups), SizeIs(9000));  // too many to be told apart: the windows come whole
}

TEST_F(Subscribing, WindowsOfMoreSlicesThanAreRememberedAreForgottenAtOnce) {
  CreateView(
      "SELECT window_start AS w, count(*) AS c FROM hop(t, ts, INTERVAL '1 minute', INTERVAL '900 minutes') GROUP BY "
      "ALL");
  const auto updates = Subscribe({.from_now = true});
  Write("INSERT INTO t SELECT TIMESTAMP '2026-01-01 10:00:00' + INTERVAL (i) DAY, i FROM range(100) r(i)");
  const auto told = Next(*updates);
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told.at(0), "reset");  // 90,000 windows
  EXPECT_EQ(updates->bytes(), 0);
}

TEST_F(Subscribing, APeriodIsWaitedFor) {
  CreateView();
  const auto subscription = Subscribe({.every = std::chrono::seconds(1)});
  EXPECT_THAT(Next(*subscription), ElementsAre("reset"));
  Insert("10:00:00", 1);
  EXPECT_THAT(Next(*subscription), ElementsAre("nothing"));
  clock_.Advance(std::chrono::milliseconds(999));
  EXPECT_THAT(Next(*subscription), ElementsAre("nothing"));
  clock_.Advance(std::chrono::milliseconds(1));
  EXPECT_THAT(Next(*subscription), ElementsAre(Row("+", "10:00", 1, 1)));
}

TEST_F(Subscribing, ATokenGoesOnWhereItWasGiven) {
  CreateView();
  const auto stays = Subscribe({.from_now = true});
  const auto token = Subscribe({.from_now = true})->Token();
  Insert("10:00:00", 1);
  EXPECT_THAT(Next(*Subscribe({.resume = token})), ElementsAre(Row("+", "10:00", 1, 1)));
  clock_.Advance(std::chrono::hours(2));  // somebody is still there
  Insert("10:01:00", 1);
  EXPECT_THAT(Next(*Subscribe({.resume = token})), ElementsAre(Row("+", "10:00", 1, 1), Row("+", "10:01", 1, 1)));
}

TEST_F(Subscribing, ATokenIsForgottenAnHourAfterTheLastSubscriber) {
  CreateView();
  const auto token = Subscribe({.from_now = true})->Token();
  clock_.Advance(std::chrono::minutes(59));
  Insert("10:00:00", 1);
  EXPECT_THAT(Next(*Subscribe({.resume = token})), ElementsAre(Row("+", "10:00", 1, 1)));
  clock_.Advance(std::chrono::minutes(61));
  Insert("10:00:00", 1);
  EXPECT_THAT(Next(*Subscribe({.resume = token})), ElementsAre("reset", Row("+", "10:00", 1, 2)));
}

TEST_F(Subscribing, ATokenOfAnotherServerOrAnOlderViewIsAnsweredByTheWhole) {
  CreateView();
  const auto subscription = Subscribe();
  auto token = subscription->Token();
  CreateView();
  EXPECT_THAT(subscription->WhyStopped().message(), HasSubstr("v was replaced by another; subscribe again"));
  EXPECT_THAT(Next(*Subscribe({.resume = token})), ElementsAre("reset"));
}

TEST_F(Subscribing, WrongRequestsSayWhatToDo) {
  CreateView();
  const auto token = Subscribe()->Token();
  EXPECT_THAT(Refused({.view = {.name = "vv"}}).message(), HasSubstr("Unknown materialized view: vv"));
  EXPECT_THAT(Refused({.view = {.name = "t"}}).message(), HasSubstr("t is a table; subscriptions are to materialized"));
  EXPECT_THAT(Refused({.filter_columns = {"c"}}).message(), HasSubstr("names c, which is no key of v (w, k)"));
  EXPECT_THAT(Refused({.resume = "x"}).message(), HasSubstr("This resume token is none of a subscription's"));
  EXPECT_THAT(Refused({.filter = "k = 1", .resume = token}).message(), HasSubstr("with another filter"));
  CreateView("SELECT k, count(*) AS c FROM t GROUP BY ALL");
  EXPECT_THAT(Refused({.on_close = true}).message(), HasSubstr("never close: it has no window"));
}

TEST_F(Subscribing, AViewThatIsDroppedOrServerThatEndsStopsThem) {
  CreateView();
  const auto subscription = Subscribe({.from_now = true});
  const auto stopped = Subscribe({.from_now = true});
  auto waiting = std::async(std::launch::async, [&] {
    return stopped->Await(clock_.Now() + std::chrono::hours(1)) == ViewChanges::Awaited::kStopped;
  });
  clock_.WaitForSleepers(1);
  stopped->Stop("the server is shutting down");
  EXPECT_TRUE(waiting.get());
  EXPECT_EQ(stopped->WhyStopped().message(), "the server is shutting down");
  const auto connection = engine_->Connect().ValueOrDie();
  ASSERT_TRUE(path_.Begin(*connection).ok());
  ASSERT_TRUE(path_.DropView(*connection, {.view = {.name = "v"}, .schema_given = true}).ok());
  ASSERT_TRUE(path_.Commit(*connection, 1).ok());
  EXPECT_EQ(subscription->Await(clock_.Now()), ViewChanges::Awaited::kStopped);
  EXPECT_EQ(subscription->WhyStopped().message(), "Materialized view v was dropped");
}

TEST_F(Subscribing, AViewOfAllHistoryIsOneWindow) {
  CreateView("SELECT k, count(*) AS c FROM t GROUP BY ALL");
  Insert("10:00:00", 1);
  const auto subscription = Subscribe({.by_group = true});
  EXPECT_THAT(Next(*subscription), ElementsAre("reset", "+{'k': 1, 'c': 1}"));
  Insert("10:00:00", 2);
  EXPECT_THAT(Next(*subscription), ElementsAre("+{'k': 2, 'c': 1}"));
  Write("DELETE FROM t WHERE k = 1");
  EXPECT_THAT(Next(*subscription), ElementsAre("reset", "+{'k': 2, 'c': 1}"));
}

TEST_F(Subscribing, WindowsThatHopAreToldWithAllThatHoldARow) {
  CreateView(
      "SELECT window_start AS w, window_end AS e, count(*) AS c FROM hop(t, ts, INTERVAL '1 minute', INTERVAL '2 "
      "minutes') GROUP BY ALL");
  const auto subscription = Subscribe({.from_now = true});
  Insert("10:01:00", 1);
  EXPECT_THAT(Next(*subscription), ElementsAre("+{'w': '2026-01-01 10:00:00', 'e': '2026-01-01 10:02:00', 'c': 1}",
                                               "+{'w': '2026-01-01 10:01:00', 'e': '2026-01-01 10:03:00', 'c': 1}"));
}

TEST_F(Subscribing, WindowsThatHopAreToldOneByOneWhenTheyClose) {
  CreateView(
      "SELECT window_start AS w, count(*) AS c FROM hop(t, ts, INTERVAL '1 minute', INTERVAL '2 minutes') GROUP BY "
      "ALL");
  const auto subscription = Subscribe({.on_close = true, .from_now = true});
  Insert("10:01:00", 1);
  Insert("10:01:30", 1);
  Insert("10:02:00", 1);
  EXPECT_THAT(Next(*subscription), ElementsAre("+{'w': '2026-01-01 10:00:00', 'c': 2}"));
  Insert("10:03:00", 1);
  EXPECT_THAT(Next(*subscription), ElementsAre("+{'w': '2026-01-01 10:01:00', 'c': 3}"));
  Insert("10:01:59", 1);
  EXPECT_THAT(Next(*subscription),
              ElementsAre("!{'w': '2026-01-01 10:00:00', 'c': 3}", "!{'w': '2026-01-01 10:01:00', 'c': 4}"));
}

TEST_F(Subscribing, SessionsThatRowsExtendOrJoinReplaceWhatTheyWere) {
  CreateView(
      "SELECT window_start AS w, window_end AS e, k, count(*) AS c FROM session(t, ts, INTERVAL '1 minute', k) "
      "GROUP BY ALL");
  const auto subscription = Subscribe({.from_now = true});
  Insert("10:00:00", 1);
  EXPECT_THAT(Next(*subscription),
              ElementsAre("gone 10:01", "+{'w': '2026-01-01 10:00:00', 'e': '2026-01-01 10:01:00', 'k': 1, 'c': 1}"));
  Insert("10:00:30", 1);
  EXPECT_THAT(Next(*subscription),
              ElementsAre("gone 10:01", "gone 10:01",
                          "+{'w': '2026-01-01 10:00:00', 'e': '2026-01-01 10:01:30', 'k': 1, 'c': 2}"));
  Insert("10:02:00", 1);
  Insert("10:02:00", 2);
  ASSERT_FALSE(Next(*subscription).empty());
  // The row joins both sessions of its key; that of the other, which ends with one of them, is told again.
  Insert("10:01:15", 1);
  EXPECT_THAT(Next(*subscription),
              ElementsAre("gone 10:01", "gone 10:03",
                          "+{'w': '2026-01-01 10:00:00', 'e': '2026-01-01 10:03:00', 'k': 1, 'c': 4}",
                          "+{'w': '2026-01-01 10:02:00', 'e': '2026-01-01 10:03:00', 'k': 2, 'c': 1}"));
  Write("DELETE FROM t WHERE k = 2");
  EXPECT_THAT(Next(*subscription),
              ElementsAre("gone 10:03", "+{'w': '2026-01-01 10:00:00', 'e': '2026-01-01 10:03:00', 'k': 1, 'c': 4}"));
}

TEST_F(Subscribing, SessionsAreToldWhenTheyClose) {
  CreateView("SELECT window_end AS e, k, count(*) AS c FROM session(t, ts, INTERVAL '1 minute', k) GROUP BY ALL");
  const auto subscription = Subscribe({.on_close = true, .from_now = true});
  Insert("10:00:00", 1);
  Insert("10:00:30", 1);
  Insert("10:01:30", 2);
  EXPECT_THAT(Next(*subscription), ElementsAre("+{'e': '2026-01-01 10:01:30', 'k': 1, 'c': 2}"));
  Insert("10:01:00", 1);  // it was closed, and is no more
  EXPECT_THAT(Next(*subscription), ElementsAre("gone 10:01"));
  Insert("10:05:00", 2);
  EXPECT_THAT(Next(*subscription), ElementsAre("+{'e': '2026-01-01 10:02:00', 'k': 1, 'c': 3}",
                                               "+{'e': '2026-01-01 10:02:30', 'k': 2, 'c': 1}"));
}

// Two write, four follow, one of whom leaves after each delivery and comes back with its token.
TEST_F(Subscribing, CommitsAndSubscribersOnAllSides) {
  CreateView();
  constexpr int kCommits = 30;
  std::vector<std::future<std::int64_t>> followers;
  for (int i = 0; i < 4; ++i) {
    followers.push_back(std::async(std::launch::async, [this, i] {
      const bool leaves = i == 3;
      auto subscription = Subscribe({.by_group = i % 2 == 0});
      std::map<std::string, std::int64_t> told;  // rows by window and key
      std::int64_t sum = 0;
      while (sum < 2 * kCommits) {
        if (subscription->Await(clock_.Now() + std::chrono::hours(1)) != ViewChanges::Awaited::kDue) continue;
        const auto connection = engine_->Connect().ValueOrDie();
        const auto begun = subscription->Begin(*connection).ValueOrDie();
        if (begun.is_snapshot) told.clear();
        for (const auto& rows : begun.rows) {
          connection->Attach(rows.seen);
          const auto read = connection->Run("SELECT w::VARCHAR || k, c FROM v").ValueOrDie();
          for (const auto& batch : read.rows->ToRecordBatches().ValueOrDie()) {
            for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
              const auto count = batch->column(1)->GetScalar(row).ValueOrDie();
              told[batch->column(0)->GetScalar(row).ValueOrDie()->ToString()] =
                  static_cast<const arrow::Int64Scalar&>(*count).value;
            }
          }
        }
        subscription->Told(begun);
        sum = 0;
        for (const auto& [key, count] : told) sum += count;
        if (leaves) subscription = Subscribe({.resume = subscription->Token()});
      }
      return sum;
    }));
  }
  std::vector<std::future<void>> writers;
  for (int writer = 0; writer < 2; ++writer) {
    writers.push_back(std::async(std::launch::async, [this, writer] {
      for (int n = 0; n < kCommits; ++n) Insert("10:0" + std::to_string(n % 6) + ":00", writer + n % 3);
    }));
  }
  for (auto& writer : writers) writer.get();
  for (auto& follower : followers) EXPECT_EQ(follower.get(), 2 * kCommits);
}

// What is remembered stays within its bound; whoever is behind what was forgotten is told everything.
TEST_F(Subscribing, WhatIsRememberedIsBounded) {
  CreateView();
  Insert("10:00:00", 1);
  const auto state = aggregate::ViewState::Make(std::make_shared<AggregateQuery>(AggregateQuery{
      .view = {.name = "x"}, .evaluated_schema = arrow::schema({}), .output_schema = arrow::schema({})}));
  ASSERT_TRUE(state.ok()) << state.status();
  auto query = std::make_shared<AggregateQuery>();
  query->window_key = 0;
  std::uint64_t position = 1;
  ViewChanges changes(query, nullptr, [&] { return Position(position); }, clock_, {.bytes_max = 10 * 320});
  const auto place = changes.Join({}, std::nullopt, **state);
  const ChangeCursor start{.epoch = changes.epoch(), .position = Position(1)};
  changes.MoveTo(*place, start);
  for (std::int64_t window = 0; window < 10; ++window) {
    changes.Replaced({{.start = window}});
    changes.Publish(Position(++position), std::nullopt, **state);
  }
  EXPECT_THAT(changes.Since(*place).value(), SizeIs(10));
  EXPECT_EQ(changes.bytes(), 10 * 320);
  changes.Replaced({{.start = 10}});
  changes.Publish(Position(++position), std::nullopt, **state);
  EXPECT_FALSE(changes.Since(*place).has_value());
  EXPECT_LE(changes.bytes(), 10 * 320);
  changes.MoveTo(*place, {.epoch = changes.epoch(), .position = Position(9)});
  EXPECT_THAT(changes.Since(*place).value(), SizeIs(3));
  changes.Leave(*place);
}

}  // namespace
}  // namespace hyprstream::commit
