// One prefix of commits, as the sources outside DuckDB show it; pinned together with DuckDB's own snapshot.
//
// Thread safety: immutable. While a Snapshot lives, the states it refers to are kept (copy-on-write).
#pragma once

#include <memory>

#include "core/position.h"
#include "core/table_ref.h"
#include "core/table_source.h"

namespace hyprstream {

class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual Position position() const = 0;
  // KeyError when no such view existed at that position (the message names the view).
  virtual arrow::Result<std::shared_ptr<TableSource>> View(const TableRef& view) const = 0;
};

}  // namespace hyprstream
