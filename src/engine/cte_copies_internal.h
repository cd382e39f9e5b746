// How often the optimizer may write out a WITH clause.
//
// DuckDB's optimizer puts the query of a CTE in the place of its references where WITH says NOT MATERIALIZED, where the
// query is cheap, or where a LIMIT waits for its rows. CTEs that name each other twice double at each step: 2 kB of
// text are a thousand million operators, and nothing interrupts the optimizer.
#pragma once

namespace duckdb {
class LogicalOperator;
}

namespace hyprstream::engine {

// Operators of a plan with all its CTEs written out; 6,000 take DuckDB a second to optimize.
inline constexpr double kWrittenOutMax = 10'000;

// Makes every CTE with more than one reference materialized in a bound plan that would be larger: the answer is the
// same, computed once. Before the plan is optimized.
void BoundCopies(duckdb::LogicalOperator& plan);

}  // namespace hyprstream::engine
