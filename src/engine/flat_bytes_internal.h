// How large values are once none of them shares its bytes with another.
//
// A constant or dictionary vector holds one large list for 2,048 rows; what copies its rows one by one (most functions
// of lists and texts, and Arrow's result format) makes 2,048 of it.
#pragma once

#include <duckdb/common/types.hpp>

namespace duckdb {
class Vector;
}

namespace hyprstream::engine {

// Bytes of the first `rows` values. Stops counting at `enough`, and takes no longer than a copy of that much.
double FlatBytes(const duckdb::Vector& vector, duckdb::idx_t rows, double enough);

}  // namespace hyprstream::engine
