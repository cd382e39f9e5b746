// Interrupts stop statements, but never come between a commit and its answer.
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "engine/engine.h"

namespace hyprstream::engine {
namespace {

class InterruptTest : public ::testing::Test {
 protected:
  // Interrupts the connection all the time, until it is destroyed.
  class Interrupting {
   public:
    explicit Interrupting(Connection& connection)
        : thread_([this, &connection] {
            while (!done_) connection.Interrupt();
          }) {}
    ~Interrupting() {
      done_ = true;
      thread_.join();
    }

   private:
    std::atomic<bool> done_ = false;
    std::thread thread_;
  };

  std::unique_ptr<Engine> engine_ = Engine::Make({.threads = 2}).ValueOrDie();
  std::unique_ptr<Connection> connection_ = engine_->Connect().ValueOrDie();
};

TEST_F(InterruptTest, ACommitIsNotStopped) {
  ASSERT_TRUE(connection_->Begin().ok());
  ASSERT_TRUE(connection_->Run("CREATE TABLE t (i INTEGER)").ok());
  ASSERT_TRUE(connection_->Commit().ok());
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(connection_->Begin().ok());
    ASSERT_TRUE(connection_->Run("INSERT INTO t VALUES (1)").ok());
    const Interrupting interrupting(*connection_);
    const auto committed = connection_->Commit();
    ASSERT_TRUE(committed.ok()) << committed;
  }
}

TEST_F(InterruptTest, ARollbackIsNotStopped) {
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(connection_->Begin().ok());
    ASSERT_TRUE(connection_->Run("CREATE TABLE t AS SELECT * FROM range(10)").ok());
    const Interrupting interrupting(*connection_);
    ASSERT_TRUE(connection_->Rollback().ok());
    ASSERT_FALSE(connection_->in_transaction());
  }
}

}  // namespace
}  // namespace hyprstream::engine
