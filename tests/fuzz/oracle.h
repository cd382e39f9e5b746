// A plain DuckDB beside the server, with no code of ours in it: it is told everything that the server accepted, and
// says what each view's SELECT gives over all of it.
//
// Thread safety: none.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <memory>
#include <string>

#include "fuzz/row_comparison.h"

namespace hyprstream::fuzz {

class Oracle {
 public:
  Oracle();
  ~Oracle();

  // In the session's transaction, if SQL BEGIN opened one.
  arrow::Status Update(const std::string& sql);
  // On a connection of its own, outside that transaction.
  arrow::Status UpdateApart(const std::string& sql);
  // Does it run? What it did is undone. Outside a transaction only.
  arrow::Status Try(const std::string& sql, const std::string& and_then = "");
  // Names and types of a SELECT's columns.
  arrow::Result<Columns> Describe(const std::string& select);
  arrow::Result<Rows> Query(const std::string& sql);

 private:
  struct Database;
  std::unique_ptr<Database> database_;
};

}  // namespace hyprstream::fuzz
