// Running statements: what one does to its lane, its transaction and the session; see session.h for the rules.
#include <arrow/array.h>
#include <arrow/array/array_binary.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <map>
#include <utility>

#include "session/result_reader.h"
#include "session/session_internal.h"

namespace hyprstream::session {

using engine::StatementKind;

namespace {

bool EndsOrBeginsTransaction(StatementKind kind) {
  return kind == StatementKind::kBegin || kind == StatementKind::kCommit || kind == StatementKind::kRollback;
}

bool IsViewStatement(StatementKind kind) {
  return kind == StatementKind::kCreateMaterializedView || kind == StatementKind::kDropMaterializedView ||
         kind == StatementKind::kAlterMaterializedView || kind == StatementKind::kRefreshMaterializedView ||
         kind == StatementKind::kInsertStates;
}

bool IsBackendStatement(StatementKind kind) {
  return kind == StatementKind::kAttachBackend || kind == StatementKind::kDetachBackend ||
         kind == StatementKind::kRefreshBackend;
}

// Its text does not say what it does: EXECUTE may change rows, and EXPLAIN's last row names the route. Neither waits
// for its fetch.
bool RunsWhenStarted(StatementKind kind) { return kind == StatementKind::kExplain || kind == StatementKind::kExecute; }

// Can it be planned without running it?
bool CanPlan(StatementKind kind) {
  return !EndsOrBeginsTransaction(kind) && !IsViewStatement(kind) && !IsBackendStatement(kind);
}

bool IsReadOnlyQuery(const engine::PreparedInfo& info) {
  return info.schema->num_fields() > 0 && !info.changes_rows &&
         (info.kind == StatementKind::kQuery || info.kind == StatementKind::kExplain ||
          info.kind == StatementKind::kExecute);
}

arrow::Status Forbidden(const engine::Statement& statement) {
  if (!statement.target().empty()) return arrow::Status::Invalid(statement.target());
  return arrow::Status::Invalid(
      "This kind of statement is not allowed: files, other databases, extensions and server settings are out of reach "
      "of "
      "SQL here");
}

// Which setting a SET, RESET or USE changes: only the last of each has to be repeated elsewhere.
std::string SettingName(const engine::Statement& statement) {
  const auto name = FoldIdentifier(statement.target());
  return statement.kind() == StatementKind::kUse || name == "schema" ? kSearchPath : name;
}

std::string Listed(const std::vector<std::string>& names) {
  std::string list;
  for (const auto& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

// Which tables were scanned where. `here`: what answers the rest, if it is more than tables.
Provenance WithBackends(const engine::PreparedInfo& info, const std::string& here) {
  std::map<std::string, std::vector<std::string>> scanned;
  for (const auto& read : info.backend_reads) {
    scanned[read.backend].push_back(read.table.name.empty() ? "a query of its own"
                                                            : read.table.schema + "." + read.table.name);
  }
  std::string reason;
  for (const auto& [backend, tables] : scanned)
    reason += (reason.empty() ? "" : "; ") + backend + ": " + Listed(tables);
  std::vector<std::string> local;
  for (const auto& table : info.reads) local.push_back(table.ToString());
  std::string parts;
  for (const auto& pushed : info.pushed) parts += "; answered there as a whole: " + pushed;
  for (const auto& why : info.not_pushed) parts += "; not as a whole: " + why;
  if (scanned.size() == 1 && local.empty()) return {.route = "backend", .reason = "scans at " + reason + parts};
  if (!local.empty()) reason += "; here: " + Listed(local);
  if (!here.empty()) reason += " (" + here + ")";
  return {.route = "federated", .reason = "scans at " + reason + parts};
}

// Every row of the batches as a batch of its own; one null for no parameters at all.
Batches RowsOf(const Batches& parameters) {
  Batches rows;
  for (const auto& batch : parameters) {
    for (std::int64_t row = 0; row < batch->num_rows(); ++row) rows.push_back(batch->Slice(row, 1));
  }
  return rows;
}

}  // namespace

arrow::Result<std::shared_ptr<const engine::Statement>> SessionImpl::ParseOne(std::string_view sql) {
  ARROW_ASSIGN_OR_RAISE(auto statements, services_.engine.Parse(sql));
  if (statements.size() != 1) {
    return arrow::Status::Invalid("One statement per call; this text has ", statements.size(),
                                  ". Send several as one update (executescript)");
  }
  if (statements[0]->kind() == StatementKind::kForbidden) return Forbidden(*statements[0]);
  return std::move(statements[0]);
}

std::vector<PlannedTable> SessionImpl::PlannedTables(const engine::PreparedInfo& info) const {
  std::vector<PlannedTable> tables;
  for (const auto& read : info.backend_reads) {
    tables.push_back({.backend = read.backend, .table = read.table, .schema = nullptr});
    const auto backend = services_.backends == nullptr ? nullptr : services_.backends->registry().Find(read.backend);
    if (backend == nullptr || read.table.name.empty()) continue;
    const auto found = backend->Table(read.table.schema, read.table.name);
    if (found.ok()) tables.back().schema = (*found)->schema();
  }
  return tables;
}

bool SessionImpl::AreAsPlanned(const std::vector<PlannedTable>& tables) const {
  return std::ranges::all_of(tables, [&](const auto& planned) {
    const auto backend = services_.backends == nullptr ? nullptr : services_.backends->registry().Find(planned.backend);
    if (backend == nullptr || planned.schema == nullptr) return false;
    const auto found = backend->Table(planned.table.schema, planned.table.name);
    return found.ok() && (*found)->schema()->Equals(*planned.schema, /*check_metadata=*/true);
  });
}

// Changes with the settings and temporary names by which a text means something else.
std::uint64_t SessionImpl::Meaning() const {
  const MutexLock lock(mutex_);
  return settings_version_ + names_version_;
}

// Planned when it was prepared, and nothing that its columns depend on has changed since.
bool SessionImpl::IsStillDescribed(const PreparedHandle& prepared, const Handle& transaction) const {
  if (prepared.catalog_version != services_.commits.catalog_version() || in_transaction(transaction)) return false;
  if (prepared.meaning != Meaning()) return false;
  return prepared.backend_tables.empty() ||
         (prepared.failures == fetch_failures_ && AreAsPlanned(prepared.backend_tables));
}

// `catalog_version` was read before the lane's transaction began: a plan may be newer than it says, never older.
arrow::Result<engine::Prepared*> SessionImpl::PlanQuery(Lane& lane, const engine::Statement& statement,
                                                        std::uint64_t catalog_version) {
  const auto as_planned = [this](const auto& tables) { return AreAsPlanned(tables); };
  if (auto* kept = lane.FindPlan(statement.text(), catalog_version, as_planned)) return kept;
  ARROW_ASSIGN_OR_RAISE(auto plan, lane.connection->Prepare(statement, engine::Trust::kClient));
  auto tables = PlannedTables(plan->info());
  return lane.KeepPlan(statement.text(), catalog_version, std::move(tables), std::move(plan));
}

// One execution per row of parameters. Several results are concatenated.
arrow::Result<SessionImpl::Outcome> SessionImpl::RunRows(LaneLease& lease, engine::Prepared& plan,
                                                         const Batches& parameters) {
  Outcome outcome{.rows = nullptr, .schema = plan.info().schema, .rows_changed = 0};
  auto rows = RowsOf(parameters);
  if (parameters.empty()) rows.push_back(nullptr);
  if (plan.info().backend_write) {
    if (rows.empty()) return outcome;
    ARROW_ASSIGN_OR_RAISE(const auto executed, lease.connection().ExecuteTogether(plan, rows));
    outcome.rows_changed = std::max<std::int64_t>(executed.rows_changed, 0);
    return outcome;
  }
  std::vector<std::shared_ptr<arrow::RecordBatchReader>> results;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto executed = lease.connection().Execute(plan, rows[i], engine::ResultMode::kBuffered);
    if (!executed.ok()) {  // nothing of the rows before may be committed
      if (i > 0 && !IsReadOnlyQuery(plan.info())) lease.connection().Invalidate("a row of parameters failed");
      return executed.status();
    }
    if (executed->rows != nullptr) results.push_back(executed->rows);
    outcome.rows_changed += std::max<std::int64_t>(executed->rows_changed, 0);
  }
  if (!results.empty()) outcome.schema = results[0]->schema();
  if (outcome.schema->num_fields() > 0) {
    outcome.rows = ConcatenateResults(outcome.schema, std::move(results));
    outcome.schema = outcome.rows->schema();
  }
  return outcome;
}

arrow::Result<SessionImpl::Outcome> SessionImpl::RunTransactionStatement(LaneLease& lease,
                                                                         const engine::Statement& statement) {
  const Outcome done{.rows = nullptr, .schema = arrow::schema({}), .rows_changed = 0};
  {
    const MutexLock lock(mutex_);
    if (&*lease != home_.get() || (lease->transaction && !sql_transaction_)) {
      return arrow::Status::Invalid("A Flight SQL transaction is open; end it with its own calls, not with SQL");
    }
    if (statement.kind() == StatementKind::kBegin && sql_transaction_) {
      return arrow::Status::Invalid("A transaction is open already; COMMIT or ROLLBACK it first");
    }
    if (statement.kind() != StatementKind::kBegin && !sql_transaction_) {
      return arrow::Status::Invalid("No transaction is open; BEGIN opens one");
    }
  }
  auto status = arrow::Status::OK();  // of BEGIN: the transaction begins at its first statement
  if (statement.kind() == StatementKind::kCommit) {
    status = services_.commits.Commit(lease.connection()).status();
  } else if (statement.kind() == StatementKind::kRollback) {
    status = lease.connection().Rollback();
  }
  const MutexLock lock(mutex_);
  sql_transaction_ = statement.kind() == StatementKind::kBegin;
  lease->transaction = sql_transaction_;
  NoteTransactionEnd(*lease);
  ARROW_RETURN_NOT_OK(status);
  return done;
}

arrow::Result<std::string> SessionImpl::TimeZone(engine::Connection& connection) {
  ARROW_ASSIGN_OR_RAISE(const auto executed, connection.Run("SELECT current_setting('TimeZone')::VARCHAR"));
  ARROW_ASSIGN_OR_RAISE(const auto batches, executed.rows->ToRecordBatches());
  if (batches.empty()) return arrow::Status::UnknownError("the engine does not say its time zone");
  return static_cast<const arrow::StringArray&>(*batches[0]->column(0)).GetString(0);
}

arrow::Result<SessionImpl::Outcome> SessionImpl::InsertStates(engine::Connection& connection,
                                                              const engine::InsertStates& insert) {
  ARROW_ASSIGN_OR_RAISE(const auto plan, connection.Prepare(*insert.rows, engine::Trust::kClient));
  if (!IsReadOnlyQuery(plan->info())) {
    return arrow::Status::Invalid("INSERT INTO states(...) takes its rows from a query that changes nothing");
  }
  ARROW_ASSIGN_OR_RAISE(const auto executed, connection.Execute(*plan, nullptr, engine::ResultMode::kBuffered));
  ARROW_ASSIGN_OR_RAISE(const auto rows, services_.commits.MergeStates(connection, insert, *executed.rows));
  return Outcome{.rows = nullptr, .schema = arrow::schema({}), .rows_changed = rows};
}

// Takes effect at once, for everybody, and nothing takes it back.
arrow::Result<SessionImpl::Outcome> SessionImpl::RunBackendStatement(LaneLease& lease,
                                                                     const engine::Statement& statement) {
  if (lease->transaction || lease.connection().in_transaction()) {
    return arrow::Status::Invalid(
        "ATTACH, DETACH and REFRESH BACKEND are not part of a transaction; COMMIT or ROLLBACK it first");
  }
  if (services_.backends == nullptr) return arrow::Status::NotImplemented("This server has no backends");
  ARROW_RETURN_NOT_OK(services_.backends->Run(identity_, statement));
  return Outcome{.rows = nullptr, .schema = arrow::schema({}), .rows_changed = 0};
}

arrow::Result<SessionImpl::Outcome> SessionImpl::RunViewStatement(engine::Connection& connection,
                                                                  const engine::Statement& statement) {
  if (const auto backend = connection.written_backend(); !backend.empty()) {
    return arrow::Status::Invalid("A transaction writes local tables or one backend, never both: this one has changed ",
                                  backend, "; COMMIT it first");
  }
  if (const auto* create = statement.create_view()) {
    ARROW_ASSIGN_OR_RAISE(const auto zone, TimeZone(connection));
    ARROW_RETURN_NOT_OK(services_.commits.CreateView(connection, *create, zone).status());
  } else if (const auto* drop = statement.drop_view()) {
    ARROW_RETURN_NOT_OK(services_.commits.DropView(connection, *drop).status());
  } else if (const auto* alter = statement.alter_view()) {
    ARROW_RETURN_NOT_OK(services_.commits.AlterView(connection, *alter).status());
  } else if (const auto* refresh = statement.refresh_view()) {
    ARROW_RETURN_NOT_OK(services_.commits.RefreshView(connection, *refresh));
  } else if (const auto* insert = statement.insert_states()) {
    return InsertStates(connection, *insert);
  }
  return Outcome{.rows = nullptr, .schema = arrow::schema({}), .rows_changed = 0};
}

arrow::Result<SessionImpl::Outcome> SessionImpl::RunInTransaction(LaneLease& lease, const engine::Statement& statement,
                                                                  const Batches& parameters) {
  if (statement.kind() == StatementKind::kForbidden) return Forbidden(statement);
  if (IsViewStatement(statement.kind())) return RunViewStatement(lease.connection(), statement);
  ARROW_ASSIGN_OR_RAISE(const auto plan, lease.connection().Prepare(statement, engine::Trust::kClient));
  ARROW_RETURN_NOT_OK(services_.commits.CheckStatement(statement, plan->info()));
  const auto renaming = statement.kind() == StatementKind::kAlter ? plan->info().renaming : std::nullopt;
  if (renaming.has_value()) ARROW_RETURN_NOT_OK(services_.commits.CarryOptions(lease.connection(), *renaming));
  auto ran = RunRows(lease, *plan, parameters);
  if (!ran.ok() && renaming.has_value()) lease.connection().Invalidate("a renaming failed");
  ARROW_ASSIGN_OR_RAISE(auto outcome, std::move(ran));
  if (statement.kind() == StatementKind::kExplain && outcome.rows != nullptr) {
    const auto provenance = ProvenanceOf(plan->info());
    outcome.rows = AppendTextRow(std::move(outcome.rows), {"route", provenance.route + " (" + provenance.reason + ")"});
  }
  if (const auto* options = statement.table_options(); options != nullptr && !plan->info().backend_write) {
    const auto set = services_.commits.SetTableOptions(lease.connection(), *options);
    if (!set.ok()) lease.connection().Invalidate("a table's options could not be set");
    ARROW_RETURN_NOT_OK(set);
  }
  ARROW_RETURN_NOT_OK(NoteEffects(*lease, statement, plan->info()));
  return outcome;
}

// Temporary names may be gone again, or back.
void SessionImpl::NoteTransactionEnd(Lane& lane) {
  if (!pinned_home_) return;
  ++names_version_;
  lane.ForgetPlans();
}

// Statements whose effect is on the session: other lanes must repeat it, or leave the work to home.
arrow::Status SessionImpl::NoteEffects(Lane& lane, const engine::Statement& statement,
                                       const engine::PreparedInfo& info) {
  ARROW_ASSIGN_OR_RAISE(const auto path, lane.connection->SearchPath());
  const MutexLock lock(mutex_);
  if (statement.kind() == StatementKind::kSet || statement.kind() == StatementKind::kUse) {
    const auto version = ++settings_version_;
    const auto name = SettingName(statement);
    settings_[name] = {.version = version, .text = name == kSearchPath ? path : statement.text()};
    if (lane.settings_applied + 1 == version) lane.settings_applied = version;
    lane.ForgetPlans();
  }
  if (statement.kind() == StatementKind::kPrepare || info.temporary) pinned_home_ = true;
  if (info.temporary && !info.changes_rows && statement.kind() != StatementKind::kQuery) {  // names mean others
    ++names_version_;
    lane.ForgetPlans();
  }
  return arrow::Status::OK();
}

arrow::Result<SessionImpl::Outcome> SessionImpl::RunStatement(LaneLease& lease, const engine::Statement& statement,
                                                              const Batches& parameters) {
  if (IsBackendStatement(statement.kind())) return RunBackendStatement(lease, statement);
  ARROW_RETURN_NOT_OK(BeginIfOpened(lease));
  if (EndsOrBeginsTransaction(statement.kind())) return RunTransactionStatement(lease, statement);
  if (lease->transaction) return RunInTransaction(lease, statement, parameters);
  ARROW_RETURN_NOT_OK(services_.commits.Begin(lease.connection()));
  auto outcome = RunInTransaction(lease, statement, parameters);
  if (!outcome.ok()) {
    ARROW_RETURN_NOT_OK(lease.connection().Rollback());
    return outcome;
  }
  ARROW_RETURN_NOT_OK(services_.commits.Commit(lease.connection()).status());
  return outcome;
}

// Plans without running anything.
arrow::Result<engine::PreparedInfo> SessionImpl::DescribeOn(LaneLease& lease, const engine::Statement& statement) {
  if (!CanPlan(statement.kind()))
    return engine::PreparedInfo{
        .kind = statement.kind(), .schema = arrow::schema({}), .parameters = {}, .reads = {}, .writes = {}};
  const bool own = !lease.connection().in_transaction();
  const auto version = services_.commits.catalog_version();
  if (own) ARROW_RETURN_NOT_OK(services_.commits.Begin(lease.connection()));
  auto info = [&]() -> arrow::Result<engine::PreparedInfo> {
    if (statement.kind() == StatementKind::kQuery && own) {
      ARROW_ASSIGN_OR_RAISE(const auto* plan, PlanQuery(*lease, statement, version));
      return plan->info();
    }
    ARROW_ASSIGN_OR_RAISE(const auto plan, lease.connection().Prepare(statement, engine::Trust::kClient));
    ARROW_RETURN_NOT_OK(services_.commits.CheckStatement(statement, plan->info()));
    return plan->info();
  }();
  if (own) ARROW_RETURN_NOT_OK(lease.connection().Rollback());
  if (info.ok()) info->schema = NormalizeSchema(info->schema);
  return info;
}

Provenance SessionImpl::ProvenanceOf(const engine::PreparedInfo& info) const {
  std::string views;
  for (const auto& table : info.reads) {
    if (services_.commits.IsView(table)) views += (views.empty() ? "" : ", ") + table.ToString();
  }
  std::string reason = views.empty() ? "" : "states of materialized view " + views;
  for (const auto& rolled_up : info.roll_ups) reason += (reason.empty() ? "" : "; ") + rolled_up;
  if (!info.backend_reads.empty()) return WithBackends(info, reason);
  if (!reason.empty()) return {.route = "aggregate", .reason = std::move(reason)};
  Provenance local;
  for (const auto& why : info.no_roll_ups) local.reason += "; no view answers it: " + why;
  return local;
}

arrow::Result<Handle> SessionImpl::KeepTicket(Ticket ticket) {
  const Handle handle = RandomHandle();
  const MutexLock lock(mutex_);
  tickets_[handle] = std::move(ticket);
  ticket_order_.push_back(handle);
  while (static_cast<int>(ticket_order_.size()) > services_.limits.tickets_max) {
    tickets_.erase(ticket_order_.front());
    ticket_order_.pop_front();
  }
  return handle;
}

arrow::Result<Started> SessionImpl::StartStatement(const RequestContext& context,
                                                   const std::shared_ptr<const engine::Statement>& statement,
                                                   const Handle& transaction, const Batches& parameters,
                                                   const PreparedHandle* prepared) {
  const bool transactional = in_transaction(transaction);
  Ticket ticket{.statement = statement,
                .transaction = transaction,
                .parameters = parameters,
                .schema = arrow::schema({}),
                .result = nullptr,
                .shared = !transactional};
  Started started{
      .ticket = {}, .schema = ticket.schema, .is_query = false, .rows_changed = -1, .route = {}, .reason = {}};
  const auto note = [&](Provenance provenance) {
    started.route = provenance.route;
    started.reason = provenance.reason;
    ticket.provenance = std::move(provenance);
  };
  const bool known = prepared != nullptr && prepared->description.is_query && !prepared->open_types &&
                     !RunsWhenStarted(statement->kind()) && IsStillDescribed(*prepared, transaction);
  if (known) {
    ticket.schema = started.schema = prepared->description.dataset_schema;
    started.is_query = true;
    note(prepared->provenance);
    ARROW_ASSIGN_OR_RAISE(started.ticket, KeepTicket(std::move(ticket)));
    return started;
  }
  const bool may_be_query = statement->kind() == StatementKind::kQuery || statement->kind() == StatementKind::kExplain;
  ARROW_ASSIGN_OR_RAISE(auto lease,
                        AcquireFor(context, transaction, may_be_query ? Purpose::kQuery : Purpose::kStatement));
  const auto watch = services_.watcher.Begin(context, lease.connection(), this);
  if (prepared != nullptr) ARROW_RETURN_NOT_OK(NoteRunningPrepared(prepared->description.handle, watch->name()));
  auto log = services_.log.Begin(context, id_, statement->text());
  auto run = [&]() -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const auto info, DescribeOn(lease, *statement));
    note(ProvenanceOf(info));
    log->SetRoute(started.route);
    const bool open_types = std::ranges::any_of(info.parameters, [](const auto& p) { return p.type == nullptr; });
    // Inside a transaction a query runs now: by the time it is fetched the transaction may have changed or ended.
    if (IsReadOnlyQuery(info) && !open_types && !transactional && !RunsWhenStarted(info.kind)) {
      started.is_query = true;
      ticket.schema = started.schema = info.schema;
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(auto outcome, RunStatement(lease, *statement, parameters));
    started.is_query = IsReadOnlyQuery(info);
    started.rows_changed = started.is_query ? -1 : outcome.rows_changed;
    ticket.schema = started.schema = outcome.schema;
    ticket.result = outcome.rows != nullptr ? outcome.rows : EmptyResult(outcome.schema);
    ticket.shared = started.is_query;
    return arrow::Status::OK();
  }();
  run = watch->Explain(std::move(run));
  if (run.ok() && ticket.result == nullptr) {
    log->Plan();
    ticket.log = std::move(log);
  } else {
    log->Finish(run, std::max<std::int64_t>(started.rows_changed, 0));
  }
  ARROW_RETURN_NOT_OK(run);
  ARROW_ASSIGN_OR_RAISE(started.ticket, KeepTicket(std::move(ticket)));
  return started;
}

arrow::Result<Started> SessionImpl::Start(const RequestContext& context, std::string_view sql,
                                          const Handle& transaction) {
  ARROW_ASSIGN_OR_RAISE(const auto statement, ParseOne(sql));
  return StartStatement(context, statement, transaction, {}, nullptr);
}

arrow::Result<std::shared_ptr<arrow::Schema>> SessionImpl::Describe(const RequestContext& context, std::string_view sql,
                                                                    const Handle& transaction) {
  ARROW_ASSIGN_OR_RAISE(const auto statement, ParseOne(sql));
  ARROW_ASSIGN_OR_RAISE(auto lease, AcquireFor(context, transaction, Purpose::kQuery));
  const auto watch = services_.watcher.Begin(context, lease.connection(), this);
  const auto info = DescribeOn(lease, *statement);
  ARROW_RETURN_NOT_OK(watch->Explain(info.status()));
  return info->schema;
}

arrow::Result<std::int64_t> SessionImpl::Update(const RequestContext& context, std::string_view sql,
                                                const Handle& transaction) {
  ARROW_ASSIGN_OR_RAISE(const auto statements, services_.engine.Parse(sql));
  for (const auto& statement : statements) {
    if (statement->kind() == StatementKind::kForbidden) return Forbidden(*statement);
  }
  ARROW_ASSIGN_OR_RAISE(auto lease, AcquireFor(context, transaction, Purpose::kStatement));
  return UpdateSeveral(context, statements, lease);
}

// Several statements outside a transaction are one transaction, unless they bring their own BEGIN or COMMIT. Backends
// come and go outside of any, and so before everything else.
arrow::Result<std::int64_t> SessionImpl::UpdateSeveral(
    const RequestContext& context, const std::vector<std::shared_ptr<const engine::Statement>>& statements,
    LaneLease& lease) {
  const auto of_backend = [](const auto& statement) { return IsBackendStatement(statement->kind()); };
  const auto first = std::ranges::find_if_not(statements, of_backend);
  if (std::any_of(first, statements.end(), of_backend)) {
    return arrow::Status::Invalid(
        "ATTACH, DETACH and REFRESH BACKEND are not part of a transaction: in a script they stand before all ",
        "other statements");
  }
  const bool brings_own = std::any_of(first, statements.end(),
                                      [](const auto& statement) { return EndsOrBeginsTransaction(statement->kind()); });
  const bool one = statements.end() - first > 1 && !brings_own && !lease->transaction;
  const char* none =
      first == statements.begin() ? " (none of them was applied)" : " (of them, only ATTACH and DETACH took effect)";
  std::int64_t rows = 0;
  for (auto at = statements.begin(); at != statements.end(); ++at) {
    const bool together = one && at >= first;
    if (together && at == first) ARROW_RETURN_NOT_OK(services_.commits.Begin(lease.connection()));
    auto log = services_.log.Begin(context, id_, (*at)->text());
    const auto watch = services_.watcher.Begin(context, lease.connection(), this);
    auto outcome = together ? RunInTransaction(lease, **at, {}) : RunStatement(lease, **at, {});
    const auto status = watch->Explain(outcome.status());
    log->Finish(status, outcome.ok() ? outcome->rows_changed : 0);
    if (!status.ok()) {
      if (together) ARROW_RETURN_NOT_OK(lease.connection().Rollback());
      if (statements.size() == 1) return status;
      return status.WithMessage("Statement ", at - statements.begin() + 1, " of ", statements.size(), ": ",
                                status.message(), together ? none : "");
    }
    rows += outcome->rows_changed;
  }
  if (one) ARROW_RETURN_NOT_OK(services_.commits.Commit(lease.connection()).status());
  return rows;
}

}  // namespace hyprstream::session
