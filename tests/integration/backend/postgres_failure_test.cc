// PostgreSQL as a backend that is slow, goes away, is overloaded, or whose callers go.
#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <future>
#include <thread>

#include "postgres_backend.h"

namespace hyprstream::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kSleep = "SELECT 1 AS one FROM pg_sleep(60)";
// Takes longer to send than any test reads.
constexpr const char* kEndless = "SELECT generate_series(1, 100000000) AS g, repeat('x', 200) AS s";

class PostgresFailures : public PostgresBackend {
 protected:
  void TearDown() override {
    for (const auto& info : registry_->Backends()) {
      for (const auto& text : {info.last_error, info.target, info.driver_version}) {
        EXPECT_THAT(text, Not(HasSubstr(kPassword)));
      }
    }
  }

  bool IsActive() const { return Connections("state = 'active'") > 0; }
  backend::BackendInfo Info() const { return registry_->Backends().at(0); }

  static arrow::Status ReadAll(const Backend& backend, const std::string& sql) {
    return ReadQuery(backend, sql).status();
  }
  static arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Begin(const Backend& backend,
                                                                        const std::string& sql) {
    ARROW_ASSIGN_OR_RAISE(const auto source, backend.Query(sql, {}));
    return source->Scan(WholeOf(*source));
  }
};

TEST_F(PostgresFailures, ACancelEndsTheStatementThereSoon) {
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Query(kSleep, {}));
  std::atomic<bool> gone = false;
  ScanRequest request = WholeOf(*source);
  request.cancelled = [&] { return gone.load(); };
  auto result = std::async(std::launch::async, [&] { return Read(*source, request).status(); });
  ASSERT_TRUE(Eventually([&] { return IsActive(); }));
  const auto began = std::chrono::steady_clock::now();
  gone = true;
  const auto status = result.get();
  EXPECT_LT(std::chrono::steady_clock::now() - began, seconds(1));
  EXPECT_TRUE(status.IsCancelled()) << status;
  EXPECT_TRUE(Eventually([&] { return Connections() == 0; })) << "its connection is not used again";
  EXPECT_OK(ReadAll(*backend, "SELECT 1 AS one"));
}

TEST_F(PostgresFailures, AStatementThatTakesTooLongEnds) {
  auto spec = Spec();
  spec.statement_timeout = milliseconds(300);
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec));
  const auto status = ReadAll(*backend, kSleep);
  EXPECT_TRUE(status.IsIOError());
  EXPECT_THAT(status.message(), HasSubstr("warehouse had not answered within its statement_timeout of 300 ms"));
  EXPECT_TRUE(Eventually([&] { return !IsActive(); }));
  EXPECT_EQ(Info().breaker, "closed") << "one alone says little";
  EXPECT_EQ(Info().errors, 1);
}

TEST_F(PostgresFailures, AServerThatHangsHoldsNobody) {
  auto spec = Spec();
  spec.statement_timeout = milliseconds(300);
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec));
  ASSERT_OK_AND_ASSIGN(auto reader, Begin(*backend, kEndless));
  ASSERT_OK(reader->Next());
  const auto pids = Sql("SELECT pid FROM pg_stat_activity WHERE application_name = '" + application() + "'");
  const pid_t pid = std::atoi(pids.c_str());
  ASSERT_GT(pid, 1);
  ASSERT_EQ(kill(pid, SIGSTOP), 0);
  const auto began = std::chrono::steady_clock::now();
  const auto status = reader->ToTable().status();
  reader.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - began, seconds(10));
  EXPECT_TRUE(status.IsIOError());
  EXPECT_THAT(status.message(), HasSubstr("statement_timeout of 300 ms"));
  EXPECT_EQ(Info().pool_in_use, 0);
  EXPECT_OK(ReadAll(*backend, "SELECT 1 AS one"));
  kill(pid, SIGCONT);
  EXPECT_TRUE(Eventually([&] { return !IsActive(); }));
}

TEST_F(PostgresFailures, AReaderOfAServerThatHangsCanLeave) {
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  ASSERT_OK_AND_ASSIGN(auto reader, Begin(*backend, kEndless));
  ASSERT_OK(reader->Next());
  const pid_t pid =
      std::atoi(Sql("SELECT pid FROM pg_stat_activity WHERE application_name = '" + application() + "'").c_str());
  ASSERT_GT(pid, 1);
  ASSERT_EQ(kill(pid, SIGSTOP), 0);
  const auto began = std::chrono::steady_clock::now();
  reader.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - began, seconds(5));
  kill(pid, SIGCONT);
}

TEST_F(PostgresFailures, ARowThatIsNotReadDoesNotCountAgainstTheTimeOut) {
  auto spec = Spec();
  spec.statement_timeout = seconds(2);
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec));
  ASSERT_OK_AND_ASSIGN(const auto reader, Begin(*backend, "SELECT g FROM generate_series(1, 400000) g"));
  ASSERT_OK(reader->Next());
  const auto began = std::chrono::steady_clock::now();
  ASSERT_TRUE(Eventually([&] { return std::chrono::steady_clock::now() - began > seconds(3); }));
  EXPECT_OK(reader->ToTable());
}

TEST_F(PostgresFailures, AnAbandonedReaderEndsItsStatement) {
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  {
    ASSERT_OK_AND_ASSIGN(const auto reader, Begin(*backend, kEndless));
    ASSERT_OK(reader->Next());
    EXPECT_EQ(Info().pool_in_use, 1);
  }
  EXPECT_EQ(Info().pool_in_use, 0);
  EXPECT_TRUE(Eventually([&] { return !IsActive(); }));
}

TEST_F(PostgresFailures, AServerThatStopsInMidStreamIsAnErrorUntilItIsBack) {
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  ASSERT_OK_AND_ASSIGN(const auto reader, Begin(*backend, kEndless));
  ASSERT_OK(reader->Next());
  server_.Stop();
  const auto rest = reader->ToTable();
  const auto& status = rest.status();
  ASSERT_TRUE(status.IsIOError()) << status;
  EXPECT_THAT(status.message(), HasSubstr("warehouse: "));
  EXPECT_TRUE(ReadAll(*backend, "SELECT 1 AS one").IsIOError());
  ASSERT_OK(server_.Restart());
  EXPECT_TRUE(Eventually([&] { return ReadAll(*backend, "SELECT 1 AS one").ok(); }));
  EXPECT_EQ(Info().state, backend::BackendState::kAvailable);
}

TEST_F(PostgresFailures, ConnectionsThatDiedWhileIdleAreNobodysError) {
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  ASSERT_OK(ReadAll(*backend, "SELECT 1 AS one"));
  ASSERT_OK(server_.Restart());
  EXPECT_OK(ReadAll(*backend, "SELECT 1 AS one"));
  Sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '" + application() + "'");
  EXPECT_OK(ReadAll(*backend, "SELECT 1 AS one"));
}

TEST_F(PostgresFailures, TheBreakerOpensAndClosesByItself) {
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  server_.Stop();
  ASSERT_TRUE(Eventually([&] {
    EXPECT_FALSE(ReadAll(*backend, "SELECT 1 AS one").ok());
    return Info().breaker == "open";
  }));
  EXPECT_EQ(Info().state, backend::BackendState::kUnavailable);
  const auto status = ReadAll(*backend, "SELECT 1 AS one");
  EXPECT_TRUE(status.IsIOError());
  EXPECT_THAT(status.message(), AllOf(HasSubstr("warehouse"), HasSubstr("refused")));
  ASSERT_OK(server_.Restart());
  EXPECT_TRUE(Eventually([&] { return Info().breaker == "closed"; })) << "nobody asked";
  EXPECT_OK(ReadAll(*backend, "SELECT 1 AS one"));
}

TEST_F(PostgresFailures, AFullPoolMakesOthersWaitABoundedTime) {
  auto spec = Spec();
  spec.pool_max = 1;
  spec.pool_wait = milliseconds(200);
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec));
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Query("SELECT 1 AS one", {}));
  ASSERT_OK_AND_ASSIGN(auto reader, Begin(*backend, kEndless));
  const auto status = Read(*source).status();
  EXPECT_TRUE(status.IsCapacityError());
  EXPECT_THAT(status.message(), HasSubstr("No connection to warehouse came free in 200 ms: all 1 are in use"));
  reader.reset();
  EXPECT_OK(Read(*source));
}

TEST_F(PostgresFailures, DetachingEndsWhatRuns) {
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Query(kSleep, {}));
  auto result = std::async(std::launch::async, [&] { return Read(*source).status(); });
  ASSERT_TRUE(Eventually([&] { return IsActive(); }));
  ASSERT_OK(registry_->Detach("warehouse"));
  const auto status = result.get();
  EXPECT_TRUE(status.IsCancelled());
  EXPECT_THAT(status.message(), HasSubstr("warehouse was detached"));
  EXPECT_TRUE(backend->Tables("public").status().IsCancelled());
  EXPECT_TRUE(Eventually([&] { return Connections() == 0; }));
}

TEST_F(PostgresFailures, CancelledFailedAndAbandonedStatementsLeaveThePoolWhole) {
  constexpr int kThreads = 4;
  constexpr int kEach = 50;
  auto spec = Spec();
  spec.pool_max = kThreads;
  ASSERT_OK_AND_ASSIGN(const auto backend, registry_->Attach(spec));
  ASSERT_OK_AND_ASSIGN(const auto sleep, backend->Query(kSleep, {}));
  ASSERT_OK_AND_ASSIGN(const auto failing,
                       backend->Query("SELECT 1 / (100 - g) AS v FROM generate_series(1, 200) g", {}));
  ASSERT_OK_AND_ASSIGN(const auto endless, backend->Query(kEndless, {}));
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        ScanRequest request = WholeOf(*sleep);
        request.cancelled = [asked = std::make_shared<std::atomic<int>>(0), i] { return ++*asked > i % 3; };
        if (!Read(*sleep, request).status().IsCancelled()) ++wrong;
        if (!Read(*failing).status().IsInvalid()) ++wrong;
        auto reader = endless->Scan(WholeOf(*endless));
        if (!reader.ok() || (i % 2 == 0 && !(*reader)->Next().ok())) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(Info().pool_in_use, 0);
  EXPECT_EQ(Info().breaker, "closed");
  EXPECT_TRUE(Eventually([&] { return Connections() == Info().pool_idle && !IsActive(); }));
  EXPECT_LE(Connections(), kThreads);
  EXPECT_OK(ReadAll(*backend, "SELECT 1 AS one"));
}

TEST_F(PostgresFailures, ErrorsInMidStreamHaveTheirSqlState) {
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  const auto status = ReadAll(*backend, "SELECT 1 / (500000 - g) AS v FROM generate_series(1, 600000) g");
  EXPECT_TRUE(status.IsInvalid());
  EXPECT_THAT(status.message(), HasSubstr("warehouse: division by zero (SQLSTATE 22012)"));
}

}  // namespace
}  // namespace hyprstream::testing
