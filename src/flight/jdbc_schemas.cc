#include "flight/jdbc_schemas.h"

#include <arrow/flight/server.h>
#include <arrow/flight/sql/column_metadata.h>
#include <arrow/type.h>

#include <string_view>
#include <utility>

namespace hyprstream::flight {

namespace {

std::shared_ptr<arrow::DataType> InMilliseconds(const std::shared_ptr<arrow::DataType>& type) {
  switch (type->id()) {
    case arrow::Type::TIME64:
      return arrow::time32(arrow::TimeUnit::MILLI);
    case arrow::Type::TIMESTAMP:
      return arrow::timestamp(arrow::TimeUnit::MILLI, static_cast<const arrow::TimestampType&>(*type).timezone());
    case arrow::Type::LIST:
      return arrow::list(InMilliseconds(static_cast<const arrow::ListType&>(*type).value_type()));
    default:
      return type;
  }
}

std::shared_ptr<arrow::Field> WithPrecision(const std::shared_ptr<arrow::Field>& field) {
  if (field->type()->id() != arrow::Type::DECIMAL128) return field;
  const auto& type = static_cast<const arrow::Decimal128Type&>(*field->type());
  const auto column =
      arrow::flight::sql::ColumnMetadata::Builder().Precision(type.precision()).Scale(type.scale()).Build();
  return field->WithMergedMetadata(column.metadata_map());
}

}  // namespace

bool IsJavaClient(const arrow::flight::ServerCallContext& context) {
  const auto& headers = context.incoming_headers();
  const auto agent = headers.find("user-agent");
  return agent != headers.end() && agent->second.find("grpc-java") != std::string_view::npos;
}

std::shared_ptr<arrow::Schema> JdbcParameters(const arrow::Schema& parameters) {
  arrow::FieldVector fields;
  for (const auto& field : parameters.fields()) fields.push_back(field->WithType(InMilliseconds(field->type())));
  return arrow::schema(std::move(fields), parameters.metadata());
}

std::shared_ptr<arrow::Schema> JdbcRows(const arrow::Schema& rows) {
  arrow::FieldVector fields;
  for (const auto& field : rows.fields()) fields.push_back(WithPrecision(field));
  return arrow::schema(std::move(fields), rows.metadata());
}

}  // namespace hyprstream::flight
