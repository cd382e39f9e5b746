// What a backend has and what becomes of it here: for an operator who wants to know before anybody asks it anything.
//
// Thread safety: all functions, from any thread; they wait for the database, as every statement does.
#pragma once

#include <arrow/status.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend_core.h"

namespace arrow {
class DataType;
}

namespace hyprstream::backend {

struct ColumnReport {
  std::string name;
  std::string declared;  // the database's name of its type; empty: it has none
  std::shared_ptr<arrow::DataType> type;
  bool nullable;
  bool compares;  // conditions on it are evaluated at the database
};

struct TableReport {
  std::string schema;
  std::string name;
  bool is_view;
  std::optional<std::int64_t> rows;   // the database's estimate
  std::vector<ColumnReport> columns;  // none, where it cannot be described
  arrow::Status problem;              // why it cannot be described or read
};

struct BackendReport {
  std::string version;                    // of the database; empty: it does not say
  std::chrono::microseconds answered_in;  // asked for its schemas, on a connection that was open
  bool cancels;                           // a statement can be cancelled
  bool describes_statements;              // their columns are known without running them
  bool statistics;                        // the driver has them
  std::vector<TableReport> tables;
  std::size_t tables_left_out = 0;
};

// Lists every table, and of the first `tables_max` the columns; of each of those that is no view it reads a row. Fails
// where the database does not answer; what is wrong with one table is said of that table.
arrow::Result<BackendReport> Inspect(const std::shared_ptr<BackendCore>& core, std::size_t tables_max);

}  // namespace hyprstream::backend
