#include "engine/declared_schema_internal.h"

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/common/vector_operations/vector_operations.hpp>

#include "engine/arrow_out_internal.h"
#include "engine/order_keys_internal.h"

namespace hyprstream::engine {

using duckdb::LogicalType;
using duckdb::LogicalTypeId;

const DeclaredSchema* AsDeclared(const arrow::Schema& schema) { return dynamic_cast<const DeclaredSchema*>(&schema); }

std::shared_ptr<arrow::Schema> DeclareColumns(duckdb::ClientContext& context, const duckdb::vector<LogicalType>& types,
                                              const std::vector<std::string>& names) {
  const auto schema = ToArrowSchemaInForm(context, types, names, FormOf(types));
  return std::make_shared<DeclaredSchema>(schema->fields(), types,
                                          std::vector<Carriage>(types.size(), Carriage::kArrow));
}

void ToDeclared(duckdb::ClientContext& context, Carriage carriage, duckdb::Vector& from, duckdb::idx_t count,
                duckdb::Vector& to) {
  if (carriage == Carriage::kOrderKey) return FromOrderKeys(from, count, to);
  if (carriage == Carriage::kValueKey) return FromValueKeys(from, count, to);
  if (from.GetType() == to.GetType()) return to.Reference(from);
  const bool other_name = from.GetType().id() == to.GetType().id() && !IsNested(to.GetType());  // JSON is a VARCHAR
  const bool wide = from.GetType().id() == LogicalTypeId::DECIMAL && to.GetType().id() == LogicalTypeId::HUGEINT &&
                    from.GetType().InternalType() == to.GetType().InternalType();
  if (other_name || wide) return to.Reinterpret(from);
  duckdb::VectorOperations::Cast(context, from, to, count);
}

ArrowForm FormOf(const duckdb::vector<LogicalType>& types) {
  return std::ranges::all_of(types, IsPlain) ? ArrowForm::kCommon : ArrowForm::kLossless;
}

bool IsPlain(const LogicalType& type) {
  switch (type.id()) {
    case LogicalTypeId::BOOLEAN:
    case LogicalTypeId::TINYINT:
    case LogicalTypeId::SMALLINT:
    case LogicalTypeId::INTEGER:
    case LogicalTypeId::BIGINT:
    case LogicalTypeId::UTINYINT:
    case LogicalTypeId::USMALLINT:
    case LogicalTypeId::UINTEGER:
    case LogicalTypeId::UBIGINT:
    case LogicalTypeId::HUGEINT:
    case LogicalTypeId::FLOAT:
    case LogicalTypeId::DOUBLE:
    case LogicalTypeId::DECIMAL:
    case LogicalTypeId::DATE:
    case LogicalTypeId::TIME:
    case LogicalTypeId::TIMESTAMP:
    case LogicalTypeId::TIMESTAMP_SEC:
    case LogicalTypeId::TIMESTAMP_MS:
    case LogicalTypeId::TIMESTAMP_NS:
    case LogicalTypeId::TIMESTAMP_TZ:
    case LogicalTypeId::VARCHAR:
    case LogicalTypeId::BLOB:
      return true;
    default:
      return false;
  }
}

bool IsNested(const LogicalType& type) {
  switch (type.id()) {
    case LogicalTypeId::LIST:
    case LogicalTypeId::ARRAY:
    case LogicalTypeId::STRUCT:
    case LogicalTypeId::MAP:
    case LogicalTypeId::UNION:
      return true;
    default:
      return false;
  }
}

}  // namespace hyprstream::engine
