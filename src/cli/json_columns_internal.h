// The types of JSON columns: as Arrow's reader takes them, and as they are sent.
#pragma once

#include <arrow/type_fwd.h>

#include <map>
#include <memory>
#include <string>

#include "cli/column_types_internal.h"

namespace hyprstream::cli {

// The type in which values for a table's column of `type` are sent: that type, but lists for lists of a fixed size, and
// text for what has no form of its own in JSON; the server makes the table's type of it.
std::shared_ptr<arrow::DataType> SentAs(const std::shared_ptr<arrow::DataType>& type);
// The same for a type that Arrow's reader inferred: made to hold what may still come, and integers beyond BIGINT, which
// are inferred as doubles. `numbers` is what CheckRecords noted, `path` where the type stands.
std::shared_ptr<arrow::DataType> SentAs(const std::shared_ptr<arrow::DataType>& inferred,
                                        const std::map<std::string, NumberRange>& numbers, const std::string& path);
// The type as which Arrow's reader takes what is sent as `sent`: text for dates, times and timestamps, which it knows
// as numbers or moves to UTC, lists of entries for maps.
std::shared_ptr<arrow::DataType> ReadAs(const std::shared_ptr<arrow::DataType>& sent);
// An array of ReadAs(sent) as `sent`. Invalid for a value that the type does not hold.
arrow::Result<std::shared_ptr<arrow::Array>> Convert(const std::shared_ptr<arrow::Array>& read,
                                                     const std::shared_ptr<arrow::DataType>& sent);
// `type` with all timestamps in it replaced.
std::shared_ptr<arrow::DataType> WithTimestamps(const std::shared_ptr<arrow::DataType>& type,
                                                const std::shared_ptr<arrow::DataType>& by);

}  // namespace hyprstream::cli
