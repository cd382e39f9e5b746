// How a view's SELECT calls an aggregate: which one it is, of what, on which condition; and how its arguments travel.
//
// What is supported is core/aggregate_functions.h's to say. Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <duckdb/common/types.hpp>
#include <string>
#include <vector>

#include "core/aggregate_functions.h"
#include "engine/declared_schema_internal.h"

namespace arrow {
template <class T>
class Result;
}

namespace duckdb {
class ClientContext;
class FunctionExpression;
class ParsedExpression;
}  // namespace duckdb

namespace hyprstream::engine {

struct AggregateCall {
  const AggregateFunction* function;
  std::vector<std::string> arguments = {};  // SQL, as written
  std::vector<double> parameters = {};
  bool of_argument_type = false;  // as AggregateColumn
  std::string filter = {};        // SQL, BOOLEAN; empty: none
  duckdb::LogicalType type = {};  // of its result; of a list, its elements'
};

bool IsCountStar(const duckdb::ParsedExpression& expression);
bool IsAggregate(duckdb::ClientContext& context, const duckdb::ParsedExpression& expression);
bool ContainsAggregate(duckdb::ClientContext& context, const duckdb::ParsedExpression& expression);

// The call of an aggregate whose result is of `type`. `time_column`: SQL of the table's event time, empty: it has none.
// NotImplemented, and what can be maintained instead.
arrow::Result<AggregateCall> ReadAggregate(duckdb::ClientContext& context, const duckdb::FunctionExpression& function,
                                           const duckdb::LogicalType& type, const std::string& time_column);

// How values of an argument travel. Picks and extremes must be given back as they were.
Carriage CarriageOf(const AggregateFunction& function, std::size_t argument, const duckdb::LogicalType& type);

// An argument's SQL so that it evaluates to what the states take; `type` is the argument's own.
arrow::Result<std::string> CarryArgument(const AggregateCall& call, std::size_t argument,
                                         const duckdb::LogicalType& type);

}  // namespace hyprstream::engine
