// Is a bound plan computed row by row, from the row alone?
#pragma once

namespace arrow {
class Status;
}

namespace duckdb {
class LogicalOperator;
}

namespace hyprstream::engine {

// OK when the plan only scans, filters and projects, and every function gives the same result for the same row at any
// time; else NotImplemented naming the function. It sees what macros expanded to.
arrow::Status CheckRowWise(const duckdb::LogicalOperator& plan);

}  // namespace hyprstream::engine
