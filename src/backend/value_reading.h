// Batches as a driver gives them, turned into those of a schema.
//
// Thread safety: immutable; all methods, from any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/table_layout.h"

namespace arrow {
class Array;
class DataType;
class RecordBatch;
class Schema;
class Status;
template <class T>
class Result;
}  // namespace arrow

struct ArrowArray;

namespace hyprstream::backend {

class ValueReading {
 public:
  // Of a scan that gives `columns` of the layout, in this order, and then what checks their values: one boolean or
  // integer for each column that has a `check`, in the same order. Invalid: `arriving`, what the driver says that it
  // gives, is not that; the table has changed since the layout was read.
  static arrow::Result<ValueReading> Make(const TableLayout& layout, const std::vector<int>& columns,
                                          const arrow::Schema& arriving);

  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }
  // Takes the array. Invalid, naming the column: a value that the schema cannot hold.
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Read(ArrowArray* array) const;
  // The error of a driver that could not read a value, with the names of the columns that it may be of: PostgreSQL's
  // says in which row, and of intervals and arrays not in which column. Any other status as it is.
  arrow::Status NameColumn(const arrow::Status& failed) const;

 private:
  arrow::Result<std::shared_ptr<arrow::Array>> ReadColumn(const ColumnLayout& column,
                                                          const std::shared_ptr<arrow::DataType>& type,
                                                          std::shared_ptr<arrow::Array> array) const;

  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::Schema> arriving_;  // storage types only
  std::vector<ColumnLayout> columns_;
  std::string mismatch_;  // of a driver that knows no types before it has rows: an error once there are some
};

// The type without extension types, in nested ones as well.
std::shared_ptr<arrow::DataType> StorageType(const std::shared_ptr<arrow::DataType>& type);

}  // namespace hyprstream::backend
