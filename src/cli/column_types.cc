#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/checked_cast.h>
#include <strings.h>

#include "cli/column_types_internal.h"

namespace hyprstream::cli {
namespace {

bool ReadsFromText(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
    case arrow::Type::STRING:
    case arrow::Type::DATE32:
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
    case arrow::Type::DECIMAL128:
      return true;
    default:
      return arrow::is_integer(type.id());
  }
}

}  // namespace

std::shared_ptr<arrow::DataType> TypeFor(const std::string& name, const std::shared_ptr<arrow::DataType>& inferred,
                                         const arrow::Schema* table) {
  if (table != nullptr) {
    for (const auto& field : table->fields()) {
      if (strcasecmp(field->name().c_str(), name.c_str()) == 0 && ReadsFromText(*field->type())) return field->type();
    }
  }
  if (inferred->id() == arrow::Type::NA) return arrow::utf8();
  if (inferred->id() == arrow::Type::TIMESTAMP) {
    const auto& type = arrow::internal::checked_cast<const arrow::TimestampType&>(*inferred);
    return arrow::timestamp(arrow::TimeUnit::MICRO, type.timezone());
  }
  return inferred;
}

}  // namespace hyprstream::cli
