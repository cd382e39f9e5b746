#include "commit/time_options.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/nearest_name.h"

namespace hyprstream::commit {

namespace {

arrow::Result<bool> ParseBool(const std::string& owner, const std::string& name, const std::string& value) {
  const std::string folded = FoldIdentifier(value);
  if (folded == "true" || folded == "1" || folded == "on") return true;
  if (folded == "false" || folded == "0" || folded == "off") return false;
  return arrow::Status::Invalid(owner, " option ", name, " must be true or false, not '", value, "'");
}

// `least`: 0 or 1 microsecond.
arrow::Result<Micros> ParseSpan(engine::Connection& connection, const std::string& owner, const std::string& name,
                                const std::string& value, Micros least) {
  const auto bad = [&](const std::string& why) {
    return arrow::Status::Invalid(owner, " option ", name, " must be an interval, such as '10 minutes' or '7 days', ",
                                  why);
  };
  if (value == "0" && least == Micros(0)) return Micros(0);
  // DuckDB takes a number for seconds: who writes `retention = 7` would hardly keep what they mean to.
  const bool of_nothing = value.find_first_of("123456789") == std::string::npos;
  if (!of_nothing && value.find_first_not_of("0123456789.+-eE ") == std::string::npos) {
    return bad("not '" + value + "': say of what");
  }
  const auto interval = EvaluateInterval(connection, "TRY_CAST(" + QuoteLiteral(value) + " AS INTERVAL)");
  if (!interval.ok()) return bad("not '" + value + "'");
  if (interval->months != 0) return bad("not '" + value + "': a month is not always as long; write it in days");
  const auto span = Micros(static_cast<std::int64_t>(interval->days) * 86'400'000'000) + Micros(interval->micros);
  if (span < least) {
    return bad("not '" + value + "': it must " + (least == Micros(0) ? "not be negative" : "be longer than nothing"));
  }
  return span;
}

constexpr Micros kNothing{0};
constexpr Micros kSomething{1};

}  // namespace

std::string ToText(LatePolicy policy) {
  switch (policy) {
    case LatePolicy::kUpdate:
      return "update";
    case LatePolicy::kDrop:
      return "drop";
    case LatePolicy::kReject:
      return "reject";
  }
  return "";
}

std::optional<LatePolicy> LatePolicyOf(const std::string& text) {
  for (const auto policy : {LatePolicy::kUpdate, LatePolicy::kDrop, LatePolicy::kReject}) {
    if (ToText(policy) == text) return policy;
  }
  return std::nullopt;
}

arrow::Result<Interval> EvaluateInterval(engine::Connection& connection, const std::string& sql) {
  ARROW_ASSIGN_OR_RAISE(const auto executed, connection.Run("SELECT " + sql));
  ARROW_ASSIGN_OR_RAISE(const auto batches, executed.rows->ToRecordBatches());
  if (batches.empty() || batches[0]->num_rows() != 1) return arrow::Status::UnknownError("no interval came of ", sql);
  const auto& column = *batches[0]->column(0);
  if (column.type_id() != arrow::Type::INTERVAL_MONTH_DAY_NANO || column.IsNull(0)) {
    return arrow::Status::Invalid("Not an interval: ", sql);
  }
  const auto value = static_cast<const arrow::MonthDayNanoIntervalArray&>(column).GetValue(0);
  return Interval{.months = value.months, .days = value.days, .micros = value.nanoseconds / 1000};
}

arrow::Result<TableOptions> ParseTableOptions(engine::Connection& connection, const engine::Options& options) {
  static const std::array<std::string, 6> kKnown = {"time",       "keep_rows", "retention",
                                                    "max_future", "clock",     "idle_timeout"};
  TableOptions parsed;
  for (const auto& [name, value] : options) {
    if (name == "time") {
      parsed.time_column = value;
    } else if (name == "keep_rows") {
      ARROW_ASSIGN_OR_RAISE(parsed.keep_rows, ParseBool("Table", name, value));
    } else if (name == "retention") {
      ARROW_ASSIGN_OR_RAISE(parsed.retention, ParseSpan(connection, "Table", name, value, kSomething));
    } else if (name == "max_future") {
      ARROW_ASSIGN_OR_RAISE(parsed.max_future, ParseSpan(connection, "Table", name, value, kNothing));
    } else if (name == "idle_timeout") {
      ARROW_ASSIGN_OR_RAISE(parsed.idle_timeout, ParseSpan(connection, "Table", name, value, kSomething));
    } else if (name == "clock") {
      const auto clock = FoldIdentifier(value);
      if (clock != "event" && clock != "wall") {
        return arrow::Status::Invalid("Table option clock must be 'event' or 'wall', not '", value, "'");
      }
      parsed.wall_clock = clock == "wall";
    } else if (name == "write_through") {
      return arrow::Status::NotImplemented("Table option ", name, " is not available in this version; leave it out");
    } else {
      return arrow::Status::Invalid("Unknown table option: ", name, DidYouMean(name, kKnown));
    }
    const bool of_time = name != "time" && name != "keep_rows";
    if (of_time && !options.contains("time")) {
      return arrow::Status::Invalid("Table option ", name,
                                    " needs an event-time column; name it, as in WITH (time = 'ts', ", name, " = '",
                                    value, "')");
    }
  }
  if (parsed.idle_timeout.has_value() && !parsed.wall_clock) {
    return arrow::Status::Invalid(
        "Table option idle_timeout needs clock = 'wall': only there the marks of a silent table follow the clock");
  }
  if (parsed.retention.has_value() && !parsed.keep_rows) {
    return arrow::Status::Invalid(
        "Table option retention is about rows, and the table keeps none (keep_rows = false); give its materialized "
        "views a retention");
  }
  return parsed;
}

namespace {

arrow::Status UnknownViewOption(const std::string& name) {
  static const std::array<std::string, 5> kKnown = {"backfill", "background", "lateness", "late", "retention"};
  if (name == "write_through") {
    return arrow::Status::NotImplemented("View option ", name, " is not available in this version; leave it out");
  }
  return arrow::Status::Invalid("Unknown view option: ", name, DidYouMean(name, kKnown));
}

// True when it is one that may change in the life of a view.
arrow::Result<bool> SetViewOption(engine::Connection& connection, const std::string& name, const std::string& value,
                                  ViewOptions& options) {
  if (name == "lateness") {
    ARROW_ASSIGN_OR_RAISE(options.lateness, ParseSpan(connection, "View", name, value, kNothing));
  } else if (name == "retention") {
    ARROW_ASSIGN_OR_RAISE(options.retention, ParseSpan(connection, "View", name, value, kSomething));
  } else if (name == "late") {
    const auto policy = LatePolicyOf(FoldIdentifier(value));
    if (!policy.has_value()) {
      return arrow::Status::Invalid("View option late must be 'update', 'drop' or 'reject', not '", value, "'");
    }
    options.late = *policy;
  } else {
    return false;
  }
  return true;
}

arrow::Status CheckViewOptions(const ViewOptions& options) {
  const auto& [lateness, late, retention] = options;
  if (!retention.has_value() || *retention >= lateness) return arrow::Status::OK();
  return arrow::Status::Invalid("View option retention ('", ToText(*retention), "') is shorter than lateness ('",
                                ToText(lateness), "'): windows would be dropped before they close");
}

}  // namespace

arrow::Result<ParsedViewOptions> ParseViewOptions(engine::Connection& connection, const engine::Options& options) {
  ParsedViewOptions parsed;
  for (const auto& [name, value] : options) {
    ARROW_ASSIGN_OR_RAISE(const bool set, SetViewOption(connection, name, value, parsed.options));
    if (set) continue;
    if (name != "backfill" && name != "background") return UnknownViewOption(name);
    ARROW_ASSIGN_OR_RAISE((name == "backfill" ? parsed.backfill : parsed.background), ParseBool("View", name, value));
  }
  ARROW_RETURN_NOT_OK(CheckViewOptions(parsed.options));
  return parsed;
}

arrow::Result<ViewOptions> AlterViewOptions(engine::Connection& connection, ViewOptions before,
                                            const engine::Options& set, const std::vector<std::string>& reset) {
  const auto not_altered = [](const std::string& name) {
    if (name != "backfill" && name != "background") return UnknownViewOption(name);
    return arrow::Status::Invalid("View option ", name,
                                  " says what CREATE does and cannot be altered; REFRESH MATERIALIZED VIEW counts all "
                                  "rows of the table, CREATE OR REPLACE makes the view anew");
  };
  auto options = std::move(before);
  for (const auto& [name, value] : set) {
    ARROW_ASSIGN_OR_RAISE(const bool known, SetViewOption(connection, name, value, options));
    if (!known) return not_altered(name);
  }
  const ViewOptions defaults;
  for (const auto& name : reset) {
    if (name == "lateness") {
      options.lateness = defaults.lateness;
    } else if (name == "late") {
      options.late = defaults.late;
    } else if (name == "retention") {
      options.retention = defaults.retention;
    } else {
      return not_altered(name);
    }
  }
  ARROW_RETURN_NOT_OK(CheckViewOptions(options));
  return options;
}

arrow::Result<std::string> FindTimeColumn(const TableRef& table, const arrow::Schema& schema, const std::string& name) {
  const auto names = schema.field_names();
  const auto found =
      std::ranges::find_if(names, [&](const auto& column) { return FoldIdentifier(column) == FoldIdentifier(name); });
  if (found == names.end()) {
    return arrow::Status::Invalid("The event-time column ", name, " is not a column of ", table.ToString(),
                                  DidYouMean(name, names));
  }
  const auto type = schema.field(static_cast<int>(found - names.begin()))->type();
  if (type->id() != arrow::Type::TIMESTAMP && type->id() != arrow::Type::DATE32) {
    return arrow::Status::Invalid("The event-time column ", *found, " must be a TIMESTAMP, TIMESTAMPTZ or DATE, not ",
                                  type->ToString());
  }
  return *found;
}

}  // namespace hyprstream::commit
