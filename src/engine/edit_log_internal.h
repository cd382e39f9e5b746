// Which rows the commits of late have changed or deleted, so that no two transactions that overlap edit one row.
//
// DuckDB lets both commit where one updates what the other deletes, and where they update different columns. Views get
// whole rows, as each of the two saw them, and would be right about neither. So the first to commit wins, for whole
// rows: snapshot isolation (Berenson et al., "A Critique of ANSI SQL Isolation Levels", SIGMOD 1995, section 4.2).
//
// Thread safety: all methods.
#pragma once

#include <arrow/status.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/thread_annotations.h"
#include "core/table_ref.h"

namespace hyprstream::engine {

struct RowRange {
  std::int64_t first = 0, last = 0;  // DuckDB's row ids
};

struct TableEdits {
  TableRef table;              // for messages
  std::vector<RowRange> rows;  // in ascending order, apart from each other
};

// By what a table is, however it is altered or renamed; one that takes the place of another is told from it, or taken
// for it by who began before that.
using EditedRows = std::map<const void*, TableEdits>;

// What to tell who edited rows of the table that others have edited.
std::string EditConflict(const TableRef& table);

class EditLog {
 public:
  // `ranges_max`: how many it remembers, 16 bytes each.
  explicit EditLog(std::size_t ranges_max = 1 << 20) : ranges_max_(ranges_max) {}

  // To be asked before a transaction takes its snapshot.
  std::uint64_t now() const EXCLUDES(mutex_);
  // Runs `commit` and remembers what it edited, unless it failed. Invalid, and not run, where a transaction that
  // committed after `begun` has edited one of the rows, or may have, as so much was edited since.
  arrow::Status Commit(EditedRows edited, std::uint64_t begun, const std::function<arrow::Status()>& commit)
      EXCLUDES(mutex_);

 private:
  struct Entry {
    std::uint64_t at = 0;
    std::size_t ranges = 0;
    EditedRows rows;
  };
  arrow::Status Check(const EditedRows& edited, std::uint64_t begun) const REQUIRES(mutex_);

  const std::size_t ranges_max_;
  mutable Mutex mutex_;
  std::uint64_t now_ GUARDED_BY(mutex_) = 0;
  std::deque<Entry> entries_ GUARDED_BY(mutex_);  // oldest first
  std::size_t ranges_ GUARDED_BY(mutex_) = 0;
  std::map<const void*, std::uint64_t> forgotten_ GUARDED_BY(mutex_);  // the last commit that is not remembered
};

}  // namespace hyprstream::engine
