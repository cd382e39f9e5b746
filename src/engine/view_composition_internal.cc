#include "engine/view_composition_internal.h"

#include <arrow/result.h>

#include <algorithm>
#include <array>
#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/schema_catalog_entry.hpp>
#include <duckdb/catalog/entry_lookup_info.hpp>
#include <duckdb/parser/expression/columnref_expression.hpp>
#include <duckdb/parser/expression/conjunction_expression.hpp>
#include <duckdb/parser/expression/function_expression.hpp>
#include <duckdb/parser/parser.hpp>
#include <duckdb/parser/query_node/select_node.hpp>
#include <duckdb/parser/statement/select_statement.hpp>
#include <duckdb/parser/tableref/basetableref.hpp>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/aggregate_reading_internal.h"
#include "engine/combine_internal.h"
#include "engine/error_internal.h"
#include "engine/nested_window_internal.h"
#include "engine/session_composition_internal.h"
#include "engine/view_shape_internal.h"

namespace hyprstream::engine {

namespace {

using Expression = duckdb::unique_ptr<duckdb::ParsedExpression>;
using duckdb::ExpressionClass;

std::string Show(const duckdb::ParsedExpression& expression) {
  return IsCountStar(expression) ? "count(*)" : CutText(expression.ToString(), 120);
}

std::string NameOf(const duckdb::FunctionExpression& function) {
  return FoldIdentifier(function.FunctionName().GetIdentifierName());
}

duckdb::unique_ptr<duckdb::SelectNode> ParseNode(const std::string& sql) {
  auto parser = duckdb::Parser::GetBuiltinParser();
  parser.ParseQuery(sql);
  auto& statement = parser.statements.at(0)->Cast<duckdb::SelectStatement>();
  return duckdb::unique_ptr_cast<duckdb::QueryNode, duckdb::SelectNode>(std::move(statement.node));
}

// One composition; used once.
class Composition {
 public:
  Composition(duckdb::ClientContext& context, const duckdb::SelectNode& outer, const AggregateQuery& inner)
      : context_(context), outer_(outer), inner_(inner) {
    const auto& from = outer.from_table->Cast<duckdb::BaseTableRef>();
    alias_ = from.alias.empty() ? from.GetQualifiedName().Name() : from.alias;
    std::string text = "SELECT ";
    for (const auto& item : inner.written.items) text += (text.size() > 7 ? ", (" : "(") + item + ")";
    text += " FROM " + inner.written.from;
    if (!inner.written.condition.empty()) text += " WHERE " + inner.written.condition;
    parts_ = ParseNode(text);
  }

  arrow::Result<std::string> Run() {
    auto composed = duckdb::unique_ptr_cast<duckdb::QueryNode, duckdb::SelectNode>(outer_.Copy());
    for (auto& item : composed->select_list) {
      const auto name = item->GetName();
      if (IsAggregate(context_, *item)) {
        ARROW_RETURN_NOT_OK(ReplaceAggregate(item));
      } else {
        ARROW_RETURN_NOT_OK(ReplaceColumns(item));
      }
      item->SetAlias(name);
      items_.push_back(item->Copy());
    }
    for (auto& group : composed->groups.group_expressions) ARROW_RETURN_NOT_OK(ReplaceColumns(group));
    if (composed->where_clause) ARROW_RETURN_NOT_OK(ReplaceColumns(composed->where_clause));
    composed->where_clause = Both(std::move(parts_->where_clause), std::move(composed->where_clause));
    composed->from_table = std::move(parts_->from_table);
    return composed->ToString();
  }

 private:
  static Expression Both(Expression one, Expression other) {
    if (!one) return other;
    if (!other) return one;
    return duckdb::make_uniq<duckdb::ConjunctionExpression>(duckdb::ExpressionType::CONJUNCTION_AND, std::move(one),
                                                            std::move(other));
  }

  // Which of the inner view's columns an expression is, as it stands.
  std::optional<std::size_t> ColumnOf(const duckdb::ParsedExpression& expression) const {
    if (expression.GetExpressionClass() != ExpressionClass::COLUMN_REF) return std::nullopt;
    const auto& names = expression.Cast<duckdb::ColumnRefExpression>().ColumnNames();
    if (names.size() > 1 && names[names.size() - 2] != alias_) return std::nullopt;
    const auto named = [&](const OutputColumn& column) { return duckdb::Identifier(column.name) == names.back(); };
    const auto found = std::ranges::find_if(inner_.output, named);
    if (found == inner_.output.end()) return std::nullopt;
    return static_cast<std::size_t>(found - inner_.output.begin());
  }

  // The expression that the inner view's column is of.
  Expression Item(std::size_t column) const {
    auto item = parts_->select_list[column]->Copy();
    item->ClearAlias();
    return item;
  }

  // Of a key or a condition.
  arrow::Status ReplaceColumns(Expression& expression) {
    if (const auto column = ColumnOf(*expression)) {
      const auto& output = inner_.output[*column];
      if (!output.is_key) {
        return arrow::Status::NotImplemented("A materialized view over ", inner_.view.ToString(), " cannot use ",
                                             output.name,
                                             ", an aggregate of it, as a key or in a condition: write combine(",
                                             output.name, "), or filter the query that reads the view");
      }
      auto item = Item(*column);
      item->SetAlias(expression->GetAlias());
      expression = std::move(item);
      return arrow::Status::OK();
    }
    if (expression->GetExpressionClass() == ExpressionClass::COLUMN_REF) return ReplaceAlias(expression);
    auto status = arrow::Status::OK();
    for (auto& child : expression->ChildrenMutable()) {
      if (status.ok()) status = ReplaceColumns(child);
    }
    if (const auto window = WindowItem(); status.ok() && window) UnnestWindow(context_, inner_, *window, expression);
    return status;
  }

  // A name that is none of the view's columns stands for an item of the SELECT; it must not be taken for a column of
  // the table.
  arrow::Status ReplaceAlias(Expression& expression) {
    const auto& names = expression->Cast<duckdb::ColumnRefExpression>().ColumnNames();
    for (const auto& item : items_) {
      if (names.size() != 1 || item->GetAlias() != names[0]) continue;
      expression = item->Copy();
      expression->ClearAlias();
      return arrow::Status::OK();
    }
    return arrow::Status::KeyError("Materialized view ", inner_.view.ToString(), " has no column ", Show(*expression));
  }

  Expression WindowItem() const {
    for (std::size_t i = 0; i < inner_.output.size(); ++i) {
      if (inner_.output[i].is_key && inner_.output[i].index == inner_.window_key) return Item(i);
    }
    return nullptr;
  }

  arrow::Status ReplaceAggregate(Expression& expression) {
    auto& call = expression->Cast<duckdb::FunctionExpression>();
    const auto& arguments = call.GetArguments();
    const auto column = arguments.size() == 1 ? ColumnOf(arguments[0].GetExpression()) : std::nullopt;
    if (!column || inner_.output[*column].is_key || call.Distinct() || !Merges(call, *column)) {
      return arrow::Status::NotImplemented("A materialized view over ", inner_.view.ToString(),
                                           " merges its states, and cannot maintain ", Show(*expression),
                                           ": write combine(column) of an aggregate of the view, or aggregate table ",
                                           inner_.base.ToString(), " itself");
    }
    auto merged = NameOf(call) == "sum" && IsCount(*column) ? SumOfCounts(*column) : Item(*column);
    auto& aggregate = merged->Cast<duckdb::FunctionExpression>();
    auto condition = call.Filter() ? call.Filter()->Copy() : nullptr;
    if (condition) ARROW_RETURN_NOT_OK(ReplaceColumns(condition));
    aggregate.FilterMutable() = Both(std::move(aggregate.FilterMutable()), std::move(condition));
    expression = std::move(merged);
    return arrow::Status::OK();
  }

  const duckdb::FunctionExpression& CallBehind(std::size_t column) const {
    return parts_->select_list[column]->Cast<duckdb::FunctionExpression>();
  }
  bool IsCount(std::size_t column) const {
    const auto& call = CallBehind(column);
    const auto name = NameOf(call);
    return !call.Distinct() && (IsCountStar(call) || (name == "count" && call.GetArguments().size() == 1));
  }
  // A sum of counts is no count: it is of another type.
  Expression SumOfCounts(std::size_t column) const {
    const auto& count = CallBehind(column);
    auto counts = IsCountStar(count) ? std::string("TRUE") : "(" + count.GetArguments()[0].ToString() + ") IS NOT NULL";
    if (count.Filter()) counts += " AND (" + count.Filter()->ToString() + ")";
    auto node = ParseNode("SELECT sum(CASE WHEN " + counts + " THEN 1 ELSE 0 END)");
    return std::move(node->select_list[0]);
  }

  // Does the call give what merging the states gives?
  bool Merges(const duckdb::FunctionExpression& call, std::size_t column) const {
    const auto name = NameOf(call);
    if (name == kCombine) return true;
    const auto& inner = CallBehind(column);
    static constexpr std::array<std::string_view, 3> kSame = {"sum", "min", "max"};
    // Without keys the inner view has one count also where there are no rows to sum over.
    if (name == "sum" && IsCount(column)) return inner_.key_count() > 0;
    if (inner.Distinct()) return false;
    return std::ranges::find(kSame, name) != kSame.end() && NameOf(inner) == name && inner.GetArguments().size() == 1;
  }

  duckdb::ClientContext& context_;
  const duckdb::SelectNode& outer_;
  const AggregateQuery& inner_;
  duckdb::Identifier alias_;                      // of the inner view in `outer_`
  duckdb::unique_ptr<duckdb::SelectNode> parts_;  // the inner view's SELECT
  std::vector<Expression> items_;                 // of the composed SELECT, so far
};

arrow::Status CheckComposes(const AggregateQuery& inner, const std::string& time_zone) {
  if (inner.hopping) {
    return arrow::Status::NotImplemented(inner.view.ToString(),
                                         " has windows that overlap: a materialized view over it would count rows as "
                                         "often as they are in one; create it over table ",
                                         inner.base.ToString());
  }
  if (!inner.shown_sql.empty()) {
    return arrow::Status::NotImplemented(inner.view.ToString(),
                                         " is put together from sessions when it is read: create the materialized view "
                                         "over ",
                                         inner.source.ToString(), ", which has them");
  }
  if (inner.time_zone == time_zone) return arrow::Status::OK();
  return arrow::Status::NotImplemented("Materialized view ", inner.view.ToString(), " means times in ", inner.time_zone,
                                       ": SET TimeZone = '", inner.time_zone, "' before you create a view over it");
}

// The materialized view that a SELECT reads; null when it reads something else.
std::shared_ptr<const AggregateQuery> ViewBehind(duckdb::ClientContext& context, const duckdb::SelectNode& select,
                                                 const ViewText& text) {
  if (!select.from_table || select.from_table->type != duckdb::TableReferenceType::BASE_TABLE) return nullptr;
  auto name = select.from_table->Cast<duckdb::BaseTableRef>().GetQualifiedName();
  if (text.source.has_value()) {
    name = duckdb::QualifiedName(duckdb::Identifier(text.database), duckdb::Identifier(text.source->schema),
                                 duckdb::Identifier(text.source->name));
  }
  const auto entry = duckdb::Catalog::GetEntry(context, duckdb::EntryLookupInfo(duckdb::CatalogType::TABLE_ENTRY, name),
                                               duckdb::OnEntryNotFound::RETURN_NULL);
  if (!entry || entry->type != duckdb::CatalogType::VIEW_ENTRY || entry->temporary) return nullptr;
  return text.surroundings.maintained(
      {.schema = entry->ParentSchema().name.GetIdentifierName(), .name = entry->name.GetIdentifierName()});
}

}  // namespace

arrow::Result<std::optional<ComposedSelect>> ComposeOverView(duckdb::ClientContext& context, const ViewText& text) {
  if (!text.surroundings.maintained) return std::nullopt;
  auto parser = duckdb::Parser::GetBuiltinParser();
  parser.ParseQuery(std::string(text.select));
  if (parser.statements.size() != 1 || parser.statements[0]->type != duckdb::StatementType::SELECT_STATEMENT) {
    return std::nullopt;
  }
  const auto& node = *parser.statements[0]->Cast<duckdb::SelectStatement>().node;
  if (node.type != duckdb::QueryNodeType::SELECT_NODE) return std::nullopt;
  const auto& select = node.Cast<duckdb::SelectNode>();
  const auto inner = ViewBehind(context, select, text);
  if (!inner) return std::nullopt;
  ARROW_RETURN_NOT_OK(CheckShape(select));
  for (const auto& item : select.select_list) {
    if (!IsCountStar(*item)) ARROW_RETURN_NOT_OK(CheckExpression(*item));
  }
  ARROW_RETURN_NOT_OK(CheckComposes(*inner, text.time_zone));
  if (inner->session_gap) {
    if (select.where_clause) ARROW_RETURN_NOT_OK(CheckExpression(*select.where_clause));
    ARROW_ASSIGN_OR_RAISE(auto over, ComposeOverSessions(context, select, *inner, text));
    return ComposedSelect{
        .select = std::move(over.sessions), .base = inner->base, .source = inner->view, .shown = std::move(over.shown)};
  }
  ARROW_ASSIGN_OR_RAISE(auto composed, Composition(context, select, *inner).Run());
  return ComposedSelect{.select = std::move(composed), .base = inner->base, .source = inner->view};
}

}  // namespace hyprstream::engine
