// Batches as a driver gives them, turned into those of a schema.
//
// Thread safety: immutable; all methods, from any thread.
#pragma once

#include <memory>
#include <vector>

#include "backend/table_layout.h"

namespace arrow {
class Array;
class DataType;
class RecordBatch;
class Schema;
template <class T>
class Result;
}  // namespace arrow

struct ArrowArray;

namespace hyprstream::backend {

class ValueReading {
 public:
  // Of a scan that gives `columns` of the layout, in this order, and then whatever says which values are refused: one
  // boolean for each column that has a `refused_where`, in the same order. Invalid: `arriving`, what the driver says
  // that it gives, is not that; the table has changed since the layout was read.
  static arrow::Result<ValueReading> Make(const TableLayout& layout, const std::vector<int>& columns,
                                          const arrow::Schema& arriving);

  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }
  // Takes the array. Invalid, naming the column: a value that the schema cannot hold.
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Read(ArrowArray* array) const;

 private:
  arrow::Result<std::shared_ptr<arrow::Array>> ReadColumn(const ColumnLayout& column,
                                                          const std::shared_ptr<arrow::DataType>& type,
                                                          std::shared_ptr<arrow::Array> array) const;

  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::Schema> arriving_;  // storage types only
  std::vector<ColumnLayout> columns_;
};

// The type without extension types, in nested ones as well.
std::shared_ptr<arrow::DataType> StorageType(const std::shared_ptr<arrow::DataType>& type);

}  // namespace hyprstream::backend
