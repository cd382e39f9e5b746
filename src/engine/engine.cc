#include "engine/engine.h"

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <malloc.h>

#include <duckdb.hpp>
#include <duckdb/main/config.hpp>
#include <duckdb/main/valid_checker.hpp>
#include <duckdb/optimizer/optimizer_extension.hpp>
#include <duckdb/planner/planner_extension.hpp>
#include <duckdb/storage/buffer_manager.hpp>
#include <utility>

#include "engine/backend_catalog_internal.h"
#include "engine/backend_pushdown_internal.h"
#include "engine/combine_internal.h"
#include "engine/condition_internal.h"
#include "engine/connection_internal.h"
#include "engine/contained_errors_internal.h"
#include "engine/context_state_internal.h"
#include "engine/cte_copies_internal.h"
#include "engine/database_file_internal.h"
#include "engine/error_internal.h"
#include "engine/gate_internal.h"
#include "engine/guard_internal.h"
#include "engine/join_filters_internal.h"
#include "engine/lockdown_internal.h"
#include "engine/parsed_texts_internal.h"
#include "engine/parser_internal.h"
#include "engine/plain_read_internal.h"
#include "engine/rollup_internal.h"
#include "engine/scan_internal.h"
#include "engine/state_reading_internal.h"
#include "engine/value_bounds_internal.h"
#include "engine/view_analysis_internal.h"

namespace hyprstream::engine {

namespace {

// Sees every bound plan: notes what it touches, and holds a client's to the gate.
void AfterBind(duckdb::PlannerExtensionInput& input, duckdb::BoundStatement& statement) {
  const auto state = input.context.registered_state->Get<ContextState>(ContextState::kKey);
  if (!state || !statement.plan) return;
  state->binding = false;
  state->queried = {};  // DuckDB may plan a statement more than once
  state->Note(Inspect(input.context, *statement.plan));
  if (state->states != nullptr) KeepAggregates(*statement.plan);
  if (state->trust != Trust::kClient) return ContainErrors(*statement.plan);
  // What only views can answer is known when they have been asked, before the plan is optimized.
  const auto read_check = [&](const TableRef& table, bool edited) {
    auto read = state->shared->read_check ? state->shared->read_check(table, edited) : arrow::Status::OK();
    if (read.ok() || edited || !statement.plan->RequireOptimizer()) return read;
    state->facts.views_only.emplace_back(table, read.message());
    return arrow::Status::OK();
  };
  KeepToSession(*statement.plan);
  const auto status =
      CheckPlan(input.context, *statement.plan,
                {.database = state->shared->database, .read_check = read_check, .appending = state->appending});
  RefuseIfNotOk(status);
  BoundValues(input.context, *statement.plan);
  ContainErrors(*statement.plan);  // what BoundValues has wrapped
}

// Puts what is ours into every plan that is to be run.
void BeforeOptimizing(duckdb::OptimizerExtensionInput& input, duckdb::unique_ptr<duckdb::LogicalOperator>& plan) {
  const auto state = input.context.registered_state->Get<ContextState>(ContextState::kKey);
  if (!state) return;
  if (state->states != nullptr) return PlanStates(input.optimizer, plan, *state->states);
  BoundCopies(*plan);
  ReachStates(input.context, *plan);
  auto bounds = FoldWindowBounds(input.optimizer, plan);
  state->facts.look_up = ReadLookUp(*plan);
  state->facts.plain_read = ReadPlainRead(input.context, *plan);
  auto roll_ups = AnswerFromViews(input.optimizer, *plan);
  roll_ups.bounds = std::move(bounds);
  state->facts.roll_ups.Add(std::move(roll_ups));  // DuckDB may plan a statement more than once
  state->facts.pushdown.Add(PushDown(input.optimizer, plan));
  const auto status = CheckReads(*plan, state->facts);
  if (!status.ok()) throw duckdb::BinderException(status.message());
}

void AfterOptimizing(duckdb::OptimizerExtensionInput& input, duckdb::unique_ptr<duckdb::LogicalOperator>& plan) {
  if (UsesPushdown(input.context)) LinkJoins(input.optimizer, *plan);
}

// Of the engine's memory, for batches of results; the rest is DuckDB's.
constexpr std::int64_t kResultsPart = 12;

class EngineImpl : public Engine {
 public:
  explicit EngineImpl(EngineOptions options)
      : options_(std::move(options)),
        shared_(std::make_shared<EngineShared>(options_.memory_bytes_max / kResultsPart)) {
    options_.memory_bytes_max -= options_.memory_bytes_max / kResultsPart;
  }

  arrow::Status Open() {
    auto status = Guard([&] {
      duckdb::DBConfig config;
      Configure(options_, config);
      duckdb::PlannerExtension gate;
      gate.post_bind_function = AfterBind;
      duckdb::PlannerExtension::Register(config, gate);
      duckdb::OptimizerExtension rewrites;
      rewrites.pre_optimize_function = BeforeOptimizing;
      rewrites.optimize_function = AfterOptimizing;
      duckdb::OptimizerExtension::Register(config, rewrites);
      RegisterBackendStorage(config, shared_->backends);
      database_ = std::make_shared<duckdb::DuckDB>(nullptr, &config);
      return Prepare();
    });
    if (status.ok() || options_.path.empty()) return status;
    return status.WithMessage("Cannot open the database file ", options_.path, ": ", status.message());
  }

  arrow::Result<std::unique_ptr<Connection>> Connect() override {
    return MakeConnection(database_, shared_, [this](std::string_view sql) {
      auto limits = Limits();
      limits.own_functions = true;
      return ParseStatements(sql, limits);
    });
  }

  arrow::Result<std::vector<std::shared_ptr<const Statement>>> Parse(std::string_view sql) override {
    if (auto known = parsed_.Find(sql); !known.empty()) return known;
    ARROW_ASSIGN_OR_RAISE(auto statements, ParseStatements(sql, Limits()));
    parsed_.Keep(sql, statements);
    return statements;
  }

  arrow::Result<Condition> ParseCondition(Connection& connection, std::string_view sql) override {
    return ParseConditionText(*DuckConnectionOf(connection).context, sql, Limits());
  }

  arrow::Result<AggregateQuery> AnalyzeView(Connection& connection, const TableRef& view, std::string_view select,
                                            const std::string& time_zone, const ViewSurroundings& surroundings,
                                            const std::optional<TableRef>& source) override {
    return AnalyzeViewSelect(DuckConnectionOf(connection), {.view = view,
                                                            .select = select,
                                                            .time_zone = time_zone,
                                                            .database = shared_->database,
                                                            .source = source,
                                                            .surroundings = surroundings});
  }

  arrow::Status AddSystemTable(SystemTable table) override {
    return Guard([&] {
      const std::string name = table.name;
      shared_->system_tables.insert_or_assign(name, std::move(table));
      return Run("CREATE OR REPLACE VIEW hyprstream." + QuoteIdentifier(name) + " AS SELECT * FROM hyprstream_system(" +
                 QuoteLiteral(name) + ")");
    });
  }

  void SetReadCheck(ReadCheck check) override { shared_->read_check = std::move(check); }

  arrow::Status AddBackend(std::shared_ptr<const Backend> backend) override {
    const auto name = backend->name();
    ARROW_RETURN_NOT_OK(CheckName(name));
    if (!shared_->backends->Add(std::move(backend))) {
      return arrow::Status::AlreadyExists("Backend ", name, " exists already; DETACH it first, or choose another name");
    }
    auto attached = Guard([&] {
      duckdb::Connection connection(*database_);
      AttachDatabase(connection, name);
      return arrow::Status::OK();
    });
    if (!attached.ok()) shared_->backends->Remove(name);
    return attached;
  }

  arrow::Status RemoveBackend(const std::string& name) override {
    if (shared_->backends->Remove(name) == nullptr) return arrow::Status::KeyError("Unknown backend: ", name);
    return Guard([&] {
      duckdb::Connection connection(*database_);
      DetachDatabase(connection, name);
      return arrow::Status::OK();
    });
  }

  std::string failure() const override {
    auto& instance = *database_->instance;
    return duckdb::ValidChecker::IsInvalidated(instance) ? duckdb::ValidChecker::InvalidatedMessage(instance) : "";
  }

  std::int64_t memory_bytes() const override {
    const auto& buffers = duckdb::BufferManager::GetBufferManager(*database_->instance);
    return static_cast<std::int64_t>(buffers.GetUsedMemory()) + shared_->results->bytes_used();
  }

 private:
  ParseLimits Limits() const {
    return {.sql_bytes_max = static_cast<std::size_t>(options_.sql_bytes_max),
            .expression_depth_max = options_.expression_depth_max};
  }

  arrow::Status Run(const std::string& sql) {
    ARROW_ASSIGN_OR_RAISE(auto connection, Connect());
    ARROW_RETURN_NOT_OK(connection->Begin());
    ARROW_RETURN_NOT_OK(connection->Run(sql).status());
    return connection->Commit();
  }

  // `name.table` must not mean two things.
  arrow::Status CheckName(const std::string& name) const {
    const auto folded = FoldIdentifier(name);
    for (const auto* taken : {"system", "temp", "main", "pg_catalog", "information_schema", "hyprstream"}) {
      if (folded == taken) return arrow::Status::Invalid("No backend can be called ", name, "; choose another name");
    }
    if (folded == FoldIdentifier(shared_->database) || folded.starts_with("__")) {
      return arrow::Status::Invalid("No backend can be called ", name, "; choose another name");
    }
    return Guard([&] {
      duckdb::Connection connection(*database_);
      auto schemas = connection.Query(
          "SELECT 1 FROM duckdb_schemas() WHERE " + FoldedSql("schema_name") + " = $1 AND database_name = $2", folded,
          shared_->database);
      if (schemas->HasError()) return StatusFrom(schemas->GetErrorObject());
      if (schemas->Fetch() == nullptr) return arrow::Status::OK();
      return arrow::Status::Invalid("There is a schema ", name, " here already; choose another name for the backend");
    });
  }

  // Registers what is ours, opens the file and locks the configuration.
  arrow::Status Prepare() {
    ContainTimeCasts(*database_->instance);
    {
      duckdb::Connection connection(*database_);
      connection.BeginTransaction();
      RegisterScans(connection);
      connection.Commit();
      const auto zone = connection.Query("SET GLOBAL TimeZone = 'UTC'");  // in which the file's log is read
      if (zone->HasError()) return StatusFrom(zone->GetErrorObject());
    }
    if (!options_.path.empty()) ARROW_RETURN_NOT_OK(OpenDatabaseFile(*database_, options_.path));
    duckdb::Connection connection(*database_);
    auto name = connection.Query("SELECT current_database()");
    if (name->HasError()) return StatusFrom(name->GetErrorObject());
    shared_->database = name->Fetch()->GetValue(0, 0).ToString();
    auto schemas = connection.Query("CREATE SCHEMA IF NOT EXISTS hyprstream");
    if (schemas->HasError()) return StatusFrom(schemas->GetErrorObject());
    return LockDown(options_, connection);
  }

  EngineOptions options_;
  std::shared_ptr<EngineShared> shared_;
  std::shared_ptr<duckdb::DuckDB> database_;
  ParsedTexts parsed_;
};

}  // namespace

arrow::Result<std::unique_ptr<Engine>> Engine::Make(EngineOptions options) {
  auto engine = std::make_unique<EngineImpl>(std::move(options));
  ARROW_RETURN_NOT_OK(engine->Open());
  return engine;
}

void ReturnFreedMemory() {
  duckdb::Allocator::FlushAll();
  malloc_trim(0);
}

}  // namespace hyprstream::engine
