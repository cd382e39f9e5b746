// What one transaction changed, as row images: the only food of views, log and versions.
//
// Old images are the rows as every other connection still sees them, new images as the transaction sees them at its
// end: net changes, so that a row inserted and deleted by the same transaction appears nowhere.
#pragma once

#include <memory>
#include <vector>

#include "core/table_ref.h"

namespace arrow {
class RecordBatch;
class Schema;
}  // namespace arrow

namespace hyprstream {

struct TableChanges {
  TableRef table;
  std::shared_ptr<arrow::Schema> schema;                      // all columns, in the table's order
  std::vector<std::shared_ptr<arrow::RecordBatch>> inserted;  // rows that are new
  std::vector<std::shared_ptr<arrow::RecordBatch>> updated;   // new images of changed rows
  std::vector<std::shared_ptr<arrow::RecordBatch>> removed;   // old images of changed and deleted rows
};

using RowChanges = std::vector<TableChanges>;

}  // namespace hyprstream
