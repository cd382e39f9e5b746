// Idle engine connections for the server's own statements.
//
// Thread safety: all methods. Ownership: leases must end before the pool does.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "engine/engine.h"

namespace hyprstream::commit {

class ConnectionPool {
 public:
  explicit ConnectionPool(engine::Engine& engine) : engine_(engine) {}

  // A connection with a transaction of its own, rolled back and given back when the lease ends.
  class Lease {
   public:
    Lease(ConnectionPool& pool, std::unique_ptr<engine::Connection> connection)
        : pool_(&pool), connection_(std::move(connection)) {}
    Lease(Lease&&) = default;
    ~Lease();
    engine::Connection& operator*() { return *connection_; }
    engine::Connection* operator->() { return connection_.get(); }

   private:
    ConnectionPool* pool_;
    std::unique_ptr<engine::Connection> connection_;
  };

  arrow::Result<Lease> Begin();

 private:
  static constexpr std::size_t kIdleMax = 16;
  engine::Engine& engine_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<engine::Connection>> idle_;
};

}  // namespace hyprstream::commit
