// The rows that benchmarks send and receive: 28 bytes each (timestamp, int32, double, int64), in time order.
//
// Thread safety: stateless.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace arrow {
class RecordBatch;
class Schema;
}  // namespace arrow

namespace hyprstream::bench {

// ts timestamp[us], key int32, amount double, quantity int64.
std::shared_ptr<arrow::Schema> RowSchema();
// The same columns in SQL, for CREATE TABLE.
std::string RowColumnsSql();

// `rows` rows in batches of `batch_rows`, 1 ms of event time apart, with `keys` keys.
std::vector<std::shared_ptr<arrow::RecordBatch>> MakeRows(std::int64_t rows, std::int64_t batch_rows,
                                                          std::int64_t keys = 10'000);

// Sets glibc's malloc as the server does (freed memory is kept), so that all sides of a pair allocate alike.
void UseServerMalloc();

}  // namespace hyprstream::bench
