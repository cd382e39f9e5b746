// Bounds on what an argument makes the states of aggregates hold: approx_top_k(x, 900000) takes 100 MB for each group,
// which DuckDB counts nowhere, and 2,048 new groups come between two looks for an interrupt.
#pragma once

#include <array>
#include <cstddef>
#include <duckdb/common/unique_ptr.hpp>
#include <duckdb/common/vector.hpp>
#include <string_view>

namespace arrow {
class Status;
}
namespace duckdb {
class ClientContext;
class Expression;
class Identifier;
class ScalarFunction;
}  // namespace duckdb

namespace hyprstream::engine {

// Invalid when an argument that sizes the state is no constant, or too large. `first` is the child that the aggregate's
// arguments begin with, but for its value: list_aggregate has the value's list, the name, and then the others.
arrow::Status CheckStateSize(duckdb::ClientContext& context, const duckdb::Identifier& aggregate,
                             const duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& children,
                             std::size_t first = 0);

// They take an aggregate by its name, and keep to themselves which when they are bound: it is there that they are held
// to the list of functions and to the sizes.
inline constexpr std::array<std::string_view, 5> kListAggregates = {"list_aggregate", "list_aggr", "array_aggregate",
                                                                    "array_aggr", "aggregate"};
void BoundListAggregate(duckdb::ScalarFunction& function);

}  // namespace hyprstream::engine
