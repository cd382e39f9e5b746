// Errors of functions that DuckDB would take for its own failure.
//
// A scalar function that is not marked as fallible and fails all the same ends DuckDB's database: it takes no more
// statements. Some of DuckDB's are so for times that are out of range though their type has room for them:
// `make_timestamp(-9223372036854775000)::VARCHAR`, age(), to_json(). Neither they nor a function that finds itself
// called with what it does not expect may end a server. They are not marked as fallible, which would keep DuckDB from
// pushing conditions down and from computing on dictionaries, but what they throw becomes an error of the statement.
// What they throw while it is planned, for values that no row of the statement may have, becomes nothing.
#pragma once

#include <duckdb/function/scalar_function.hpp>

namespace duckdb {
class DatabaseInstance;
class LogicalOperator;
}  // namespace duckdb

namespace hyprstream::engine {

// Of a plan that is bound and not yet optimized. Idempotent.
void ContainErrors(duckdb::LogicalOperator& plan);

// Was the callback contained? Whoever wraps callbacks has then been there before: a plan may be bound in several steps.
bool IsContained(const duckdb::scalar_function_t& callback);

// Of the casts of times to text wherever DuckDB makes them, also where it evaluates without a plan: generated columns,
// CHECK constraints. Once, when the database is opened.
void ContainTimeCasts(duckdb::DatabaseInstance& database);

}  // namespace hyprstream::engine
