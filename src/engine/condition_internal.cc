#include "engine/condition_internal.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include <algorithm>
#include <duckdb/parser/expression/columnref_expression.hpp>
#include <duckdb/parser/parsed_expression_iterator.hpp>
#include <duckdb/parser/parser.hpp>
#include <utility>

#include "engine/guard_internal.h"
#include "engine/row_plan_internal.h"

namespace hyprstream::engine {

namespace {

arrow::Status Refuse(const std::string& what) {
  return arrow::Status::Invalid("The condition holds ", what,
                                "; only expressions over columns are allowed here, such as region = 'eu'");
}

arrow::Status Collect(const duckdb::ParsedExpression& expression, Condition& condition) {
  switch (expression.GetExpressionClass()) {
    case duckdb::ExpressionClass::SUBQUERY:
      return Refuse("a subquery");
    case duckdb::ExpressionClass::PARAMETER:
      return Refuse("a parameter");
    case duckdb::ExpressionClass::WINDOW:
      return Refuse("a window function");
    case duckdb::ExpressionClass::STAR:
      return Refuse("a star");
    case duckdb::ExpressionClass::POSITIONAL_REFERENCE:
      return Refuse("a column number");
    case duckdb::ExpressionClass::COLUMN_REF:
      condition.columns.emplace_back(
          expression.Cast<duckdb::ColumnRefExpression>().GetColumnName().GetIdentifierName());
      return arrow::Status::OK();
    default:
      break;
  }
  auto status = arrow::Status::OK();
  duckdb::ParsedExpressionIterator::EnumerateChildren(expression, [&](const duckdb::ParsedExpression& child) {
    if (status.ok()) status = Collect(child, condition);
  });
  return status;
}

}  // namespace

arrow::Result<Condition> ParseConditionText(duckdb::ClientContext& context, std::string_view sql,
                                            const ParseLimits& limits) {
  const auto unreadable = [](const arrow::Status& why) {
    return why.WithMessage("The condition cannot be read: ", why.message());
  };
  // Held to the limits of statements, and to be nothing but what stands between the brackets.
  const auto whole = ParseStatements("SELECT 1 WHERE (" + std::string(sql) + "\n)", limits);
  if (!whole.ok()) return unreadable(whole.status());
  duckdb::vector<duckdb::unique_ptr<duckdb::ParsedExpression>> expressions;
  const auto parsed = Guard([&]() -> arrow::Status {
    expressions = duckdb::Parser::GetBuiltinParser().ParseExpressionList(std::string(sql));
    return arrow::Status::OK();
  });
  if (!parsed.ok()) return unreadable(parsed);
  return Guard([&]() -> arrow::Result<Condition> {
    if (expressions.size() != 1) {
      return arrow::Status::Invalid("A condition is one expression; these are ", expressions.size(),
                                    ". Put them together with AND");
    }
    Condition condition{.sql = expressions[0]->ToString(), .columns = {}};
    ARROW_RETURN_NOT_OK(Collect(*expressions[0], condition));
    if (const auto name = UnstableCall(context, *expressions[0]); !name.empty()) {
      return Refuse(name + "(), whose result changes from call to call");
    }
    if (const auto name = MacroCall(context, *expressions[0]); !name.empty()) {
      return Refuse("the macro " + name + "(), which may be replaced by another");
    }
    return condition;
  });
}

}  // namespace hyprstream::engine
