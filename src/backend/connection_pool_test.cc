#include "backend/connection_pool.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <gmock/gmock.h>

#include <atomic>
#include <future>
#include <thread>

#include "base/fake_clock.h"
#include "support/status_assertions.h"

namespace hyprstream::backend {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

// What the connections of one test share.
struct Database {
  std::atomic<int> made = 0;
  std::atomic<int> open = 0;
  std::atomic<int> open_most = 0;
  std::atomic<int> checks = 0;
  std::atomic<bool> down = false;
};

class FakeConnection : public PooledConnection {
 public:
  explicit FakeConnection(Database& database) : number(++database.made), database_(database) {
    const int open = ++database.open;
    int most = database.open_most;
    while (most < open && !database.open_most.compare_exchange_weak(most, open)) {
    }
  }
  ~FakeConnection() override { --database_.open; }
  arrow::Status Check() override {
    ++database_.checks;
    return broken || database_.down ? arrow::Status::IOError("gone") : arrow::Status::OK();
  }

  const int number;
  bool broken = false;

 private:
  Database& database_;
};

ConnectionPool::Connect Connecting(Database& database) {
  return [&database]() -> arrow::Result<std::unique_ptr<PooledConnection>> {
    if (database.down) return arrow::Status::IOError("refused");
    return std::make_unique<FakeConnection>(database);
  };
}

FakeConnection& Of(const ConnectionPool::Lease& lease) { return static_cast<FakeConnection&>(lease.connection()); }

TEST(ConnectionPool, UsesTheOneAgainThatWasUsedLast) {
  FakeClock clock;
  Database database;
  ConnectionPool pool({.name = "w"}, Connecting(database), clock);
  ASSERT_OK_AND_ASSIGN(auto one, pool.Acquire({}));
  ASSERT_OK_AND_ASSIGN(auto two, pool.Acquire({}));
  EXPECT_TRUE(one.is_new());
  EXPECT_EQ(pool.counts().in_use, 2);
  one.Return();
  two.Return();
  EXPECT_EQ(pool.counts().in_use, 0);
  EXPECT_EQ(pool.counts().idle, 2);
  ASSERT_OK_AND_ASSIGN(auto again, pool.Acquire({}));
  EXPECT_EQ(Of(again).number, 2);
  EXPECT_FALSE(again.is_new());
  EXPECT_EQ(database.checks, 0) << "used a moment ago";
}

TEST(ConnectionPool, EndsWhatIsNotGivenBack) {
  FakeClock clock;
  Database database;
  ConnectionPool pool({.name = "w"}, Connecting(database), clock);
  {
    ASSERT_OK_AND_ASSIGN(auto lease, pool.Acquire({}));
  }
  EXPECT_EQ(database.open, 0);
  EXPECT_EQ(pool.counts().in_use, 0);
  EXPECT_EQ(pool.counts().idle, 0);
}

TEST(ConnectionPool, ChecksWhatWasUnusedAndReplacesWhatFails) {
  FakeClock clock;
  Database database;
  ConnectionPool pool({.name = "w"}, Connecting(database), clock);
  {
    ASSERT_OK_AND_ASSIGN(auto lease, pool.Acquire({}));
    lease.Return();
  }
  clock.Advance(milliseconds{1'000});
  {
    ASSERT_OK_AND_ASSIGN(auto lease, pool.Acquire({}));
    EXPECT_EQ(database.checks, 1);
    EXPECT_EQ(Of(lease).number, 1);
    Of(lease).broken = true;
    lease.Return();
  }
  pool.Suspect();
  ASSERT_OK_AND_ASSIGN(auto lease, pool.Acquire({}));
  EXPECT_EQ(database.checks, 2);
  EXPECT_EQ(Of(lease).number, 2);
  EXPECT_EQ(database.open, 1);
}

TEST(ConnectionPool, GivesTheErrorOfAConnectionAndKeepsItsRoom) {
  FakeClock clock;
  Database database;
  database.down = true;
  ConnectionPool pool({.name = "w", .connections_max = 1}, Connecting(database), clock);
  for (int i = 0; i < 3; ++i) EXPECT_THAT(pool.Acquire({}).status().message(), HasSubstr("refused"));
  database.down = false;
  EXPECT_OK(pool.Acquire({}).status());
}

TEST(ConnectionPool, SaysWhoWaitsWhenTheWaitRunsOut) {
  FakeClock clock;
  Database database;
  ConnectionPool pool({.name = "warehouse", .connections_max = 1, .wait_max = milliseconds{2'000}},
                      Connecting(database), clock);
  ASSERT_OK_AND_ASSIGN(auto held, pool.Acquire({}));
  auto second = std::async(std::launch::async, [&] { return pool.Acquire({}).status(); });
  clock.WaitForSleepers(1);
  EXPECT_EQ(pool.counts().waiting, 1);
  clock.Advance(milliseconds{2'000});
  const auto status = second.get();
  EXPECT_TRUE(status.IsCapacityError());
  EXPECT_THAT(status.message(), HasSubstr("No connection to warehouse came free in 2000 ms: all 1 are in use"));
  EXPECT_EQ(pool.counts().waiting, 0);
  EXPECT_EQ(pool.counts().in_use, 1);
}

TEST(ConnectionPool, GivesWhatComesFreeToWhoWaitsLongest) {
  FakeClock clock;
  Database database;
  ConnectionPool pool({.name = "w", .connections_max = 1}, Connecting(database), clock);
  ASSERT_OK_AND_ASSIGN(auto held, pool.Acquire({}));
  std::vector<int> order;
  std::vector<std::future<void>> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.push_back(std::async(std::launch::async, [&, i] {
      auto lease = pool.Acquire({});
      ASSERT_OK(lease);
      order.push_back(i);  // one at a time has the connection
      lease->Return();
    }));
    clock.WaitForSleepers(static_cast<std::size_t>(i) + 1);
  }
  held.Return();
  for (auto& one : waiting) one.get();
  EXPECT_THAT(order, ::testing::ElementsAre(0, 1, 2));
  EXPECT_EQ(database.made, 1);
}

TEST(ConnectionPool, StopsWaitingForWhoIsGone) {
  const SystemClock clock;
  Database database;
  ConnectionPool pool({.name = "w", .connections_max = 1}, Connecting(database), clock);
  ASSERT_OK_AND_ASSIGN(auto held, pool.Acquire({}));
  std::atomic<bool> gone = false;
  auto second = std::async(std::launch::async, [&] { return pool.Acquire([&] { return gone.load(); }).status(); });
  gone = true;
  EXPECT_TRUE(second.get().IsCancelled());
}

TEST(ConnectionPool, EndsIdleConnectionsButTheLeastNumber) {
  FakeClock clock;
  Database database;
  ConnectionPool pool(
      {.name = "w", .connections_min = 1, .idle_max = milliseconds{100}, .life_max = milliseconds{1'000}},
      Connecting(database), clock);
  {
    std::vector<ConnectionPool::Lease> leases;
    for (int i = 0; i < 3; ++i) {
      ASSERT_OK_AND_ASSIGN(auto lease, pool.Acquire({}));
      leases.push_back(std::move(lease));
    }
    for (auto& lease : leases) lease.Return();
  }
  EXPECT_OK(pool.Sweep());
  EXPECT_EQ(database.open, 3);
  clock.Advance(milliseconds{100});
  EXPECT_OK(pool.Sweep());
  EXPECT_EQ(database.open, 1);
  clock.Advance(milliseconds{1'000});
  EXPECT_OK(pool.Sweep());
  EXPECT_EQ(database.open, 1) << "the old one is replaced";
  EXPECT_EQ(database.made, 4);
  database.down = true;
  clock.Advance(milliseconds{1'000});
  EXPECT_THAT(pool.Sweep().message(), HasSubstr("refused"));
  EXPECT_EQ(pool.counts().in_use + pool.counts().idle, 0);
}

TEST(ConnectionPool, CancelsEverybodyWhenClosed) {
  FakeClock clock;
  Database database;
  ConnectionPool pool({.name = "w", .connections_max = 1}, Connecting(database), clock);
  ASSERT_OK_AND_ASSIGN(auto held, pool.Acquire({}));
  auto second = std::async(std::launch::async, [&] { return pool.Acquire({}).status(); });
  clock.WaitForSleepers(1);
  pool.Close();
  EXPECT_TRUE(second.get().IsCancelled());
  EXPECT_TRUE(pool.Acquire({}).status().IsCancelled());
  held.Return();
  EXPECT_EQ(database.open, 0);
}

TEST(ConnectionPool, NeverHasMoreThanItsMostUnderLoad) {
  const SystemClock clock;
  Database database;
  ConnectionPool pool({.name = "w", .connections_max = 3}, Connecting(database), clock);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        auto lease = pool.Acquire({});
        ASSERT_OK(lease);
        if ((i + t) % 5 != 0) lease->Return();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(pool.counts().in_use, 0);
  EXPECT_LE(pool.counts().idle, 3);
  EXPECT_EQ(database.open, pool.counts().idle);
}

}  // namespace
}  // namespace hyprstream::backend
