// What GetSqlInfo and GetXdbcTypeInfo answer.
//
// Thread safety: pure functions.
#pragma once

#include <arrow/flight/sql/types.h>

#include <memory>
#include <optional>
#include <string>

namespace arrow {
class RecordBatch;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::flight {

// A value for every id of the specification (JDBC unboxes missing ones), limits as int64.
arrow::flight::sql::SqlInfoResultMap SqlInfoValues(const std::string& name, const std::string& version);

// One row for each SQL type, of SqlSchema::GetXdbcTypeInfoSchema; all, or those of one XDBC type code.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> TypeInfoRows(std::optional<int> data_type);

}  // namespace hyprstream::flight
