#include "engine/statement_options_internal.h"

#include <arrow/result.h>

#include <duckdb/parser/expression/cast_expression.hpp>
#include <duckdb/parser/expression/columnref_expression.hpp>
#include <duckdb/parser/expression/constant_expression.hpp>

namespace hyprstream::engine {

arrow::Result<std::string> OptionText(const std::string& name, const duckdb::ParsedExpression* value) {
  using duckdb::ExpressionClass;
  const auto refuse = [&] {
    return arrow::Status::Invalid("Option ", name, " needs a plain value, such as ", name, " = 'text' or ", name,
                                  " = true");
  };
  if (value == nullptr) return refuse();
  switch (value->GetExpressionClass()) {
    case ExpressionClass::CONSTANT: {
      const auto& literal = value->Cast<duckdb::ConstantExpression>().GetLiteral();
      if (literal.IsNull()) return refuse();
      return literal.text;
    }
    case ExpressionClass::CAST:
      return OptionText(name, &value->Cast<duckdb::CastExpression>().Child());
    case ExpressionClass::COLUMN_REF: {
      const auto& column = value->Cast<duckdb::ColumnRefExpression>();
      if (column.IsQualified()) return refuse();
      return column.GetColumnName().GetIdentifierName();
    }
    default:
      return refuse();
  }
}

}  // namespace hyprstream::engine
