#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/duck_table_entry.hpp>
#include <duckdb/catalog/catalog_entry/table_catalog_entry.hpp>
#include <duckdb/catalog/catalog_search_path.hpp>
#include <duckdb/main/appender.hpp>
#include <duckdb/main/attached_database.hpp>
#include <duckdb/main/client_data.hpp>
#include <duckdb/main/prepared_statement.hpp>
#include <duckdb/main/valid_checker.hpp>
#include <duckdb/transaction/meta_transaction.hpp>
#include <optional>
#include <utility>

#include "base/mutex.h"
#include "engine/appended_rows_internal.h"
#include "engine/arrow_carrier_internal.h"
#include "engine/arrow_in_internal.h"
#include "engine/arrow_out_internal.h"
#include "engine/backend_catalog_internal.h"
#include "engine/backend_write_internal.h"
#include "engine/capture_internal.h"
#include "engine/chunk_cast_internal.h"
#include "engine/connection_internal.h"
#include "engine/context_state_internal.h"
#include "engine/guard_internal.h"
#include "engine/look_up_internal.h"
#include "engine/parser_internal.h"
#include "engine/plain_read_internal.h"
#include "engine/plan_rows_internal.h"
#include "engine/prepared_statement_internal.h"
#include "engine/state_reading_internal.h"
#include "engine/statement_kind_internal.h"
#include "engine/table_append_internal.h"

namespace hyprstream::engine {

namespace {

bool IsKept(StatementKind kind) { return kind == StatementKind::kPrepare || kind == StatementKind::kExecute; }

std::vector<ParameterInfo> ParametersOf(duckdb::ClientContext& context, duckdb::PreparedStatement& statement) {
  std::vector<std::pair<duckdb::idx_t, std::string>> order;
  for (const auto& [name, index] : statement.GetNamedParameterMap()) {
    order.emplace_back(index, name.GetIdentifierName());
  }
  std::ranges::sort(order);
  std::vector<ParameterInfo> parameters;
  for (const auto& [index, name] : order) {
    duckdb::LogicalType type;
    ParameterInfo parameter{.name = name, .type = nullptr};
    if (statement.TryGetParameterType(duckdb::Identifier(name), type) && type.id() != duckdb::LogicalTypeId::UNKNOWN &&
        type.id() != duckdb::LogicalTypeId::INVALID && type.id() != duckdb::LogicalTypeId::SQLNULL) {
      parameter.type = ToArrowSchema(context, CarriersOf({type}), {name})->field(0)->type();
    }
    parameters.push_back(std::move(parameter));
  }
  return parameters;
}

duckdb::CatalogSearchPath& SearchPathOf(duckdb::ClientContext& context) {
  return *duckdb::ClientData::Get(context).catalog_search_path;
}

class ConnectionImpl : public Connection {
 public:
  using Parse = std::function<arrow::Result<std::vector<std::shared_ptr<const Statement>>>(std::string_view)>;
  using BatchSink = std::function<arrow::Status(const std::shared_ptr<arrow::RecordBatch>&)>;

  ConnectionImpl(std::shared_ptr<duckdb::DuckDB> database, std::shared_ptr<EngineShared> shared, Parse parse)
      : database_(std::move(database)),
        shared_(std::move(shared)),
        connection_(*database_),
        state_(duckdb::make_shared_ptr<ContextState>(shared_)),
        parse_(std::move(parse)) {
    context().registered_state->Insert(ContextState::kKey, state_);
    context().config.max_streaming_buffer_size = kResultBufferBytes;
  }

  arrow::Status Begin() override {
    if (in_transaction()) return arrow::Status::Invalid("a transaction is open on this connection already");
    appended_.Reset();
    begun_ = shared_->edits.now();
    return Guard([&] {
      connection_.BeginTransaction();
      auto& attached = duckdb::Catalog::GetCatalog(context(), duckdb::Identifier(shared_->database)).GetAttached();
      duckdb::MetaTransaction::Get(context()).GetTransaction(attached);  // takes the snapshot now
      return arrow::Status::OK();
    });
  }

  arrow::Status Commit() override {
    auto status = Uninterrupted([&]() -> arrow::Status {
      // DuckDB turns the COMMIT of an aborted transaction into a ROLLBACK that looks like success.
      ARROW_RETURN_NOT_OK(CheckAlive());
      auto edited = EditedRowsOf(context(), shared_->database);
      return shared_->edits.Commit(std::move(edited), begun_, [&]() -> arrow::Status {
        ARROW_RETURN_NOT_OK(CommitWriter(context()));
        connection_.Commit();
        return arrow::Status::OK();
      });
    });
    if (!status.ok()) ARROW_UNUSED(Rollback());
    appended_.Reset();
    state_->snapshot.reset();
    return status;
  }

  arrow::Status Rollback() override {
    appended_.Reset();
    state_->snapshot.reset();
    if (!in_transaction()) return arrow::Status::OK();
    return Uninterrupted([&] {
      connection_.Rollback();
      return arrow::Status::OK();
    });
  }

  bool in_transaction() const override { return connection_.context->transaction.HasActiveTransaction(); }

  void Invalidate(std::string_view why) override {
    if (in_transaction()) duckdb::ValidChecker::Invalidate(context().ActiveTransaction(), std::string(why));
  }

  std::shared_ptr<const Snapshot> Attach(std::shared_ptr<const Snapshot> snapshot) override {
    return std::exchange(state_->snapshot, std::move(snapshot));
  }
  std::shared_ptr<const Snapshot> snapshot() const override { return state_->snapshot; }

  arrow::Result<std::unique_ptr<Prepared>> Prepare(const Statement& statement, Trust trust) override {
    return Guard([&]() -> arrow::Result<std::unique_ptr<Prepared>> {
      state_->trust = trust;
      state_->plan_is_kept = IsKept(statement.kind());
      state_->BeginBinding();
      state_->facts = {};
      auto sql = CopySql(statement);
      std::optional<BackendWrite> write;
      if (trust == Trust::kClient) write = TakeWrite(statement, *sql);
      if (write) sql = std::move(write->query);
      if (write && !sql) return PreparedDrop(*std::move(write));
      auto prepared = connection_.Prepare(std::move(sql));
      if (prepared->HasError()) return StatusFrom(prepared->GetErrorObject());
      PreparedInfo info{.kind = statement.kind(),
                        .schema = arrow::schema({}),
                        .parameters = {},
                        .reads = state_->facts.reads,
                        .writes = state_->facts.writes,
                        .changes_rows = state_->facts.changes_rows,
                        .temporary = state_->facts.temporary,
                        .renaming = state_->facts.renaming,
                        .backend_reads = state_->facts.backend_reads};
      if (write) {
        CompleteBackendWrite(context(), *write, *prepared);
        if (info.changes_rows) {
          return arrow::Status::Invalid("A statement changes local tables or one backend, never both");
        }
        info.changes_rows = true;
        info.backend_write = BackendRead{.backend = write->backend, .table = write->table};
      } else if (prepared->GetStatementProperties().return_type == duckdb::StatementReturnType::QUERY_RESULT) {
        info.schema = ToArrowSchema(context(), TypesFor(trust, prepared->GetTypes()), ToNames(prepared->GetNames()));
      }
      info.parameters = ParametersOf(context(), *prepared);
      auto made = std::make_unique<PreparedStatement>(std::move(prepared), std::move(info), trust);
      made->NotePlan(std::move(state_->facts.roll_ups));
      made->NotePushdown(std::move(state_->facts.pushdown));
      if (write) made->KeepWrite(*std::move(write));
      if (trust == Trust::kClient && statement.kind() == StatementKind::kQuery) {
        made->KeepText(CopySql(statement));
        made->KeepShortcuts(state_->facts);
      }
      return made;
    });
  }

  arrow::Result<Execution> Execute(Prepared& prepared, const std::shared_ptr<arrow::RecordBatch>& parameters,
                                   ResultMode mode) override {
    auto& statement = static_cast<PreparedStatement&>(prepared);
    if (statement.write()) return ExecuteTogether(prepared, {parameters});
    ARROW_RETURN_NOT_OK(CheckWritesHere(statement.info()));
    return Guard([&]() -> arrow::Result<Execution> {
      if (statement.info().kind != StatementKind::kQuery || statement.info().changes_rows) ForgetAppended();
      state_->trust = statement.trust();
      state_->plan_is_kept = IsKept(statement.info().kind);
      state_->binding = false;
      if (statement.IsStale(context())) ARROW_RETURN_NOT_OK(PlanAgain(statement));
      state_->facts.roll_ups = {};
      auto execution = RunPlan(statement, parameters, mode);
      statement.NotePlan(std::move(state_->facts.roll_ups));
      return execution;
    });
  }

  arrow::Result<Execution> ExecuteTogether(
      Prepared& prepared, const std::vector<std::shared_ptr<arrow::RecordBatch>>& parameters) override {
    auto& statement = static_cast<PreparedStatement&>(prepared);
    if (!statement.write()) return arrow::Status::UnknownError("the statement changes no backend");
    ARROW_RETURN_NOT_OK(CheckNothingHere(statement.write()->backend));
    bool sent = false;
    auto changed = Guard([&]() -> arrow::Result<std::int64_t> {
      const auto& write = *statement.write();
      const bool is_there = write.exists == (write.kind == BackendWrite::Kind::kCreate);
      if (write.if_exists && is_there) return -1;
      state_->trust = Trust::kClient;
      state_->plan_is_kept = false;
      state_->binding = false;
      std::shared_ptr<arrow::RecordBatchReader> rows;
      const bool reads = write.kind == BackendWrite::Kind::kCreate ? write.with_rows : statement.has_plan();
      if (reads) {
        ARROW_ASSIGN_OR_RAISE(rows, WrittenRows(statement, parameters));
      }
      sent = true;
      return RunBackendWrite(context(), write, std::move(rows));
    });
    ARROW_RETURN_NOT_OK(Written(changed.status(), sent));
    return Execution{.rows = nullptr, .rows_changed = *changed};
  }

  arrow::Result<std::int64_t> IngestInto(const BackendTarget& target, arrow::RecordBatchReader& rows) override {
    ARROW_RETURN_NOT_OK(CheckNothingHere(target.backend));
    state_->binding = true;
    bool sent = false;
    auto written = Guard([&]() -> arrow::Result<std::int64_t> {
      const auto found = shared_->backends->Find(target.backend);
      sent = found != nullptr;
      return RunBackendIngest(context(), target, rows);
    });
    state_->binding = false;
    ARROW_RETURN_NOT_OK(Written(written.status(), sent));
    return written;
  }

  bool IsBackend(const std::string& name) const override { return shared_->backends->Find(name) != nullptr; }

  std::string written_backend() const override { return WrittenBackend(*connection_.context); }

  arrow::Result<Execution> Run(std::string_view sql) override {
    ARROW_ASSIGN_OR_RAISE(const auto statements, parse_(sql));
    Execution last;
    for (const auto& statement : statements) {
      ARROW_ASSIGN_OR_RAISE(auto prepared, Prepare(*statement, Trust::kInternal));
      ARROW_ASSIGN_OR_RAISE(last, Execute(*prepared, nullptr, ResultMode::kBuffered));
    }
    return last;
  }

  arrow::Result<std::string> TimeZone() override {
    return Guard([&]() -> arrow::Result<std::string> {
      duckdb::Value zone;
      if (!context().TryGetCurrentSetting("TimeZone", zone)) return arrow::Status::UnknownError("no time zone is set");
      return zone.ToString();
    });
  }

  arrow::Status SetTimeZone(const std::string& zone) override {
    return Guard([&]() -> arrow::Status {
      duckdb::ExtensionOption option;
      if (!duckdb::DBConfig::GetConfig(context()).TryGetExtensionOption(duckdb::Identifier("TimeZone"), option)) {
        return arrow::Status::UnknownError("the engine has no time zones");
      }
      context().config.user_settings.SetUserSetting(option.setting_index.GetIndex(), duckdb::Value(zone));
      return arrow::Status::OK();
    });
  }

  arrow::Result<std::string> SearchPath() override {
    return Guard([&]() -> arrow::Result<std::string> {
      auto paths = SearchPathOf(context()).GetSetPaths();
      for (auto& path : paths) {  // DuckDB takes nothing that it need not find without its database
        if (path.GetCatalog().empty()) path.SetCatalog(duckdb::Identifier(shared_->database));
      }
      return duckdb::CatalogSearchEntry::ListToString(paths);
    });
  }

  arrow::Status SetSearchPath(const std::string& path) override {
    return Guard([&] {
      if (path.empty()) {
        SearchPathOf(context()).Reset();
      } else {
        SearchPathOf(context()).Set(duckdb::CatalogSearchEntry::ParseList(path),
                                    duckdb::CatalogSetPathType::SET_DIRECTLY);
      }
      return arrow::Status::OK();
    });
  }

  arrow::Status Append(const TableRef& table, const std::vector<std::string>& columns,
                       const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) override {
    if (batches.empty()) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(NeverBoth());
    state_->appending = true;
    auto status = Guard([&] {
      ChunkSource source(context(), batches[0]->schema());
      auto& entry = TableEntry(table);
      if (TakesAsTheyAre(entry, columns, source.types())) {
        StoreDirectly(entry, batches);
        if (!appended_.Add(RefOf(entry), true, NamesOf(entry), batches)) ForgetAppended();
      } else {
        ForgetAppended();
        StoreByAppender(table, columns, batches, source);
      }
      return arrow::Status::OK();
    });
    state_->appending = false;
    return status;
  }

  arrow::Status Take(const TableRef& table, const std::vector<std::string>& columns,
                     const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) override {
    if (batches.empty()) return arrow::Status::OK();
    bool taken = false;
    ARROW_RETURN_NOT_OK(NeverBoth());
    ARROW_RETURN_NOT_OK(Guard([&] {
      auto& entry = TableEntry(table);
      ChunkSource source(context(), batches[0]->schema());
      taken = TakesAsTheyAre(entry, columns, source.types()) &&
              HoldConstraints(entry.Cast<duckdb::DuckTableEntry>(), batches) &&
              appended_.Add(RefOf(entry), false, NamesOf(entry), batches);
      return arrow::Status::OK();
    }));
    return taken ? arrow::Status::OK() : Append(table, columns, batches);
  }

  arrow::Status StoreTaken() override {
    return Guard([&] {
      ForgetAppended();
      return arrow::Status::OK();
    });
  }

  arrow::Result<std::uint64_t> TableId(const TableRef& table) override {
    return Guard([&]() -> arrow::Result<std::uint64_t> { return TableEntry(table).oid; });
  }

  arrow::Result<std::shared_ptr<arrow::Schema>> ArrowSchemaOf(const TableRef& table) override {
    return Guard([&]() -> arrow::Result<std::shared_ptr<arrow::Schema>> {
      auto& entry = TableEntry(table);
      duckdb::vector<duckdb::LogicalType> types;
      for (const auto& column : entry.GetColumns().Logical()) types.push_back(column.Type());
      return ToArrowSchema(context(), CarriersOf(types), NamesOf(entry));
    });
  }

  std::string CurrentSchema() override { return SearchPathOf(context()).GetDefault().GetSchema().GetIdentifierName(); }

  std::string LastingName(const TableRef& table) const override {
    return QuoteIdentifier(shared_->database) + "." + table.ToSql();
  }

  arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> Evaluate(
      std::string_view sql, const std::shared_ptr<arrow::Schema>& schema,
      const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) override {
    std::vector<std::shared_ptr<arrow::RecordBatch>> rows;
    ARROW_RETURN_NOT_OK(EvaluateEach(sql, schema, batches, [&](const auto& batch) {
      rows.push_back(batch);
      return arrow::Status::OK();
    }));
    return rows;
  }

  arrow::Status EvaluateEach(std::string_view sql, const std::shared_ptr<arrow::Schema>& schema,
                             const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
                             const BatchSink& sink) override {
    const InputBatches input{.schema = schema, .batches = batches};
    state_->input = &input;
    auto status = RunStreaming(sql, sink);
    state_->input = nullptr;
    return status;
  }

  arrow::Result<TableRef> ReadStates(const AggregateQuery& view, std::optional<std::int64_t> needed_after,
                                     const BatchSink& sink) override {
    if (view.states_sql.empty()) {
      return arrow::Status::NotImplemented(
          "no materialized view can supply them: the new one's windows overlap or join one another");
    }
    StateRequest request{.view = view, .needed_after = needed_after};
    state_->states = &request;
    const auto read = [&]() -> arrow::Status {
      if (sink) return RunStreaming(view.states_sql, sink);
      ARROW_ASSIGN_OR_RAISE(const auto statements, parse_(view.states_sql));
      return Prepare(*statements.at(0), Trust::kInternal).status();
    }();
    state_->states = nullptr;
    if (!read.ok() && request.from.name.empty()) {
      if (!request.refused) return read;
      return arrow::Status::Invalid(request.refusal.empty() ? "" : "no materialized view can supply them, nearest is ",
                                    request.refusal);
    }
    ARROW_RETURN_NOT_OK(read);
    return request.from;
  }

  arrow::Result<RowChanges> Changes(const std::function<bool(const TableRef&)>& wanted) override {
    return Guard([&]() -> arrow::Result<RowChanges> {
      std::optional<duckdb::Connection> other;
      const auto begin_other = [&]() -> duckdb::ClientContext& {
        if (!other) other.emplace(*database_).BeginTransaction();
        return *other->context;
      };
      auto changes = CaptureChanges(
          context(), {.database = shared_->database, .wanted = wanted, .appended = appended_, .other = begin_other});
      if (other) other->Rollback();
      return changes;
    });
  }

  arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> NewValues(const TableRef& table,
                                                                            const std::string& column) override {
    return Guard([&]() -> arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> {
      return CaptureNewValues(context(), {.database = shared_->database, .appended = appended_}, table, column);
    });
  }

  arrow::Result<TransactionFacts> Facts() override {
    if (!in_transaction()) return TransactionFacts{};
    ARROW_RETURN_NOT_OK(CheckAlive());
    return Guard([&]() -> arrow::Result<TransactionFacts> {
      auto facts = InspectTransaction(context(), shared_->database);
      for (const auto& rows : appended_.tables()) {
        if (rows.stored || rows.rows == 0) continue;
        facts.changes = true;
        facts.tables.push_back({.table = rows.table, .rows_inserted = rows.rows, .stored = false});
      }
      return facts;
    });
  }

  void ActFor(const Identity& reader) override { state_->reader = reader; }

  void Interrupt() override {
    const MutexLock lock(interrupt_mutex_);
    if (!uninterruptible_) connection_.Interrupt();
  }

  bool interrupted() const override { return connection_.context->IsInterrupted(); }

  duckdb::Connection& duck() { return connection_; }

 private:
  duckdb::ClientContext& context() { return *connection_.context; }

  // ---- a transaction changes local tables or one backend

  arrow::Status NeverBoth() {
    const auto backend = WrittenBackend(context());
    if (backend.empty()) return arrow::Status::OK();
    return arrow::Status::Invalid("A transaction writes local tables or one backend, never both: this one has changed ",
                                  backend, "; COMMIT it first");
  }

  arrow::Status CheckWritesHere(const PreparedInfo& info) {
    const bool changes = info.changes_rows || info.kind == StatementKind::kCreate ||
                         info.kind == StatementKind::kDrop || info.kind == StatementKind::kAlter ||
                         info.kind == StatementKind::kComment;
    const bool temporary = info.temporary && info.writes.empty();
    return changes && !temporary && in_transaction() ? NeverBoth() : arrow::Status::OK();
  }

  arrow::Status CheckNothingHere(const std::string& backend) {
    ARROW_ASSIGN_OR_RAISE(const auto facts, Facts());
    if (!facts.changes) return arrow::Status::OK();
    return arrow::Status::Invalid("A transaction writes local tables or one backend, never both: this one has changed ",
                                  "local tables; COMMIT it before ", backend, " is changed");
  }

  // Half a write must not be committed.
  arrow::Status Written(const arrow::Status& status, bool sent) {
    if (!status.ok() && sent && !WrittenBackend(context()).empty()) {
      Invalidate("a write to a backend failed");
    }
    return status;
  }

  std::optional<BackendWrite> TakeWrite(const Statement& statement, const duckdb::SQLStatement& sql) {
    switch (statement.kind()) {
      case StatementKind::kInsert:
      case StatementKind::kUpdate:
      case StatementKind::kDelete:
      case StatementKind::kMerge:
      case StatementKind::kCreate:
      case StatementKind::kDrop:
        break;
      default:
        return std::nullopt;
    }
    std::optional<BackendWrite> write;
    context().RunFunctionInTransaction([&] { write = TakeBackendWrite(context(), sql); });
    if (write && statement.table_options() != nullptr) {  // the database says which it knows
      auto options = std::make_shared<arrow::KeyValueMetadata>();
      for (const auto& [name, value] : statement.table_options()->options) options->Append(name, value);
      write->options = std::move(options);
    }
    return write;
  }

  arrow::Result<std::unique_ptr<Prepared>> PreparedDrop(BackendWrite write) {
    PreparedInfo info{
        .kind = StatementKind::kDrop, .schema = arrow::schema({}), .parameters = {}, .reads = {}, .writes = {}};
    info.changes_rows = true;
    info.backend_write = BackendRead{.backend = write.backend, .table = write.table};
    auto made = std::make_unique<PreparedStatement>(nullptr, std::move(info), Trust::kClient);
    made->KeepWrite(std::move(write));
    return made;
  }

  // The rows of a write's query, for each row of parameters. They are complete before the first is written where the
  // query reads over the connection that writes.
  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> WrittenRows(
      PreparedStatement& statement, const std::vector<std::shared_ptr<arrow::RecordBatch>>& parameters) {
    const auto& write = *statement.write();
    const bool names_rows = write.kind == BackendWrite::Kind::kDelete || write.kind == BackendWrite::Kind::kUpdate ||
                            write.kind == BackendWrite::Kind::kMergeInto;
    const bool reads_there = std::ranges::any_of(statement.info().backend_reads, [&](const auto& read) {
      return FoldIdentifier(read.backend) == FoldIdentifier(write.backend);
    });
    const bool complete = names_rows || (reads_there && !WrittenBackend(context()).empty()) || parameters.size() > 1;
    std::vector<std::shared_ptr<arrow::RecordBatchReader>> all;
    for (const auto& row : parameters) {
      ARROW_ASSIGN_OR_RAISE(auto execution,
                            RunPlan(statement, row, complete ? ResultMode::kBuffered : ResultMode::kStreaming, true));
      all.push_back(std::move(execution.rows));
    }
    if (all.size() == 1) return all[0];
    return Concatenated(std::move(all));
  }

  static arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Concatenated(
      std::vector<std::shared_ptr<arrow::RecordBatchReader>> all) {
    std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
    for (const auto& rows : all) {
      ARROW_ASSIGN_OR_RAISE(auto read, rows->ToRecordBatches());
      for (auto& batch : read) {
        if (!batch->schema()->Equals(*all[0]->schema(), false)) {
          return arrow::Status::Invalid("The rows of parameters have not all the same types; bind them alike");
        }
        batches.push_back(std::move(batch));
      }
    }
    return arrow::RecordBatchReader::Make(std::move(batches), all.at(0)->schema());
  }

  arrow::Status CheckAlive() {
    if (!in_transaction() || !duckdb::ValidChecker::IsInvalidated(context().ActiveTransaction())) {
      return arrow::Status::OK();
    }
    return arrow::Status::Invalid("The transaction was aborted by an earlier error and is rolled back; begin again");
  }

  duckdb::TableCatalogEntry& TableEntry(const TableRef& table) {
    auto& found = duckdb::Catalog::GetEntry(
        context(), duckdb::EntryLookupInfo(
                       duckdb::CatalogType::TABLE_ENTRY,
                       duckdb::QualifiedName(duckdb::Identifier(shared_->database), duckdb::Identifier(table.schema),
                                             duckdb::Identifier(table.name))));
    if (found.type != duckdb::CatalogType::TABLE_ENTRY) {
      throw duckdb::InvalidInputException(table.ToString() + " is a view; rows go into the table that it reads");
    }
    return found.Cast<duckdb::TableCatalogEntry>();
  }

  // May batches of these types be stored, or taken, column by column?
  bool TakesAsTheyAre(duckdb::TableCatalogEntry& entry, const std::vector<std::string>& columns,
                      const duckdb::vector<duckdb::LogicalType>& types) {
    return columns.empty() && entry.IsDuckTable() &&
           CanAppendDirectly(context(), entry.Cast<duckdb::DuckTableEntry>(), types);
  }

  void StoreDirectly(duckdb::TableCatalogEntry& entry,
                     const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) {
    ChunkSource source(context(), batches[0]->schema());
    AppendDirectly(context(), entry.Cast<duckdb::DuckTableEntry>(), [&](const auto& sink) {
      for (const auto& batch : batches) source.ForEachChunk(batch, sink);
    });
  }

  void StoreByAppender(const TableRef& table, const std::vector<std::string>& columns,
                       const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches, ChunkSource& source) {
    duckdb::Appender appender(connection_, duckdb::Identifier(shared_->database), duckdb::Identifier(table.schema),
                              duckdb::Identifier(table.name));
    for (const auto& column : columns) appender.AddColumn(duckdb::Identifier(column));
    const auto types = appender.GetActiveTypes();
    const auto describe = [&](duckdb::idx_t column) {
      return "Column " + batches[0]->schema()->field(static_cast<int>(column))->name() + " of " + table.ToString() +
             " is " + types[column].ToString();
    };
    for (const auto& batch : batches) {
      source.ForEachChunk(batch, [&](duckdb::DataChunk& chunk) {
        if (chunk.GetTypes() == types) return appender.AppendDataChunk(chunk);
        duckdb::DataChunk cast;
        CastChunk(context(), chunk, types, describe, cast);
        appender.AppendDataChunk(cast);
      });
    }
    appender.Close();
  }

  arrow::Result<Execution> RunPlan(PreparedStatement& statement, const std::shared_ptr<arrow::RecordBatch>& parameters,
                                   ResultMode mode, bool of_write = false) {
    ARROW_ASSIGN_OR_RAISE(auto values, ValuesOf(statement, parameters));
    const bool rows = of_write || statement.info().schema->num_fields() > 0;
    ARROW_ASSIGN_OR_RAISE(auto found, WithoutPlan(statement, values, mode));
    if (found != nullptr) return Execution{.rows = std::move(found), .rows_changed = 0};
    auto named = Named(statement.info().parameters, values);
    if (rows && mode == ResultMode::kStreaming) {
      auto result = statement.statement().Submit(
          named, duckdb::QueryParameters(duckdb::make_shared_ptr<CarrierFormat>(kResultBatchRows, shared_->results)));
      if (result->HasError()) return StatusFrom(result->GetErrorObject());
      auto schema = ToArrowSchema(context(), CarriersOf(result->GetTypes()), ToNames(result->GetNames()));
      return Execution{.rows = RowsOf(statement, StreamResult(std::move(result), std::move(schema))),
                       .rows_changed = 0};
    }
    auto result = statement.statement().Execute(named, duckdb::QueryParameters(duckdb::ChunkFormat::BufferManaged()));
    if (result->HasError()) return StatusFrom(result->GetErrorObject());
    result->Complete();
    if (result->HasError()) return StatusFrom(result->GetErrorObject());
    if (rows) {
      auto types = TypesFor(statement.trust(), result->GetTypes());
      auto schema = ToArrowSchema(context(), types, ToNames(result->GetNames()));
      return Execution{.rows = BufferedResult({.context = connection_.context, .memory = shared_->results},
                                              std::move(result), std::move(types), std::move(schema)),
                       .rows_changed = 0};
    }
    return Execution{.rows = nullptr, .rows_changed = ChangedRows(*result)};
  }

  // Null: it takes the plan.
  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> WithoutPlan(PreparedStatement& statement,
                                                                       const duckdb::vector<duckdb::Value>& values,
                                                                       ResultMode mode) {
    const auto& info = statement.info();
    const BoundParameters parameters{.infos = info.parameters, .values = values};
    // Rows that nobody waits for would have to be kept, which is DuckDB's to do.
    const bool plain = statement.plain_read() && mode == ResultMode::kStreaming;
    if (!statement.look_up() && !plain) return nullptr;
    ARROW_RETURN_NOT_OK(CheckAlive());
    if (statement.look_up()) return RunLookUp(context(), *statement.look_up(), parameters, info.schema);
    return RunPlainRead(context(), *statement.plain_read(), parameters, info.schema);
  }

  arrow::Status PlanAgain(PreparedStatement& statement) {
    state_->facts.roll_ups = {};
    state_->BeginBinding();
    auto planned = connection_.Prepare(statement.text().Copy());
    if (planned->HasError()) return StatusFrom(planned->GetErrorObject());
    statement.PlanAgain(std::move(planned));
    statement.ForgetPlan();
    statement.NotePlan(std::move(state_->facts.roll_ups));
    statement.KeepShortcuts(state_->facts);
    return arrow::Status::OK();
  }

  // Forgets what was appended, and stores what is stored nowhere else.
  void ForgetAppended() {
    const auto taken = appended_.tables();
    appended_.Forget();
    for (const auto& rows : taken) {
      if (!rows.stored && rows.rows > 0) StoreDirectly(TableEntry(rows.table), rows.batches);
    }
  }

  // As the catalog spells it.
  static TableRef RefOf(const duckdb::TableCatalogEntry& entry) {
    return {.schema = entry.ParentSchema().name.GetIdentifierName(), .name = entry.name.GetIdentifierName()};
  }

  static std::vector<std::string> NamesOf(duckdb::TableCatalogEntry& entry) {
    std::vector<std::string> names;
    for (const auto& column : entry.GetColumns().Logical()) names.push_back(column.Name().GetIdentifierName());
    return names;
  }

  // Its end ends what the kept plan has gathered.
  std::shared_ptr<arrow::RecordBatchReader> RowsOf(PreparedStatement& statement,
                                                   std::shared_ptr<arrow::RecordBatchReader> rows) {
    const auto& plans = duckdb::ClientData::Get(context()).prepared_statements;
    const auto found = plans.find(duckdb::Identifier(statement.statement().GetName()));
    if (found == plans.end()) return rows;
    return std::make_shared<PlanRows>(std::move(rows), found->second, statement.executions());
  }

  // Our own statements see DuckDB's types as they are; a client sees their carriers.
  static duckdb::vector<duckdb::LogicalType> TypesFor(Trust trust, const duckdb::vector<duckdb::LogicalType>& types) {
    return trust == Trust::kClient ? CarriersOf(types) : types;
  }

  // Rows copied once: DuckDB makes its chunks into Arrow's batches as they come.
  arrow::Status RunStreaming(std::string_view sql, const BatchSink& sink) {
    ARROW_ASSIGN_OR_RAISE(const auto statements, parse_(sql));
    for (const auto& statement : statements) {
      ARROW_ASSIGN_OR_RAISE(auto prepared, Prepare(*statement, Trust::kInternal));
      ARROW_ASSIGN_OR_RAISE(const auto executed, Execute(*prepared, nullptr, ResultMode::kStreaming));
      if (executed.rows == nullptr) continue;
      for (;;) {
        ARROW_ASSIGN_OR_RAISE(const auto batch, executed.rows->Next());
        if (batch == nullptr) break;
        ARROW_RETURN_NOT_OK(sink(batch));
      }
    }
    return arrow::Status::OK();
  }

  arrow::Status Uninterrupted(const std::function<arrow::Status()>& step) {
    const auto set = [this](bool uninterruptible) {
      const MutexLock lock(interrupt_mutex_);
      uninterruptible_ = uninterruptible;
    };
    set(true);
    auto status = Guard(step);
    set(false);
    return status;
  }

  arrow::Result<duckdb::vector<duckdb::Value>> ValuesOf(PreparedStatement& statement,
                                                        const std::shared_ptr<arrow::RecordBatch>& parameters) {
    duckdb::vector<duckdb::Value> values;
    const auto expected = static_cast<int>(statement.info().parameters.size());
    const int given = parameters ? parameters->num_columns() : 0;
    if (given != expected) {
      return arrow::Status::Invalid("The statement has ", expected, " parameters but ", given, " values were bound");
    }
    if (expected == 0) return values;
    ARROW_ASSIGN_OR_RAISE(const auto ordered, InOrder(statement.info().parameters, parameters));
    ChunkSource source(context(), ordered->schema());
    source.ForEachChunk(ordered, [&](duckdb::DataChunk& chunk) {
      for (duckdb::idx_t column = 0; column < chunk.ColumnCount(); ++column) {
        values.push_back(chunk.GetValue(column, 0));
      }
    });
    if (static_cast<int>(values.size()) != expected) {
      return arrow::Status::Invalid("Parameters come one row at a time; ", parameters->num_rows(), " rows were given");
    }
    return values;
  }

  // Columns that have the names of named parameters are meant by them, whatever their order.
  static arrow::Result<std::shared_ptr<arrow::RecordBatch>> InOrder(const std::vector<ParameterInfo>& parameters,
                                                                    const std::shared_ptr<arrow::RecordBatch>& row) {
    std::vector<int> columns;
    for (const auto& parameter : parameters) {
      const bool named = duckdb::PreparedStatement::AllowsUserVariableFallback(duckdb::Identifier(parameter.name));
      columns.push_back(named ? row->schema()->GetFieldIndex(parameter.name) : -1);
      if (columns.back() < 0) return row;
    }
    return row->SelectColumns(columns);
  }

  static duckdb::identifier_map_t<duckdb::BoundParameterData> Named(const std::vector<ParameterInfo>& parameters,
                                                                    const duckdb::vector<duckdb::Value>& values) {
    duckdb::identifier_map_t<duckdb::BoundParameterData> named;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      named[duckdb::Identifier(parameters[i].name)] = duckdb::BoundParameterData(values[i]);
    }
    return named;
  }

  static std::int64_t ChangedRows(duckdb::QueryResult& result) {
    if (result.GetStatementProperties().return_type != duckdb::StatementReturnType::CHANGED_ROWS) return -1;
    const auto chunk = result.Fetch();
    return chunk && chunk->size() > 0 ? chunk->GetValue(0, 0).GetValue<std::int64_t>() : 0;
  }

  std::shared_ptr<duckdb::DuckDB> database_;
  std::shared_ptr<EngineShared> shared_;
  duckdb::Connection connection_;
  duckdb::shared_ptr<ContextState> state_;
  Parse parse_;
  AppendedRows appended_;
  std::uint64_t begun_ = 0;  // the edits that the transaction sees
  Mutex interrupt_mutex_;
  bool uninterruptible_ GUARDED_BY(interrupt_mutex_) = false;
};

}  // namespace

duckdb::Connection& DuckConnectionOf(Connection& connection) { return static_cast<ConnectionImpl&>(connection).duck(); }

arrow::Result<std::unique_ptr<Connection>> MakeConnection(
    std::shared_ptr<duckdb::DuckDB> database, std::shared_ptr<EngineShared> shared,
    std::function<arrow::Result<std::vector<std::shared_ptr<const Statement>>>(std::string_view)> parse) {
  return Guard([&]() -> arrow::Result<std::unique_ptr<Connection>> {
    return std::make_unique<ConnectionImpl>(std::move(database), std::move(shared), std::move(parse));
  });
}

}  // namespace hyprstream::engine
