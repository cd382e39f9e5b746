// A materialized view's FROM that calls tumble, hop or session: the table behind it, and what the windows' columns are
// over the columns of that table.
#pragma once

#include <cstdint>
#include <duckdb/common/types.hpp>
#include <duckdb/common/types/interval.hpp>
#include <duckdb/common/unique_ptr.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/window_spec.h"
#include "engine/window_call_internal.h"

namespace arrow {
template <class T>
class Result;
}

namespace duckdb {
class ClientContext;
class ColumnRefExpression;
class SelectNode;
}  // namespace duckdb

namespace hyprstream::engine {

enum class WindowColumn { kStart, kEnd };

// window_start or window_end, without a qualifier or with the alias of the call.
std::optional<WindowColumn> WindowColumnOf(const duckdb::ParsedExpression& expression, const duckdb::Identifier& alias);

// Puts the table that a window function is called on into its place, under the call's alias. Nothing when FROM is
// something else. NotImplemented for windows that no view maintains; throws DuckDB's exceptions.
arrow::Result<std::optional<WindowCall>> TakeWindowCall(duckdb::SelectNode& select);

// Immutable. May throw DuckDB's exceptions.
class WindowedFrom {
 public:
  // Evaluates the widths and binds the time. Invalid or NotImplemented with the reason.
  static arrow::Result<WindowedFrom> Make(duckdb::ClientContext& context, WindowCall call);

  WindowKind kind() const { return call_.kind; }
  // Is window_end always this much after window_start? Not where months are.
  bool is_fixed() const { return size_.months == 0; }
  std::int64_t size_us() const;
  // Of windows that hop.
  std::optional<WindowSpec> hopping() const;

  // Of sessions, which have keys.
  std::optional<std::int64_t> session_gap() const;
  const std::vector<WindowArgument>& keys() const { return call_.keys; }
  // The last name of the column that the windows are over; empty when they are over an expression.
  std::string TimeColumn() const;

  // Over the columns of the table, by their own names. Of windows that hop the start is that of a row's slice, of
  // sessions it is the row's time.
  WindowArgument Start() const;
  WindowArgument End() const;
  // Which rows are in windows at all.
  WindowArgument Condition() const;

  // What the call stands for, to be bound in its place.
  duckdb::unique_ptr<duckdb::TableRef> Query(const duckdb::Identifier& alias) const;

 private:
  explicit WindowedFrom(WindowCall call) : call_(std::move(call)) {}
  WindowArgument Time() const;

  WindowCall call_;
  duckdb::interval_t size_{};
  duckdb::interval_t slide_{};
  duckdb::LogicalType time_type_;
};

}  // namespace hyprstream::engine
