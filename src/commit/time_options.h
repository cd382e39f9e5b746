// What CREATE TABLE ... WITH (...) and CREATE MATERIALIZED VIEW ... WITH (...) may say, above all about event time.
//
// Thread safety: stateless.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "commit/event_time.h"
#include "engine/engine.h"

namespace arrow {
class Schema;
}

namespace hyprstream::commit {

// A table's options, from CREATE TABLE ... WITH (...). All but keep_rows need a time column.
struct TableOptions {
  std::string time_column;  // empty: none
  bool keep_rows = true;
  std::optional<Micros> retention = {};     // rows older than this are deleted
  std::optional<Micros> max_future = {};    // how far beyond the server's clock the high-water mark may be
  bool wall_clock = false;                  // what retention is measured against: not the high-water mark
  std::optional<Micros> idle_timeout = {};  // after that long without rows the mark follows the clock; wall_clock only

  // Do they say anything?
  bool Any() const { return !time_column.empty() || !keep_rows; }

  friend bool operator==(const TableOptions&, const TableOptions&) = default;
};

// What becomes of a row whose window is closed.
enum class LatePolicy { kUpdate, kDrop, kReject };

// A view's, from CREATE MATERIALIZED VIEW ... WITH (...).
struct ViewOptions {
  Micros lateness{0};
  LatePolicy late = LatePolicy::kUpdate;
  std::optional<Micros> retention = {};  // windows that ended longer ago than this are dropped

  // Do they need windows over event time?
  bool NeedTime() const { return lateness.count() != 0 || late != LatePolicy::kUpdate || retention.has_value(); }
};

std::string ToText(LatePolicy policy);
std::optional<LatePolicy> LatePolicyOf(const std::string& text);

// Invalid for an unknown option (the message suggests the nearest), a bad value, or options that contradict each other.
arrow::Result<TableOptions> ParseTableOptions(engine::Connection& connection, const engine::Options& options);

struct ParsedViewOptions {
  ViewOptions options;
  bool backfill = true;
  bool background = false;
};
arrow::Result<ParsedViewOptions> ParseViewOptions(engine::Connection& connection, const engine::Options& options);
// What a view's options are after ALTER MATERIALIZED VIEW; `reset` get their defaults. Errors likewise, and Invalid for
// an option that only CREATE takes.
arrow::Result<ViewOptions> AlterViewOptions(engine::Connection& connection, ViewOptions before,
                                            const engine::Options& set, const std::vector<std::string>& reset);

// The table's spelling of its event-time column. Invalid when it has none of that name, or of another type than a time.
arrow::Result<std::string> FindTimeColumn(const TableRef& table, const arrow::Schema& schema, const std::string& name);

// A constant INTERVAL expression of SQL.
struct Interval {
  std::int32_t months = 0, days = 0;
  std::int64_t micros = 0;
};
arrow::Result<Interval> EvaluateInterval(engine::Connection& connection, const std::string& sql);

}  // namespace hyprstream::commit
