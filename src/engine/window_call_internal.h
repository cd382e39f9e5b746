// A call of a window table function as it stands in a FROM clause: tumble(t, ts, size), hop(t, ts, slide, size) or
// session(t, ts, gap[, key, ...]).
#pragma once

#include <duckdb/common/identifier.hpp>
#include <duckdb/common/unique_ptr.hpp>
#include <duckdb/parser/parsed_expression.hpp>
#include <duckdb/parser/tableref/basetableref.hpp>
#include <optional>
#include <vector>

#include "core/window_spec.h"

namespace duckdb {
class TableFunctionRef;
}

namespace hyprstream::engine {

using WindowArgument = duckdb::unique_ptr<duckdb::ParsedExpression>;

// Copies of the arguments; whether they are times and intervals is known when they are bound.
struct WindowCall {
  WindowKind kind;
  duckdb::unique_ptr<duckdb::BaseTableRef> table;
  WindowArgument time;
  WindowArgument slide;              // of hop, else null
  WindowArgument width;              // the size, or a session's gap
  std::vector<WindowArgument> keys;  // of a session
};

// The name that SQL has for it: tumble, hop or session.
const char* WindowFunction(WindowKind kind);

// Nothing when another function is called. Throws DuckDB's ParserException for wrong arguments. `parameters`: of the
// macro that the call is in; like constants they may give the widths.
std::optional<WindowCall> ReadWindowCall(const duckdb::TableFunctionRef& call,
                                         const std::vector<duckdb::Identifier>& parameters = {});

}  // namespace hyprstream::engine
