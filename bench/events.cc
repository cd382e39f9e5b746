#include "bench/events.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <format>
#include <numeric>
#include <utility>

#include "bench/window_kernel.h"
#include "core/aggregate_functions.h"
#include "core/aggregate_query.h"

namespace hyprstream::bench {
namespace {

using enum AggregateKind;

constexpr std::int64_t kStartUs = 1'356'998'400'000'000;  // 2013-01-01
constexpr std::int64_t kWindows = 10;
constexpr std::int64_t kSessionGapUs = 5'000'000;

// Ranks by Zipf's law with exponent 1 (its continuous form), spread over [0, keys) so that neighbours are no
// neighbours.
std::int64_t KeyOf(std::uint64_t row, std::int64_t keys, std::uint64_t factor) {
  const double uniform = static_cast<double>(Mix(row) >> 11) * 0x1p-53;
  const auto rank = static_cast<std::int64_t>(std::exp(uniform * std::log(static_cast<double>(keys) + 1))) - 1;
  const auto spread = static_cast<unsigned __int128>(std::min(rank, keys - 1)) * factor;
  return static_cast<std::int64_t>(spread % static_cast<unsigned __int128>(keys));
}

// Without a common divisor, with which several ranks would have one key.
std::uint64_t FactorFor(std::int64_t keys) {
  std::uint64_t factor = 0x9E3779B97F4A7C15ULL;
  while (std::gcd(factor, static_cast<std::uint64_t>(keys)) != 1) factor += 2;
  return factor;
}

std::string TextOf(std::int64_t key) {
  std::string text = std::format("k{:07}", key);
  text.append(Mix(static_cast<std::uint64_t>(key)) % 17, 'x');
  return text;
}

std::int64_t TimeOf(std::uint64_t row, const EventShape& shape) {
  const auto time = kStartUs + static_cast<std::int64_t>(static_cast<double>(row) / static_cast<double>(shape.rows) *
                                                         static_cast<double>(kWindows * kWindowUs));
  const double uniform = static_cast<double>(Mix(row + 13) >> 11) * 0x1p-53;
  if (uniform >= shape.late) return time;
  return time - static_cast<std::int64_t>(uniform / shape.late * 3 * static_cast<double>(kWindowUs));
}

template <class T>
std::shared_ptr<arrow::Array> Column(const std::shared_ptr<arrow::DataType>& type, std::vector<T> values) {
  const auto size = static_cast<std::int64_t>(values.size());
  return arrow::MakeArray(
      arrow::ArrayData::Make(type, size, {nullptr, arrow::Buffer::FromVector(std::move(values))}, 0));
}

arrow::Result<std::shared_ptr<arrow::Array>> KeyColumn(const EventShape& shape, std::vector<std::int64_t> keys) {
  if (!shape.text_keys) return Column(arrow::int64(), std::move(keys));
  arrow::StringBuilder builder;
  for (const std::int64_t key : keys) ARROW_RETURN_NOT_OK(builder.Append(TextOf(key)));
  return builder.Finish();
}

}  // namespace

std::shared_ptr<arrow::Schema> EventSchema(const EventShape& shape) {
  return arrow::schema({arrow::field("ts", arrow::timestamp(arrow::TimeUnit::MICRO)),
                        arrow::field("key", shape.text_keys ? arrow::utf8() : arrow::int64()),
                        arrow::field("amount", arrow::float64())});
}

arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> MakeEvents(const EventShape& shape) {
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  const auto schema = EventSchema(shape);
  const std::uint64_t factor = FactorFor(shape.keys);
  for (std::int64_t first = 0; first < shape.rows; first += shape.batch_rows) {
    const auto count = static_cast<std::size_t>(std::min(shape.batch_rows, shape.rows - first));
    std::vector<std::int64_t> times(count);
    std::vector<std::int64_t> keys(count);
    std::vector<double> amounts(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto row = static_cast<std::uint64_t>(first) + i;
      times[i] = TimeOf(row, shape);
      keys[i] = KeyOf(row, shape.keys, factor);
      amounts[i] = static_cast<double>(Mix(row + 7) >> 44) / 100.0;
    }
    ARROW_ASSIGN_OR_RAISE(auto key_column, KeyColumn(shape, std::move(keys)));
    batches.push_back(arrow::RecordBatch::Make(schema, static_cast<std::int64_t>(count),
                                               {Column(schema->field(0)->type(), std::move(times)),
                                                std::move(key_column), Column(arrow::float64(), std::move(amounts))}));
  }
  return batches;
}

namespace {

struct Measure {
  AggregateColumn column;
  std::string name;
  std::string sql;
};

Measure Count() { return {{.kind = kCountStar, .result_type = arrow::int64()}, "n", "count(*)"}; }

Measure OfAmount(AggregateKind kind, const std::string& name, const std::string& sql,
                 const std::shared_ptr<arrow::DataType>& type = arrow::float64()) {
  return {{.kind = kind, .arguments = {2}, .result_type = type}, name, sql};
}

std::vector<Measure> Four() {
  return {Count(), OfAmount(kSum, "total", "sum(amount)"), OfAmount(kMin, "low", "min(amount)"),
          OfAmount(kMax, "high", "max(amount)")};
}

EventView View(const EventShape& shape, std::int64_t minutes, const std::vector<Measure>& measures) {
  const auto query = std::make_shared<AggregateQuery>();
  query->view.name = "view";
  query->base.name = "events";
  query->key_sql = {"ts", "key"};
  query->argument_sql = {"amount"};
  query->window_key = 0;
  query->fixed_window = {.size = minutes * 60'000'000, .origin = 0};
  query->evaluated_schema = EventSchema(shape);
  query->output = {{.name = "window_start", .is_key = true, .index = 0}, {.name = "key", .is_key = true, .index = 1}};
  arrow::FieldVector output{arrow::field("window_start", query->evaluated_schema->field(0)->type()),
                            query->evaluated_schema->field(1)};
  std::string sql = std::format("SELECT time_bucket(INTERVAL '{} minutes', ts) AS window_start, key", minutes);
  for (const Measure& measure : measures) {
    query->output.push_back(
        {.name = measure.name, .is_key = false, .index = static_cast<int>(query->aggregates.size())});
    query->aggregates.push_back(measure.column);
    output.push_back(arrow::field(measure.name, measure.column.result_type));
    sql += std::format(", {} AS {}", measure.sql, measure.name);
  }
  query->output_schema = arrow::schema(std::move(output));
  return {query, sql + " FROM events GROUP BY ALL"};
}

EventView Hopping(const EventShape& shape) {
  EventView view = View(shape, 5, Four());
  view.query->hopping = WindowSpec{.kind = WindowKind::kHopping, .size = 100 * kWindowUs, .slide = kWindowUs};
  return {view.query, ""};
}

// A session begins where the key's row before is that far away; the number of beginnings so far tells sessions apart.
EventView Sessions(const EventShape& shape) {
  EventView view = View(shape, 5, Four());
  view.query->fixed_window = std::nullopt;
  view.query->session_gap = kSessionGapUs;
  view.query->finite_times_only = true;
  view.sql =
      "SELECT min(ts) AS window_start, key, count(*) AS n, sum(amount) AS total, min(amount) AS low, max(amount) AS "
      "high FROM (SELECT *, sum(begins) OVER (PARTITION BY key ORDER BY ts ROWS UNBOUNDED PRECEDING) AS session FROM "
      "(SELECT *, (ts - lag(ts) OVER (PARTITION BY key ORDER BY ts) < INTERVAL '5 seconds' IS NOT TRUE)::INTEGER AS "
      "begins FROM events)) GROUP BY key, session";
  return view;
}

std::vector<EventView> Ten(const EventShape& shape) {
  const std::array<std::vector<Measure>, 2> measures{
      Four(), {Count(), OfAmount(kAvg, "mean", "avg(amount)"), OfAmount(kStddevSamp, "deviation", "stddev(amount)")}};
  std::vector<EventView> views;
  for (const std::int64_t minutes : {5, 5, 10, 10, 30, 30, 60, 60, 1440, 1440}) {
    views.push_back(View(shape, minutes, measures[views.size() % 2]));
  }
  return views;
}

}  // namespace

std::vector<EventView> EventViews(const std::string& name, const EventShape& shape) {
  if (name == "four") return {View(shape, 5, Four())};
  if (name == "count") return {View(shape, 5, {Count()})};
  if (name == "hll") {
    return {
        View(shape, 5,
             {Count(), OfAmount(kApproxCountDistinct, "distinct", "approx_count_distinct(amount)", arrow::int64())})};
  }
  if (name == "quantile") {
    Measure quantile = OfAmount(kApproxQuantile, "median", "approx_quantile(amount, 0.5)");
    quantile.column.parameters = {0.5};
    return {View(shape, 5, {Count(), quantile})};
  }
  if (name == "hop") return {Hopping(shape)};
  if (name == "session") return {Sessions(shape)};
  if (name == "ten") return Ten(shape);
  return {};
}

}  // namespace hyprstream::bench
