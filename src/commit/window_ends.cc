#include "commit/window_ends.h"

#include <arrow/array.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <format>

#include "commit/in_zone.h"

namespace hyprstream::commit {

namespace {

bool HasZone(const arrow::DataType& type) {
  return type.id() == arrow::Type::TIMESTAMP && !static_cast<const arrow::TimestampType&>(type).timezone().empty();
}

// Why the ends of its windows are not known; empty: they are.
std::string WhyUnknown(const AggregateQuery& query, const std::string& time_column) {
  if (time_column.empty()) {
    return "its table " + query.base.ToString() + " has no event-time column: create it WITH (time = '...')";
  }
  if (query.window_key < 0) return "it has no window: add a key such as time_bucket(INTERVAL '5 minutes', ...)";
  if (query.hopping) return "its windows overlap: a row is in several, which end one after the other";
  if (FoldIdentifier(query.window_time) != FoldIdentifier(time_column)) {
    return "its windows are over " +
           (query.window_time.empty() ? std::string("an expression") : "column " + query.window_time) +
           ", not over the event-time column " + time_column + " of its table";
  }
  if (query.window_width_sql.empty() && !query.session_gap) return "its windows have no constant length";
  return "";
}

}  // namespace

WindowEnds::WindowEnds(const AggregateQuery& query, Interval width)
    : type_(query.evaluated_schema->field(query.window_key)->type()),
      time_zone_(query.time_zone),
      width_(width),
      fixed_(width.months == 0 && (width.days == 0 || !HasZone(*type_))) {}

arrow::Result<std::shared_ptr<WindowEnds>> WindowEnds::Make(engine::Connection& connection, const AggregateQuery& query,
                                                            const std::string& time_column, std::string& why) {
  why = WhyUnknown(query, time_column);
  if (!why.empty()) return nullptr;
  Interval width = {};
  if (!query.session_gap) {
    ARROW_ASSIGN_OR_RAISE(width, EvaluateInterval(connection, query.window_width_sql));
  }
  std::shared_ptr<WindowEnds> ends(new WindowEnds(query, width));
  const auto type = ends->type_->id();
  if (type != arrow::Type::TIMESTAMP && type != arrow::Type::DATE32) {
    why = "its window key is of type " + ends->type_->ToString();
  } else if (query.window_shifted && (width.months != 0 || HasZone(*ends->type_))) {
    why = "its windows are months, or of a time zone, with an offset, an origin or a zone of their own";
  }
  if (!why.empty()) return nullptr;
  return ends;
}

arrow::Status WindowEnds::Learn(engine::Connection& connection, const std::vector<aggregate::WindowStart>& windows) {
  if (fixed_) return arrow::Status::OK();
  arrow::Int64Builder builder;
  {
    const MutexLock lock(mutex_);
    for (const auto& window : windows) {
      if (!window.is_null && !learnt_.contains(window.start) && EventTimeOf(*type_, window.start).has_value()) {
        ARROW_RETURN_NOT_OK(builder.Append(window.start));
      }
    }
  }
  if (builder.length() == 0) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(const auto numbers, builder.Finish());
  const auto schema = arrow::schema({arrow::field("n", arrow::int64()), arrow::field("w", type_)});
  std::shared_ptr<arrow::Array> starts;
  if (type_->id() == arrow::Type::DATE32) {
    arrow::Date32Builder dates;
    for (const auto n : static_cast<const arrow::Int64Array&>(*numbers)) {
      ARROW_RETURN_NOT_OK(dates.Append(static_cast<std::int32_t>(*n)));
    }
    ARROW_ASSIGN_OR_RAISE(starts, dates.Finish());
  } else {
    ARROW_ASSIGN_OR_RAISE(starts, numbers->View(type_));
  }
  // An end beyond what DuckDB can say is never reached.
  const auto sql = std::format(
      "SELECT n, TRY(epoch_us(w + to_months({}) + to_days({}) + to_microseconds({}))) FROM hyprstream_input()",
      width_.months, width_.days, width_.micros);
  ARROW_ASSIGN_OR_RAISE(const auto batches, InZone(connection, time_zone_, [&] {
                          return connection.Evaluate(
                              sql, schema, {arrow::RecordBatch::Make(schema, numbers->length(), {numbers, starts})});
                        }));
  const MutexLock lock(mutex_);
  for (const auto& batch : batches) {
    const auto& of = static_cast<const arrow::Int64Array&>(*batch->column(0));
    const auto& ends = static_cast<const arrow::Int64Array&>(*batch->column(1));
    for (std::int64_t i = 0; i < batch->num_rows(); ++i) {
      learnt_[of.Value(i)] = ends.IsNull(i) ? EventTime::max() : EventTime(Micros(ends.Value(i)));
    }
  }
  return arrow::Status::OK();
}

EventTime WindowEnds::EndOf(aggregate::WindowStart window) const {
  const auto start = window.is_null ? std::nullopt : EventTimeOf(*type_, window.start);
  if (!start.has_value()) return EventTime::max();
  if (fixed_) {
    return Plus(*start, Micros(static_cast<std::int64_t>(width_.days) * 86'400'000'000 + width_.micros));
  }
  const MutexLock lock(mutex_);
  const auto found = learnt_.find(window.start);
  return found == learnt_.end() ? EventTime::max() : found->second;
}

EventTime WindowEnds::StartOf(aggregate::WindowStart window) const {
  if (window.is_null) return EventTime::max();
  const auto start = EventTimeOf(*type_, window.start);
  if (start.has_value()) return *start;
  return window.start < 0 ? EventTime::min() : EventTime::max();
}

}  // namespace hyprstream::commit
