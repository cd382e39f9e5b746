// The rows that the aggregation engine is measured with, and the views over them.
//
// Rows are 24 bytes: timestamp[us], key, DOUBLE; 10 windows of 5 minutes, in time order, their keys by Zipf's law
// (exponent 1). Thread safety: free functions.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace arrow {
class RecordBatch;
class Schema;
}  // namespace arrow

namespace hyprstream {
struct AggregateQuery;
}

namespace hyprstream::bench {

struct EventShape {
  std::int64_t rows = 0;
  std::int64_t batch_rows = 0;
  std::int64_t keys = 0;
  bool text_keys = false;  // texts of 8 to 24 bytes instead of int64
  double late = 0;         // this share of the rows is up to three windows older than those around it
};

std::shared_ptr<arrow::Schema> EventSchema(const EventShape& shape);
arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> MakeEvents(const EventShape& shape);

// What is asked of the rows: by 5-minute window and key, unless said otherwise.
//   four       count(*), sum, min and max
//   count      count(*)
//   hll        count(*) and approx_count_distinct
//   quantile   count(*) and approx_quantile(0.5)
//   hop        as four, in windows of 100 times 5 minutes, every 5 minutes
//   session    as four, in sessions of the key that end after 5 s
//   ten        ten views: windows from 5 minutes to a day, aggregates in turn
// Each with its SQL for DuckDB over a table `events`; empty where DuckDB is not asked.
struct EventView {
  std::shared_ptr<AggregateQuery> query;
  std::string sql;
};
// None when there is no view of that name.
std::vector<EventView> EventViews(const std::string& name, const EventShape& shape);

}  // namespace hyprstream::bench
