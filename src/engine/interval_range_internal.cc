#include "engine/interval_range_internal.h"

#include <duckdb.hpp>
#include <duckdb/common/types/interval.hpp>
#include <duckdb/common/vector/unified_vector_format.hpp>
#include <limits>

namespace hyprstream::engine {

void CheckIntervals(duckdb::DataChunk& chunk) {
  constexpr auto kMicrosMax = std::numeric_limits<std::int64_t>::max() / duckdb::Interval::NANOS_PER_MICRO;
  for (auto& column : chunk.data) {
    if (column.GetType().id() != duckdb::LogicalTypeId::INTERVAL) continue;
    duckdb::UnifiedVectorFormat format;
    column.ToUnifiedFormat(format);
    const auto* values = format.GetData<duckdb::interval_t>();
    for (duckdb::idx_t row = 0; row < chunk.size(); ++row) {
      const auto at = format.sel->get_index(row);
      if (!format.validity.RowIsValid(at)) continue;
      if (values[at].micros >= -kMicrosMax && values[at].micros <= kMicrosMax) continue;
      throw duckdb::OutOfRangeException(
          "The interval " + duckdb::Interval::ToString(values[at]) +
          " is out of Arrow's range, whose times of intervals end at 292 years: give it days "
          "or months for a part of its time, or cast it to VARCHAR");
    }
  }
}

}  // namespace hyprstream::engine
