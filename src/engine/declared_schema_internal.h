// Arrow schemas that remember which DuckDB types their columns stand for, and the way back to those types.
//
// Arrow has no HUGEINT, ENUM or TIMETZ of DuckDB's kind, so a plain schema gives another type back than went in. A view
// has exactly the types of its SELECT, and its expressions see exactly the types of its table's columns, because the
// engine makes both schemas here. Only the engine can: what clients send is never of this class.
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <arrow/type.h>

#include <duckdb/common/types.hpp>
#include <duckdb/common/vector.hpp>
#include <memory>
#include <string>
#include <vector>

#include "engine/arrow_out_internal.h"

namespace duckdb {
class ClientContext;
class Vector;
}  // namespace duckdb

namespace hyprstream::engine {

// How values lie in an Arrow column.
enum class Carriage {
  kArrow,     // as Arrow's type says
  kOrderKey,  // as the bytes of hyprstream_order_key()
  kValueKey,  // as the bytes of hyprstream_value_key()
};

class DeclaredSchema : public arrow::Schema {
 public:
  DeclaredSchema(arrow::FieldVector fields, duckdb::vector<duckdb::LogicalType> types, std::vector<Carriage> carriages)
      : arrow::Schema(std::move(fields)), types_(std::move(types)), carriages_(std::move(carriages)) {}

  const duckdb::vector<duckdb::LogicalType>& types() const { return types_; }
  Carriage carriage(std::size_t column) const { return carriages_[column]; }

 private:
  duckdb::vector<duckdb::LogicalType> types_;
  std::vector<Carriage> carriages_;
};

// Null when the schema is none of ours.
const DeclaredSchema* AsDeclared(const arrow::Schema& schema);

// For rows on their way from DuckDB to DuckDB (in the form of FormOf): what is captured of a table comes back with the
// table's own types.
std::shared_ptr<arrow::Schema> DeclareColumns(duckdb::ClientContext& context,
                                              const duckdb::vector<duckdb::LogicalType>& types,
                                              const std::vector<std::string>& names);

// Plain types go the cheaper way.
ArrowForm FormOf(const duckdb::vector<duckdb::LogicalType>& types);

// Fills `to`, a vector of the declared type, from `from`, as Arrow's scan gave it.
void ToDeclared(duckdb::ClientContext& context, Carriage carriage, duckdb::Vector& from, duckdb::idx_t count,
                duckdb::Vector& to);

// Is its Arrow form (ToArrowSchema) one that the aggregation engine groups and compares by DuckDB's rules, bit for bit?
bool IsPlain(const duckdb::LogicalType& type);
bool IsNested(const duckdb::LogicalType& type);

}  // namespace hyprstream::engine
