#include "engine/queried_texts_internal.h"

#include <arrow/status.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/parser/parser.hpp>
#include <duckdb/parser/tableref.hpp>
#include <string>

#include "engine/catalog_change_internal.h"
#include "engine/context_state_internal.h"
#include "engine/error_internal.h"
#include "engine/parser_internal.h"
#include "engine/tokens_internal.h"

namespace hyprstream::engine {

namespace {

struct Bounds : duckdb::TableFunctionInfo {
  Bounds(const ParseLimits& of_statements, duckdb::table_function_bind_replace_t function)
      : limits(of_statements), inner(function) {}

  ParseLimits limits;
  duckdb::table_function_bind_replace_t inner;  // DuckDB's
};

// One text inside another, or the same function called again and again, makes more of them than any one may hold.
arrow::Status Count(duckdb::ClientContext& context, const ParseLimits& limits, QueriedTexts more) {
  context.InterruptCheck();
  const auto state = context.registered_state->Get<ContextState>(ContextState::kKey);
  auto& all = state ? state->queried : more;
  if (state) all.bytes += more.bytes;
  if (state) all.set_operations += more.set_operations;
  if (all.bytes > limits.sql_bytes_max) {
    return arrow::Status::Invalid("The texts of query() have ", all.bytes, " bytes; at most ", limits.sql_bytes_max,
                                  " are taken in one statement");
  }
  if (all.set_operations > static_cast<std::size_t>(kSetOperationsMax)) {
    return arrow::Status::Invalid("The texts of query() combine more than ", kSetOperationsMax,
                                  " queries in one statement; split it");
  }
  return arrow::Status::OK();
}

arrow::Status CheckText(duckdb::ClientContext& context, const ParseLimits& limits, const std::string& text) {
  ARROW_RETURN_NOT_OK(Count(context, limits, {.bytes = text.size()}));
  const auto sql = duckdb::Parser::NormalizeSQLString(text);
  const auto tokens = Tokenize(sql);
  ARROW_RETURN_NOT_OK(CheckBounds(sql, tokens, limits.expression_depth_max));
  ARROW_RETURN_NOT_OK(CheckFunctions(sql, tokens));
  return Count(context, limits, {.set_operations = SetOperationsOf(tokens)});
}

arrow::Status CheckNames(duckdb::ClientContext& context, const ParseLimits& limits,
                         const duckdb::vector<duckdb::Value>& names) {
  QueriedTexts texts;
  texts.set_operations = names.empty() ? 0 : names.size() - 1;
  for (const auto& value : names) {
    const auto name = value.ToString();
    texts.bytes += name.size();
    if (std::ranges::count(name, '.') >= kNamePartsMax) {
      return arrow::Status::Invalid("The statement has a name of more than ", kNamePartsMax, " parts");
    }
  }
  return Count(context, limits, texts);
}

duckdb::unique_ptr<duckdb::TableRef> BindQuery(duckdb::ClientContext& context, duckdb::TableFunctionBindInput& input) {
  const auto& bounds = input.info->Cast<Bounds>();
  RefuseIfNotOk(CheckText(context, bounds.limits, input.inputs[0].ToString()));
  return bounds.inner(context, input);
}

duckdb::unique_ptr<duckdb::TableRef> BindQueryTable(duckdb::ClientContext& context,
                                                    duckdb::TableFunctionBindInput& input) {
  const auto& bounds = input.info->Cast<Bounds>();
  const auto& names = input.inputs[0];
  const bool listed = names.type().id() == duckdb::LogicalTypeId::LIST && !names.IsNull();
  RefuseIfNotOk(CheckNames(context, bounds.limits,
                           listed ? duckdb::ListValue::GetChildren(names) : duckdb::vector<duckdb::Value>{names}));
  return bounds.inner(context, input);
}

void Replace(duckdb::Connection& connection, const char* name, const ParseLimits& limits,
             duckdb::table_function_bind_replace_t bind) {
  ChangeTableFunction(*connection.context, name, [&](duckdb::TableFunction& function) {
    function.function_info = duckdb::make_shared_ptr<Bounds>(limits, function.bind_replace);
    function.bind_replace = bind;
  });
}

}  // namespace

void BoundQueriedTexts(duckdb::Connection& connection, const ParseLimits& limits) {
  Replace(connection, "query", limits, BindQuery);
  Replace(connection, "query_table", limits, BindQueryTable);
}

}  // namespace hyprstream::engine
