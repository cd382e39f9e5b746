#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/type.h>

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
#include "engine/capture_internal.h"
#include "engine/chunk_cast_internal.h"
#include "engine/connection_internal.h"
#include "engine/context_state_internal.h"
#include "engine/guard_internal.h"
#include "engine/look_up_internal.h"
#include "engine/parser_internal.h"
#include "engine/plan_rows_internal.h"
#include "engine/state_reading_internal.h"
#include "engine/table_append_internal.h"

namespace hyprstream::engine {

namespace {

class PreparedStatement : public Prepared {
 public:
  PreparedStatement(duckdb::unique_ptr<duckdb::PreparedStatement> statement, PreparedInfo info, Trust trust)
      : statement_(std::move(statement)), info_(std::move(info)), trust_(trust) {}

  // What its plan owes to views; DuckDB plans some statements only when they are executed.
  void NotePlan(RollUpFacts facts) {
    if (!facts.bounds.empty()) bounds_ = std::move(facts.bounds);
    if (facts.answered.empty() && facts.unanswered.empty()) return;
    roll_ups_ = std::move(facts.answered);
    info_.roll_ups.clear();
    for (const auto& answered : roll_ups_) {
      const bool known = std::ranges::find(info_.roll_ups, answered.how) != info_.roll_ups.end();
      if (!known) info_.roll_ups.push_back(answered.how);
    }
    info_.no_roll_ups = std::move(facts.unanswered);
  }
  void NotePushdown(PushdownFacts facts) {
    info_.pushed = std::move(facts.pushed);
    info_.not_pushed = std::move(facts.kept);
  }
  // To plan it again when views no longer answer.
  void KeepText(duckdb::unique_ptr<duckdb::SQLStatement> text) { text_ = std::move(text); }
  void ForgetPlan() {
    roll_ups_.clear();
    bounds_.clear();
  }
  void KeepLookUp(std::optional<LookUp> look_up) { look_up_ = std::move(look_up); }
  const std::optional<LookUp>& look_up() const { return look_up_; }
  bool IsStale(duckdb::ClientContext& context) const {
    return text_ &&
           (std::ranges::any_of(roll_ups_, [&](const auto& rolled_up) { return !StillAnswers(context, rolled_up); }) ||
            std::ranges::any_of(bounds_, [&](const auto& bound) { return !StillHolds(context, bound); }));
  }
  const duckdb::SQLStatement& text() const { return *text_; }
  void PlanAgain(duckdb::unique_ptr<duckdb::PreparedStatement> statement) { statement_ = std::move(statement); }

  const PreparedInfo& info() const override { return info_; }
  duckdb::PreparedStatement& statement() { return *statement_; }
  Trust trust() const { return trust_; }
  const Executions& executions() const { return executions_; }

 private:
  duckdb::unique_ptr<duckdb::PreparedStatement> statement_;
  PreparedInfo info_;
  Trust trust_;
  std::vector<RolledUp> roll_ups_;
  std::vector<WindowBound> bounds_;
  std::optional<LookUp> look_up_;
  duckdb::unique_ptr<duckdb::SQLStatement> text_;
  const Executions executions_ = std::make_shared<std::uint64_t>(0);
};

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
      connection_.Commit();
      return arrow::Status::OK();
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
      state_->binding = true;
      state_->facts = {};
      auto prepared = connection_.Prepare(CopySql(statement));
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
      if (prepared->GetStatementProperties().return_type == duckdb::StatementReturnType::QUERY_RESULT) {
        info.schema = ToArrowSchema(context(), TypesFor(trust, prepared->GetTypes()), ToNames(prepared->GetNames()));
      }
      info.parameters = ParametersOf(context(), *prepared);
      auto made = std::make_unique<PreparedStatement>(std::move(prepared), std::move(info), trust);
      made->NotePlan(std::move(state_->facts.roll_ups));
      made->NotePushdown(std::move(state_->facts.pushdown));
      if (trust == Trust::kClient && statement.kind() == StatementKind::kQuery) {
        made->KeepText(CopySql(statement));
        made->KeepLookUp(std::move(state_->facts.look_up));
      }
      return made;
    });
  }

  arrow::Result<Execution> Execute(Prepared& prepared, const std::shared_ptr<arrow::RecordBatch>& parameters,
                                   ResultMode mode) override {
    auto& statement = static_cast<PreparedStatement&>(prepared);
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

  arrow::Status Append(const TableRef& table, const std::vector<std::string>& columns,
                       const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) override {
    if (batches.empty()) return arrow::Status::OK();
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

  std::string CurrentSchema() override {
    return duckdb::ClientData::Get(context()).catalog_search_path->GetDefault().GetSchema().GetIdentifierName();
  }

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
                                   ResultMode mode) {
    ARROW_ASSIGN_OR_RAISE(auto values, ValuesOf(statement, parameters));
    const bool rows = statement.info().schema->num_fields() > 0;
    if (statement.look_up()) {
      ARROW_RETURN_NOT_OK(CheckAlive());
      ARROW_ASSIGN_OR_RAISE(
          auto found, RunLookUp(context(), *statement.look_up(),
                                {.infos = statement.info().parameters, .values = values}, statement.info().schema));
      if (found != nullptr) return Execution{.rows = std::move(found), .rows_changed = 0};
    }
    if (rows && mode == ResultMode::kStreaming) {
      auto result = statement.statement().Submit(
          values, duckdb::QueryParameters(duckdb::make_shared_ptr<CarrierFormat>(kResultBatchRows, shared_->results)));
      if (result->HasError()) return StatusFrom(result->GetErrorObject());
      auto schema = ToArrowSchema(context(), CarriersOf(result->GetTypes()), ToNames(result->GetNames()));
      return Execution{.rows = RowsOf(statement, StreamResult(std::move(result), std::move(schema))),
                       .rows_changed = 0};
    }
    auto result = statement.statement().Execute(values, duckdb::QueryParameters(duckdb::ChunkFormat::BufferManaged()));
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

  arrow::Status PlanAgain(PreparedStatement& statement) {
    state_->facts.roll_ups = {};
    state_->binding = true;
    auto planned = connection_.Prepare(statement.text().Copy());
    if (planned->HasError()) return StatusFrom(planned->GetErrorObject());
    statement.PlanAgain(std::move(planned));
    statement.ForgetPlan();
    statement.NotePlan(std::move(state_->facts.roll_ups));
    statement.KeepLookUp(std::move(state_->facts.look_up));
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
    ChunkSource source(context(), parameters->schema());
    source.ForEachChunk(parameters, [&](duckdb::DataChunk& chunk) {
      for (duckdb::idx_t column = 0; column < chunk.ColumnCount(); ++column) {
        values.push_back(chunk.GetValue(column, 0));
      }
    });
    if (static_cast<int>(values.size()) != expected) {
      return arrow::Status::Invalid("Parameters come one row at a time; ", parameters->num_rows(), " rows were given");
    }
    return values;
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
