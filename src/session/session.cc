// A session's life, metadata and settings.
#include "session/session.h"

#include <arrow/array/builder_binary.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

#include "base/nearest_name.h"
#include "session/result_reader.h"
#include "session/session_internal.h"

namespace hyprstream::session {

SessionImpl::SessionImpl(SessionServices& services, Identity identity, std::string id, std::string peer)
    : services_(services), identity_(std::move(identity)), id_(std::move(id)), peer_(std::move(peer)) {}

arrow::Status SessionImpl::Open() {
  ARROW_ASSIGN_OR_RAISE(home_, MakeLane());
  return arrow::Status::OK();
}

SessionInfo SessionImpl::Info() const {
  const MutexLock lock(mutex_);
  const auto idle = std::chrono::steady_clock::now() - last_used_;
  return {.id = id_,
          .user = identity_.user,
          .peer = peer_,
          .statements = statements_,
          .idle_seconds = std::chrono::duration_cast<std::chrono::seconds>(idle).count(),
          .in_transaction = sql_transaction_ || !transactions_.empty()};
}

std::chrono::steady_clock::time_point SessionImpl::last_used() const {
  const MutexLock lock(mutex_);
  const bool busy =
      subscriptions_ > 0 || home_->busy || std::ranges::any_of(extras_, [](const auto& lane) { return lane->busy; });
  return busy ? std::chrono::steady_clock::now() : last_used_;
}

void SessionImpl::Touch() {
  const MutexLock lock(mutex_);
  last_used_ = std::chrono::steady_clock::now();
}

bool SessionImpl::idle() const {
  const MutexLock lock(mutex_);
  const auto holds = [](const Lane& lane) { return lane.busy || lane.transaction; };
  return subscriptions_ == 0 && !holds(*home_) &&
         std::ranges::none_of(extras_, [&](const auto& lane) { return holds(*lane); });
}

void SessionImpl::Expire(std::chrono::steady_clock::time_point unused_since) {
  std::vector<Ticket> dropped;  // their rows and log entries end outside the lock
  std::vector<Lane*> rolled_back;
  {
    const MutexLock lock(mutex_);
    while (!ticket_order_.empty() && tickets_.at(ticket_order_.front()).made < unused_since) {
      dropped.push_back(std::move(tickets_.extract(ticket_order_.front()).mapped()));
      ticket_order_.pop_front();
    }
    std::erase_if(prepared_, [&](const auto& entry) { return entry.second.used < unused_since; });
    std::erase_if(transactions_, [&](const auto& entry) REQUIRES(mutex_) {
      Lane& lane = *entry.second;
      if (lane.busy || lane.used >= unused_since) return false;
      lane.busy = true;
      lane.transaction = false;
      NoteTransactionEnd(lane);
      rolled_back.push_back(&lane);
      return true;
    });
  }
  for (auto* lane : rolled_back) {
    ARROW_UNUSED(lane->connection->Rollback());
    GiveBack(*lane);
  }
}

void SessionImpl::Close() {
  std::vector<Lane*> rolled_back;
  {
    const MutexLock lock(mutex_);
    closed_ = true;
    const auto take = [&](Lane& lane) {
      if (lane.busy || !lane.transaction) return;
      lane.busy = true;
      lane.transaction = false;
      rolled_back.push_back(&lane);
    };
    take(*home_);
    for (const auto& lane : extras_) take(*lane);
    transactions_.clear();
    tickets_.clear();
    ticket_order_.clear();
    prepared_.clear();
    sql_transaction_ = false;
    lane_free_.NotifyAll();
  }
  services_.watcher.StopAll(this);
  services_.subscriptions.StopOwned(this, kSessionClosed);
  for (auto* lane : rolled_back) ARROW_UNUSED(lane->connection->Rollback());
}

// ---- metadata

arrow::Result<Batches> SessionImpl::Metadata(const RequestContext& context, std::string_view sql,
                                             const std::vector<std::string>& parameters) {
  ARROW_ASSIGN_OR_RAISE(const auto statements, services_.engine.Parse(sql));
  ARROW_ASSIGN_OR_RAISE(auto lease, AcquireFor(context, OnlyTransaction(), Purpose::kQuery));
  const bool own = !lease.connection().in_transaction();
  if (own) ARROW_RETURN_NOT_OK(services_.commits.Begin(lease.connection()));
  const auto rows = [&]() -> arrow::Result<Batches> {
    ARROW_ASSIGN_OR_RAISE(auto plan, lease.connection().Prepare(*statements[0], engine::Trust::kListing));
    arrow::FieldVector fields;
    arrow::ArrayVector columns;
    for (const auto& parameter : parameters) {
      arrow::StringBuilder builder;
      ARROW_RETURN_NOT_OK(builder.Append(parameter));
      ARROW_ASSIGN_OR_RAISE(auto column, builder.Finish());
      fields.push_back(arrow::field(std::to_string(fields.size() + 1), arrow::utf8()));
      columns.push_back(std::move(column));
    }
    const auto bound = parameters.empty() ? nullptr : arrow::RecordBatch::Make(arrow::schema(fields), 1, columns);
    ARROW_ASSIGN_OR_RAISE(auto executed, lease.connection().Execute(*plan, bound, engine::ResultMode::kBuffered));
    return NormalizeResult(executed.rows)->ToRecordBatches();
  }();
  if (own) ARROW_RETURN_NOT_OK(lease.connection().Rollback());
  return rows;
}

arrow::Result<std::vector<CatalogKeys>> SessionImpl::BackendKeys(const std::optional<std::string>& catalog) {
  std::vector<CatalogKeys> found;
  if (services_.backends == nullptr) return found;
  const auto& registry = services_.backends->registry();
  if (catalog) {
    const auto backend = registry.Find(FoldIdentifier(*catalog));
    if (backend == nullptr) return found;
    ARROW_ASSIGN_OR_RAISE(auto keys, backend->Keys());
    found.push_back({.catalog = backend->name(), .keys = std::move(keys)});
    return found;
  }
  for (const auto& info : registry.Backends()) {
    const auto backend = registry.Find(info.name);
    if (backend == nullptr) continue;
    auto keys = backend->Keys();
    if (keys.ok()) found.push_back({.catalog = backend->name(), .keys = std::move(keys).ValueUnsafe()});
  }
  return found;
}

arrow::Result<std::string> SessionImpl::LastingName(const RequestContext& context, TableRef table) {
  if (table.schema.empty()) {
    ARROW_ASSIGN_OR_RAISE(const auto lease, AcquireFor(context, OnlyTransaction(), Purpose::kQuery));
    table.schema = lease.connection().CurrentSchema();
  }
  return home_->connection->LastingName(table);
}

arrow::Result<std::shared_ptr<arrow::Schema>> SessionImpl::TableSchema(const RequestContext& context,
                                                                       const TableRef& table) {
  ARROW_ASSIGN_OR_RAISE(const auto name, LastingName(context, table));
  return Describe(context, "SELECT * FROM " + name, OnlyTransaction());
}

// ---- settings

arrow::Status SessionImpl::SetOption(const RequestContext& context, const std::string& name, const std::string& value) {
  static const std::vector<std::string> kNames = {"catalog", "schema", "time_zone"};
  std::string sql;
  if (name == "catalog") {
    ARROW_ASSIGN_OR_RAISE(const auto options, Options(context));
    if (options.at("catalog") == value) return arrow::Status::OK();
    return arrow::Status::Invalid("Unknown catalog: ", value, "; this server has ", options.at("catalog"));
  }
  if (name == "schema") {
    sql = "SET schema = " + QuoteLiteral(QuoteIdentifier(value));
  } else if (name == "time_zone" || FoldIdentifier(name) == "timezone") {
    sql = "SET TimeZone = " + QuoteLiteral(value);
  } else {
    return arrow::Status::Invalid("Unknown session option: ", name, DidYouMean(name, kNames));
  }
  ARROW_ASSIGN_OR_RAISE(const auto statement, ParseOne(sql));
  ARROW_ASSIGN_OR_RAISE(auto lease, AcquireFor(context, {}, Purpose::kStatement));
  return RunStatement(lease, *statement, {}).status();
}

arrow::Result<std::map<std::string, std::string>> SessionImpl::Options(const RequestContext& context) {
  ARROW_ASSIGN_OR_RAISE(
      const auto batches,
      Metadata(context, "SELECT current_database(), current_schema(), current_setting('TimeZone')::VARCHAR", {}));
  std::map<std::string, std::string> options;
  const char* names[] = {"catalog", "schema", "time_zone"};
  for (int i = 0; i < 3; ++i) {
    ARROW_ASSIGN_OR_RAISE(const auto scalar, batches[0]->column(i)->GetScalar(0));
    options[names[i]] = scalar->ToString();
  }
  return options;
}

}  // namespace hyprstream::session
