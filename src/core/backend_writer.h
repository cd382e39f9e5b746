// One transaction that changes the tables of a backend.
//
// It holds a connection of its own from its beginning to its end. A call that fails after something was sent ends it:
// nothing of it is kept at the database, its connection is closed, and all further calls are Cancelled.
// Thread safety: one thread at a time for what changes something; the sources that it gives may be scanned from any
// thread, one after the other where the database has one stream a connection. Ownership: outlives the sources and
// readers that it gave; destroyed before Commit() it is rolled back.
// Errors are those of core::Backend. Where a value is at fault, Invalid names the column, the row (from 0) and the
// value; what the target would have changed is refused, not written.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/table_ref.h"
#include "core/table_source.h"

namespace arrow {
class RecordBatchReader;
class Schema;
class Status;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream {

// A table to be made. Types and nullability are those of the fields; WITH (name = value) is the schema's metadata.
struct NewBackendTable {
  TableRef table;
  std::shared_ptr<arrow::Schema> columns;
  std::vector<std::string> primary_key = {};
};

// What becomes of a row whose key the table has already.
struct BackendMerge {
  std::vector<std::string> key;      // columns of a unique constraint of the table
  std::vector<std::string> updated;  // get the new row's values; empty: the row stays as it is
};

class BackendWriter {
 public:
  virtual ~BackendWriter() = default;

  // The table as this transaction sees it. KeyError: there is none.
  virtual arrow::Result<std::shared_ptr<TableSource>> Table(const TableRef& table) = 0;
  // The same with one more column before the others, which names a row to Delete() and Update() of this transaction.
  // NotImplemented where rows of the table cannot be told apart.
  virtual arrow::Result<std::shared_ptr<TableSource>> Rows(const TableRef& table) = 0;

  virtual arrow::Status CreateTable(const NewBackendTable& table) = 0;
  virtual arrow::Status DropTable(const TableRef& table) = 0;

  // Adds the reader's rows, whose columns go by name; columns of the table that it has not take their defaults. Rows
  // stream. How many there were.
  virtual arrow::Result<std::int64_t> Append(const TableRef& table, arrow::RecordBatchReader& rows) = 0;
  // The same, but for rows whose key exists. How many were added or updated.
  virtual arrow::Result<std::int64_t> Merge(const TableRef& table, const BackendMerge& merge,
                                            arrow::RecordBatchReader& rows) = 0;
  // Deletes the rows that the reader's only column names. How many.
  virtual arrow::Result<std::int64_t> Delete(const TableRef& table, arrow::RecordBatchReader& rows) = 0;
  // The first column names a row, the others give it new values, by name. How many. Invalid where a row is named twice.
  virtual arrow::Result<std::int64_t> Update(const TableRef& table, arrow::RecordBatchReader& rows) = 0;

  // An error: nothing was committed, or, as it then says, that is not known.
  virtual arrow::Status Commit() = 0;
};

// The column of BackendWriter::Rows() that names rows.
inline constexpr const char* kRowNameColumn = "hyprstream_row";

}  // namespace hyprstream
