// One prefix of commits, as the sources outside DuckDB show it; pinned together with DuckDB's own snapshot.
//
// Thread safety: immutable. While a Snapshot lives, the states it refers to are kept (copy-on-write).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/aggregate_query.h"
#include "core/position.h"
#include "core/table_ref.h"
#include "core/table_source.h"

namespace arrow {
class DataType;
}

namespace hyprstream {

// Which windows of a view are closed, by their starts in the units of `type`.
struct ClosedWindows {
  std::shared_ptr<arrow::DataType> type;  // of the view's window key
  std::function<bool(std::int64_t start)> contain;
};

// A view that may answer queries over its table.
struct AnsweringView {
  std::shared_ptr<const AggregateQuery> query;
  std::shared_ptr<TableSource> source;
  // Why it has not all rows that its table stands for; empty: it has, but for those before `whole_from`.
  std::string partial;
  // Event time in microseconds: its windows from there on have all rows of the table, earlier ones may be gone, or have
  // rows that the table has no more.
  std::optional<std::int64_t> whole_from;
  // Likewise, but whether or not the table still has their rows: its windows from there on have every row that was
  // accepted for them.
  std::optional<std::int64_t> lost_before = std::nullopt;
};

class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual Position position() const = 0;
  // KeyError when no such view existed at that position (the message names the view).
  virtual arrow::Result<std::shared_ptr<TableSource>> View(const TableRef& view) const = 0;
  // Those that can be read.
  virtual std::vector<AnsweringView> ViewsOver(const TableRef&) const { return {}; }
  // KeyError as View(); Invalid where no window of the view is ever closed (the message says why).
  virtual arrow::Result<ClosedWindows> Closed(const TableRef& view) const = 0;
};

}  // namespace hyprstream
