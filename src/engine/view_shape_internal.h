// Which SELECTs can be maintained, by the shape of their parse tree alone.
#pragma once

namespace arrow {
class Status;
}

namespace duckdb {
class ParsedExpression;
class QueryNode;
}  // namespace duckdb

namespace hyprstream::engine {

// OK for one SELECT of one table, or of tumble or hop over one, with an optional WHERE and one set of groups; else
// NotImplemented with the nearest thing that can be maintained.
arrow::Status CheckShape(const duckdb::QueryNode& node);

// OK when nothing in the expression needs more than the row at hand: no subquery, window, star or parameter.
arrow::Status CheckExpression(const duckdb::ParsedExpression& expression);

}  // namespace hyprstream::engine
