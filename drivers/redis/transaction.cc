#include "transaction.h"

#include "failure.h"

namespace adbc_redis {
namespace {

constexpr size_t kPartBytes = size_t{8} << 20;

arrow::Status ConnectionLost() {
  return Fail(ADBC_STATUS_IO, "The connection was lost within the transaction: nothing was written; begin again");
}

// Of the commands that EXEC ran, whose others have been carried out.
arrow::Status CheckOutcome(const redisReply& outcome) {
  if (outcome.type == REDIS_REPLY_NIL) {
    return Fail(ADBC_STATUS_INVALID_STATE,
                "Somebody else has changed what this transaction has read: nothing was written; run it again");
  }
  for (size_t i = 0; i < outcome.elements; ++i) {
    if (outcome.element[i]->type != REDIS_REPLY_ERROR) continue;
    const arrow::Status failed = StatusOfError(TextOf(*outcome.element[i]));
    return Fail(CodeOf(failed), failed.message() + " (command " + std::to_string(i + 1) + " of the transaction; the " +
                                    std::to_string(outcome.elements - 1) +
                                    " others were carried out, since the server rolls nothing back)");
  }
  return arrow::Status::OK();
}

arrow::Status Spoiled() {
  return Fail(ADBC_STATUS_INVALID_STATE,
              "A statement of this transaction has failed, and nothing of it is written: roll back, and begin again");
}

}  // namespace

arrow::Status Transaction::CheckConnection() const {
  return !connection_ || *connection_ == wire_->losses() ? arrow::Status::OK() : ConnectionLost();
}

arrow::Status Transaction::Watch(const std::vector<std::string>& keys) {
  ARROW_RETURN_NOT_OK(CheckConnection());
  if (!connection_) connection_ = wire_->losses();
  Pipeline pipeline;
  pipeline.Command(1 + keys.size()).Word("WATCH");
  for (const std::string& key : keys) pipeline.Word(key);
  return wire_->Run(pipeline).status();
}

arrow::Status Transaction::Hold(const Pipeline& commands) {
  ARROW_RETURN_NOT_OK(CheckConnection());
  if (spoiled_) return Spoiled();
  held_bytes_ += static_cast<int64_t>(commands.bytes().size());
  if (held_bytes_ > bytes_max_) {
    return Fail(ADBC_STATUS_INVALID_STATE,
                "The transaction changes more than the server should take at once, " + std::to_string(bytes_max_) +
                    " bytes: commit it in parts, make a table of the rows, or raise adbc.redis.transaction_bytes_max");
  }
  if (held_.empty() || held_.back().bytes().size() > kPartBytes) held_.emplace_back();
  held_.back().Add(commands);
  return arrow::Status::OK();
}

const std::shared_ptr<const Table>* Transaction::Described(const std::string& name) const {
  const auto found = described_.find(name);
  return found == described_.end() ? nullptr : &found->second;
}

void Transaction::Clear() {
  connection_.reset();
  held_.clear();
  held_bytes_ = 0;
  described_.clear();
  fresh_.clear();
  retired_.clear();
  rows_.clear();
  changed_.clear();
}

// `carried_out`: the server may have, in whole or in part, whatever is returned.
arrow::Status Transaction::Send(bool& carried_out) {
  ARROW_RETURN_NOT_OK(CheckConnection());
  if (!connection_) connection_ = wire_->losses();
  ARROW_RETURN_NOT_OK(wire_->Run({"MULTI"}).status());
  for (const Pipeline& part : held_) {
    ARROW_RETURN_NOT_OK(CheckConnection());
    const auto queued = wire_->Run(part);
    if (queued.ok()) continue;
    if (CheckConnection().ok()) (void)wire_->Run({"DISCARD"});
    return queued.status();
  }
  ARROW_RETURN_NOT_OK(CheckConnection());
  const auto outcome = wire_->Run({"EXEC"});
  if (!outcome.ok()) {
    carried_out = !CheckConnection().ok();
    if (!carried_out) return outcome.status();
    return Fail(CodeOf(outcome.status()), outcome.status().message() +
                                              ": the connection ended during the commit, so that it is not known "
                                              "whether it was carried out; look before you repeat it");
  }
  carried_out = (*outcome)->type != REDIS_REPLY_NIL;
  return CheckOutcome(**outcome);
}

arrow::Status Transaction::Commit(const Tables& tables) {
  if (spoiled_) {
    (void)Rollback(tables);
    return Spoiled();
  }
  if (held_.empty()) return Rollback(tables);
  bool carried_out = false;
  const arrow::Status committed = Send(carried_out);
  if (!carried_out) {
    (void)Rollback(tables);
    return committed;
  }
  // Nobody sees these rows any more; what cannot be removed now only takes room.
  if (committed.ok()) {
    for (const auto& [table, grace_ms] : retired_) (void)tables.RetireNow(table, grace_ms);
  }
  Clear();
  return committed;
}

void Transaction::Spoil(const Tables& tables) {
  (void)Rollback(tables);
  spoiled_ = true;
}

arrow::Status Transaction::Rollback(const Tables& tables) {
  const bool watches = connection_ && CheckConnection().ok();
  const auto fresh = std::move(fresh_);
  Clear();
  spoiled_ = false;
  if (watches) (void)wire_->Run({"UNWATCH"});  // a connection that is lost watches nothing
  for (const auto& [name, version] : fresh) {
    Table table;
    table.name = name;
    table.version = version;
    ARROW_RETURN_NOT_OK(tables.RetireNow(table, 0));
  }
  return arrow::Status::OK();
}

}  // namespace adbc_redis
