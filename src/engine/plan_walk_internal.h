// Every operator and expression of a bound plan, also those that DuckDB keeps where its own visitors do not look:
// lambda bodies, subqueries not yet flattened, defaults, CHECK constraints, the actions of MERGE.
#pragma once

#include <functional>

namespace duckdb {
class Expression;
class LogicalOperator;
}  // namespace duckdb

namespace hyprstream::engine {

// Calls both visitors in preorder: each operator before its expressions and children, each expression before its own.
void WalkPlan(const duckdb::LogicalOperator& plan,
              const std::function<void(const duckdb::LogicalOperator&)>& on_operator,
              const std::function<void(const duckdb::Expression&)>& on_expression);

}  // namespace hyprstream::engine
