#include "commit/window_ends.h"

#include <arrow/array.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
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
  if (FoldIdentifier(query.window_time) != FoldIdentifier(time_column)) {
    return "its windows are over " +
           (query.window_time.empty() ? std::string("an expression") : "column " + query.window_time) +
           ", not over the event-time column " + time_column + " of its table";
  }
  const bool is_call = query.session_gap || query.hopping;
  if (query.window_width_sql.empty() && !is_call) return "its windows have no constant length";
  return "";
}

// Is the end of every window so much after its start as the clock on the wall says?
bool IsFixed(const AggregateQuery& query, Interval width, const arrow::DataType& type) {
  if (query.hopping || query.session_gap) return true;
  if (width.months != 0 || query.window_local) return false;
  return width.days == 0 || !HasZone(type);
}

}  // namespace

WindowEnds::WindowEnds(const AggregateQuery& query, Interval width)
    : type_(query.evaluated_schema->field(query.window_key)->type()),
      time_zone_(query.time_zone),
      own_zone_(query.window_zone),
      any_zone_(query.window_zone_varies),
      local_(query.window_local),
      hopping_(query.hopping),
      width_(width),
      fixed_(IsFixed(query, width, *type_)) {}

arrow::Result<std::shared_ptr<WindowEnds>> WindowEnds::Make(engine::Connection& connection, const AggregateQuery& query,
                                                            const std::string& time_column, std::string& why) {
  why = WhyUnknown(query, time_column);
  if (!why.empty()) return nullptr;
  Interval width = {};
  if (!query.session_gap && !query.hopping) {
    ARROW_ASSIGN_OR_RAISE(width, EvaluateInterval(connection, query.window_width_sql));
  }
  std::shared_ptr<WindowEnds> ends(new WindowEnds(query, width));
  const auto type = ends->type_->id();
  if (type != arrow::Type::TIMESTAMP && type != arrow::Type::DATE32) {
    why = "its window key is of type " + ends->type_->ToString();
  } else if (query.window_local && HasZone(*ends->type_)) {
    why = "its windows are over times that are moved to another time zone";
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
  const auto sql = "SELECT n, " + SpanSql() + " FROM hyprstream_input()";
  ARROW_ASSIGN_OR_RAISE(const auto batches, InZone(connection, time_zone_, [&] {
                          return connection.Evaluate(
                              sql, schema, {arrow::RecordBatch::Make(schema, numbers->length(), {numbers, starts})});
                        }));
  const MutexLock lock(mutex_);
  for (const auto& batch : batches) {
    const auto& of = static_cast<const arrow::Int64Array&>(*batch->column(0));
    const auto& starts_there = static_cast<const arrow::Int64Array&>(*batch->column(1));
    const auto& ends = static_cast<const arrow::Int64Array&>(*batch->column(2));
    for (std::int64_t i = 0; i < batch->num_rows(); ++i) {
      learnt_[of.Value(i)] = {
          .start = starts_there.IsNull(i) ? EventTime::min() : EventTime(Micros(starts_there.Value(i))),
          .end = ends.IsNull(i) ? EventTime::max() : EventTime(Micros(ends.Value(i)))};
    }
  }
  return arrow::Status::OK();
}

// When the window w begins and ends. An end beyond what DuckDB can say is never reached.
std::string WindowEnds::SpanSql() const {
  if (any_zone_) return SpanOfAnyZoneSql();
  const auto after =
      std::format(" + to_months({}) + to_days({}) + to_microseconds({})", width_.months, width_.days, width_.micros);
  if (own_zone_.empty()) return "TRY(epoch_us(w)), TRY(epoch_us(w" + after + "))";
  const auto moved = [&](const std::string& time) { return "timezone(" + QuoteLiteral(own_zone_) + ", " + time + ")"; };
  const auto there = local_ ? std::string("w") : moved("w");
  // Of a time that clocks show twice timezone() gives the second: the window begins with the first.
  const auto first =
      "least(" + moved(there) + ", " + moved(there + " - to_hours(1)") + " + to_microseconds(3600000000))";
  return "TRY(epoch_us(" + first + ")), TRY(epoch_us(" + moved(there + after) + "))";
}

// Wherever it is: no zone's clocks are a day away from UTC, and none are put further back at once.
std::string WindowEnds::SpanOfAnyZoneSql() const {
  const auto utc = HasZone(*type_) ? std::string("timezone('UTC', w)") : std::string("w");
  const auto months = [&](int hours) {
    return std::format("{0} + to_hours({1}) + to_months({2}) - to_hours({1})", utc, hours, width_.months);
  };
  return "TRY(epoch_us(" + utc + " - to_days(1))), TRY(epoch_us(greatest(" + months(0) + ", " + months(15) + ", " +
         months(-15) + std::format(") + to_days({}) + to_microseconds({})))", width_.days + 1, width_.micros);
}

// Windows begin at every slide; the last one that begins by `start`.
EventTime WindowEnds::EndOfHopping(std::int64_t start) const {
  const auto slide = hopping_->slide;
  const auto past = (start % slide - hopping_->origin % slide + 2 * slide) % slide;
  return Plus(Minus(EventTime(Micros(start)), Micros(past)), Micros(hopping_->size));
}

EventTime WindowEnds::EndOf(aggregate::WindowStart window) const {
  const auto start = window.is_null ? std::nullopt : EventTimeOf(*type_, window.start);
  if (!start.has_value()) return EventTime::max();
  if (hopping_) return EndOfHopping(window.start);
  if (fixed_) {
    return Plus(*start, Micros(static_cast<std::int64_t>(width_.days) * 86'400'000'000 + width_.micros));
  }
  const MutexLock lock(mutex_);
  const auto found = learnt_.find(window.start);
  return found == learnt_.end() ? EventTime::max() : found->second.end;
}

EventTime WindowEnds::LatestEndOf(aggregate::WindowStart window) const {
  const auto end = EndOf(window);
  const auto start = window.is_null ? std::nullopt : EventTimeOf(*type_, window.start);
  if (end != EventTime::max() || !start.has_value()) return end;
  constexpr std::int64_t kDaysMost = 106'751'991;  // an EventTime counts no more
  constexpr std::int64_t kZoneDays = 2;            // no zone is further from UTC, with its clocks moved
  const std::int64_t of_months = static_cast<std::int64_t>(width_.months) / 12 * 366 + width_.months % 12 * 31;
  const auto days = std::min(of_months + width_.days + kZoneDays, kDaysMost);
  return Plus(Plus(*start, Micros(days * 86'400'000'000)), Micros(width_.micros));
}

EventTime WindowEnds::StartOf(aggregate::WindowStart window) const {
  if (window.is_null) return EventTime::max();
  const auto start = EventTimeOf(*type_, window.start);
  if (!start.has_value()) return window.start < 0 ? EventTime::min() : EventTime::max();
  if (fixed_ || (!any_zone_ && own_zone_.empty())) return *start;
  const MutexLock lock(mutex_);
  const auto found = learnt_.find(window.start);
  return found == learnt_.end() ? EventTime::min() : found->second.start;
}

EventTime WindowEnds::NextAfter(aggregate::WindowStart window) const {
  if (!hopping_ || window.is_null) return EndOf(window);
  return Plus(StartOf(window), Micros(hopping_->slice()));
}

}  // namespace hyprstream::commit
