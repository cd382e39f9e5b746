#include "server/system_tables.h"

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "commit/commit_path.h"
#include "config/config_fields.h"
#include "config/load_config.h"
#include "session/session_registry.h"

namespace hyprstream::server {
namespace {

using Texts = std::vector<std::string>;

// One column of a system table over rows of type Row: its name and how a row's value is found.
template <class Row>
struct Column {
  std::shared_ptr<arrow::Field> field;
  std::function<arrow::Result<std::shared_ptr<arrow::Array>>(const std::vector<Row>&)> values;
};

template <class Builder, class Row, class Get>
Column<Row> BuiltColumn(const char* name, std::shared_ptr<arrow::DataType> type, Get get) {
  return {arrow::field(name, std::move(type), /*nullable=*/false), [get](const std::vector<Row>& rows) {
            Builder builder;
            arrow::Status status = builder.Reserve(static_cast<std::int64_t>(rows.size()));
            for (const Row& row : rows) {
              if (status.ok()) status = builder.Append(get(row));
            }
            return status.ok() ? builder.Finish() : arrow::Result<std::shared_ptr<arrow::Array>>(status);
          }};
}

template <class Row>
Column<Row> TextColumn(const char* name, std::function<std::string(const Row&)> get) {
  return BuiltColumn<arrow::StringBuilder, Row>(name, arrow::utf8(), std::move(get));
}

template <class Row>
Column<Row> CountColumn(const char* name, std::int64_t Row::* member) {
  return BuiltColumn<arrow::Int64Builder, Row>(name, arrow::int64(), [member](const Row& row) { return row.*member; });
}

template <class Row>
Column<Row> TruthColumn(const char* name, std::function<bool(const Row&)> get) {
  return BuiltColumn<arrow::BooleanBuilder, Row>(name, arrow::boolean(), std::move(get));
}

// A TIMESTAMP, NULL where there is none.
template <class Row>
Column<Row> TimeColumn(const char* name, std::function<std::optional<commit::EventTime>(const Row&)> get) {
  const auto type = arrow::timestamp(arrow::TimeUnit::MICRO);
  return {arrow::field(name, type), [type, get](const std::vector<Row>& rows) {
            arrow::TimestampBuilder builder(type, arrow::default_memory_pool());
            auto status = arrow::Status::OK();
            for (const Row& row : rows) {
              const auto time = get(row);
              if (status.ok()) {
                status = time.has_value() ? builder.Append(time->time_since_epoch().count()) : builder.AppendNull();
              }
            }
            return status.ok() ? builder.Finish() : arrow::Result<std::shared_ptr<arrow::Array>>(status);
          }};
}

std::string SpanText(const std::optional<commit::Micros>& span) { return span ? commit::ToText(*span) : ""; }

template <class Row>
Column<Row> RealColumn(const char* name, double Row::* member) {
  return BuiltColumn<arrow::DoubleBuilder, Row>(name, arrow::float64(),
                                                [member](const Row& row) { return row.*member; });
}

template <class Row>
Column<Row> TextsColumn(const char* name, std::function<Texts(const Row&)> get) {
  auto type = arrow::list(arrow::field("item", arrow::utf8()));
  auto build = [get](const std::vector<Row>& rows) -> arrow::Result<std::shared_ptr<arrow::Array>> {
    auto items = std::make_shared<arrow::StringBuilder>();
    arrow::ListBuilder lists(arrow::default_memory_pool(), items);
    for (const Row& row : rows) {
      ARROW_RETURN_NOT_OK(lists.Append());
      for (const std::string& text : get(row)) ARROW_RETURN_NOT_OK(items->Append(text));
    }
    return lists.Finish();
  };
  return {arrow::field(name, std::move(type), /*nullable=*/false), std::move(build)};
}

template <class Row>
engine::SystemTable TableOf(const char* name, std::vector<Column<Row>> columns,
                            std::function<std::vector<Row>(const Identity& reader)> rows_of) {
  arrow::FieldVector fields;
  for (const Column<Row>& column : columns) fields.push_back(column.field);
  auto schema = arrow::schema(std::move(fields));
  auto read = [schema, columns = std::move(columns), rows_of = std::move(rows_of)](
                  const Identity& reader) -> arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> {
    const std::vector<Row> rows = rows_of(reader);
    arrow::ArrayVector arrays;
    for (const Column<Row>& column : columns) {
      ARROW_ASSIGN_OR_RAISE(auto array, column.values(rows));
      arrays.push_back(std::move(array));
    }
    return std::vector{arrow::RecordBatch::Make(schema, static_cast<std::int64_t>(rows.size()), std::move(arrays))};
  };
  return {.name = name, .schema = schema, .rows = std::move(read)};
}

std::string ClockOf(const commit::TableInfo& table) {
  if (table.options.time_column.empty()) return "";
  return table.options.wall_clock ? "wall" : "event";
}

engine::SystemTable Tables(commit::CommitPath& commits) {
  using Row = commit::TableInfo;
  return TableOf<Row>(
      "tables",
      {TextColumn<Row>("table_schema", [](const Row& row) { return row.table.schema; }),
       TextColumn<Row>("table_name", [](const Row& row) { return row.table.name; }),
       TextColumn<Row>("time_column", [](const Row& row) { return row.options.time_column; }),
       TruthColumn<Row>("keep_rows", [](const Row& row) { return row.options.keep_rows; }),
       TextColumn<Row>("retention", [](const Row& row) { return SpanText(row.options.retention); }),
       TextColumn<Row>("max_future", [](const Row& row) { return SpanText(row.options.max_future); }),
       TextColumn<Row>("clock", ClockOf),
       TextColumn<Row>("idle_timeout", [](const Row& row) { return SpanText(row.options.idle_timeout); }),
       CountColumn<Row>("rows_accepted", &Row::rows_accepted),
       TimeColumn<Row>("rows_before", [](const Row& row) { return row.rows_before; }),
       TextColumn<Row>("problem", [](const Row& row) { return row.problem; }),
       TextsColumn<Row>("views",
                        [](const Row& row) {
                          Texts names;
                          for (const TableRef& view : row.views) names.push_back(view.ToString());
                          return names;
                        })},
      [&commits](const Identity&) { return commits.Tables(); });
}

Column<commit::ViewInfo> LateColumn(const char* name, std::int64_t commit::LateCounts::* count) {
  return BuiltColumn<arrow::Int64Builder, commit::ViewInfo>(
      name, arrow::int64(), [count](const commit::ViewInfo& row) { return row.late.*count; });
}

std::string StatusText(commit::ViewStatus status) {
  switch (status) {
    case commit::ViewStatus::kReady:
      return "ready";
    case commit::ViewStatus::kFilling:
      return "filling";
    case commit::ViewStatus::kBroken:
      return "broken";
  }
  return "";
}

engine::SystemTable Views(commit::CommitPath& commits) {
  using Row = commit::ViewInfo;
  return TableOf<Row>(
      "views",
      {TextColumn<Row>("view_schema", [](const Row& row) { return row.view.schema; }),
       TextColumn<Row>("view_name", [](const Row& row) { return row.view.name; }),
       TextColumn<Row>("base", [](const Row& row) { return row.base.ToString(); }),
       TextColumn<Row>("source", [](const Row& row) { return row.source.ToString(); }),
       TextColumn<Row>("definition", [](const Row& row) { return row.definition; }),
       TextColumn<Row>("filled_from",
                       [](const Row& row) { return row.filled_from.name.empty() ? "" : row.filled_from.ToString(); }),
       TextColumn<Row>("status", [](const Row& row) { return StatusText(row.status); }),
       TextColumn<Row>("problem", [](const Row& row) { return row.problem; }),
       TextColumn<Row>("lateness", [](const Row& row) { return commit::ToText(row.options.lateness); }),
       TextColumn<Row>("late", [](const Row& row) { return commit::ToText(row.options.late); }),
       TextColumn<Row>("retention", [](const Row& row) { return SpanText(row.options.retention); }),
       LateColumn("late_updated", &commit::LateCounts::updated),
       LateColumn("late_dropped", &commit::LateCounts::dropped),
       LateColumn("late_rejected", &commit::LateCounts::rejected),
       LateColumn("late_expired", &commit::LateCounts::expired),
       LateColumn("expired_rows", &commit::LateCounts::gone),
       CountColumn<Row>("windows", &Row::windows),
       CountColumn<Row>("groups", &Row::groups),
       CountColumn<Row>("rows", &Row::rows),
       CountColumn<Row>("bytes", &Row::bytes),
       CountColumn<Row>("rows_filled", &Row::rows_filled),
       CountColumn<Row>("rows_to_fill", &Row::rows_to_fill)},
      [&commits](const Identity&) { return commits.Views(); });
}

engine::SystemTable Windows(commit::CommitPath& commits) {
  using Row = commit::WindowInfo;
  return TableOf<Row>(
      "windows",
      {TextColumn<Row>("view_schema", [](const Row& row) { return row.view.schema; }),
       TextColumn<Row>("view_name", [](const Row& row) { return row.view.name; }),
       TextColumn<Row>("window_start", [](const Row& row) { return row.window; }),
       CountColumn<Row>("groups", &Row::groups), CountColumn<Row>("rows", &Row::rows),
       CountColumn<Row>("bytes", &Row::bytes), TruthColumn<Row>("closed", [](const Row& row) { return row.closed; })},
      [&commits](const Identity&) { return commits.Windows(); });
}

struct Watermark {
  TableRef table;
  TableRef view;  // its name is empty where the table has none
  std::optional<commit::EventTime> mark, watermark;
};

// A row for each view of a table with an event-time column, at least one for each such table.
std::vector<Watermark> WatermarksOf(const commit::CommitPath& commits) {
  std::vector<Watermark> rows;
  const auto views = commits.Views();
  for (const auto& table : commits.Tables()) {
    if (table.options.time_column.empty()) continue;
    const auto before = rows.size();
    for (const auto& view : views) {
      if (view.base == table.table) rows.push_back({table.table, view.view, table.mark, view.watermark});
    }
    if (rows.size() == before) rows.push_back({table.table, {.schema = "", .name = ""}, table.mark, std::nullopt});
  }
  return rows;
}

engine::SystemTable Watermarks(commit::CommitPath& commits) {
  using Row = Watermark;
  return TableOf<Row>("watermarks",
                      {TextColumn<Row>("table_schema", [](const Row& row) { return row.table.schema; }),
                       TextColumn<Row>("table_name", [](const Row& row) { return row.table.name; }),
                       TextColumn<Row>("view_schema", [](const Row& row) { return row.view.schema; }),
                       TextColumn<Row>("view_name", [](const Row& row) { return row.view.name; }),
                       TimeColumn<Row>("mark", [](const Row& row) { return row.mark; }),
                       TimeColumn<Row>("watermark", [](const Row& row) { return row.watermark; })},
                      [&commits](const Identity&) { return WatermarksOf(commits); });
}

// What others do is for operators.
template <class Row>
std::vector<Row> ShownTo(const Identity& reader, std::vector<Row> rows) {
  if (!reader.admin) std::erase_if(rows, [&](const Row& row) { return row.user != reader.user; });
  return rows;
}

engine::SystemTable Queries(session::SessionRegistry& sessions) {
  using Row = session::QueryInfo;
  return TableOf<Row>("queries",
                      {TextColumn<Row>("id", [](const Row& row) { return row.id; }),
                       TextColumn<Row>("session", [](const Row& row) { return row.session; }),
                       TextColumn<Row>("user_name", [](const Row& row) { return row.user; }),
                       TextColumn<Row>("text", [](const Row& row) { return row.text; }),
                       TextColumn<Row>("route", [](const Row& row) { return row.route; }),
                       TextColumn<Row>("state", [](const Row& row) { return row.state; }),
                       TextColumn<Row>("error", [](const Row& row) { return row.error; }),
                       RealColumn<Row>("ms", &Row::ms), CountColumn<Row>("rows", &Row::rows)},
                      [&sessions](const Identity& reader) { return ShownTo(reader, sessions.Queries()); });
}

engine::SystemTable Sessions(session::SessionRegistry& sessions) {
  using Row = session::SessionInfo;
  return TableOf<Row>(
      "sessions",
      {TextColumn<Row>("id", [](const Row& row) { return row.id; }),
       TextColumn<Row>("user_name", [](const Row& row) { return row.user; }),
       TextColumn<Row>("peer", [](const Row& row) { return row.peer; }),
       CountColumn<Row>("statements", &Row::statements), CountColumn<Row>("idle_seconds", &Row::idle_seconds),
       CountColumn<Row>("connections", &Row::connections),
       TruthColumn<Row>("in_transaction", [](const Row& row) { return row.in_transaction; })},
      [&sessions](const Identity& reader) { return ShownTo(reader, sessions.Sessions()); });
}

engine::SystemTable Subscriptions(session::SessionRegistry& sessions) {
  using Row = session::SubscriptionInfo;
  return TableOf<Row>(
      "subscriptions",
      {TextColumn<Row>("id", [](const Row& row) { return row.id; }),
       TextColumn<Row>("view_schema", [](const Row& row) { return row.view.schema; }),
       TextColumn<Row>("view_name", [](const Row& row) { return row.view.name; }),
       TextColumn<Row>("session", [](const Row& row) { return row.session; }),
       TextColumn<Row>("user_name", [](const Row& row) { return row.user; }),
       TextColumn<Row>("told_on", [](const Row& row) { return row.on; }),
       TextColumn<Row>("told_rows", [](const Row& row) { return row.rows; }),
       TextColumn<Row>("condition", [](const Row& row) { return row.where; }),
       TextColumn<Row>("state", [](const Row& row) { return row.state; }),
       TextColumn<Row>("position", [](const Row& row) { return row.position; }), CountColumn<Row>("lag", &Row::lag),
       CountColumn<Row>("bytes", &Row::bytes), CountColumn<Row>("change_bytes", &Row::change_bytes),
       CountColumn<Row>("messages", &Row::messages), CountColumn<Row>("rows_sent", &Row::rows_sent),
       CountColumn<Row>("snapshots", &Row::snapshots)},
      [&sessions](const Identity& reader) { return ShownTo(reader, sessions.Subscriptions()); });
}

std::string StateText(backend::BackendState state) {
  return state == backend::BackendState::kAvailable ? "available" : "unavailable";
}

double Milliseconds(std::chrono::microseconds time) { return std::chrono::duration<double, std::milli>(time).count(); }

engine::SystemTable Backends(BackendsNow backends) {
  using Row = backend::BackendInfo;
  const auto time = [](const char* name, std::chrono::microseconds Row::* member) {
    return BuiltColumn<arrow::DoubleBuilder, Row>(name, arrow::float64(),
                                                  [member](const Row& row) { return Milliseconds(row.*member); });
  };
  return TableOf<Row>(
      "backends",
      {TextColumn<Row>("name", [](const Row& row) { return row.name; }),
       TextColumn<Row>("driver", [](const Row& row) { return row.driver; }),
       TextColumn<Row>("driver_version", [](const Row& row) { return row.driver_version; }),
       TextColumn<Row>("target", [](const Row& row) { return row.target; }),
       TextColumn<Row>("state", [](const Row& row) { return StateText(row.state); }),
       TextColumn<Row>("breaker", [](const Row& row) { return row.breaker; }),
       CountColumn<Row>("pool_in_use", &Row::pool_in_use), CountColumn<Row>("pool_idle", &Row::pool_idle),
       CountColumn<Row>("statements", &Row::statements), CountColumn<Row>("errors", &Row::errors),
       time("latency_p50_ms", &Row::latency_p50), time("latency_p99_ms", &Row::latency_p99),
       TextColumn<Row>("last_error", [](const Row& row) { return row.last_error; })},
      [backends = std::move(backends)](const Identity& reader) {
        // Without users everybody is the operator.
        const bool shown = reader.admin || reader.user.empty();
        return shown ? backends() : std::vector<Row>{};
      });
}

struct Setting {
  std::string name, value, origin, help;
};

std::string ShownValue(const config::ConfigField& field, const config::LoadedConfig& settings) {
  const std::string value = field.get(settings.values);
  return field.type == config::FieldType::kPath && !value.empty() ? "***" : value;
}

// Flag, environment, file or default, without the file's path.
std::string ShownOrigin(const std::string& origin) { return origin.substr(0, origin.find(' ')); }

engine::SystemTable Settings(const config::LoadedConfig& settings) {
  std::vector<Setting> rows;
  for (const config::ConfigField& field : config::ConfigFields()) {
    rows.push_back({field.name, ShownValue(field, settings), ShownOrigin(settings.origins.at(field.name)), field.help});
  }
  using Row = Setting;
  return TableOf<Row>("settings",
                      {TextColumn<Row>("name", [](const Row& row) { return row.name; }),
                       TextColumn<Row>("value", [](const Row& row) { return row.value; }),
                       TextColumn<Row>("origin", [](const Row& row) { return row.origin; }),
                       TextColumn<Row>("description", [](const Row& row) { return row.help; })},
                      [rows = std::move(rows)](const Identity&) { return rows; });
}

}  // namespace

std::vector<engine::SystemTable> SystemTables(commit::CommitPath& commits, session::SessionRegistry& sessions,
                                              BackendsNow backends, const config::LoadedConfig& settings) {
  return {Tables(commits),   Views(commits),     Windows(commits),        Watermarks(commits),
          Queries(sessions), Sessions(sessions), Subscriptions(sessions), Backends(std::move(backends)),
          Settings(settings)};
}

}  // namespace hyprstream::server
