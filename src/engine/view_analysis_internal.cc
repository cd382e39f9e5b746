#include "engine/view_analysis_internal.h"

#include <arrow/result.h>
#include <arrow/type.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/table_catalog_entry.hpp>
#include <duckdb/catalog/entry_lookup_info.hpp>
#include <duckdb/common/type_visitor.hpp>
#include <duckdb/parser/expression/columnref_expression.hpp>
#include <duckdb/parser/expression/constant_expression.hpp>
#include <duckdb/parser/expression/function_expression.hpp>
#include <duckdb/parser/parser.hpp>
#include <duckdb/parser/query_node/select_node.hpp>
#include <duckdb/parser/statement/select_statement.hpp>
#include <duckdb/parser/tableref/basetableref.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>
#include <duckdb/planner/logical_operator.hpp>
#include <duckdb/planner/planner.hpp>
#include <map>
#include <utility>
#include <vector>

#include "engine/aggregate_reading_internal.h"
#include "engine/arrow_out_internal.h"
#include "engine/backend_catalog_internal.h"
#include "engine/declared_schema_internal.h"
#include "engine/error_internal.h"
#include "engine/expression_shape_internal.h"
#include "engine/fixed_window_internal.h"
#include "engine/gate_internal.h"
#include "engine/guard_internal.h"
#include "engine/order_keys_internal.h"
#include "engine/row_plan_internal.h"
#include "engine/state_reading_internal.h"
#include "engine/view_composition_internal.h"
#include "engine/view_shape_internal.h"
#include "engine/view_window_internal.h"
#include "engine/view_writing_internal.h"
#include "engine/windowed_from_internal.h"

namespace hyprstream::engine {

namespace {

using Expression = duckdb::unique_ptr<duckdb::ParsedExpression>;
using duckdb::ExpressionClass;

// How messages show an expression.
std::string Show(const duckdb::ParsedExpression& expression) { return CutText(expression.ToString(), 120); }

struct BoundSelect {
  duckdb::vector<duckdb::LogicalType> types;
  std::vector<std::string> names;
  duckdb::unique_ptr<duckdb::LogicalOperator> plan;
};

// One analysis; used once.
class ViewAnalysis {
 public:
  ViewAnalysis(duckdb::ClientContext& context, const ViewText& text) : context_(context), text_(text) {}

  arrow::Result<AggregateQuery> Run() {
    ARROW_RETURN_NOT_OK(ParseSelect());
    ARROW_RETURN_NOT_OK(FindBase());
    ARROW_RETURN_NOT_OK(ReadWindows());
    ARROW_ASSIGN_OR_RAISE(const auto bound, Bind(WholeStatement(), false));
    ARROW_RETURN_NOT_OK(CheckNames(bound.names));
    query_.shapes = ShapesOf(*bound.plan, text_.time_zone);
    ARROW_RETURN_NOT_OK(ReadItems(bound));
    ARROW_RETURN_NOT_OK(ReadWhere());
    ARROW_RETURN_NOT_OK(CheckGroups());
    ARROW_RETURN_NOT_OK(CheckSessionKeys());
    ARROW_RETURN_NOT_OK(CarryColumns(bound));
    ARROW_RETURN_NOT_OK(FixWindow());
    ARROW_RETURN_NOT_OK(BindEvaluation());
    query_.view = text_.view;
    query_.source = query_.base;
    for (const auto& item : items_) query_.written.items.push_back(TextOf(*item));
    query_.definition = std::string(text_.select);
    query_.time_zone = text_.time_zone;
    DeclareOutput(bound);
    const bool by_row =
        !query_.hopping && !query_.session_gap && !query_.shapes.output.empty() && SelectsAsItIs(*bound.plan);
    if (by_row) query_.states_sql = StatesSql(query_, *WholeStatement());
    return std::move(query_);
  }

 private:
  arrow::Status ParseSelect() {
    auto parser = duckdb::Parser::GetBuiltinParser();
    parser.ParseQuery(std::string(text_.select));
    if (parser.statements.size() != 1 || parser.statements[0]->type != duckdb::StatementType::SELECT_STATEMENT) {
      return arrow::Status::Invalid("A materialized view is defined by one SELECT");
    }
    statement_ = std::move(parser.statements[0]);
    auto& node = *statement_->Cast<duckdb::SelectStatement>().node;
    if (node.type == duckdb::QueryNodeType::SELECT_NODE) {
      const auto& from = node.Cast<duckdb::SelectNode>().from_table;
      if (from) query_.written.from = from->ToString();
      ARROW_ASSIGN_OR_RAISE(call_, TakeWindowCall(node.Cast<duckdb::SelectNode>()));
    }
    ARROW_RETURN_NOT_OK(CheckShape(node));
    select_ = &node.Cast<duckdb::SelectNode>();
    for (const auto& item : select_->select_list) {
      // count(*) may be kept as a star below count
      if (!IsCountStar(*item)) ARROW_RETURN_NOT_OK(CheckExpression(*item));
      ARROW_RETURN_NOT_OK(CheckStable(context_, *item));
    }
    if (!select_->where_clause) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(CheckExpression(*select_->where_clause));
    return CheckStable(context_, *select_->where_clause);
  }

  arrow::Status FindBase() {
    auto& from = select_->from_table->Cast<duckdb::BaseTableRef>();
    if (text_.source.has_value()) {
      from.SetQualifiedName(duckdb::Identifier(text_.database), duckdb::Identifier(text_.source->schema),
                            duckdb::Identifier(text_.source->name));
    }
    const duckdb::EntryLookupInfo lookup(duckdb::CatalogType::TABLE_ENTRY, from.GetQualifiedName());
    const auto& entry = duckdb::Catalog::GetEntry(context_, lookup);
    const auto name = from.GetQualifiedName().Name().GetIdentifierName();
    if (entry.type != duckdb::CatalogType::TABLE_ENTRY) {
      return arrow::Status::NotImplemented(name,
                                           " is a view; a materialized view aggregates one table: name the table");
    }
    const auto& table = entry.Cast<duckdb::TableCatalogEntry>();
    query_.base = {.schema = table.ParentSchema().name.GetIdentifierName(), .name = table.name.GetIdentifierName()};
    if (table.temporary) {
      return arrow::Status::NotImplemented(name, " is a temporary table; a materialized view needs a lasting one");
    }
    if (IsBackend(table.ParentCatalog())) {
      return arrow::Status::NotImplemented(
          name, " is a table of backend ", table.ParentCatalog().GetName().GetIdentifierName(),
          ", whose changes this server does not see; a materialized view needs a table that rows are ingested into");
    }
    if (table.ParentCatalog().GetName().GetIdentifierName() != text_.database ||
        FoldIdentifier(query_.base.schema) == kInternalSchema) {
      return arrow::Status::NotImplemented(name, " is not a table of this server; create one and ingest into it");
    }
    for (const auto& column : table.GetColumns().Logical()) {
      columns_.push_back(column.Name());
      if (column.Generated()) generated_.push_back(column.Name());
    }
    query_.alias = from.alias.empty() ? query_.base.name : from.alias.GetIdentifierName();
    aliased_ = !from.alias.empty();
    // As every session names it, also one that has a temporary table of the same name.
    from.SetQualifiedName(duckdb::Identifier(text_.database), duckdb::Identifier(query_.base.schema),
                          duckdb::Identifier(query_.base.name));
    query_.from_sql =
        QuoteIdentifier(text_.database) + "." + query_.base.ToSql() + " AS " + QuoteIdentifier(query_.alias);
    return arrow::Status::OK();
  }

  // ---- windows of a window function

  arrow::Status ReadWindows() {
    if (!call_) return arrow::Status::OK();
    call_->table->SetQualifiedName(select_->from_table->Cast<duckdb::BaseTableRef>().GetQualifiedName());
    ARROW_ASSIGN_OR_RAISE(windows_, WindowedFrom::Make(context_, *std::move(call_)));
    query_.hopping = windows_->hopping();
    query_.session_gap = windows_->session_gap();
    return arrow::Status::OK();
  }

  // The SELECT as its author wrote it, for DuckDB.
  duckdb::unique_ptr<duckdb::SQLStatement> WholeStatement() const {
    auto whole = statement_->Copy();
    if (windows_) {
      auto& from = whole->Cast<duckdb::SelectStatement>().node->Cast<duckdb::SelectNode>().from_table;
      from = windows_->Query(from->alias);
    }
    return whole;
  }

  std::optional<WindowColumn> WindowColumnIn(const duckdb::ParsedExpression& expression) const {
    if (!windows_) return std::nullopt;
    return WindowColumnOf(expression, duckdb::Identifier(query_.alias));
  }

  // What the windows are made of names the columns as the call's arguments do.
  arrow::Status ResolveInTable(Expression& expression) {
    const bool aliased = std::exchange(aliased_, false);
    auto status = Resolve(expression);
    aliased_ = aliased;
    return status;
  }

  // Within another expression.
  arrow::Status ResolveWindowColumn(WindowColumn column, Expression& expression) {
    if (query_.hopping || query_.session_gap) {
      return arrow::Status::NotImplemented(
          "A materialized view over ", WindowFunction(windows_->kind()), " cannot use ", Show(*expression),
          " within an expression or a condition: select it as it is, and use it in the query that reads the view");
    }
    const auto alias = expression->GetAlias();
    expression = column == WindowColumn::kStart ? windows_->Start() : windows_->End();
    expression->SetAlias(alias);
    return ResolveInTable(expression);
  }

  // A select item that is window_start or window_end, of windows of one length: both are read from one key.
  arrow::Status ReadWindowColumn(WindowColumn column, Expression item, const std::string& name) {
    if (query_.window_key < 0) {
      auto start = windows_->Start();
      ARROW_RETURN_NOT_OK(ResolveInTable(start));
      query_.window_key = query_.key_count();
      query_.key_sql.push_back(start->ToString());
      query_.finite_times_only = true;
      if (!query_.session_gap && !query_.hopping) NoteWindow(*start);
      query_.window_time = windows_->TimeColumn();
      window_item_ = std::move(start);
    }
    query_.output.push_back({.name = name,
                             .is_key = true,
                             .index = query_.window_key,
                             .after_start = column == WindowColumn::kEnd ? windows_->size_us() : 0});
    keys_.push_back(item.get());
    items_.push_back(std::move(item));
    return arrow::Status::OK();
  }

  // The window column that a GROUP BY expression stands for.
  std::optional<WindowColumn> GroupedWindowColumn(const duckdb::ParsedExpression& group) const {
    if (const auto column = WindowColumnIn(group)) return column;
    if (group.GetExpressionClass() != ExpressionClass::COLUMN_REF) return std::nullopt;
    const auto& names = group.Cast<duckdb::ColumnRefExpression>().ColumnNames();
    if (names.size() != 1 || IsColumn(names[0])) return std::nullopt;
    const auto* item = Aliased(names[0]);
    return item == nullptr ? std::nullopt : WindowColumnIn(*item);
  }

  // Binds without optimizing. `row_wise`: refuse what needs more than one row, or depends on more than the row.
  arrow::Result<BoundSelect> Bind(duckdb::unique_ptr<duckdb::SQLStatement> statement, bool row_wise) {
    BoundSelect bound;
    duckdb::Planner planner(context_);
    planner.CreatePlan(std::move(statement));
    bound.types = planner.types;
    bound.names = ToNames(planner.names);
    if (row_wise) ARROW_RETURN_NOT_OK(CheckRowWise(*planner.plan));
    bound.plan = std::move(planner.plan);
    return bound;
  }

  static arrow::Status CheckNames(const std::vector<std::string>& names) {
    std::map<std::string, bool> seen;
    for (const auto& name : names) {
      if (!seen.emplace(FoldIdentifier(name), true).second) {
        return arrow::Status::Invalid("Two columns are named ", CutText(name, 80),
                                      "; give them different names with AS");
      }
    }
    return arrow::Status::OK();
  }

  // ---- expressions

  // Without its alias.
  static std::string TextOf(const duckdb::ParsedExpression& item) {
    const auto copy = item.Copy();
    copy->ClearAlias();
    return copy->ToString();
  }

  bool IsColumn(const duckdb::Identifier& name) const { return std::ranges::find(columns_, name) != columns_.end(); }

  // The select item that is named so; null when there is none.
  const duckdb::ParsedExpression* Aliased(const duckdb::Identifier& name) const {
    for (const auto& item : items_) {
      if (item->HasAlias() && item->GetAlias() == name) return item.get();
    }
    return nullptr;
  }

  // How many leading parts of a column's name say which table it belongs to.
  std::size_t QualifierLength(const duckdb::vector<duckdb::Identifier>& names) const {
    if (names.size() < 2) return 0;
    if (names[0].GetIdentifierName() == query_.alias || names[0] == duckdb::Identifier(query_.alias)) {
      if (IsColumn(names[1])) return 1;
    }
    if (aliased_) return 0;
    const duckdb::vector<duckdb::Identifier> full = {duckdb::Identifier(text_.database),
                                                     duckdb::Identifier(query_.base.schema),
                                                     duckdb::Identifier(query_.base.name)};
    for (std::size_t skip = 0; skip < full.size(); ++skip) {
      const auto length = full.size() - skip;
      if (names.size() > length &&
          std::equal(full.begin() + static_cast<std::ptrdiff_t>(skip), full.end(), names.begin()) &&
          IsColumn(names[length])) {
        return length;
      }
    }
    return 0;
  }

  // Qualifies every column by the base table's alias and puts the expressions of select aliases in their place, so that
  // equal expressions look equal and stand for themselves.
  arrow::Status Resolve(Expression& expression) {
    if (expression->GetExpressionClass() == ExpressionClass::LAMBDA) {  // it has names of its own
      NoteColumns(*expression);
      return arrow::Status::OK();
    }
    if (expression->GetExpressionClass() == ExpressionClass::COLUMN_REF) return ResolveColumn(expression);
    auto status = arrow::Status::OK();
    for (auto& child : expression->ChildrenMutable()) {
      if (status.ok()) status = Resolve(child);
    }
    return status;
  }

  arrow::Status ResolveColumn(Expression& expression) {
    if (const auto column = WindowColumnIn(*expression)) return ResolveWindowColumn(*column, expression);
    auto names = expression->Cast<duckdb::ColumnRefExpression>().ColumnNames();
    const auto qualifier = QualifierLength(names);
    if (qualifier == 0 && !IsColumn(names[0])) {
      if (names.size() == 1) {
        if (const auto* item = Aliased(names[0])) {
          if (const auto column = WindowColumnIn(*item)) return ResolveWindowColumn(*column, expression);
          expression = item->Copy();
          expression->ClearAlias();
          return arrow::Status::OK();
        }
      }
      if (names[0] == duckdb::Identifier("rowid")) {
        return arrow::Status::NotImplemented("A materialized view cannot use rowid: it is not part of the row");
      }
      // DuckDB has bound it: a value function such as current_date.
      return arrow::Status::NotImplemented("A materialized view cannot use ", Show(*expression),
                                           ": its result changes from call to call; keep the value in a column");
    }
    names.erase(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(qualifier));
    if (std::ranges::find(generated_, names[0]) != generated_.end()) {
      return arrow::Status::NotImplemented("A materialized view cannot use the generated column ",
                                           names[0].GetIdentifierName(), ": write its expression out");
    }
    NoteColumn(names[0].GetIdentifierName());
    names.insert(names.begin(), duckdb::Identifier(query_.alias));
    auto resolved = duckdb::make_uniq<duckdb::ColumnRefExpression>(std::move(names));
    resolved->SetAlias(expression->GetAlias());
    expression = std::move(resolved);
    return arrow::Status::OK();
  }

  // Every column whose name is mentioned, perhaps as that of something else.
  void NoteColumns(const duckdb::ParsedExpression& expression) {
    if (expression.GetExpressionClass() == ExpressionClass::COLUMN_REF) {
      for (const auto& name : expression.Cast<duckdb::ColumnRefExpression>().ColumnNames()) {
        if (IsColumn(name)) NoteColumn(name.GetIdentifierName());
      }
    }
    for (const auto& child : expression.Children()) NoteColumns(child);
  }

  void NoteColumn(const std::string& name) {
    auto& columns = query_.base_columns;
    const auto same = [&](const auto& known) { return FoldIdentifier(known) == FoldIdentifier(name); };
    if (std::ranges::none_of(columns, same)) columns.push_back(name);
  }

  // ---- aggregates

  arrow::Status AddAggregate(const duckdb::FunctionExpression& function, const duckdb::LogicalType& type) {
    ARROW_ASSIGN_OR_RAISE(auto call, ReadAggregate(context_, function, type, TimeColumn()));
    AggregateColumn column{
        .kind = call.function->kind,
        .parameters = call.parameters,
        .result_type = ArrowType(type),
        .of_argument_type = call.of_argument_type,
        .decimal_sum = call.function->kind == AggregateKind::kSum && type.id() == duckdb::LogicalTypeId::DECIMAL};
    if (!call.filter.empty()) column.filter = AddArgument(call.filter);
    for (const auto& argument : call.arguments) column.arguments.push_back(AddArgument(argument));
    if (call.function->goes_by_event_time()) {
      query_.time_column = text_.surroundings.time_column_of(query_.base);
      NoteColumn(query_.time_column);
    }
    query_.aggregates.push_back(std::move(column));
    calls_.push_back(std::move(call));
    return arrow::Status::OK();
  }

  // The table's event time as an expression; empty: it has none.
  std::string TimeColumn() {
    if (!text_.surroundings.time_column_of) return "";
    const auto name = text_.surroundings.time_column_of(query_.base);
    if (name.empty()) return "";
    duckdb::vector<duckdb::Identifier> names = {duckdb::Identifier(query_.alias), duckdb::Identifier(name)};
    return duckdb::ColumnRefExpression(std::move(names)).ToString();
  }

  // Equal arguments are evaluated once.
  int AddArgument(std::string sql) {
    const auto found = std::ranges::find(query_.argument_sql, sql);
    const auto index = static_cast<int>(found - query_.argument_sql.begin());
    if (found == query_.argument_sql.end()) query_.argument_sql.push_back(std::move(sql));
    return index;
  }

  std::shared_ptr<arrow::DataType> ArrowType(const duckdb::LogicalType& type) {
    return ToArrowSchemaInZone(context_, {type}, {"value"}, text_.time_zone)->field(0)->type();
  }

  // ---- clauses

  arrow::Status ReadItems(const BoundSelect& bound) {
    for (std::size_t i = 0; i < select_->select_list.size(); ++i) {
      auto item = select_->select_list[i]->Copy();
      if (const auto column = WindowColumnIn(*item); column && windows_->is_fixed()) {
        ARROW_RETURN_NOT_OK(ReadWindowColumn(*column, std::move(item), bound.names.at(i)));
        continue;
      }
      const bool is_call_start = WindowColumnIn(*item) == WindowColumn::kStart;
      if (!IsCountStar(*item) || item->Cast<duckdb::FunctionExpression>().Filter()) ARROW_RETURN_NOT_OK(Resolve(item));
      OutputColumn output{.name = bound.names.at(i), .is_key = true, .index = query_.key_count()};
      if (IsAggregate(context_, *item)) {
        output = {.name = output.name, .is_key = false, .index = static_cast<int>(query_.aggregates.size())};
        ARROW_RETURN_NOT_OK(AddAggregate(item->Cast<duckdb::FunctionExpression>(), bound.types[i]));
      } else if (ContainsAggregate(context_, *item)) {
        return arrow::Status::NotImplemented(
            "A materialized view cannot maintain ", Show(*item),
            ", an expression over aggregates: select its parts as columns, and compute "
            "it in the query that reads the view");
      } else {
        if (query_.window_key < 0 && WindowOf(*item)) {
          query_.window_key = query_.key_count();
          NoteWindow(*item);
          if (is_call_start) query_.window_time = windows_->TimeColumn();
          window_item_ = item->Copy();
        }
        keys_.push_back(item.get());
        query_.key_sql.push_back(item->ToString());
      }
      query_.output.push_back(std::move(output));
      items_.push_back(std::move(item));
    }
    if ((query_.hopping || query_.session_gap) && query_.window_key < 0) {
      return arrow::Status::NotImplemented("A materialized view over ", WindowFunction(windows_->kind()),
                                           " needs its windows: select window_start, and group by it");
    }
    if (query_.aggregates.empty()) {
      return arrow::Status::NotImplemented(
          "A materialized view needs an aggregate, such as count(*); for the distinct "
          "keys alone use SELECT DISTINCT in a query");
    }
    return arrow::Status::OK();
  }

  // What the window key says of its windows.
  void NoteWindow(const duckdb::ParsedExpression& item) {
    const auto window = WindowOf(item);
    if (!window.has_value()) return;
    query_.window_time = window->time_column;
    query_.window_width_sql = window->width_sql;
    query_.window_shifted = window->shifted;
    query_.window_zone = window->zone;
    query_.window_zone_varies = window->zone_varies;
    query_.window_local = window->local;
  }

  arrow::Status ReadWhere() {
    if (windows_) {
      auto condition = windows_->Condition();
      ARROW_RETURN_NOT_OK(ResolveInTable(condition));
      query_.where_sql = condition->ToString();
    }
    if (!select_->where_clause) return arrow::Status::OK();
    auto where = select_->where_clause->Copy();
    ARROW_RETURN_NOT_OK(Resolve(where));
    query_.written.condition = where->ToString();
    if (query_.session_gap) return CountBehindWhere("CAST((" + where->ToString() + ") AS BOOLEAN)");
    query_.where_sql =
        query_.where_sql.empty() ? where->ToString() : query_.where_sql + " AND (" + where->ToString() + ")";
    return arrow::Status::OK();
  }

  // Sessions are those of all rows: WHERE is a filter of each aggregate, and a session without such rows is not shown.
  // What would fail for rows that it leaves out is not evaluated for them.
  arrow::Status CountBehindWhere(const std::string& condition) {
    const auto behind = [&](const std::string& sql) { return "CASE WHEN " + condition + " THEN (" + sql + ") END"; };
    for (std::size_t i = 0; i < query_.aggregates.size(); ++i) {
      auto& aggregate = query_.aggregates[i];
      const auto filter = static_cast<std::size_t>(aggregate.filter);
      aggregate.filter = AddArgument(aggregate.filter < 0 ? condition : behind(query_.argument_sql[filter]));
      for (std::size_t argument = 0; argument < aggregate.arguments.size(); ++argument) {
        auto& sql = calls_[i].arguments[argument];
        sql = behind(sql);
        aggregate.arguments[argument] = AddArgument(sql);
      }
    }
    query_.shown_count = static_cast<int>(query_.aggregates.size());
    query_.aggregates.push_back({.kind = AggregateKind::kCountStar,
                                 .result_type = ArrowType(duckdb::LogicalType::BIGINT),
                                 .filter = AddArgument(condition)});
    calls_.push_back({.function = nullptr});
    return arrow::Status::OK();
  }

  // The select item that a GROUP BY expression stands for.
  arrow::Result<const duckdb::ParsedExpression*> KeyOf(const duckdb::ParsedExpression& group) {
    if (group.GetExpressionClass() == ExpressionClass::CONSTANT) {
      std::int64_t ordinal = 0;
      if (group.Cast<duckdb::ConstantExpression>().GetLiteral().TryGetInt64(ordinal) && ordinal >= 1 &&
          ordinal <= static_cast<std::int64_t>(items_.size())) {
        return items_[static_cast<std::size_t>(ordinal - 1)].get();
      }
    }
    if (const auto column = GroupedWindowColumn(group); column && windows_->is_fixed()) {
      for (const auto* key : keys_) {
        if (WindowColumnIn(*key) == column) return key;
      }
    }
    ARROW_RETURN_NOT_OK(CheckExpression(group));
    auto resolved = group.Copy();
    ARROW_RETURN_NOT_OK(Resolve(resolved));
    for (const auto* key : keys_) {
      if (key->Equals(*resolved)) return key;
    }
    return arrow::Status::NotImplemented("GROUP BY ", Show(group),
                                         " is not among the view's columns: select it too, or use GROUP BY ALL");
  }

  arrow::Status CheckGroups() {
    if (select_->aggregate_handling == duckdb::AggregateHandling::FORCE_AGGREGATES) return arrow::Status::OK();
    std::vector<const duckdb::ParsedExpression*> grouped;
    for (const auto& group : select_->groups.group_expressions) {
      ARROW_ASSIGN_OR_RAISE(const auto* key, KeyOf(*group));
      grouped.push_back(key);
    }
    for (const auto* key : keys_) {
      const bool found = std::ranges::any_of(grouped, [&](const auto* other) { return other->Equals(*key); });
      if (!found) {
        return arrow::Status::NotImplemented(Show(*key), " is not in GROUP BY: add it, or use GROUP BY ALL");
      }
    }
    return arrow::Status::OK();
  }

  // The keys that sessions are told apart by are the keys of the view.
  arrow::Status CheckSessionKeys() {
    if (!query_.session_gap) return arrow::Status::OK();
    std::vector<const duckdb::ParsedExpression*> left;
    for (const auto* key : keys_) {
      if (!WindowColumnIn(*key)) left.push_back(key);
    }
    for (const auto& key : windows_->keys()) {
      auto resolved = key->Copy();
      ARROW_RETURN_NOT_OK(ResolveInTable(resolved));
      const auto selected = std::ranges::any_of(keys_, [&](const auto* other) { return other->Equals(*resolved); });
      if (!selected) {
        return arrow::Status::NotImplemented("The view's sessions are told apart by ", Show(*key),
                                             ", which is not among its columns: select it, and group by it");
      }
      std::erase_if(left, [&](const auto* other) { return other->Equals(*resolved); });
    }
    if (left.empty()) return arrow::Status::OK();
    return arrow::Status::NotImplemented(
        "A materialized view over session has the keys of its sessions and no others, and ", Show(*left.front()),
        " is not one of them: give it to session, as in session(table, time, gap, ", Show(*left.front()), ")");
  }

  // ---- types

  std::string EvaluationSql() const {
    std::string sql = "SELECT ";
    int columns = 0;
    for (const auto* list : {&query_.key_sql, &query_.argument_sql}) {
      for (const auto& expression : *list) sql += (columns++ == 0 ? "(" : ", (") + expression + ")";
    }
    if (columns == 0) sql += "1";
    sql += " FROM " + query_.from_sql;
    return query_.where_sql.empty() ? sql : sql + " WHERE " + query_.where_sql;
  }

  arrow::Result<BoundSelect> BindEvaluated() {
    auto parser = duckdb::Parser(context_);
    parser.ParseQuery(EvaluationSql());
    ARROW_ASSIGN_OR_RAISE(auto bound, Bind(std::move(parser.statements.at(0)), true));
    bound.types.resize(query_.key_sql.size() + query_.argument_sql.size());
    return bound;
  }

  // Chooses how keys and arguments travel: as they are where the states know their type, else as order keys.
  arrow::Status CarryColumns(const BoundSelect& output) {
    ARROW_ASSIGN_OR_RAISE(const auto bound, BindEvaluated());
    for (const auto* types : {&bound.types, &output.types}) {
      for (const auto& type : *types) ARROW_RETURN_NOT_OK(CheckCollation(type));
    }
    const auto keys = query_.key_sql.size();
    key_types_.assign(bound.types.begin(), bound.types.begin() + static_cast<std::ptrdiff_t>(keys));
    for (std::size_t key = 0; key < keys; ++key) ARROW_RETURN_NOT_OK(CarryKey(key));
    const auto plain = std::exchange(query_.argument_sql, {});
    for (std::size_t i = 0; i < query_.aggregates.size(); ++i) {
      auto& aggregate = query_.aggregates[i];
      if (aggregate.filter >= 0) {
        aggregate.filter = AddArgument(plain[static_cast<std::size_t>(aggregate.filter)]) + query_.key_count();
      }
      for (std::size_t argument = 0; argument < aggregate.arguments.size(); ++argument) {
        auto& column = aggregate.arguments[argument];
        const auto& type = bound.types[keys + static_cast<std::size_t>(column)];
        ARROW_ASSIGN_OR_RAISE(auto sql, CarryArgument(calls_[i], argument, type));
        column = AddArgument(std::move(sql)) + query_.key_count();
      }
    }
    return arrow::Status::OK();
  }

  arrow::Status CarryKey(std::size_t key) {
    const auto& type = key_types_[key];
    if (IsPlain(type)) return arrow::Status::OK();
    auto& sql = query_.key_sql[key];
    if (!HasOrderKey(type)) {
      return arrow::Status::NotImplemented("A materialized view cannot have the key ", CutText(sql, 120), " of type ",
                                           type.ToString(), ": make it a number or a text, as with epoch() or a cast");
    }
    sql = std::string(kOrderKey) + "(" + sql + ")";
    return arrow::Status::OK();
  }

  // Has the aggregation engine find the windows, where it can.
  arrow::Status FixWindow() {
    if (query_.window_key < 0 || query_.session_gap) return arrow::Status::OK();
    const auto window = static_cast<std::size_t>(query_.window_key);
    ARROW_ASSIGN_OR_RAISE(const auto bound, BindEvaluated());
    if (!query_.hopping) NoteZone(*bound.plan->expressions.at(window));
    if (IsMovedByMonths(context_, *bound.plan->expressions.at(window))) query_.window_width_sql.clear();
    query_.fixed_window = FixedWindowOf(context_, *bound.plan->expressions.at(window));
    if (!query_.fixed_window) return arrow::Status::OK();
    // Its argument as written is of another type where the bound one is cast.
    const auto& call = bound.plan->expressions[window]->Cast<duckdb::BoundFunctionExpression>();
    const auto& times = window_item_->Cast<duckdb::FunctionExpression>().GetArguments()[1].GetExpression();
    query_.time_sql = times.ToString();
    if (call.GetChildren()[1]->GetExpressionClass() != ExpressionClass::BOUND_COLUMN_REF) {
      query_.time_sql = "CAST((" + query_.time_sql + ") AS " + bound.types[window].ToString() + ")";
    }
    return arrow::Status::OK();
  }

  // What is known of the windows' zone once types are.
  void NoteZone(const duckdb::Expression& key) {
    const auto zone = ZoneOf(key);
    if (zone.is_utc) query_.window_zone = "UTC";
    if (query_.window_zone_varies && !zone.is_text) {
      query_.window_zone_varies = false;
      query_.window_shifted = true;
    }
    // What the time of a clock is, depends on the session's zone.
    if (zone.time_is_made) query_.window_time.clear();
  }

  arrow::Status BindEvaluation() {
    ARROW_ASSIGN_OR_RAISE(const auto bound, BindEvaluated());
    const auto keys = query_.key_sql.size();
    std::vector<std::string> names;
    for (std::size_t i = 0; i < bound.types.size(); ++i) {
      names.push_back(i < keys ? "key" + std::to_string(i) : "argument" + std::to_string(i - keys));
    }
    query_.evaluated_schema = ToArrowSchemaInZone(context_, bound.types, names, text_.time_zone);
    FindPlainColumns(*bound.plan);
    ShapeArguments(*bound.plan);
    // Expressions may fail with the times that are in no window; where nothing is evaluated none has to be left out
    // beforehand.
    const bool plain = std::ranges::none_of(query_.plain_columns, &std::string::empty);
    if (query_.finite_times_only && plain && !select_->where_clause) query_.where_sql.clear();
    for (auto& aggregate : query_.aggregates) {
      if (!aggregate.of_argument_type) continue;
      aggregate.result_type = query_.evaluated_schema->field(aggregate.arguments[0])->type();
    }
    return arrow::Status::OK();
  }

  void ShapeArguments(duckdb::LogicalOperator& plan) {
    const auto input = AggregationInput::Of(*plan.children.at(0));
    for (auto i = query_.key_sql.size(); i < evaluated_count(); ++i) {
      auto shape = input ? ShapeOf(*input, *plan.expressions.at(i), text_.time_zone) : std::nullopt;
      query_.shapes.arguments.push_back(std::move(shape).value_or(""));
    }
  }

  // Evaluated columns that are columns of the table as they are.
  void FindPlainColumns(const duckdb::LogicalOperator& plan) {
    for (std::size_t i = 0; i < evaluated_count(); ++i) {
      const duckdb::Expression* expression = plan.expressions.at(i).get();
      if (query_.fixed_window && static_cast<int>(i) == query_.window_key) {
        expression = expression->Cast<duckdb::BoundFunctionExpression>().GetChildren()[1].get();
      }
      const bool is_column = expression->GetExpressionClass() == ExpressionClass::BOUND_COLUMN_REF;
      query_.plain_columns.push_back(is_column ? expression->GetName().GetIdentifierName() : "");
    }
  }
  std::size_t evaluated_count() const { return query_.key_sql.size() + query_.argument_sql.size(); }

  Carriage CarriageOfOutput(const OutputColumn& column, const duckdb::LogicalType& type) const {
    if (column.is_key) return IsPlain(type) ? Carriage::kArrow : Carriage::kOrderKey;
    const auto& call = calls_[static_cast<std::size_t>(column.index)];
    return call.of_argument_type ? CarriageOf(*call.function, 0, type) : Carriage::kArrow;
  }

  // The output's Arrow types are those of its states, its DuckDB types those of the SELECT.
  void DeclareOutput(const BoundSelect& bound) {
    arrow::FieldVector fields;
    std::vector<Carriage> carriages;
    for (std::size_t i = 0; i < query_.output.size(); ++i) {
      const auto& column = query_.output[i];
      const auto at = static_cast<std::size_t>(column.index);
      const auto type =
          column.is_key ? query_.evaluated_schema->field(column.index)->type() : query_.aggregates[at].result_type;
      fields.push_back(arrow::field(column.name, type));
      carriages.push_back(CarriageOfOutput(column, bound.types[i]));
      query_.output_types.push_back(bound.types[i].ToString());
    }
    query_.output_schema = std::make_shared<DeclaredSchema>(std::move(fields), bound.types, std::move(carriages));
  }

  // Text under a collation groups and compares by other rules than its bytes.
  static arrow::Status CheckCollation(const duckdb::LogicalType& type) {
    std::string collation;
    duckdb::TypeVisitor::Contains(type, [&](const duckdb::LogicalType& part) {
      if (part.id() == duckdb::LogicalTypeId::VARCHAR) collation = duckdb::StringType::GetCollation(part);
      return !collation.empty();
    });
    if (collation.empty()) return arrow::Status::OK();
    return arrow::Status::NotImplemented("A materialized view cannot group or compare by the collation ", collation,
                                         ": use lower() or strip_accents() as the key instead");
  }

  duckdb::ClientContext& context_;
  const ViewText& text_;
  duckdb::unique_ptr<duckdb::SQLStatement> statement_;
  duckdb::SelectNode* select_ = nullptr;          // of statement_
  duckdb::vector<duckdb::Identifier> columns_;    // of the base table
  duckdb::vector<duckdb::Identifier> generated_;  // of these; captured rows do not have them
  bool aliased_ = false;
  std::optional<WindowCall> call_;  // in FROM; until windows_ is made of it
  std::optional<WindowedFrom> windows_;
  Expression window_item_;                             // of the window key, resolved
  std::vector<Expression> items_;                      // the select list, resolved
  std::vector<const duckdb::ParsedExpression*> keys_;  // of items_
  duckdb::vector<duckdb::LogicalType> key_types_;      // before they are carried
  std::vector<AggregateCall> calls_;                   // of query_.aggregates
  AggregateQuery query_;
};

arrow::Result<AggregateQuery> Analyze(duckdb::ClientContext& context, ViewText text) {
  ARROW_ASSIGN_OR_RAISE(const auto written, WriteOut(context, text.select));
  if (written.has_value()) text.select = *written;
  ARROW_ASSIGN_OR_RAISE(const auto composed, ComposeOverView(context, text));
  if (!composed.has_value()) return ViewAnalysis(context, text).Run();
  auto over_table = text;
  over_table.select = composed->select;
  over_table.source = composed->base;
  ARROW_ASSIGN_OR_RAISE(auto query, ViewAnalysis(context, over_table).Run());
  query.definition = std::string(text.select);
  query.source = composed->source;
  if (composed->shown.empty()) return query;
  query.shown_sql = composed->shown;
  query.shapes = {};  // nobody asks it for sessions
  return query;
}

}  // namespace

arrow::Result<AggregateQuery> AnalyzeViewSelect(duckdb::Connection& connection, const ViewText& text) {
  auto& context = *connection.context;
  return Guard([&] {
    arrow::Result<AggregateQuery> query = arrow::Status::UnknownError("the analysis did not run");
    context.RunFunctionInTransaction([&] {
      // What is thrown past here would abort the caller's transaction.
      query = Guard([&] { return Analyze(context, text); });
    });
    return query;
  });
}

}  // namespace hyprstream::engine
