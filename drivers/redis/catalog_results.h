// The tables of metadata that ADBC defines, each in one batch.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "table.h"

namespace arrow {
class RecordBatch;
}

namespace adbc_redis {

struct ObjectsFilter {
  int depth = 0;
  std::optional<std::string> catalog;  // patterns with % and _
  std::optional<std::string> db_schema;
  std::optional<std::string> table;
  std::optional<std::string> column;
  std::optional<std::vector<std::string>> types;
};

// One catalog and one schema, both of them named by the empty string.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> ObjectsBatch(const Tables& tables, const ObjectsFilter& filter);
arrow::Result<std::shared_ptr<arrow::RecordBatch>> TableTypesBatch();
// No codes: all that are known. Unknown codes are left out.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> InfoBatch(std::span<const uint32_t> codes, const std::string& vendor,
                                                             const std::string& version);

// SQL's LIKE.
bool MatchesPattern(std::string_view pattern, std::string_view text);

}  // namespace adbc_redis
