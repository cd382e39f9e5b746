#include "engine/gate_internal.h"

#include <arrow/status.h>

#include <algorithm>
#include <array>
#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/table_catalog_entry.hpp>
#include <duckdb/catalog/catalog_search_path.hpp>
#include <duckdb/catalog/entry_lookup_info.hpp>
#include <duckdb/common/type_visitor.hpp>
#include <duckdb/parser/parsed_data/alter_table_info.hpp>
#include <duckdb/parser/parsed_data/create_schema_info.hpp>
#include <duckdb/parser/parsed_data/create_table_info.hpp>
#include <duckdb/planner/expression/bound_aggregate_expression.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>
#include <duckdb/planner/expression/bound_window_expression.hpp>
#include <duckdb/planner/operator/logical_alter.hpp>
#include <duckdb/planner/operator/logical_column_data_get.hpp>
#include <duckdb/planner/operator/logical_create.hpp>
#include <duckdb/planner/operator/logical_create_table.hpp>
#include <duckdb/planner/operator/logical_explain.hpp>
#include <duckdb/planner/operator/logical_get.hpp>
#include <duckdb/planner/operator/logical_reset.hpp>
#include <duckdb/planner/operator/logical_set.hpp>
#include <string_view>
#include <utility>

#include "engine/aggregate_bounds_internal.h"
#include "engine/backend_catalog_internal.h"
#include "engine/backend_scan_internal.h"
#include "engine/error_internal.h"
#include "engine/function_lists_internal.h"
#include "engine/guard_internal.h"
#include "engine/plan_targets_internal.h"
#include "engine/plan_walk_internal.h"
#include "engine/stored_expressions_internal.h"

namespace hyprstream::engine {

namespace {

using duckdb::LogicalOperatorType;

bool IsTableName(const TableRef& table) { return !table.name.empty(); }

template <class Table>
void AddOnce(std::vector<Table>& tables, Table table) {
  if (std::ranges::find(tables, table) == tables.end()) tables.push_back(std::move(table));
}

// What a client's plan may consist of.
bool IsAllowed(LogicalOperatorType type) {
  switch (type) {
    case LogicalOperatorType::LOGICAL_PROJECTION:
    case LogicalOperatorType::LOGICAL_FILTER:
    case LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY:
    case LogicalOperatorType::LOGICAL_WINDOW:
    case LogicalOperatorType::LOGICAL_UNNEST:
    case LogicalOperatorType::LOGICAL_LIMIT:
    case LogicalOperatorType::LOGICAL_ORDER_BY:
    case LogicalOperatorType::LOGICAL_TOP_N:
    case LogicalOperatorType::LOGICAL_DISTINCT:
    case LogicalOperatorType::LOGICAL_SAMPLE:
    case LogicalOperatorType::LOGICAL_PIVOT:
    case LogicalOperatorType::LOGICAL_SECURE_VIEW:
    case LogicalOperatorType::LOGICAL_GET:
    case LogicalOperatorType::LOGICAL_CHUNK_GET:
    case LogicalOperatorType::LOGICAL_DELIM_GET:
    case LogicalOperatorType::LOGICAL_EXPRESSION_GET:
    case LogicalOperatorType::LOGICAL_DUMMY_SCAN:
    case LogicalOperatorType::LOGICAL_EMPTY_RESULT:
    case LogicalOperatorType::LOGICAL_CTE_REF:
    case LogicalOperatorType::LOGICAL_JOIN:
    case LogicalOperatorType::LOGICAL_DELIM_JOIN:
    case LogicalOperatorType::LOGICAL_COMPARISON_JOIN:
    case LogicalOperatorType::LOGICAL_ANY_JOIN:
    case LogicalOperatorType::LOGICAL_CROSS_PRODUCT:
    case LogicalOperatorType::LOGICAL_POSITIONAL_JOIN:
    case LogicalOperatorType::LOGICAL_ASOF_JOIN:
    case LogicalOperatorType::LOGICAL_DEPENDENT_JOIN:
    case LogicalOperatorType::LOGICAL_UNION:
    case LogicalOperatorType::LOGICAL_EXCEPT:
    case LogicalOperatorType::LOGICAL_INTERSECT:
    case LogicalOperatorType::LOGICAL_RECURSIVE_CTE:
    case LogicalOperatorType::LOGICAL_MATERIALIZED_CTE:
    case LogicalOperatorType::LOGICAL_INSERT:
    case LogicalOperatorType::LOGICAL_DELETE:
    case LogicalOperatorType::LOGICAL_UPDATE:
    case LogicalOperatorType::LOGICAL_MERGE_INTO:
    case LogicalOperatorType::LOGICAL_ALTER:
    case LogicalOperatorType::LOGICAL_CREATE_TABLE:
    case LogicalOperatorType::LOGICAL_CREATE_INDEX:
    case LogicalOperatorType::LOGICAL_CREATE_SEQUENCE:
    case LogicalOperatorType::LOGICAL_CREATE_VIEW:
    case LogicalOperatorType::LOGICAL_CREATE_SCHEMA:
    case LogicalOperatorType::LOGICAL_CREATE_MACRO:
    case LogicalOperatorType::LOGICAL_CREATE_TYPE:
    case LogicalOperatorType::LOGICAL_DROP:
    case LogicalOperatorType::LOGICAL_EXPLAIN:
    case LogicalOperatorType::LOGICAL_PREPARE:
    case LogicalOperatorType::LOGICAL_EXECUTE:
    case LogicalOperatorType::LOGICAL_SET:
    case LogicalOperatorType::LOGICAL_RESET:
      return true;
    default:
      return false;
  }
}

arrow::Status NotAllowed(const std::string& what) { return arrow::Status::Invalid(what, " is not allowed here"); }

std::string NameOf(const duckdb::LogicalGet& get) { return FoldIdentifier(get.function.GetName().GetIdentifierName()); }

// The view that a view_scan reads.
TableRef ViewOf(const duckdb::LogicalGet& get) {
  if (get.parameters.size() < 2) return {};
  return {.schema = get.parameters[0].ToString(), .name = get.parameters[1].ToString()};
}

// Holds one plan to the lists.
class Gate {
 public:
  Gate(duckdb::ClientContext& context, const Policy& policy) : context_(context), policy_(policy) {}

  arrow::Status Check(const duckdb::LogicalOperator& plan) {
    WalkPlan(plan, [this](const duckdb::LogicalOperator& op) { NoteEdited(op); }, [](const duckdb::Expression&) {});
    WalkPlan(
        plan, [this](const duckdb::LogicalOperator& op) { Note(CheckOperator(op)); },
        [this](const duckdb::Expression& expression) { Note(CheckExpression(expression)); });
    ARROW_RETURN_NOT_OK(status_);
    return CheckJoins(plan);
  }

 private:
  void Note(arrow::Status status) {
    if (status_.ok()) status_ = std::move(status);
  }

  void NoteEdited(const duckdb::LogicalOperator& op) {
    if (!ChangesRows(op.type) || op.type == LogicalOperatorType::LOGICAL_INSERT) return;
    auto target = TargetOf(op);
    if (!target) return;
    changes_backend_ |= NamesBackend(target->database);
    AddOnce(edited_, std::move(target->table));
  }

  arrow::Status CheckOperator(const duckdb::LogicalOperator& op) {
    if (!IsAllowed(op.type)) return NotAllowed(duckdb::LogicalOperatorToString(op.type));
    switch (op.type) {
      case LogicalOperatorType::LOGICAL_GET:
        return CheckGet(op.Cast<duckdb::LogicalGet>());
      case LogicalOperatorType::LOGICAL_CHUNK_GET:
        return CheckShownSetting(op.Cast<duckdb::LogicalColumnDataGet>());
      case LogicalOperatorType::LOGICAL_SET: {
        const auto& set = op.Cast<duckdb::LogicalSet>();
        ARROW_RETURN_NOT_OK(CheckSetting(set.name, set.scope));
        ARROW_RETURN_NOT_OK(CheckLength(set));
        return CheckSearchPath(set);
      }
      case LogicalOperatorType::LOGICAL_RESET: {
        const auto& reset = op.Cast<duckdb::LogicalReset>();
        return CheckSetting(reset.name, reset.scope);
      }
      case LogicalOperatorType::LOGICAL_EXPLAIN: {
        const auto& explain = op.Cast<duckdb::LogicalExplain>();
        if (explain.explain_type == duckdb::ExplainType::EXPLAIN_ANALYZE && Inspect(context_, op).changes_rows) {
          return NotAllowed("EXPLAIN ANALYZE of a statement that writes");
        }
        return arrow::Status::OK();
      }
      case LogicalOperatorType::LOGICAL_CREATE_MACRO:
        ARROW_RETURN_NOT_OK(CheckMacroName(*op.Cast<duckdb::LogicalCreate>().info));
        ARROW_RETURN_NOT_OK(CheckTarget(op));
        return CheckStoredExpressions(context_, op);
      case LogicalOperatorType::LOGICAL_CREATE_SCHEMA:
        ARROW_RETURN_NOT_OK(CheckSchemaName(op.Cast<duckdb::LogicalCreate>().info->Cast<duckdb::CreateSchemaInfo>()));
        return CheckTarget(op);
      case LogicalOperatorType::LOGICAL_CREATE_TABLE:
        ARROW_RETURN_NOT_OK(CheckColumns(op.Cast<duckdb::LogicalCreateTable>()));
        [[fallthrough]];
      default:
        ARROW_RETURN_NOT_OK(CheckTarget(op));
        return CheckStoredExpressions(context_, op);
    }
  }

  arrow::Status CheckGet(const duckdb::LogicalGet& get) {
    if (const auto table = get.GetTable()) {
      if (table->temporary) return arrow::Status::OK();
      if (IsBackend(table->ParentCatalog())) return CheckBackendColumns(get, *table);
      return CheckRead(
          table->ParentCatalog().GetName().GetIdentifierName(),
          {.schema = table->ParentSchema().name.GetIdentifierName(), .name = table->name.GetIdentifierName()});
    }
    const auto name = NameOf(get);
    if (OnTableFunction(name) != Verdict::kAllowed) return NotAllowed("Table function " + CutText(name, 80));
    if (name == "view_scan") return CheckRead(policy_.database, ViewOf(get));
    if (name == "duckdb_databases") return CheckNoPath(get);
    return arrow::Status::OK();
  }

  arrow::Status CheckRead(const std::string& database, const TableRef& table) {
    if (database != policy_.database) return NotAllowed("Reading another database (" + CutText(database, 80) + ")");
    if (FoldIdentifier(table.schema) == kInternalSchema) return NotAllowed("Reading the server's own tables");
    const bool edited = std::ranges::find(edited_, table) != edited_.end();
    return policy_.read_check ? policy_.read_check(table, edited) : arrow::Status::OK();
  }

  // Whatever changes a backend's table asks for its row ids, and is refused in words of its own.
  arrow::Status CheckBackendColumns(const duckdb::LogicalGet& get, const duckdb::TableCatalogEntry& table) const {
    const bool virtual_ones = std::ranges::any_of(get.GetColumnIds(), &duckdb::ColumnIndex::IsVirtualColumn);
    if (!virtual_ones || changes_backend_) return arrow::Status::OK();
    return arrow::Status::NotImplemented("Table ", CutText(table.name.GetIdentifierName(), 80), " of backend ",
                                         table.ParentCatalog().GetName().GetIdentifierName(), " has no row ids");
  }

  static arrow::Status CheckNoPath(const duckdb::LogicalGet& get) {
    for (const auto& column : get.GetColumnIds()) {
      if (!column.IsVirtualColumn() && get.GetColumnName(column) == duckdb::Identifier("path")) {
        return NotAllowed("Column path of duckdb_databases");
      }
    }
    return arrow::Status::OK();
  }

  // SHOW of a setting is bound to one constant row. It may show what the settings that a client can read hold.
  arrow::Status CheckShownSetting(const duckdb::LogicalColumnDataGet& get) const {
    if (policy_.appending || get.chunk_types.size() != 1 || get.collection->Count() != 1) return arrow::Status::OK();
    const auto shown = get.collection->GetRows().GetValue(0, 0).ToString();
    if (shown.empty() || shown == "NULL") return arrow::Status::OK();
    for (const auto& name : ClientSettingNames()) {
      duckdb::Value value;
      if (context_.TryGetCurrentSetting(duckdb::Identifier(name), value) && value.ToString() == shown) {
        return arrow::Status::OK();
      }
    }
    return NotAllowed("SHOW of a setting other than " + std::string(ClientSettings()));
  }

  static arrow::Status CheckSetting(const duckdb::Identifier& setting, duckdb::SetScope scope) {
    const auto& name = setting.GetIdentifierName();
    if (scope == duckdb::SetScope::VARIABLE) return NotAllowed("SET VARIABLE");
    // What names no scope is the session's own by now, see KeepToSession.
    if (scope != duckdb::SetScope::SESSION) return NotAllowed("SET GLOBAL");
    if (IsClientSetting(FoldIdentifier(name))) return arrow::Status::OK();
    return arrow::Status::Invalid("Setting ", CutText(name, 80), " cannot be changed; these can: ", ClientSettings());
  }

  // An unknown time zone is compared with all that are known, step by step, to suggest one.
  static arrow::Status CheckLength(const duckdb::LogicalSet& set) {
    constexpr std::size_t kValueBytesMax = 10'000;
    const auto bytes = set.value.ToString().size();
    if (bytes <= kValueBytesMax) return arrow::Status::OK();
    return arrow::Status::Invalid("The value of setting ", CutText(set.name.GetIdentifierName(), 80), " has ", bytes,
                                  " bytes; at most ", kValueBytesMax, " are taken");
  }

  arrow::Status CheckSearchPath(const duckdb::LogicalSet& set) const {
    const auto name = FoldIdentifier(set.name.GetIdentifierName());
    if (name != "schema" && name != "search_path") return arrow::Status::OK();
    if (FoldIdentifier(set.value.ToString()).find(kInternalSchema) != std::string::npos) {
      return NotAllowed("The schema of the server's own tables");
    }
    for (const auto& entry : duckdb::CatalogSearchEntry::ParseList(set.value.ToString())) {
      for (const auto* part : {&entry.GetCatalog(), &entry.GetSchema()}) {
        if (!NamesBackend(part->GetIdentifierName())) continue;
        return arrow::Status::NotImplemented("Backend ", part->GetIdentifierName(),
                                             " cannot be the current database; name its tables as ",
                                             part->GetIdentifierName(), ".schema.table");
      }
    }
    return arrow::Status::OK();
  }

  // A macro hides a built-in function of its name, operators too, from every session and every view that is maintained.
  arrow::Status CheckMacroName(const duckdb::CreateInfo& info) {
    const bool of_tables = info.type == duckdb::CatalogType::TABLE_MACRO_ENTRY;
    if (!of_tables && info.type != duckdb::CatalogType::MACRO_ENTRY) return arrow::Status::OK();
    const auto kind =
        of_tables ? duckdb::CatalogType::TABLE_FUNCTION_ENTRY : duckdb::CatalogType::SCALAR_FUNCTION_ENTRY;
    const auto& name = info.GetQualifiedName().Name();
    static constexpr std::array<std::string_view, 3> kWindows = {"tumble", "hop", "session"};
    const bool window = std::ranges::find(kWindows, FoldIdentifier(name.GetIdentifierName())) != kWindows.end();
    if (of_tables && window) {
      return arrow::Status::Invalid("Macro ", name.GetIdentifierName(),
                                    " could not be called: there are windows of that name; choose another name");
    }
    for (const auto* schema : {"main", "pg_catalog"}) {
      const duckdb::QualifiedName built_in(duckdb::Identifier("system"), duckdb::Identifier(schema), name);
      if (duckdb::Catalog::GetEntry(context_, duckdb::EntryLookupInfo(kind, built_in),
                                    duckdb::OnEntryNotFound::RETURN_NULL)) {
        return arrow::Status::Invalid("Macro ", CutText(name.GetIdentifierName(), 80),
                                      " would hide the built-in function of that name; choose another name");
      }
    }
    return arrow::Status::OK();
  }

  // `name.table` is a table of a schema or one of a database's main schema, for everybody: it must not be both.
  arrow::Status CheckSchemaName(const duckdb::CreateSchemaInfo& info) {
    for (const auto& parent : info.ParentSchemas()) {
      const auto folded = FoldIdentifier(parent.GetIdentifierName());
      if (folded == kInternalSchema || folded == kSystemSchema) return NotAllowed("Changing the server's own tables");
    }
    const auto& name = info.SchemaName().GetIdentifierName();
    const auto folded = FoldIdentifier(name);
    if (folded != "system" && folded != "temp" && folded != FoldIdentifier(policy_.database) && !NamesBackend(name)) {
      return arrow::Status::OK();
    }
    return arrow::Status::Invalid("No schema can be called ", CutText(name, 80),
                                  ": there is a database of that name; choose another name");
  }

  // What a statement writes, creates, changes or drops.
  arrow::Status CheckTarget(const duckdb::LogicalOperator& op) {
    const auto target = TargetOf(op);
    if (!target || target->temporary) return arrow::Status::OK();
    if (!target->database.empty() && target->database != policy_.database) {
      if (NamesBackend(target->database)) return CannotWrite(target->database);
      return NotAllowed("Changing another database (" + CutText(target->database, 80) + ")");
    }
    const auto schema = FoldIdentifier(target->table.schema);
    if (schema == kInternalSchema || schema == kSystemSchema) return NotAllowed("Changing the server's own tables");
    return arrow::Status::OK();
  }

  // ---- expressions

  arrow::Status CheckExpression(const duckdb::Expression& expression) {
    switch (expression.GetExpressionClass()) {
      case duckdb::ExpressionClass::BOUND_FUNCTION: {
        const auto& function = expression.Cast<duckdb::BoundFunctionExpression>();
        ARROW_RETURN_NOT_OK(CheckCast(function));
        ARROW_RETURN_NOT_OK(CheckComparison(function));
        return CheckFunction(function.Function().GetName(), function.GetChildren());
      }
      case duckdb::ExpressionClass::BOUND_AGGREGATE: {
        const auto& aggregate = expression.Cast<duckdb::BoundAggregateExpression>();
        ARROW_RETURN_NOT_OK(CheckFunction(aggregate.Function().GetName(), aggregate.GetChildren()));
        return CheckStateSize(context_, aggregate.Function().GetName(), aggregate.GetChildren());
      }
      case duckdb::ExpressionClass::BOUND_WINDOW:
        return CheckWindow(expression.Cast<duckdb::BoundWindowExpression>());
      default:
        return arrow::Status::OK();
    }
  }

  arrow::Status CheckFunction(const duckdb::Identifier& identifier,
                              const duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& children) {
    const auto name = FoldIdentifier(identifier.GetIdentifierName());
    if (OnFunction(name) != Verdict::kAllowed) return NotAllowed("Function " + CutText(name, 80));
    if (name == "current_setting") return CheckReadSetting(children);
    return arrow::Status::OK();
  }

  // These go through their whole frame for each row, or keep a map of it, and are not interrupted for 2,048 rows. Over
  // a whole partition they run once.
  arrow::Status CheckWindow(const duckdb::BoundWindowExpression& window) {
    if (!window.AggregateFunction()) return arrow::Status::OK();
    const auto& function = window.AggregateFunction()->GetName();
    ARROW_RETURN_NOT_OK(CheckFunction(function, window.GetChildren()));
    ARROW_RETURN_NOT_OK(CheckStateSize(context_, function, window.GetChildren()));
    const auto name = FoldIdentifier(function.GetIdentifierName());
    const bool grows = window.WindowStart() == duckdb::WindowBoundary::UNBOUNDED_PRECEDING &&
                       window.WindowExclude() == duckdb::WindowExcludeMode::NO_OTHER;
    const bool whole =
        grows && (window.WindowEnd() == duckdb::WindowBoundary::UNBOUNDED_FOLLOWING ||
                  (window.WindowEnd() == duckdb::WindowBoundary::CURRENT_ROW_RANGE && window.OrderBy().empty()));
    static constexpr std::array<std::string_view, 5> kOfWholePartitions = {"histogram", "histogram_exact", "entropy",
                                                                           "approx_top_k", "reservoir_quantile"};
    if (name == "mode" ? grows : whole || std::ranges::find(kOfWholePartitions, name) == kOfWholePartitions.end()) {
      return arrow::Status::OK();
    }
    return arrow::Status::Invalid("Function ", name,
                                  " over a frame that moves is not allowed here; it can be had for whole "
                                  "partitions: leave out ORDER BY and the frame");
  }

  static arrow::Status CheckReadSetting(const duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& children) {
    if (children.size() == 1 && children[0]->GetExpressionClass() == duckdb::ExpressionClass::BOUND_CONSTANT) {
      const auto& value = children[0]->Cast<duckdb::BoundConstantExpression>().GetValue();
      if (IsClientSetting(FoldIdentifier(value.ToString()))) return arrow::Status::OK();
    }
    return NotAllowed("current_setting of anything but " + std::string(ClientSettings()));
  }

  // Written as an operator both sides are cast to one type, written as a call they are not: DuckDB fails for good.
  static arrow::Status CheckComparison(const duckdb::BoundFunctionExpression& function) {
    static constexpr std::array<std::string_view, 8> kComparisons = {
        "=", "!=", "<", "<=", ">", ">=", "is distinct from", "is not distinct from"};
    const auto name = FoldIdentifier(function.Function().GetName().GetIdentifierName());
    const auto& sides = function.GetChildren();
    if (std::ranges::find(kComparisons, name) == kComparisons.end() || sides.size() != 2) return arrow::Status::OK();
    const auto& left = sides[0]->GetReturnType();
    const auto& right = sides[1]->GetReturnType();
    if (left.InternalType() == right.InternalType() && (!left.IsNested() || left == right)) return arrow::Status::OK();
    return arrow::Status::Invalid("Function \"", name, "\" compares values of one type, not ", left.ToString(),
                                  " with ", right.ToString(), "; write it as an operator, or cast one of them");
  }

  // JSON to VARIANT recurses as deep as the JSON nests, and overflows the stack; BIGNUM from and to text takes time
  // with the square of its digits.
  static arrow::Status CheckCast(const duckdb::BoundFunctionExpression& function) {
    using duckdb::LogicalTypeId;
    using duckdb::TypeVisitor;
    if (function.Function().GetName() != duckdb::Identifier("__cast") || function.GetChildren().empty()) {
      return arrow::Status::OK();
    }
    const auto& from = function.GetChildren()[0]->GetReturnType();
    const auto& to = function.GetReturnType();
    if (TypeVisitor::Contains(to, LogicalTypeId::VARIANT) &&
        TypeVisitor::Contains(from, [](const duckdb::LogicalType& type) { return type.IsJSONType(); })) {
      return NotAllowed("A cast of JSON to VARIANT");
    }
    const auto digits = [](const duckdb::LogicalType& a, const duckdb::LogicalType& b) {
      return TypeVisitor::Contains(a, LogicalTypeId::BIGNUM) && TypeVisitor::Contains(b, LogicalTypeId::VARCHAR);
    };
    if (digits(from, to) || digits(to, from)) return NotAllowed("A cast between BIGNUM and text");
    return arrow::Status::OK();
  }

  // ---- bounds

  // Making a table takes time with the square of its columns.
  static arrow::Status CheckColumns(const duckdb::LogicalCreateTable& create) {
    const auto columns = create.info->base->Cast<duckdb::CreateTableInfo>().columns.LogicalColumnCount();
    if (columns <= kTableColumnsMax) return arrow::Status::OK();
    return arrow::Status::Invalid("The table has ", columns, " columns; at most ", kTableColumnsMax, " are taken");
  }

  // The optimizer orders the joins of one tree together: 200 relations take a second, 900 more than a minute, and
  // nothing interrupts it.
  static arrow::Status CheckJoins(const duckdb::LogicalOperator& plan) {
    constexpr std::size_t kJoinedMax = 128;
    std::size_t joined = 0;
    WalkPlan(
        plan,
        [&](const duckdb::LogicalOperator& op) {
          switch (op.type) {
            case LogicalOperatorType::LOGICAL_COMPARISON_JOIN:
            case LogicalOperatorType::LOGICAL_ANY_JOIN:
            case LogicalOperatorType::LOGICAL_CROSS_PRODUCT:
            case LogicalOperatorType::LOGICAL_POSITIONAL_JOIN:
            case LogicalOperatorType::LOGICAL_ASOF_JOIN:
            case LogicalOperatorType::LOGICAL_DEPENDENT_JOIN:
              ++joined;
              break;
            default:
              break;
          }
        },
        [](const duckdb::Expression&) {});
    if (joined <= kJoinedMax) return arrow::Status::OK();
    return arrow::Status::Invalid("The statement joins ", joined + 1, " tables; at most ", kJoinedMax + 1,
                                  " can be joined in one statement");
  }

  bool NamesBackend(const std::string& database) const {
    const auto catalog = duckdb::Catalog::GetCatalogEntry(context_, duckdb::Identifier(database));
    return catalog && IsBackend(*catalog);
  }

  duckdb::ClientContext& context_;
  const Policy& policy_;
  std::vector<TableRef> edited_;
  bool changes_backend_ = false;
  arrow::Status status_;
};

}  // namespace

namespace {

std::optional<Renaming> RenamingOf(const duckdb::AlterInfo& info, const TableRef& table) {
  if (info.type != duckdb::AlterType::ALTER_TABLE) return std::nullopt;
  const auto& alter = info.Cast<duckdb::AlterTableInfo>();
  if (alter.alter_table_type == duckdb::AlterTableType::RENAME_TABLE) {
    return Renaming{
        .table = table, .column = {}, .name = alter.Cast<duckdb::RenameTableInfo>().new_table_name.GetIdentifierName()};
  }
  if (alter.alter_table_type != duckdb::AlterTableType::RENAME_COLUMN) return std::nullopt;
  const auto& column = alter.Cast<duckdb::RenameColumnInfo>();
  return Renaming{
      .table = table, .column = column.old_name.GetIdentifierName(), .name = column.new_name.GetIdentifierName()};
}

}  // namespace

PlanFacts Inspect(duckdb::ClientContext&, const duckdb::LogicalOperator& plan) {
  PlanFacts facts;
  WalkPlan(
      plan,
      [&](const duckdb::LogicalOperator& op) {
        if (op.type == LogicalOperatorType::LOGICAL_GET) {
          const auto& get = op.Cast<duckdb::LogicalGet>();
          if (const auto* rows = BackendRowsOf(get)) {
            AddOnce(facts.backend_reads, {.backend = rows->backend, .table = rows->table});
          } else if (const auto table = get.GetTable()) {
            facts.temporary |= table->temporary;
            if (!table->temporary) {
              AddOnce(facts.reads, {.schema = table->ParentSchema().name.GetIdentifierName(),
                                    .name = table->name.GetIdentifierName()});
            }
          } else if (NameOf(get) == "view_scan") {
            AddOnce(facts.reads, ViewOf(get));
          }
          return;
        }
        facts.changes_rows |= ChangesRows(op.type);
        if (auto target = TargetOf(op)) {
          facts.temporary |= target->temporary;
          if (!target->temporary && op.type == LogicalOperatorType::LOGICAL_ALTER) {
            facts.renaming = RenamingOf(*op.Cast<duckdb::LogicalAlter>().info, target->table);
          }
          if (!target->temporary && (IsTableName(target->table) || !target->table.schema.empty())) {
            AddOnce(facts.writes, std::move(target->table));
          }
        }
      },
      [](const duckdb::Expression&) {});
  return facts;
}

void KeepToSession(duckdb::LogicalOperator& plan) {
  const auto keep = [](duckdb::SetScope& scope) {
    if (scope == duckdb::SetScope::AUTOMATIC) scope = duckdb::SetScope::SESSION;
  };
  if (plan.type == LogicalOperatorType::LOGICAL_SET) keep(plan.Cast<duckdb::LogicalSet>().scope);
  if (plan.type == LogicalOperatorType::LOGICAL_RESET) keep(plan.Cast<duckdb::LogicalReset>().scope);
}

arrow::Status CheckPlan(duckdb::ClientContext& context, const duckdb::LogicalOperator& plan, const Policy& policy) {
  return Guard([&] { return Gate(context, policy).Check(plan); });
}

arrow::Status CheckReads(const duckdb::LogicalOperator& plan, const PlanFacts& facts) {
  auto status = arrow::Status::OK();
  if (facts.views_only.empty()) return status;
  const auto check = [&](const duckdb::LogicalOperator& op) {
    if (op.type != LogicalOperatorType::LOGICAL_GET || !status.ok()) return;
    const auto table = op.Cast<duckdb::LogicalGet>().GetTable();
    if (!table || table->temporary || IsBackend(table->ParentCatalog())) return;
    const TableRef ref{.schema = table->ParentSchema().name.GetIdentifierName(),
                       .name = table->name.GetIdentifierName()};
    const auto found = std::ranges::find(facts.views_only, ref, [](const auto& entry) { return entry.first; });
    if (found != facts.views_only.end()) status = arrow::Status::Invalid(found->second);
  };
  WalkPlan(plan, check, [](const duckdb::Expression&) {});
  if (status.ok()) return status;
  std::string why;
  for (const auto& unanswered : facts.roll_ups.unanswered) why += " (" + unanswered + ")";
  return status.WithMessage(status.message(), why);
}

}  // namespace hyprstream::engine
