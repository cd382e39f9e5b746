#include "commit/connection_pool.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include <utility>

namespace hyprstream::commit {

ConnectionPool::Lease::~Lease() {
  if (!connection_) return;
  if (!connection_->Rollback().ok()) return;  // not to be trusted any more
  const std::lock_guard lock(pool_->mutex_);
  if (pool_->idle_.size() < kIdleMax) pool_->idle_.push_back(std::move(connection_));
}

arrow::Result<ConnectionPool::Lease> ConnectionPool::Begin() {
  std::unique_ptr<engine::Connection> connection;
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      connection = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!connection) {
    ARROW_ASSIGN_OR_RAISE(connection, engine_.Connect());
  }
  ARROW_RETURN_NOT_OK(connection->Begin());
  return Lease(*this, std::move(connection));
}

}  // namespace hyprstream::commit
