#include "engine/chunk_cast_internal.h"

#include <duckdb.hpp>
#include <duckdb/common/vector_operations/vector_operations.hpp>

namespace hyprstream::engine {

void CastChunk(duckdb::ClientContext& context, duckdb::DataChunk& from,
               const duckdb::vector<duckdb::LogicalType>& types, const DescribeMisfit& describe,
               duckdb::DataChunk& to) {
  duckdb::vector<bool> differs;
  for (duckdb::idx_t i = 0; i < types.size(); ++i) differs.push_back(from.data[i].GetType() != types[i]);
  to.Initialize(duckdb::Allocator::DefaultAllocator(), types, differs, from.size());
  for (duckdb::idx_t i = 0; i < types.size(); ++i) {
    if (!differs[i]) {
      to.data[i].Reference(from.data[i]);
      continue;
    }
    try {
      duckdb::VectorOperations::Cast(context, from.data[i], to.data[i], from.size());
    } catch (const duckdb::Exception& error) {
      throw duckdb::InvalidInputException(describe(i) + ": " + duckdb::ErrorData(error).RawMessage());
    }
  }
  to.SetCardinalityUnsafe(from.size());
}

}  // namespace hyprstream::engine
