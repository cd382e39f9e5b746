#include "engine/view_writing_internal.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/macro_catalog_entry.hpp>
#include <duckdb/catalog/catalog_entry/scalar_macro_catalog_entry.hpp>
#include <duckdb/catalog/entry_lookup_info.hpp>
#include <duckdb/parser/expression/cast_expression.hpp>
#include <duckdb/parser/expression/columnref_expression.hpp>
#include <duckdb/parser/expression/function_expression.hpp>
#include <duckdb/parser/expression/type_expression.hpp>
#include <duckdb/parser/parser.hpp>
#include <duckdb/parser/query_node/select_node.hpp>
#include <duckdb/parser/statement/select_statement.hpp>
#include <duckdb/parser/tableref.hpp>
#include <duckdb/parser/tableref/table_function_ref.hpp>
#include <duckdb/planner/binder.hpp>
#include <duckdb/planner/expression_binder.hpp>
#include <utility>

#include "engine/error_internal.h"
#include "engine/view_shape_internal.h"
#include "engine/window_tables_internal.h"

namespace hyprstream::engine {

namespace {

using Expression = duckdb::unique_ptr<duckdb::ParsedExpression>;

// Unfolding is the binder's own, so that overloads, defaults, named and typed parameters work as they do in a query.
class MacroUnfolder : public duckdb::ExpressionBinder {
 public:
  MacroUnfolder(duckdb::Binder& binder, duckdb::ClientContext& context) : ExpressionBinder(binder, context) {}

  void Unfold(duckdb::ScalarMacroCatalogEntry& macro, Expression& call) {
    UnfoldMacroExpression(call->Cast<duckdb::FunctionExpression>(), macro, call, 0);
  }
};

class SelectWriter {
 public:
  SelectWriter(duckdb::ClientContext& context, duckdb::SelectNode& select) : context_(context), select_(select) {}

  // True when anything was written out.
  bool Run() {
    for (auto& item : select_.select_list) {
      const bool named = item->HasAlias();
      const auto name = item->GetName();
      const bool before = std::exchange(changed_, false);
      Visit(item);
      if (changed_ && !named) item->SetAlias(duckdb::Identifier(name));
      changed_ |= before;
    }
    if (select_.where_clause) Visit(select_.where_clause);
    for (auto& group : select_.groups.group_expressions) Visit(group);
    VisitWindows();
    return changed_;
  }

 private:
  static constexpr int kUnfoldedMax = 10'000;  // calls; macros of macros grow fast

  void Visit(Expression& expression) {
    using duckdb::ExpressionClass;
    while (expression->GetExpressionClass() == ExpressionClass::FUNCTION) {
      WriteOutMethod(expression->Cast<duckdb::FunctionExpression>());
      auto* macro = MacroOf(expression->Cast<duckdb::FunctionExpression>());
      if (macro == nullptr) break;
      Unfold(*macro, expression);
    }
    if (expression->GetExpressionClass() == ExpressionClass::CAST) {
      WriteOutType(expression->Cast<duckdb::CastExpression>());
    }
    for (auto& child : expression->ChildrenMutable()) Visit(child);
  }

  // What a window function is given beside its table.
  void VisitWindows() {
    if (select_.from_table->type != duckdb::TableReferenceType::TABLE_FUNCTION) return;
    auto& call = select_.from_table->Cast<duckdb::TableFunctionRef>().function->Cast<duckdb::FunctionExpression>();
    auto& arguments = call.GetArgumentsMutable();
    for (std::size_t at = 1; at < arguments.size(); ++at) Visit(arguments[at].GetExpressionMutable());
  }

  // x.f() is f(x), unless there is a schema x with an f in it: as the binder has it.
  void WriteOutMethod(duckdb::FunctionExpression& call) {
    const auto name = call.GetQualifiedName();
    if (name.Schema().empty() || FunctionNamed(name)) return;
    if (MacroNamed(duckdb::QualifiedName(name.Name())) == nullptr) return;
    auto path = name.Path();
    path.pop_back();
    call.GetArgumentsMutable().insert(call.GetArgumentsMutable().begin(),
                                      Expression(duckdb::make_uniq<duckdb::ColumnRefExpression>(std::move(path))));
    call.SetQualifiedName(duckdb::QualifiedName(name.Name()));
    changed_ = true;
  }

  duckdb::optional_ptr<duckdb::CatalogEntry> FunctionNamed(const duckdb::QualifiedName& name) {
    return duckdb::Catalog::GetEntry(context_,
                                     duckdb::EntryLookupInfo(duckdb::CatalogType::SCALAR_FUNCTION_ENTRY, name),
                                     duckdb::OnEntryNotFound::RETURN_NULL);
  }

  duckdb::ScalarMacroCatalogEntry* MacroOf(const duckdb::FunctionExpression& call) {
    return MacroNamed(call.GetQualifiedName());
  }

  duckdb::ScalarMacroCatalogEntry* MacroNamed(const duckdb::QualifiedName& name) {
    auto entry = FunctionNamed(name);
    if (!entry || entry->internal || entry->type != duckdb::CatalogType::MACRO_ENTRY) return nullptr;
    return &entry->Cast<duckdb::ScalarMacroCatalogEntry>();
  }

  void Unfold(duckdb::ScalarMacroCatalogEntry& macro, Expression& call) {
    if (++unfolded_ > kUnfoldedMax) {
      throw duckdb::BinderException("The view's macros call more than %d others; write the expression out",
                                    kUnfoldedMax);
    }
    const auto alias = call->GetAlias();
    MacroUnfolder(BinderOfTable(), context_).Unfold(macro, call);
    call->SetAlias(alias);
    changed_ = true;
  }

  void WriteOutType(duckdb::CastExpression& cast) {
    if (!MentionsOwnType(cast.TargetType())) return;
    const auto type = duckdb::Binder::CreateBinder(context_)->BindLogicalType(cast.TargetType());
    cast.SetTargetType(duckdb::TypeExpression::FromLogicalType(type));
    changed_ = true;
  }

  bool MentionsOwnType(const duckdb::ParsedExpression& expression) {
    if (expression.GetExpressionClass() != duckdb::ExpressionClass::TYPE) return false;
    const auto& type = expression.Cast<duckdb::TypeExpression>();
    const auto entry = duckdb::Catalog::GetEntry(
        context_, duckdb::EntryLookupInfo(duckdb::CatalogType::TYPE_ENTRY, type.GetQualifiedName()),
        duckdb::OnEntryNotFound::RETURN_NULL);
    if (entry && !entry->internal) return true;
    for (const auto& child : type.GetChildren()) {
      if (MentionsOwnType(*child)) return true;
    }
    return false;
  }

  // A binder that knows the table's columns: overloads of macros may go by the types of their arguments.
  duckdb::Binder& BinderOfTable() {
    if (!binder_) {
      binder_ = duckdb::Binder::CreateBinder(context_);
      auto from = select_.from_table->Copy();
      WriteOutWindowTables(from);
      binder_->Bind(*from);
    }
    return *binder_;
  }

  duckdb::ClientContext& context_;
  duckdb::SelectNode& select_;
  duckdb::shared_ptr<duckdb::Binder> binder_;
  int unfolded_ = 0;
  bool changed_ = false;
};

}  // namespace

arrow::Result<std::optional<std::string>> WriteOut(duckdb::ClientContext& context, std::string_view select) {
  auto parser = duckdb::Parser::GetBuiltinParser();
  parser.ParseQuery(std::string(select));
  if (parser.statements.size() != 1 || parser.statements[0]->type != duckdb::StatementType::SELECT_STATEMENT) {
    return std::nullopt;
  }
  auto& node = *parser.statements[0]->Cast<duckdb::SelectStatement>().node;
  if (!CheckShape(node).ok()) return std::nullopt;
  if (!SelectWriter(context, node.Cast<duckdb::SelectNode>()).Run()) return std::nullopt;
  auto text = node.ToString();
  auto again = duckdb::Parser::GetBuiltinParser();
  again.ParseQuery(text);
  if (again.statements.size() != 1 || again.statements[0]->type != duckdb::StatementType::SELECT_STATEMENT ||
      again.statements[0]->Cast<duckdb::SelectStatement>().node->ToString() != text) {
    return arrow::Status::Invalid("The SELECT's macros and types cannot be written out; use their expressions instead");
  }
  return text;
}

}  // namespace hyprstream::engine
