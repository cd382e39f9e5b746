// Random ways to read a view: conditions on its rows, so that reading a part of it equals reading the same part of its
// SELECT, and expressions over its columns.
#pragma once

#include <string>

#include "fuzz/random.h"
#include "fuzz/row_comparison.h"

namespace hyprstream::fuzz {

// Over the columns of a view whose rows are `rows`, most of its values among theirs. Aggregates of floating-point
// numbers are left out: their last bits are not the oracle's. Empty when no column can be asked for.
std::string RandomLookUp(Random& random, const Columns& columns, const Rows& rows);

// A subquery with the same rows and types as `source`, whose columns have gone through expressions that change nothing.
std::string SameRows(Random& random, const Columns& columns, const std::string& source);

}  // namespace hyprstream::fuzz
