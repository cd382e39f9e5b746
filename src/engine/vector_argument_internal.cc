#include "engine/vector_argument_internal.h"

#include <duckdb.hpp>
#include <duckdb/common/vector/list_vector.hpp>

namespace hyprstream::engine {

namespace {

using duckdb::LogicalType;
using duckdb::LogicalTypeId;
using Format = duckdb::UnifiedVectorFormat;

bool IsNumber(const LogicalType& type) { return type.IsNumeric() || type.id() == LogicalTypeId::SQLNULL; }

}  // namespace

VectorTypes VectorTypesOf(const LogicalType& type, const duckdb::Identifier& function) {
  if (type.id() == LogicalTypeId::UNKNOWN) throw duckdb::ParameterNotResolvedException();
  const auto list = LogicalType::LIST(LogicalType::DOUBLE);
  if (type.id() == LogicalTypeId::SQLNULL) return {.argument = list, .result = list};
  if (type.id() == LogicalTypeId::LIST && IsNumber(duckdb::ListType::GetChildType(type))) {
    return {.argument = list, .result = list};
  }
  if (type.id() == LogicalTypeId::ARRAY && IsNumber(duckdb::ArrayType::GetChildType(type))) {
    return {.argument = list, .result = LogicalType::ARRAY(LogicalType::DOUBLE, duckdb::ArrayType::GetSize(type))};
  }
  throw duckdb::BinderException("%s takes vectors, as of type FLOAT[3] or DOUBLE[], not %s: cast it to one",
                                function.GetIdentifierName(), type.ToString());
}

duckdb::Value VectorValue(const std::vector<std::optional<double>>& numbers, const LogicalType& type) {
  duckdb::vector<duckdb::Value> values;
  for (const auto& number : numbers) {
    values.push_back(number ? duckdb::Value::DOUBLE(*number) : duckdb::Value(LogicalType::DOUBLE));
  }
  if (type.id() == LogicalTypeId::ARRAY) return duckdb::Value::ARRAY(LogicalType::DOUBLE, std::move(values));
  return duckdb::Value::LIST(LogicalType::DOUBLE, std::move(values));
}

Vectors::Vectors(duckdb::Vector& lists) {
  lists.ToUnifiedFormat(lists_);
  duckdb::ListVector::GetChildMutable(lists).ToUnifiedFormat(values_);
}

std::optional<Vectors::Row> Vectors::operator[](duckdb::idx_t row) const {
  const auto at = lists_.sel->get_index(row);
  if (!lists_.validity.RowIsValid(at)) return std::nullopt;
  return Row(*this, Format::GetData<duckdb::list_entry_t>(lists_)[at]);
}

bool Vectors::Row::HasNull() const {
  for (std::size_t i = 0; i < length(); ++i) {
    if (!(*this)(i)) return true;
  }
  return false;
}

void Vectors::Row::CopyTo(std::vector<double>& numbers) const {
  numbers.resize(length());
  for (std::size_t i = 0; i < length(); ++i) numbers[i] = *(*this)(i);
}

}  // namespace hyprstream::engine
