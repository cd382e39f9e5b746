// Names of rows that are told apart by one column: its values as texts, and back, each exactly.
//
// Thread safety: as core::TableSource; pure functions.
#pragma once

#include <memory>

#include "core/table_source.h"

namespace arrow {
class Array;
class DataType;
}  // namespace arrow

namespace hyprstream::backend {

// The source whose first column is the key; here it is its text.
std::shared_ptr<TableSource> WithKeysAsNames(std::shared_ptr<const TableSource> source);

// Integers, booleans, decimals, dates, times, texts and bytes. NotImplemented: others.
arrow::Result<std::shared_ptr<arrow::Array>> NamesOfKeys(const std::shared_ptr<arrow::Array>& keys);
arrow::Result<std::shared_ptr<arrow::Array>> KeysOfNames(const std::shared_ptr<arrow::Array>& names,
                                                         const std::shared_ptr<arrow::DataType>& type);

}  // namespace hyprstream::backend
