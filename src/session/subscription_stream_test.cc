// Subscriptions as doors see them: messages, their sizes, and how they end.
#include "session/subscription_stream.h"

#include <gmock/gmock.h>

#include <atomic>
#include <future>
#include <map>

#include "session/session_internal.h"
#include "session/session_test_support.h"

namespace hyprstream::session {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SubscriptionStreamTest : public SessionTest {
 protected:
  std::unique_ptr<ChangeStream> Subscribe(SubscriptionRequest request = {}) {
    request.view.name = "sales_5m";
    auto stream = session_->Subscribe(context_, request);
    EXPECT_TRUE(stream.ok()) << stream.status();
    return stream.ok() ? std::move(stream).ValueUnsafe() : nullptr;
  }
  static std::vector<std::string> OpsOf(const ChangeStream::Message& message) {
    std::vector<std::string> ops;
    const auto& column = static_cast<const arrow::StringArray&>(*message.batch->column(0));
    for (std::int64_t row = 0; row < column.length(); ++row) ops.push_back(column.GetString(row));
    return ops;
  }
  ChangeStream::Message Next(ChangeStream& stream) {
    auto message = stream.Next();
    EXPECT_TRUE(message.ok()) << message.status();
    return message.ok() ? *message : ChangeStream::Message{};
  }
  void MakeLargeWindow() {
    Update(
        "INSERT INTO sales SELECT TIMESTAMP '2026-01-01 10:00:00', 'region number ' || range, 1, 1 "
        "FROM range(200000)");
  }
};

TEST_F(SubscriptionStreamTest, AnUpdateIsOneMessage) {
  MakeSales();
  const auto stream = Subscribe();
  EXPECT_EQ(stream->schema()->field(0)->name(), "op");
  EXPECT_EQ(stream->schema()->num_fields(), 9);
  EXPECT_THAT(OpsOf(Next(*stream)), ElementsAre("reset"));
  Update("INSERT INTO sales VALUES ('2026-01-01 10:00:00', 'a', 1, 1), ('2026-01-01 10:00:00', 'b', 1, 1)");
  const auto update = Next(*stream);
  EXPECT_THAT(OpsOf(update), ElementsAre("upsert", "upsert"));
  EXPECT_FALSE(update.resume.empty());
  Update("DELETE FROM sales WHERE region = 'a'");
  const auto deleted = Next(*stream);
  EXPECT_THAT(OpsOf(deleted), ElementsAre("delete", "upsert"));
}

TEST_F(SubscriptionStreamTest, AnOpenTransactionOfItsSessionDoesNotMatter) {
  MakeSales();
  Update("BEGIN");
  Update("INSERT INTO sales VALUES ('2026-01-01 10:00:00', 'a', 1, 1)");
  const auto stream = Subscribe();
  EXPECT_THAT(OpsOf(Next(*stream)), ElementsAre("reset"));
  Update("COMMIT");
  EXPECT_THAT(OpsOf(Next(*stream)), ElementsAre("upsert"));
}

TEST_F(SubscriptionStreamTest, ALargeUpdateComesInSeveralMessages) {
  MakeSales();
  MakeLargeWindow();
  const auto stream = Subscribe();
  std::int64_t rows = 0;
  int messages = 0;
  for (;;) {
    const auto message = Next(*stream);
    ASSERT_NE(message.batch, nullptr);
    EXPECT_TRUE(message.is_snapshot);
    rows += message.batch->num_rows();
    ++messages;
    if (!message.resume.empty()) break;
  }
  EXPECT_EQ(rows, 200'001);
  EXPECT_GT(messages, 2);
  EXPECT_EQ(registry_->Subscriptions().at(0).snapshots, 1);
  Update("INSERT INTO sales VALUES ('2026-01-01 10:05:00', 'a', 1, 1)");
  EXPECT_THAT(OpsOf(Next(*stream)), ElementsAre("upsert"));
}

TEST_F(SubscriptionStreamTest, WhoTakesNothingOfALargeUpdateIsEnded) {
  Reopen({.subscription_stall_max = std::chrono::milliseconds(1)});
  MakeSales();
  MakeLargeWindow();
  const auto stream = Subscribe();
  const auto first = Next(*stream);
  EXPECT_TRUE(first.resume.empty());
  WaitFor([&] { return registry_->Subscriptions().at(0).state == "stalled"; });
  EXPECT_EQ(registry_->Subscriptions().at(0).bytes, 0);
  EXPECT_THAT(stream->Next().status().message(), HasSubstr("took nothing for 0.001 s in the middle of a large update"));
}

TEST_F(SubscriptionStreamTest, ItsSessionIsInUseAndEndsIt) {
  MakeSales();
  const auto stream = Subscribe();
  Next(*stream);
  auto waiting = std::async(std::launch::async, [&] { return stream->Next().status(); });
  WaitFor([&] { return registry_->Subscriptions().at(0).state == "waiting"; });
  EXPECT_TRUE(registry_->Close({.kind = SessionKey::Kind::kConnection, .value = "main"}));
  EXPECT_THAT(waiting.get().message(), HasSubstr("The session was closed; subscribe again"));
}

// Though it was closed when there was nothing of the subscription to stop yet.
TEST_F(SubscriptionStreamTest, ItsSessionWasClosedWhileItWasMade) {
  MakeSales();
  const SessionLimits limits;
  SessionServices services{.engine = *engine_, .commits = *commits_, .limits = limits};
  SubscriptionStream::Parts parts{
      .session = std::static_pointer_cast<SessionImpl>(session_),
      .place = services.subscriptions.TakePlace().ValueOrDie(),
      .subscription = commits_->Subscribe({.view = {.name = "sales_5m"}, .from_now = true}).ValueOrDie(),
      .select = nullptr,
      .rows_schema = arrow::schema({}),
      .request = {}};
  EXPECT_TRUE(registry_->Close({.kind = SessionKey::Kind::kConnection, .value = "main"}));
  int asked = 0;
  const RequestContext context{.request_id = "x", .identity = {}, .cancelled = [&] { return ++asked > 3; }};
  SubscriptionStream stream(context, services, std::move(parts));
  EXPECT_THAT(stream.Next().status().message(), HasSubstr("The session was closed; subscribe again"));
}

// Something changes all the time, but nothing that the filter lets pass.
TEST_F(SubscriptionStreamTest, TheTokenMovesOnWhateverTheFilterLeavesOut) {
  Reopen({.subscription_token_period = std::chrono::milliseconds(0)});
  MakeSales();
  const auto writer = NewSession("writer");
  int asked = 0;
  const auto here = std::this_thread::get_id();
  const auto write = [&] {
    if (std::this_thread::get_id() != here) return false;
    EXPECT_TRUE(writer->Update(context_, "INSERT INTO sales VALUES ('2026-01-01 10:00:00', 'a', 1, 1)", {}).ok());
    return ++asked > 20;
  };
  bool writing = false;
  const RequestContext context{.request_id = "x", .identity = {}, .cancelled = [&] { return writing && write(); }};
  SubscriptionRequest request;
  request.view.name = "sales_5m";
  request.where = "region = 'never'";
  const auto stream = session_->Subscribe(context, request).ValueOrDie();
  const auto first = Next(*stream);
  writing = true;
  const auto second = Next(*stream);
  ASSERT_NE(second.batch, nullptr);
  EXPECT_EQ(second.batch->num_rows(), 0);
  EXPECT_NE(second.resume, first.resume);
}

TEST_F(SubscriptionStreamTest, TheCallersLeavingEndsIt) {
  MakeSales();
  std::atomic<bool> gone = false;
  const RequestContext context{.request_id = "x", .identity = {}, .cancelled = [&] { return gone.load(); }};
  SubscriptionRequest request;
  request.view.name = "sales_5m";
  const auto stream = session_->Subscribe(context, request).ValueOrDie();
  ASSERT_TRUE(stream->Next().ok());
  auto waiting = std::async(std::launch::async, [&] { return stream->Next().status(); });
  gone = true;
  EXPECT_TRUE(waiting.get().IsCancelled());
}

TEST_F(SubscriptionStreamTest, SubscribersOnAllSidesOfCommitsEndWithTheView) {
  MakeSales();
  constexpr int kSubscribers = 6;
  constexpr int kCommits = 60;
  std::vector<std::future<std::int64_t>> orders;
  for (int i = 0; i < kSubscribers; ++i) {
    orders.push_back(std::async(std::launch::async, [&, i] {
      const auto session = NewSession("subscriber" + std::to_string(i));
      SubscriptionRequest request;
      request.view.name = "sales_5m";
      request.rows = i % 2 == 0 ? "groups" : "windows";
      const auto stream = session->Subscribe(context_, request).ValueOrDie();
      std::map<std::string, std::int64_t> told;  // by window and region
      for (;;) {
        const auto message = stream->Next().ValueOrDie();
        const auto& batch = *message.batch;
        for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
          const auto cell = [&](int column) { return batch.column(column)->GetScalar(row).ValueOrDie(); };
          if (cell(0)->ToString() == "reset") {
            told.clear();
          } else {
            told[cell(1)->ToString() + cell(2)->ToString()] = static_cast<const arrow::Int64Scalar&>(*cell(3)).value;
          }
        }
        std::int64_t sum = 0;
        for (const auto& [key, count] : told) sum += count;
        if (sum >= kCommits) return sum;
      }
    }));
  }
  for (int i = 0; i < kCommits; ++i) {
    Update("INSERT INTO sales VALUES ('2026-01-01 10:0" + std::to_string(i % 10) + ":00', 'r" + std::to_string(i % 3) +
           "', 1, 1)");
  }
  for (auto& sum : orders) EXPECT_EQ(sum.get(), kCommits);
}

TEST_F(SubscriptionStreamTest, ItsFilterMeansTheSameWhateverTheSessionSetsLater) {
  Update("SET TimeZone = 'Asia/Tokyo'");
  Update("CREATE TABLE t (ts TIMESTAMPTZ, names VARCHAR[]) WITH (time = 'ts')");
  Update(
      "CREATE MATERIALIZED VIEW v AS SELECT time_bucket(INTERVAL '1 hour', ts) AS w, names, count(*) AS n FROM t "
      "GROUP BY ALL");
  SubscriptionRequest request;
  request.view.name = "v";
  request.where = "w >= '2026-01-01 21:00:00' AND w < '2026-01-01 22:00:00' AND list_sort(names)[1] = 'a'";
  const auto stream = session_->Subscribe(context_, request).ValueOrDie();
  EXPECT_THAT(OpsOf(Next(*stream)), ElementsAre("reset"));
  const std::string insert =
      "INSERT INTO t SELECT TIMESTAMPTZ '2026-01-01 00:00:00Z' + INTERVAL (h) HOUR, ['b', 'a'] FROM range(24) r(h)";
  for (const char* set :
       {"SET TimeZone = 'America/New_York'", "SET default_order = 'desc'", "RESET TimeZone", "USE hyprstream"}) {
    Update(set);
    Update("INSERT INTO main.t" + insert.substr(insert.find(" SELECT")));
    const auto update = Next(*stream);
    ASSERT_NE(update.batch, nullptr) << set;
    EXPECT_EQ(OpsOf(update).size(), 1) << set;
    EXPECT_TRUE(update.batch->schema()->Equals(*stream->schema())) << set;
    EXPECT_EQ(update.batch->column(1)->GetScalar(0).ValueOrDie()->ToString(), "2026-01-01 12:00:00.000000Z") << set;
  }
  EXPECT_EQ(Rows("SELECT current_setting('TimeZone'), current_setting('default_order'), current_schema()"),
            "UTC|DESC|hyprstream\n")
      << "the session has its own again";
}

TEST_F(SubscriptionStreamTest, ItsPeriodIsBounded) {
  MakeSales();
  SubscriptionRequest request;
  request.view.name = "sales_5m";
  for (const char* on : {"366 days", "200000 days", "-2147483648 days", "2147483647 days", "9000000000 seconds",
                         "365 days 1 second", "1 year", "0 seconds", "-1 day", "often"}) {
    request.on = on;
    EXPECT_THAT(session_->Subscribe(context_, request).status().message(), HasSubstr("at most 365 days")) << on;
  }
  request.on = "365 days";
  EXPECT_TRUE(session_->Subscribe(context_, request).ok());
}

TEST_F(SubscriptionStreamTest, ItsSessionMakesNoRoomForOthers) {
  Reopen({.sessions_max = 2});
  MakeSales();
  const auto stream = Subscribe();
  Next(*stream);
  const auto other = NewSession("other");
  EXPECT_TRUE(other->Update(context_, "SELECT 1", {}).ok());  // used after the subscriber's
  NewSession("third");
  EXPECT_EQ(registry_->Subscriptions().size(), 1);
  Update("INSERT INTO sales VALUES ('2026-01-01 10:00:00', 'a', 1, 1)");
  EXPECT_THAT(OpsOf(Next(*stream)), ElementsAre("upsert"));
}

}  // namespace
}  // namespace hyprstream::session
