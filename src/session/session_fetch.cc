// Tickets and prepared statements of a session.
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

#include "base/batch_read_ahead.h"
#include "ingest/batch_check.h"
#include "session/result_reader.h"
#include "session/session_internal.h"

namespace hyprstream::session {

namespace {

constexpr std::int64_t kParameterRowsMax = 1'000'000;  // each is an execution

// One batch of a result is read before the client has room for it, whatever its size, beside the one in the reading
// thread's hand: a client that does not read must hold little.
constexpr std::int64_t kReadAheadBytes = 1;
constexpr int kBatchesReadByCaller = 2;  // a short answer is not worth a thread

// What a streaming query holds until its end: the lane and its transaction, the watch, the log entry.
struct RunningQuery {
  LaneLease lease;
  std::unique_ptr<CancelWatcher::Watch> watch;
  std::unique_ptr<QueryLog::Entry> log;
  engine::Prepared* plan = nullptr;
  Batches parameters = {};  // one row each
  std::size_t next_parameters = 0;
  bool started = false;
  std::shared_ptr<arrow::RecordBatchReader> rows = nullptr;
  int batches_read = 0;  // by the caller
  std::unique_ptr<BatchReadAhead> ahead = nullptr;
};

arrow::Status UnknownTicket() {
  return arrow::Status::KeyError("Unknown ticket: it was fetched already, expired, or belongs to another session");
}

arrow::Status UnknownPrepared() {
  return arrow::Status::KeyError("Unknown prepared statement: it was closed, or belongs to another session");
}

// Types that a client can bind whatever it means: what is unknown, and what Arrow carries as text anyway.
std::shared_ptr<arrow::Schema> ParameterSchema(const std::vector<engine::ParameterInfo>& parameters) {
  arrow::FieldVector fields;
  for (const auto& parameter : parameters) {
    const auto type = parameter.type == nullptr || parameter.type->id() == arrow::Type::DICTIONARY ||
                              parameter.type->id() == arrow::Type::EXTENSION
                          ? arrow::utf8()
                          : parameter.type;
    fields.push_back(arrow::field(parameter.name, type));
  }
  return arrow::schema(std::move(fields));
}

// Can they be parameters at all?
arrow::Status CheckValues(const Batches& parameters, std::int64_t batch_bytes_max) {
  std::int64_t rows = 0;
  for (const auto& batch : parameters) {
    const auto valid = ingest::CheckBatch(*batch, batch_bytes_max);
    if (!valid.ok()) return valid.WithMessage("The parameters: ", valid.message());
    rows += batch->num_rows();
  }
  if (rows <= kParameterRowsMax) return arrow::Status::OK();
  return arrow::Status::Invalid("The parameters have ", rows, " rows; at most ", kParameterRowsMax,
                                " are taken at once. Bind fewer, or ingest them into a table");
}

// Are they as many as the statement has?
arrow::Status CheckCount(const Batches& parameters, const PreparedDescription& description) {
  const int expected = description.parameter_schema->num_fields();
  for (const auto& batch : parameters) {
    if (batch->num_columns() == expected) continue;
    return arrow::Status::Invalid("The statement has ", expected, " parameters but ", batch->num_columns(),
                                  " values were bound");
  }
  return arrow::Status::OK();
}

// The next batch of a query that may run several times, once per row of parameters.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> NextBatch(RunningQuery& query,
                                                             const std::shared_ptr<arrow::Schema>& schema) {
  for (;;) {
    if (query.rows == nullptr) {
      const bool more = query.parameters.empty() ? !query.started : query.next_parameters < query.parameters.size();
      if (!more) return nullptr;
      const auto row = query.parameters.empty() ? nullptr : query.parameters[query.next_parameters++];
      const bool first = query.next_parameters <= 1;  // follows the call's own start: asking gRPC again is not free
      if (!first && query.watch->stopped()) return arrow::Status::Cancelled("The query was cancelled");
      query.started = true;
      auto executed = query.lease.connection().Execute(*query.plan, row, engine::ResultMode::kStreaming);
      ARROW_RETURN_NOT_OK(query.watch->Explain(executed.status()));
      query.rows = NormalizeResult(std::move(executed->rows));
      if (!query.rows->schema()->Equals(*schema, /*check_metadata=*/false)) {
        return arrow::Status::Invalid("The result's columns changed since the statement was planned; run it again");
      }
    }
    std::shared_ptr<arrow::RecordBatch> batch;
    const auto read = query.rows->ReadNext(&batch);
    if (!read.ok()) return query.watch->Explain(read);
    if (batch != nullptr) return batch;
    query.rows.reset();
  }
}

// The next batch, which a thread may have read already: DuckDB computes while another batch is encoded and sent.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> NextAhead(RunningQuery& query,
                                                             const std::shared_ptr<arrow::Schema>& schema) {
  if (query.batches_read < kBatchesReadByCaller) {
    ++query.batches_read;
    return NextBatch(query, schema);
  }
  if (query.ahead == nullptr) {
    query.ahead = std::make_unique<BatchReadAhead>(
        BatchReadAhead::Source{.next = [&query, schema] { return NextBatch(query, schema); },
                               .interrupt = [&query] { query.lease.connection().Interrupt(); }},
        kReadAheadBytes);
  }
  return query.ahead->Pop();
}

}  // namespace

// ---- tickets

bool SessionImpl::HasSharedTicket(const Handle& ticket) const {
  const MutexLock lock(mutex_);
  const auto found = tickets_.find(ticket);
  return found != tickets_.end() ? found->second.shared : running_.contains(ticket);
}

arrow::Result<std::unique_ptr<arrow::RecordBatchReader>> SessionImpl::Fetch(const RequestContext& context,
                                                                            const Handle& handle) {
  Ticket ticket;
  {
    const MutexLock lock(mutex_);
    const auto found = tickets_.find(handle);
    if (found == tickets_.end()) return UnknownTicket();
    ticket = std::move(found->second);
    tickets_.erase(found);
    ticket_order_.remove(handle);
  }
  if (ticket.result == nullptr) return FetchQuery(context, handle, std::move(ticket));
  return MakeReader(
      {.schema = ticket.schema,
       .next = [rows = ticket.result]() -> arrow::Result<std::shared_ptr<arrow::RecordBatch>> { return rows->Next(); },
       .finish = [self = shared_from_this()](const arrow::Status& status, std::int64_t) { return status; }});
}

arrow::Result<std::unique_ptr<arrow::RecordBatchReader>> SessionImpl::FetchQuery(const RequestContext& context,
                                                                                 const Handle& handle, Ticket ticket) {
  ARROW_ASSIGN_OR_RAISE(auto lease, AcquireFor(context, ticket.transaction, Purpose::kQuery));
  auto log = std::move(ticket.log);
  if (log == nullptr) log = services_.log.Begin(context, id_, ticket.statement->text());
  log->Resume();
  log->SetRoute(ticket.provenance.route);
  auto watch = services_.watcher.Begin(context, lease.connection(), this);
  NoteRunning(handle, watch->name());
  const bool at_home = &*lease == home_.get();
  if (lease->transaction || at_home) {  // the connection must be free for the session's next statement
    auto outcome = RunStatement(lease, *ticket.statement, ticket.parameters);
    const auto status = watch->Explain(outcome.status());
    if (!status.ok()) log->Finish(status, 0);
    ARROW_RETURN_NOT_OK(status);
    return MakeReader({.schema = outcome->schema,
                       .next = [rows = outcome->rows]() -> arrow::Result<std::shared_ptr<arrow::RecordBatch>> {
                         return rows->Next();
                       },
                       .finish =
                           [self = shared_from_this(), log = std::shared_ptr(std::move(log))](const arrow::Status& read,
                                                                                              std::int64_t rows) {
                             log->Finish(read, rows);
                             return read;
                           }});
  }
  const auto version = services_.commits.catalog_version();
  ARROW_RETURN_NOT_OK(services_.commits.Begin(lease.connection()));
  auto plan = PlanQuery(*lease, *ticket.statement, version);
  if (!plan.ok()) log->Finish(plan.status(), 0);
  ARROW_RETURN_NOT_OK(plan.status());
  auto query = std::make_shared<RunningQuery>(
      RunningQuery{.lease = std::move(lease),
                   .watch = std::move(watch),
                   .log = std::move(log),
                   .plan = *plan,
                   .started = !ticket.parameters.empty()});  // no row of parameters, no execution
  for (const auto& batch : ticket.parameters) {
    for (std::int64_t row = 0; row < batch->num_rows(); ++row) query->parameters.push_back(batch->Slice(row, 1));
  }
  return MakeReader({.schema = ticket.schema,
                     .next = [query, schema = ticket.schema] { return NextAhead(*query, schema); },
                     .finish =
                         [query, this, &commits = services_.commits](const arrow::Status& status, std::int64_t rows) {
                           if (!status.ok()) ++fetch_failures_;  // the lease holds the session
                           query->ahead.reset();
                           if (query->rows != nullptr) ARROW_UNUSED(query->rows->Close());
                           query->rows.reset();
                           query->log->Finish(status, rows);
                           // A commit, so that what nextval() gave out is not given out again after a crash.
                           ARROW_UNUSED(commits.Commit(query->lease.connection()));
                           // DuckDB's plans hold what their operators gathered: memory that was full would stay so.
                           if (!status.ok()) query->lease->ForgetPlans();
                           return status;
                         }});
}

void SessionImpl::NoteRunning(const Handle& handle, const CancelWatcher::Name& name) {
  const MutexLock lock(mutex_);
  std::erase_if(running_, [](const auto& running) { return running.second.expired(); });
  running_[handle] = name;
}

arrow::Result<bool> SessionImpl::Cancel(const Handle& handle) {
  CancelWatcher::Name running;
  {
    const MutexLock lock(mutex_);
    if (tickets_.erase(handle) > 0) {
      ticket_order_.remove(handle);
      return true;
    }
    const auto found = running_.find(handle);
    if (found == running_.end()) return UnknownTicket();
    running = found->second;
  }
  return services_.watcher.Stop(running);
}

// ---- prepared statements

arrow::Result<PreparedHandle> SessionImpl::DescribeHandle(const RequestContext& context,
                                                          const std::shared_ptr<const engine::Statement>& statement,
                                                          const Handle& transaction) {
  const auto version = services_.commits.catalog_version();
  const std::uint64_t failures = fetch_failures_;
  const auto meaning = Meaning();
  ARROW_ASSIGN_OR_RAISE(auto lease, AcquireFor(context, transaction, Purpose::kQuery));
  const auto watch = services_.watcher.Begin(context, lease.connection(), this);
  const auto described = DescribeOn(lease, *statement);
  ARROW_RETURN_NOT_OK(watch->Explain(described.status()));
  const auto& info = *described;
  PreparedHandle prepared{
      .statement = statement, .transaction = transaction, .description = {}, .catalog_version = version};
  prepared.open_types = std::ranges::any_of(info.parameters, [](const auto& p) { return p.type == nullptr; });
  prepared.failures = failures;
  prepared.meaning = meaning;
  prepared.backend_tables = PlannedTables(info);
  prepared.provenance = ProvenanceOf(info);
  prepared.description.dataset_schema = info.schema;
  prepared.description.parameter_schema = ParameterSchema(info.parameters);
  prepared.description.is_query = info.schema->num_fields() > 0 && !info.changes_rows;
  return prepared;
}

arrow::Result<PreparedHandle> SessionImpl::FindPrepared(const Handle& handle) {
  const MutexLock lock(mutex_);
  const auto found = prepared_.find(handle);
  if (found == prepared_.end()) return UnknownPrepared();
  found->second.used = std::chrono::steady_clock::now();
  return found->second;
}

arrow::Result<PreparedDescription> SessionImpl::Prepare(const RequestContext& context, std::string_view sql,
                                                        const Handle& transaction) {
  ARROW_ASSIGN_OR_RAISE(const auto statement, ParseOne(sql));
  ARROW_ASSIGN_OR_RAISE(auto prepared, DescribeHandle(context, statement, transaction));
  prepared.follows = !transaction.empty() || OnlyTransaction().empty();
  prepared.description.handle = RandomHandle();
  auto description = prepared.description;
  const MutexLock lock(mutex_);
  if (static_cast<int>(prepared_.size()) >= services_.limits.prepared_max) {
    return arrow::Status::CapacityError("The session has ", prepared_.size(), " prepared statements; close some");
  }
  prepared_[description.handle] = std::move(prepared);
  return description;
}

arrow::Result<PreparedDescription> SessionImpl::DescribePrepared(const RequestContext& context, const Handle& handle) {
  ARROW_ASSIGN_OR_RAISE(auto prepared, FindPrepared(handle));
  const auto transaction = TransactionOf(prepared);
  if (IsStillDescribed(prepared, transaction)) return prepared.description;
  ARROW_ASSIGN_OR_RAISE(auto again, DescribeHandle(context, prepared.statement, transaction));
  again.description.handle = handle;
  again.transaction = prepared.transaction;
  again.follows = prepared.follows;
  const MutexLock lock(mutex_);
  const auto found = prepared_.find(handle);
  if (found == prepared_.end()) return UnknownPrepared();
  again.parameters = std::move(found->second.parameters);
  found->second = again;
  return again.description;
}

arrow::Status SessionImpl::Bind(const Handle& handle, Batches parameters) {
  std::erase_if(parameters, [](const auto& batch) { return batch->num_columns() == 0; });
  ARROW_RETURN_NOT_OK(CheckValues(parameters, services_.limits.batch_bytes_max));
  const MutexLock lock(mutex_);
  const auto found = prepared_.find(handle);
  if (found == prepared_.end()) return UnknownPrepared();
  ARROW_RETURN_NOT_OK(CheckCount(parameters, found->second.description));
  found->second.parameters = std::move(parameters);
  found->second.used = std::chrono::steady_clock::now();
  return arrow::Status::OK();
}

arrow::Result<Started> SessionImpl::StartPrepared(const RequestContext& context, const Handle& handle) {
  ARROW_ASSIGN_OR_RAISE(auto prepared, FindPrepared(handle));
  const auto transaction = TransactionOf(prepared);
  const auto& tables = prepared.backend_tables;
  const bool may_last =
      !tables.empty() && std::ranges::all_of(tables, [](const auto& t) { return t.schema != nullptr; });
  if (may_last && !in_transaction(transaction) && !IsStillDescribed(prepared, transaction)) {
    ARROW_RETURN_NOT_OK(DescribePrepared(context, handle).status());  // once, not at each run from now on
    ARROW_ASSIGN_OR_RAISE(prepared, FindPrepared(handle));
  }
  return StartStatement(context, prepared.statement, transaction, prepared.parameters, &prepared);
}

arrow::Result<std::int64_t> SessionImpl::UpdatePrepared(const RequestContext& context, const Handle& handle,
                                                        const Batches& parameters) {
  // They are not kept: several updates may run under one handle, each with its own.
  ARROW_RETURN_NOT_OK(CheckValues(parameters, services_.limits.batch_bytes_max));
  ARROW_ASSIGN_OR_RAISE(const auto prepared, FindPrepared(handle));
  ARROW_RETURN_NOT_OK(CheckCount(parameters, prepared.description));
  const bool takes_any = prepared.description.parameter_schema->num_fields() > 0;
  const auto rows = !takes_any ? Batches() : parameters.empty() ? prepared.parameters : parameters;
  ARROW_ASSIGN_OR_RAISE(auto lease, AcquireFor(context, TransactionOf(prepared), Purpose::kStatement));
  const auto watch = services_.watcher.Begin(context, lease.connection(), this);
  ARROW_RETURN_NOT_OK(NoteRunningPrepared(handle, watch->name()));
  auto log = services_.log.Begin(context, id_, prepared.statement->text());
  const auto outcome = RunStatement(lease, *prepared.statement, rows);
  const auto status = watch->Explain(outcome.status());
  log->Finish(status, outcome.ok() ? outcome->rows_changed : 0);
  ARROW_RETURN_NOT_OK(status);
  return outcome->rows_changed;
}

// What a ClosePrepared will stop. One that came while the call waited for its connection has stopped it already.
arrow::Status SessionImpl::NoteRunningPrepared(const Handle& handle, const CancelWatcher::Name& name) {
  NoteRunning(handle, name);
  const MutexLock lock(mutex_);
  if (prepared_.contains(handle)) return arrow::Status::OK();
  return arrow::Status::Cancelled("The prepared statement was closed before it ran");
}

arrow::Status SessionImpl::ClosePrepared(const Handle& handle) {
  CancelWatcher::Name running;
  {
    const MutexLock lock(mutex_);
    if (prepared_.erase(handle) == 0) return UnknownPrepared();
    const auto found = running_.find(handle);
    if (found != running_.end()) running = found->second;
  }
  services_.watcher.Stop(running);
  return arrow::Status::OK();
}

}  // namespace hyprstream::session
