// What a client's bound plan may do: the last word is on what DuckDB resolved, never on text.
//
// Run from a PlannerExtension's post_bind_function, which sees every bound statement: queries, DML, DDL, SET, PREPARE's
// inner plan, and what a macro or view expanded to. (The optimizer's hook is not enough: it skips statements that need
// no optimizer, such as CREATE VIEW, SET or DROP.) What is allowed is listed in function_lists_internal.cc.
//
// Thread safety: all functions, from any thread.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/table_ref.h"
#include "engine/backend_pushdown_internal.h"
#include "engine/connection.h"
#include "engine/look_up_internal.h"
#include "engine/plain_read_internal.h"
#include "engine/rollup_internal.h"

namespace arrow {
class Status;
}

namespace duckdb {
class ClientContext;
class LogicalOperator;
}  // namespace duckdb

namespace hyprstream::engine {

// The schema of our own book-keeping: no client reads or changes it.
inline constexpr const char* kInternalSchema = "__hyprstream";

// The schema of the system tables: every client reads it, none changes it.
inline constexpr const char* kSystemSchema = "hyprstream";

// Columns of a table that a client makes.
inline constexpr std::size_t kTableColumnsMax = 10'000;

struct Policy {
  std::string database;  // the catalog name of the one local database
  // Asked for every local table and materialized view that the plan reads; OK or empty: it may be read.
  // `edited`: an UPDATE, DELETE or MERGE of the plan changes it.
  std::function<arrow::Status(const TableRef&, bool edited)> read_check;
  bool appending = false;  // rows that are handed in, not read by SQL: one value is then no SHOW of a setting
};

// What a bound plan touches. Lists are without repetition, in the order met.
struct PlanFacts {
  std::vector<TableRef> reads;   // local tables scanned, and materialized views (by their view_scan arguments)
  std::vector<TableRef> writes;  // local tables whose rows change, and targets of CREATE, DROP and ALTER;
                                 // a schema as a target has no name
  std::vector<BackendRead> backend_reads = {};
  bool changes_rows = false;  // INSERT, UPDATE, DELETE, MERGE anywhere in the plan
  bool temporary = false;     // touches something temporary
  std::optional<Renaming> renaming = {};
  PushdownFacts pushdown = {};                   // which parts a backend answers
  RollUpFacts roll_ups = {};                     // what was made of it before it was optimized
  std::optional<LookUp> look_up = std::nullopt;  // what it is, if it is one
  std::optional<PlainRead> plain_read = std::nullopt;
  // Tables that it may read only through their views, and what to say where it does not.
  std::vector<std::pair<TableRef, std::string>> views_only = {};
};

// Throws nothing.
PlanFacts Inspect(duckdb::ClientContext& context, const duckdb::LogicalOperator& plan);

// A SET or RESET that names no scope is made the session's own, whatever the setting: DuckDB would do some for
// everybody.
void KeepToSession(duckdb::LogicalOperator& plan);

// OK, or Invalid that names what is not allowed, or what policy.read_check said. Throws nothing.
arrow::Status CheckPlan(duckdb::ClientContext& context, const duckdb::LogicalOperator& plan, const Policy& policy);

// When views have answered what they can: Invalid when a table of facts.views_only is still read. Throws nothing.
arrow::Status CheckReads(const duckdb::LogicalOperator& plan, const PlanFacts& facts);

}  // namespace hyprstream::engine
