// The rows that benchmarks send and receive: 28 bytes each (timestamp, int32, double, int64), in time order.
//
// Thread safety: stateless.
#pragma once

#include <cstdint>
#include <map>
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

// The same with an id (int64) before, counted from kFirstId: as many digits in all of them.
inline constexpr std::int64_t kFirstId = 100'000'000'000;
std::vector<std::shared_ptr<arrow::RecordBatch>> MakeNumberedRows(std::int64_t rows, std::int64_t batch_rows);

// What rows have in common in whatever order they come: their number, and of each column of fixed width the sum of what
// its bits stand for as an integer.
class Fingerprint {
 public:
  void Add(const arrow::RecordBatch& batch);
  void AddRows(std::int64_t rows) { rows_ += rows; }
  void AddValue(const std::string& column, std::uint64_t bits) { sums_[column] += bits; }
  std::string Text() const;

 private:
  std::int64_t rows_ = 0;
  std::map<std::string, std::uint64_t> sums_;
};

// Sets glibc's malloc as the server does (freed memory is kept), so that all sides of a pair allocate alike.
void UseServerMalloc();

}  // namespace hyprstream::bench
