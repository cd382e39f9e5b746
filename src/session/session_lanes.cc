// Which connection a call runs on; see session.h for the rules.
#include <arrow/result.h>
#include <arrow/status.h>

#include <algorithm>
#include <utility>

#include "session/session_internal.h"

namespace hyprstream::session {

namespace {
constexpr std::chrono::milliseconds kLanePoll{20};
constexpr std::size_t kIdleLanesMax = 8;
constexpr std::size_t kLanesMax = 64;
}  // namespace

LaneLease::~LaneLease() {
  if (session_) session_->GiveBack(*lane_);
}

void SessionImpl::GiveBack(Lane& lane) {
  if (!lane.transaction && lane.connection->in_transaction()) ARROW_UNUSED(lane.connection->Rollback());
  const MutexLock lock(mutex_);
  lane.busy = false;
  lane.used = last_used_ = std::chrono::steady_clock::now();
  if (closed_ && lane.transaction) {
    lane.transaction = false;
    ARROW_UNUSED(lane.connection->Rollback());
  }
  if (&lane != home_.get() && !lane.transaction) {
    if (idle_.size() < kIdleLanesMax && !closed_) {
      idle_.push_back(&lane);
    } else {
      std::erase_if(extras_, [&](const auto& extra) { return extra.get() == &lane; });
    }
  }
  lane_free_.NotifyAll();
}

bool SessionImpl::in_transaction(const Handle& transaction) const {
  const MutexLock lock(mutex_);
  return !transaction.empty() || sql_transaction_;
}

// The session's open Flight SQL transaction; "" when it has none, or several.
Handle SessionImpl::OnlyTransaction() const {
  const MutexLock lock(mutex_);
  return transactions_.size() == 1 ? transactions_.begin()->first : Handle();
}

// Stock clients keep a prepared statement across transactions and name none when they run it.
Handle SessionImpl::TransactionOf(const PreparedHandle& prepared) const {
  const MutexLock lock(mutex_);
  if (!prepared.transaction.empty() && transactions_.contains(prepared.transaction)) return prepared.transaction;
  if (prepared.transaction.empty() && !prepared.follows) return {};
  return transactions_.size() == 1 ? transactions_.begin()->first : Handle();
}

arrow::Result<LaneLease> SessionImpl::Acquire(const RequestContext& context, Lane& lane) {
  const MutexLock lock(mutex_);
  while (lane.busy) {
    if (closed_) return arrow::Status::Cancelled("The session was closed");
    if (context.IsCancelled()) return arrow::Status::Cancelled("The call was cancelled while it waited for another");
    lane_free_.WaitUntil(mutex_, std::chrono::steady_clock::now() + kLanePoll);
  }
  if (closed_) return arrow::Status::Cancelled("The session was closed");
  lane.busy = true;
  return LaneLease(shared_from_this(), lane);
}

arrow::Result<std::unique_ptr<Lane>> SessionImpl::MakeLane() {
  ARROW_ASSIGN_OR_RAISE(auto connection, services_.engine.Connect());
  connection->ActFor(identity_);
  return std::make_unique<Lane>(std::move(connection));
}

arrow::Result<LaneLease> SessionImpl::AcquireExtra() {
  {
    const MutexLock lock(mutex_);
    if (closed_) return arrow::Status::Cancelled("The session was closed");
    if (!idle_.empty()) {
      Lane& lane = *idle_.back();
      idle_.pop_back();
      lane.busy = true;
      return LaneLease(shared_from_this(), lane);
    }
    if (extras_.size() >= kLanesMax) {
      return arrow::Status::CapacityError("The session has ", extras_.size(),
                                          " open results and transactions; read or close some of them");
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto lane, MakeLane());
  lane->busy = true;
  Lane& made = *lane;
  const MutexLock lock(mutex_);
  extras_.push_back(std::move(lane));
  return LaneLease(shared_from_this(), made);
}

arrow::Result<LaneLease> SessionImpl::AcquireFor(const RequestContext& context, const Handle& transaction,
                                                 Purpose purpose) {
  Lane* lane = nullptr;
  {
    const MutexLock lock(mutex_);
    ++statements_;
    if (!transaction.empty()) {
      const auto found = transactions_.find(transaction);
      if (found == transactions_.end()) {
        return arrow::Status::KeyError("Unknown transaction: it was ended, or belongs to another session");
      }
      lane = found->second;
    } else if (sql_transaction_ || pinned_home_ || purpose == Purpose::kStatement) {
      lane = home_.get();
      // A Flight SQL transaction may hold home; what has none of it runs beside it.
      if (lane->transaction && !sql_transaction_) lane = nullptr;
    }
  }
  if (lane != nullptr) {
    ARROW_ASSIGN_OR_RAISE(auto lease, Acquire(context, *lane));
    return Ready(std::move(lease));
  }
  ARROW_ASSIGN_OR_RAISE(auto lease, AcquireExtra());
  return Ready(std::move(lease));
}

// A transaction that a client has opened begins at its first statement: it reads what is there then, and a client that
// opens one and idles pins nothing.
arrow::Status SessionImpl::BeginIfOpened(LaneLease& lease) {
  if (!lease->transaction || lease.connection().in_transaction()) return arrow::Status::OK();
  return services_.commits.Begin(lease.connection());
}

// Brings the lane's settings up to the session's.
arrow::Result<LaneLease> SessionImpl::Ready(LaneLease lease) {
  std::vector<std::string> missing;
  {
    const MutexLock lock(mutex_);
    missing.assign(settings_.begin() + static_cast<std::ptrdiff_t>(lease->settings_applied), settings_.end());
    lease->settings_applied = settings_.size();
  }
  if (!missing.empty()) {
    const bool own = !lease.connection().in_transaction();
    if (own) ARROW_RETURN_NOT_OK(lease.connection().Begin());
    for (const auto& setting : missing) ARROW_RETURN_NOT_OK(lease.connection().Run(setting).status());
    if (own) ARROW_RETURN_NOT_OK(lease.connection().Commit());
    lease->ForgetPlans();
  }
  ARROW_RETURN_NOT_OK(BeginIfOpened(lease));
  return lease;
}

arrow::Result<Handle> SessionImpl::BeginTransaction(const RequestContext& context) {
  bool home_free = false;
  {
    const MutexLock lock(mutex_);
    if (static_cast<int>(transactions_.size()) >= services_.limits.transactions_max) {
      return arrow::Status::CapacityError("The session has ", transactions_.size(), " open transactions; end some");
    }
    home_free = !home_->transaction && !sql_transaction_;
  }
  auto acquired = home_free ? Acquire(context, *home_) : AcquireExtra();
  ARROW_RETURN_NOT_OK(acquired.status());
  auto lease = std::move(acquired).ValueUnsafe();
  const Handle handle = RandomHandle();
  const MutexLock lock(mutex_);
  lease->transaction = true;
  transactions_[handle] = &*lease;
  return handle;
}

arrow::Status SessionImpl::EndTransaction(const RequestContext& context, const Handle& transaction, bool commit) {
  Lane* lane = nullptr;
  {
    const MutexLock lock(mutex_);
    const auto found = transactions_.find(transaction);
    if (found == transactions_.end()) {
      return arrow::Status::KeyError("Unknown transaction: it was ended, or belongs to another session");
    }
    lane = found->second;
  }
  ARROW_ASSIGN_OR_RAISE(auto lease, Acquire(context, *lane));
  {
    const MutexLock lock(mutex_);
    if (transactions_.erase(transaction) == 0) {
      return arrow::Status::KeyError("Unknown transaction: it was ended while this call waited");
    }
    lease->transaction = false;
  }
  if (!lease.connection().in_transaction()) return arrow::Status::OK();  // no statement ran in it
  if (!commit) return lease.connection().Rollback();
  return services_.commits.Commit(lease.connection()).status();
}

}  // namespace hyprstream::session
