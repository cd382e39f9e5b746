// What a connection carries into DuckDB's hooks and table functions: who asks, what is pinned, what the plan touched.
//
// Registered on the ClientContext under kKey; used by the thread that runs the connection's statement, and by DuckDB's
// worker threads only through what init functions copied out of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <duckdb/main/client_context_state.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/request_context.h"
#include "core/snapshot.h"
#include "engine/backend_set_internal.h"
#include "engine/connection.h"
#include "engine/edit_log_internal.h"
#include "engine/engine.h"
#include "engine/gate_internal.h"
#include "engine/result_memory_internal.h"

namespace hyprstream::engine {

// Batches that `hyprstream_input()` shows.
struct InputBatches {
  std::shared_ptr<arrow::Schema> schema;
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
};

// Shared by all connections of one engine.
struct EngineShared {
  explicit EngineShared(std::int64_t result_bytes_max) : results(std::make_shared<ResultMemory>(result_bytes_max)) {}

  const std::shared_ptr<ResultMemory> results;
  std::string database;  // the catalog of the one local database
  std::map<std::string, SystemTable> system_tables;
  const std::shared_ptr<BackendSet> backends = std::make_shared<BackendSet>();
  Engine::ReadCheck read_check;
  EditLog edits;
};

// Of the texts that query() made SQL of while a statement was bound.
struct QueriedTexts {
  std::size_t bytes = 0;
  std::size_t set_operations = 0;
};

struct StateRequest;

struct ContextState : duckdb::ClientContextState {
  static constexpr const char* kKey = "hyprstream";

  explicit ContextState(std::shared_ptr<EngineShared> engine) : shared(std::move(engine)) {}

  static ContextState& Of(duckdb::ClientContext& context);

  std::shared_ptr<EngineShared> shared;
  Trust trust = Trust::kInternal;
  Identity reader;  // of system tables
  std::shared_ptr<const Snapshot> snapshot;
  const InputBatches* input = nullptr;
  StateRequest* states = nullptr;  // what is planned reads a view's states for another
  bool appending = false;          // what is bound is the insert of Connection::Append
  // PREPARE and EXECUTE of SQL: DuckDB keeps the plan, and nobody looks again whether views still answer it.
  bool plan_is_kept = false;
  // What a statement names is being looked up; not yet, or no longer: it runs.
  bool binding = false;
  QueriedTexts queried;  // since that began
  void BeginBinding() {
    binding = true;
    queried = {};
  }
  PlanFacts facts;  // of everything bound since the statement's preparation began
  void Note(PlanFacts more);

  duckdb::RebindQueryInfo OnRebindPreparedStatement(duckdb::ClientContext&, duckdb::BindPreparedStatementCallbackInfo&,
                                                    duckdb::RebindQueryInfo rebind) override {
    // A plan that DuckDB keeps for PREPARE was made for the values that its tables had then.
    if (plan_is_kept) rebind = duckdb::RebindQueryInfo::ATTEMPT_TO_REBIND;
    binding = false;
    if (rebind == duckdb::RebindQueryInfo::ATTEMPT_TO_REBIND) BeginBinding();
    return rebind;
  }
};

}  // namespace hyprstream::engine
