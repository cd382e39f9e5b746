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

// OK when all that the operator stores are built-in functions that a client may call; macros are not.
arrow::Status CheckStoredExpressions(duckdb::ClientContext& context, const duckdb::LogicalOperator& op);

}  // namespace hyprstream::engine
