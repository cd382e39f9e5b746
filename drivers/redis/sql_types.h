// Names of SQL types.
#pragma once

#include <arrow/result.h>

#include <memory>
#include <string>
#include <vector>

namespace arrow {
class DataType;
}

namespace adbc_redis::sql {

// `name` is the words in lower case, "timestamp with time zone"; `arguments` what stands in its parentheses.
// NotImplemented: no such type here.
arrow::Result<std::shared_ptr<arrow::DataType>> TypeOf(const std::string& name, const std::vector<int>& arguments);

}  // namespace adbc_redis::sql
