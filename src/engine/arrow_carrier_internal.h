// DuckDB types that Arrow's clients cannot read, or would read wrong, and the types that carry them instead.
//
// TIMETZ (its offset would be lost), BIT and BIGNUM (DuckDB's own bytes), and a parameter's unknown type travel as
// text; UHUGEINT as HUGEINT (decimal128, the widest that every client reads), where a value beyond it is an error; an
// ENUM inside a list, struct, map or union as text, because dictionaries there are beyond some clients.
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <duckdb/common/types.hpp>
#include <duckdb/common/vector.hpp>

#include "engine/bounded_format_internal.h"

namespace duckdb {
class ClientContext;
class DataChunk;
}  // namespace duckdb

namespace hyprstream::engine {

// The types in which columns of `types` are sent to a client; equal to `types` when none needs a carrier.
duckdb::vector<duckdb::LogicalType> CarriersOf(const duckdb::vector<duckdb::LogicalType>& types);

// Fills `to`, which is empty, with the rows of `from` cast to `carriers`; columns of the same type are shared.
void CastToCarriers(duckdb::ClientContext& context, duckdb::DataChunk& from,
                    const duckdb::vector<duckdb::LogicalType>& carriers, duckdb::DataChunk& to);

// DuckDB's Arrow results with the columns in their carriers; the casts run on DuckDB's own threads.
class CarrierFormat : public BoundedArrowFormat {
 public:
  using BoundedArrowFormat::BoundedArrowFormat;

  duckdb::unique_ptr<duckdb::ResultFormatGlobalState> InitGlobal(const duckdb::ResultFormatContext& context) override;
  void AppendToUnit(duckdb::ResultFormatGlobalState& global, duckdb::ResultFormatLocalState& local,
                    duckdb::DataChunk& chunk) override;
};

}  // namespace hyprstream::engine
