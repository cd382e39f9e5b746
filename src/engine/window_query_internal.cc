#include "engine/window_query_internal.h"

#include <duckdb/parser/expression/columnref_expression.hpp>
#include <duckdb/parser/expression/parameter_expression.hpp>
#include <duckdb/parser/parser.hpp>
#include <duckdb/parser/query_node/select_node.hpp>
#include <duckdb/parser/statement/select_statement.hpp>
#include <duckdb/parser/tableref/basetableref.hpp>
#include <duckdb/parser/tableref/subqueryref.hpp>
#include <map>
#include <string>
#include <utility>

#include "core/table_ref.h"
#include "engine/window_call_internal.h"

namespace hyprstream::engine {

namespace {

using Expression = duckdb::unique_ptr<duckdb::ParsedExpression>;

// In these queries $time, $row, $slide, $width and $key... stand for the arguments, and `source` for the table.
struct Pieces {
  std::string time;
  std::string width;
  std::string slide;
};

Pieces PiecesOf(WindowKind kind) {
  const std::string function = QuoteLiteral(WindowFunction(kind));
  const std::string width = kind == WindowKind::kSession ? "gap" : "size";
  return {.time = "hyprstream_event_time(" + function + ", $time, $row)",
          .width = "hyprstream_window_width(" + function + ", '" + width + "', $width)",
          .slide = "hyprstream_window_width(" + function + ", 'slide', $slide)"};
}

std::string TumblingSql() {
  const auto piece = PiecesOf(WindowKind::kTumbling);
  return "SELECT *, hyprstream_window_end(window_start, " + piece.width +
         ") AS window_end FROM (SELECT *, time_bucket(" + piece.width + ", " + piece.time +
         ") AS window_start FROM source) WHERE window_start IS NOT NULL";
}

std::string HoppingSql() {
  const auto piece = PiecesOf(WindowKind::kHopping);
  return "SELECT *, hyprstream_window_end(window_start, " + piece.width +
         ") AS window_end FROM (SELECT *, unnest(hyprstream_hop_starts(" + piece.time + ", " + piece.slide + ", " +
         piece.width + ")) AS window_start FROM source)";
}

// Rows that begin a session, and rows that end one, are found by their neighbours; each row's session then begins at
// the last beginning up to it and ends with the first end from it on. RANGE frames take rows of one time together.
std::string SessionSql(std::size_t keys) {
  const auto piece = PiecesOf(WindowKind::kSession);
  std::string arguments;
  std::string names;
  std::string columns;
  for (std::size_t key = 0; key < keys; ++key) {
    const auto name = "hyprstream_key" + std::to_string(key);
    arguments += (key == 0 ? "PARTITION BY $key" : ", $key") + std::to_string(key);
    names += (key == 0 ? "PARTITION BY " : ", ") + name;
    columns += ", $key" + std::to_string(key) + " AS " + name;
  }
  const auto keyed = [&](const std::string& function, const std::string& frame) {
    return function + " OVER (" + names + " ORDER BY hyprstream_time RANGE BETWEEN " + frame + ")";
  };
  const auto beside = [&](const std::string& function) {
    return function + "(" + piece.time + ") OVER (" + arguments + " ORDER BY " + piece.time + ")";
  };
  const auto end_after = [&](const std::string& time) {
    return "hyprstream_window_end(" + time + ", " + piece.width + ")";
  };
  auto exclude = std::string("hyprstream_time, hyprstream_first, hyprstream_last");
  for (std::size_t key = 0; key < keys; ++key) exclude += ", hyprstream_key" + std::to_string(key);
  return "SELECT * EXCLUDE (" + exclude + "), " +
         keyed("max(hyprstream_first)", "UNBOUNDED PRECEDING AND CURRENT ROW") + " AS window_start, " +
         end_after(keyed("min(hyprstream_last)", "CURRENT ROW AND UNBOUNDED FOLLOWING")) +
         " AS window_end FROM (SELECT *, " + piece.time + " AS hyprstream_time, CASE WHEN " + end_after(beside("lag")) +
         " > " + piece.time + " THEN NULL ELSE " + piece.time + " END AS hyprstream_first, CASE WHEN " +
         beside("lead") + " < " + end_after(piece.time) + " THEN NULL ELSE " + piece.time + " END AS hyprstream_last" +
         columns + " FROM source WHERE " + piece.time + " IS NOT NULL)";
}

std::string SqlOf(const WindowCall& call) {
  switch (call.kind) {
    case WindowKind::kTumbling:
      return TumblingSql();
    case WindowKind::kHopping:
      return HoppingSql();
    case WindowKind::kSession:
      return SessionSql(call.keys.size());
  }
  return {};
}

// Puts a call's arguments in their places.
class Filler {
 public:
  explicit Filler(const WindowCall& call) : call_(call) {
    arguments_["time"] = call.time.get();
    arguments_["width"] = call.width.get();
    arguments_["slide"] = call.slide.get();
    for (std::size_t key = 0; key < call.keys.size(); ++key) {
      arguments_["key" + std::to_string(key)] = call.keys[key].get();
    }
    row_ = duckdb::make_uniq<duckdb::ColumnRefExpression>(call.table->GetQualifiedName().Name());
    arguments_["row"] = row_.get();
  }

  void Fill(duckdb::SelectNode& select) {
    for (auto& item : select.select_list) Fill(item);
    if (select.where_clause) Fill(select.where_clause);
    if (select.from_table->type == duckdb::TableReferenceType::SUBQUERY) {
      return Fill(select.from_table->Cast<duckdb::SubqueryRef>().subquery->node->Cast<duckdb::SelectNode>());
    }
    select.from_table = call_.table->Copy();
  }

 private:
  void Fill(Expression& expression) {
    if (expression->GetExpressionClass() == duckdb::ExpressionClass::PARAMETER) {
      const auto& name = expression->Cast<duckdb::ParameterExpression>().Identifier().GetIdentifierName();
      const auto alias = expression->GetAlias();
      expression = arguments_.at(name)->Copy();
      expression->SetAlias(alias);
      return;
    }
    // Not a place in the statement's text.
    expression->SetQueryLocation(duckdb::QueryLocation::Invalid());
    for (auto& child : expression->ChildrenMutable()) Fill(child);
  }

  const WindowCall& call_;
  Expression row_;
  std::map<std::string, const duckdb::ParsedExpression*> arguments_;
};

}  // namespace

duckdb::unique_ptr<duckdb::SelectStatement> WindowQuery(const WindowCall& call) {
  auto parser = duckdb::Parser::GetBuiltinParser();
  parser.ParseQuery(SqlOf(call));
  auto select =
      duckdb::unique_ptr_cast<duckdb::SQLStatement, duckdb::SelectStatement>(std::move(parser.statements.at(0)));
  Filler(call).Fill(select->node->Cast<duckdb::SelectNode>());
  return select;
}

}  // namespace hyprstream::engine
