#include "bench/bench_rows.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <malloc.h>

#include <algorithm>
#include <utility>

namespace hyprstream::bench {

namespace {

template <class ArrayType, class Value, class Make>
std::shared_ptr<arrow::Array> Column(const std::shared_ptr<arrow::DataType>& type, std::int64_t first,
                                     std::int64_t rows, const Make& make) {
  std::vector<Value> values(static_cast<std::size_t>(rows));
  for (std::int64_t i = 0; i < rows; ++i) values[static_cast<std::size_t>(i)] = make(first + i);
  return std::make_shared<ArrayType>(type, rows, arrow::Buffer::FromVector(std::move(values)));
}

}  // namespace

std::shared_ptr<arrow::Schema> RowSchema() {
  return arrow::schema({arrow::field("ts", arrow::timestamp(arrow::TimeUnit::MICRO)),
                        arrow::field("key", arrow::int32()), arrow::field("amount", arrow::float64()),
                        arrow::field("quantity", arrow::int64())});
}

std::string RowColumnsSql() { return "(ts TIMESTAMP, key INTEGER, amount DOUBLE, quantity BIGINT)"; }

std::vector<std::shared_ptr<arrow::RecordBatch>> MakeRows(std::int64_t rows, std::int64_t batch_rows,
                                                          std::int64_t keys) {
  constexpr std::int64_t kStartUs = 1'356'998'400'000'000;  // 2013-01-01
  const auto schema = RowSchema();
  const auto mixed = [](std::int64_t row) { return static_cast<std::uint64_t>(row) * 0x9E3779B97F4A7C15ULL; };
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  for (std::int64_t first = 0; first < rows; first += batch_rows) {
    const auto count = std::min(batch_rows, rows - first);
    batches.push_back(arrow::RecordBatch::Make(
        schema, count,
        {Column<arrow::TimestampArray, std::int64_t>(schema->field(0)->type(), first, count,
                                                     [](std::int64_t row) { return kStartUs + row * 1000; }),
         Column<arrow::Int32Array, std::int32_t>(arrow::int32(), first, count,
                                                 [&](std::int64_t row) {
                                                   return static_cast<std::int32_t>((mixed(row) >> 40) %
                                                                                    static_cast<std::uint64_t>(keys));
                                                 }),
         Column<arrow::DoubleArray, double>(
             arrow::float64(), first, count,
             [&](std::int64_t row) { return static_cast<double>(mixed(row) >> 44) / 100.0; }),
         Column<arrow::Int64Array, std::int64_t>(arrow::int64(), first, count, [&](std::int64_t row) {
           return static_cast<std::int64_t>(mixed(row) >> 20);
         })}));
  }
  return batches;
}

std::vector<std::shared_ptr<arrow::RecordBatch>> MakeNumberedRows(std::int64_t rows, std::int64_t batch_rows) {
  auto batches = MakeRows(rows, batch_rows);
  std::int64_t first = kFirstId;
  for (auto& batch : batches) {
    const auto ids = Column<arrow::Int64Array, std::int64_t>(arrow::int64(), first, batch->num_rows(),
                                                             [](std::int64_t id) { return id; });
    first += batch->num_rows();
    auto fields = batch->schema()->fields();
    fields.insert(fields.begin(), arrow::field("id", arrow::int64()));
    auto columns = batch->columns();
    columns.insert(columns.begin(), ids);
    batch = arrow::RecordBatch::Make(arrow::schema(std::move(fields)), batch->num_rows(), std::move(columns));
  }
  return batches;
}

void Fingerprint::Add(const arrow::RecordBatch& batch) {
  rows_ += batch.num_rows();
  for (int i = 0; i < batch.num_columns(); ++i) {
    const auto& data = *batch.column_data(i);
    const int width = data.type->byte_width();
    std::uint64_t& sum = sums_[batch.column_name(i)];
    for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
      if (width == 4) {
        sum += static_cast<std::uint64_t>(data.GetValues<std::int32_t>(1)[row]);
      } else {
        sum += data.GetValues<std::uint64_t>(1)[row];
      }
    }
  }
}

std::string Fingerprint::Text() const {
  std::string text = std::to_string(rows_) + " rows";
  for (const auto& [column, sum] : sums_) text += ", " + column + " " + std::to_string(sum);
  return text;
}

void UseServerMalloc() {
  constexpr int kGiB = 1 << 30;
  mallopt(M_TRIM_THRESHOLD, kGiB);
  mallopt(M_MMAP_THRESHOLD, kGiB);
}

}  // namespace hyprstream::bench
