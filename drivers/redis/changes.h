// What statements change: tables are made and dropped, rows written and removed.
//
// Outside of a transaction rows go out in pipelines, and what was sent before an error stays, except where a whole
// table is written (create and replace), which nobody sees before its end. Within one nothing is seen before its
// commit. Thread safety: as Tables.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <vector>

#include "bound_rows.h"
#include "row_writer.h"
#include "sql.h"
#include "table.h"

namespace adbc_redis {

struct ChangeOptions {
  int64_t pipeline_rows = 1000;
  int64_t replace_grace_ms = 60'000;  // rows of a replaced table stay this long for those who read them
  const CancelFlag* cancel = nullptr;
};

enum class IngestMode { kCreate, kAppend, kReplace, kCreateAppend };

struct IngestTarget {
  std::string table;
  IngestMode mode = IngestMode::kCreate;
  std::string key;   // of a table that is made; empty: rows are numbered
  std::string time;  // likewise; empty: none
  int64_t retention_ms = 0;
  RowRule rule = RowRule::kReplace;       // of a row whose key is there
  std::vector<std::string> updated = {};  // of kMerge: the columns that it gets then; none given: all that are ingested
};

arrow::Status RunCreate(const Tables& tables, const sql::CreateTable& create);
arrow::Status RunDrop(const Tables& tables, const sql::DropTable& drop);

// These return the number of rows that were changed. Columns of an ingest go by name; those that it leaves out are
// NULL.
arrow::Result<int64_t> RunIngest(const Tables& tables, const IngestTarget& target, BoundRows& rows,
                                 const ChangeOptions& options);
// Once for each bound row; `bound` is null where the statement takes no parameters.
arrow::Result<int64_t> RunInsert(const Tables& tables, const sql::Statement& insert, BoundRows* bound,
                                 const ChangeOptions& options);
// The same; rows whose keys are not there are not counted.
arrow::Result<int64_t> RunUpdate(const Tables& tables, const sql::Statement& update, BoundRows* bound,
                                 const ChangeOptions& options);
arrow::Result<int64_t> RunDelete(const Tables& tables, const sql::Statement& removal, BoundRows* bound,
                                 const ChangeOptions& options);

}  // namespace adbc_redis
