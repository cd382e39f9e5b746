// JSON records as Arrow's reader takes them.
#pragma once

#include <arrow/type_fwd.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/column_types_internal.h"

namespace hyprstream::cli {

struct JsonRecords {
  std::string text;
  std::vector<bool> seen;  // for each column: whether a record has it, be it as null
};

// Checks that the text is one object after the other, nested no deeper than can be sent, and writes it as `columns`
// want it: names of columns and fields in their spelling (case does not count), an object for a map as the list of its
// entries. Invalid, as `Column(/NAME) ...` where one is to blame, also for a name that they do not have. Other values
// stay as they are, to be looked at by Arrow's reader, but for "Infinity" and "NaN" and numbers that are too large.
arrow::Result<JsonRecords> PrepareRecords(std::string_view text, const arrow::FieldVector& columns);

// The same for records of which nothing is known. Numbers are noted by where they stand: `/column/field`, `/column/[]`.
arrow::Status CheckRecords(std::string_view text, std::map<std::string, NumberRange>& numbers);

}  // namespace hyprstream::cli
