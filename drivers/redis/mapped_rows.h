// Rows of tables whose place is not this driver's: hashes that others write, found by a pattern of their keys, and
// entries of a stream.
//
// Thread safety: one thread. Ownership: what is given by reference must outlive it.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "select_plan.h"
#include "table.h"

namespace adbc_redis {

struct MappedRow {
  std::string key;                                // the primary key's text, or the entry's id
  std::vector<std::optional<std::string>> cells;  // as the plan's columns; nullopt: NULL
};

class MappedRows {
 public:
  virtual ~MappedRows() = default;
  // Some more; none at the end.
  virtual arrow::Result<std::vector<MappedRow>> Next() = 0;
};

// At most `scan.limit` rows come of it, in the plan's order. `page`: so many are asked for at once.
std::unique_ptr<MappedRows> RowsOfPlace(const Tables& tables, const SelectPlan& plan, const Scan& scan, int64_t page,
                                        const CancelFlag* cancel);

// An entry's id: milliseconds since 1970 and a count within them.
struct EntryId {
  uint64_t milliseconds = 0;
  uint64_t count = 0;

  auto operator<=>(const EntryId&) const = default;
  std::string ToString() const { return std::to_string(milliseconds) + "-" + std::to_string(count); }
};

// Nullopt: the text is no id as the server writes it.
std::optional<EntryId> ReadEntryId(std::string_view text);

}  // namespace adbc_redis
