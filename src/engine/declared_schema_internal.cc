#include "engine/declared_schema_internal.h"

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/common/type_visitor.hpp>
#include <duckdb/common/vector/flat_vector.hpp>
#include <duckdb/common/vector/unified_vector_format.hpp>
#include <duckdb/common/vector_operations/vector_operations.hpp>
#include <duckdb/function/create_sort_key.hpp>
#include <duckdb/parser/parsed_data/create_scalar_function_info.hpp>

#include "engine/arrow_out_internal.h"

namespace hyprstream::engine {

namespace {

using duckdb::LogicalType;
using duckdb::LogicalTypeId;

const duckdb::OrderModifiers kAscending(duckdb::OrderType::ASCENDING, duckdb::OrderByNullType::NULLS_LAST);

void OrderKey(duckdb::DataChunk& arguments, duckdb::ExpressionState&, duckdb::Vector& result) {
  duckdb::CreateSortKeyHelpers::CreateSortKeyWithValidity(arguments.data[0], result, kAscending, arguments.size());
}

void Present(duckdb::DataChunk& arguments, duckdb::ExpressionState&, duckdb::Vector& result) {
  duckdb::UnifiedVectorFormat format;
  arguments.data[0].ToUnifiedFormat(format);
  auto* values = duckdb::FlatVector::GetDataMutable<bool>(result);
  for (duckdb::idx_t row = 0; row < arguments.size(); ++row) {
    values[row] = true;
    if (!format.validity.RowIsValid(format.sel->get_index(row))) duckdb::FlatVector::SetNull(result, row, true);
  }
}

void FromOrderKeys(duckdb::Vector& from, duckdb::idx_t count, duckdb::Vector& to) {
  duckdb::UnifiedVectorFormat format;
  from.ToUnifiedFormat(format);
  const auto* keys = format.GetData<duckdb::string_t>();
  for (duckdb::idx_t row = 0; row < count; ++row) {
    const auto at = format.sel->get_index(row);
    if (format.validity.RowIsValid(at)) {
      duckdb::CreateSortKeyHelpers::DecodeSortKey(keys[at], to, row, kAscending);
    } else {
      duckdb::FlatVector::SetNull(to, row, true);
    }
  }
  duckdb::FlatVector::SetSize(to, count);  // some expressions look at no more rows than that
}

// Of a type and everything inside it.
template <class Test>
bool Every(const LogicalType& type, Test test) {
  return !duckdb::TypeVisitor::Contains(type, [&](const LogicalType& part) { return !test(part); });
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

}  // namespace

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

// Not INTERVAL: 30 days and 1 month are equal, and their keys are not.
bool GroupsByOrderKey(const LogicalType& type) {
  return Every(type, [](const LogicalType& part) {
    switch (part.id()) {
      case LogicalTypeId::UHUGEINT:
      case LogicalTypeId::UUID:
      case LogicalTypeId::BIT:
      case LogicalTypeId::BIGNUM:
      case LogicalTypeId::ENUM:
      case LogicalTypeId::TIME_NS:
      case LogicalTypeId::TIME_TZ:
        return true;
      default:
        return IsPlain(part) || IsNested(part);
    }
  });
}

// Not TIMETZ, whose order is that of the moments, nor BIT, of which DuckDB's min and max have another order than its
// sort.
bool ComparesByOrderKey(const LogicalType& type) {
  return GroupsByOrderKey(type) && !duckdb::TypeVisitor::Contains(type, LogicalTypeId::TIME_TZ) &&
         !duckdb::TypeVisitor::Contains(type, LogicalTypeId::BIT);
}

void RegisterOrderKeys(duckdb::Connection& connection) {
  auto& catalog = duckdb::Catalog::GetSystemCatalog(*connection.context);
  const auto add = [&](const char* name, const LogicalType& result, duckdb::scalar_function_t function) {
    duckdb::ScalarFunction scalar(duckdb::Identifier(name), duckdb::vector<LogicalType>{LogicalType::ANY}, result,
                                  std::move(function));
    scalar.SetStability(duckdb::FunctionStability::CONSISTENT);
    scalar.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
    duckdb::CreateScalarFunctionInfo info(scalar);
    catalog.CreateFunction(*connection.context, info);
  };
  add(kOrderKey, LogicalType::BLOB, OrderKey);
  add(kPresent, LogicalType::BOOLEAN, Present);
}

}  // namespace hyprstream::engine
