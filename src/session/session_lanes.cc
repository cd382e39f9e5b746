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

arrow::Status UnknownTransaction() {
  return arrow::Status::KeyError("Unknown transaction: it was ended, or belongs to another session");
}

arrow::Status SessionClosed() { return arrow::Status::Cancelled("The session was closed"); }
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

// Waits for the lane that `find` names, each time anew: while it waits a transaction may end, and its lane go to
// others.
arrow::Result<LaneLease> SessionImpl::Acquire(const RequestContext& context, const FindLane& find) {
  const MutexLock lock(mutex_);
  for (;;) {
    if (closed_) return SessionClosed();
    ARROW_ASSIGN_OR_RAISE(Lane* const lane, find());
    if (!lane->busy) {
      lane->busy = true;
      return LaneLease(shared_from_this(), *lane);
    }
    if (context.IsCancelled()) return arrow::Status::Cancelled("The call was cancelled while it waited for another");
    lane_free_.WaitUntil(mutex_, std::chrono::steady_clock::now() + kLanePoll);
  }
}

arrow::Result<LaneLease> SessionImpl::AcquireTransaction(const RequestContext& context, const Handle& transaction) {
  return Acquire(context, [&]() REQUIRES(mutex_) -> arrow::Result<Lane*> {
    const auto found = transactions_.find(transaction);
    if (found == transactions_.end()) return UnknownTransaction();
    return found->second;
  });
}

arrow::Result<std::unique_ptr<Lane>> SessionImpl::MakeLane() {
  ARROW_ASSIGN_OR_RAISE(auto connection, services_.engine.Connect());
  connection->ActFor(identity_);
  return std::make_unique<Lane>(std::move(connection));
}

arrow::Result<LaneLease> SessionImpl::AcquireExtra() {
  {
    const MutexLock lock(mutex_);
    if (closed_) return SessionClosed();
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

// A Flight SQL transaction holds home: what has none of it runs beside it.
bool SessionImpl::HomeIsTaken() const { return home_->transaction && !sql_transaction_; }

arrow::Result<LaneLease> SessionImpl::AcquireFor(const RequestContext& context, const Handle& transaction,
                                                 Purpose purpose) {
  bool at_home = false;
  {
    const MutexLock lock(mutex_);
    ++statements_;
    at_home = (sql_transaction_ || pinned_home_ || purpose == Purpose::kStatement) && !HomeIsTaken();
  }
  if (!transaction.empty()) {
    ARROW_ASSIGN_OR_RAISE(auto lease, AcquireTransaction(context, transaction));
    return Ready(std::move(lease));
  }
  if (at_home) {
    ARROW_ASSIGN_OR_RAISE(auto lease, Acquire(context, [this] { return home_.get(); }));
    bool taken = false;  // while this call waited
    {
      const MutexLock lock(mutex_);
      taken = HomeIsTaken();
    }
    if (!taken) return Ready(std::move(lease));
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
  std::map<std::string, std::string> missing;  // each by its name
  std::uint64_t version = 0;
  {
    const MutexLock lock(mutex_);
    version = settings_version_;
    for (const auto& [name, setting] : settings_) {
      if (setting.version > lease->settings_applied) missing.emplace(name, setting.text);
    }
  }
  if (!missing.empty()) {
    auto& connection = lease.connection();
    // The path and not its statement: what it names may have been dropped since, or rolled back.
    if (const auto path = missing.extract(kSearchPath)) ARROW_RETURN_NOT_OK(connection.SetSearchPath(path.mapped()));
    const bool own = !connection.in_transaction();
    if (own) ARROW_RETURN_NOT_OK(connection.Begin());
    for (const auto& [_, setting] : missing) ARROW_RETURN_NOT_OK(connection.Run(setting).status());
    if (own) ARROW_RETURN_NOT_OK(connection.Commit());
    lease->ForgetPlans();
  }
  lease->settings_applied = version;
  ARROW_RETURN_NOT_OK(BeginIfOpened(lease));
  return lease;
}

arrow::Result<Handle> SessionImpl::BeginTransaction(const RequestContext& context) {
  bool at_home = false;
  {
    const MutexLock lock(mutex_);
    if (static_cast<int>(transactions_.size()) >= services_.limits.transactions_max) {
      return arrow::Status::CapacityError("The session has ", transactions_.size(), " open transactions; end some");
    }
    at_home = !home_->transaction;
  }
  if (at_home) {
    ARROW_ASSIGN_OR_RAISE(const auto lease, Acquire(context, [this] { return home_.get(); }));
    const MutexLock lock(mutex_);
    if (!lease->transaction) return OpenOn(*lease);  // else another took it while this call waited
  }
  ARROW_ASSIGN_OR_RAISE(const auto lease, AcquireExtra());
  const MutexLock lock(mutex_);
  return OpenOn(*lease);
}

Handle SessionImpl::OpenOn(Lane& lane) {
  Handle handle = RandomHandle();
  lane.transaction = true;
  transactions_[handle] = &lane;
  return handle;
}

arrow::Status SessionImpl::EndTransaction(const RequestContext& context, const Handle& transaction, bool commit) {
  ARROW_ASSIGN_OR_RAISE(auto lease, AcquireTransaction(context, transaction));
  {
    const MutexLock lock(mutex_);
    if (transactions_.erase(transaction) == 0) return SessionClosed();
    lease->transaction = false;
    NoteTransactionEnd(*lease);
  }
  if (!lease.connection().in_transaction()) return arrow::Status::OK();  // no statement ran in it
  if (!commit) return lease.connection().Rollback();
  return services_.commits.Commit(lease.connection()).status();
}

}  // namespace hyprstream::session
