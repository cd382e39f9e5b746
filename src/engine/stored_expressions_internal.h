// Expressions that a statement stores in the catalog, or that DuckDB evaluates without a plan: defaults, CHECKs,
// generated columns, ALTER ... USING. The bound plan does not show them.
#pragma once

namespace arrow {
class Status;
}

namespace duckdb {
class ClientContext;
class LogicalOperator;
}  // namespace duckdb

namespace hyprstream::engine {

inline constexpr const char* kComputedDefault =
    "ADD COLUMN takes no DEFAULT that is to be computed; write three statements: ALTER TABLE t ADD COLUMN c type; "
    "UPDATE t SET c = expression; ALTER TABLE t ALTER COLUMN c SET DEFAULT expression";

// OK when all that the operator stores are built-in functions that a client may call; macros are not. What an ALTER
// TABLE computes DuckDB's log does not hold, and a start after a crash computes it again: it may depend on nothing that
// is another then, neither the session's time zone nor the clock.
arrow::Status CheckStoredExpressions(duckdb::ClientContext& context, const duckdb::LogicalOperator& op);

}  // namespace hyprstream::engine
