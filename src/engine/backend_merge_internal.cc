#include "engine/backend_merge_internal.h"

#include <arrow/array/array_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <duckdb.hpp>
#include <duckdb/parser/expression/case_expression.hpp>
#include <duckdb/parser/expression/cast_expression.hpp>
#include <duckdb/parser/expression/columnref_expression.hpp>
#include <duckdb/parser/expression/constant_expression.hpp>
#include <duckdb/parser/expression/function_expression.hpp>
#include <duckdb/parser/expression/operator_expression.hpp>
#include <duckdb/parser/parsed_expression_iterator.hpp>
#include <duckdb/parser/query_node/merge_query_node.hpp>
#include <duckdb/parser/result_modifier.hpp>
#include <duckdb/parser/statement/merge_into_statement.hpp>
#include <duckdb/parser/statement/select_statement.hpp>
#include <duckdb/parser/statement/update_statement.hpp>
#include <duckdb/parser/tableref/joinref.hpp>
#include <duckdb/parser/tableref/subqueryref.hpp>
#include <duckdb/planner/binder.hpp>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

#include "engine/error_internal.h"

namespace hyprstream::engine {

namespace {

using duckdb::ExpressionType;
using duckdb::MergeActionCondition;
using duckdb::MergeActionType;
using Expression = duckdb::unique_ptr<duckdb::ParsedExpression>;
using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

// The inner query has two columns: a struct with the action's number and the values of all actions, each of which only
// the action of its own has, and the target's row. A struct comes out of one CASE, so that each condition and each
// value is evaluated once, and for the rows of its action alone.
constexpr const char* kJoined = "joined";
constexpr const char* kChoice = "choice";
constexpr const char* kNumber = "number";
enum { kActionColumn, kRowColumn, kFirstValue };

std::string FieldName(std::size_t value) { return "value_" + std::to_string(value); }

Expression Number(std::size_t number) {
  return duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Literal::Integer(static_cast<std::int64_t>(number)));
}

Expression Null() { return duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Literal::Null()); }

Expression Column(const char* name) {
  return duckdb::make_uniq<duckdb::ColumnRefExpression>(duckdb::Identifier(name), duckdb::Identifier(kJoined));
}

Expression Field(const std::string& name) {
  duckdb::vector<Expression> arguments;
  arguments.push_back(Column(kChoice));
  arguments.push_back(duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Literal::String(name)));
  return duckdb::make_uniq<duckdb::FunctionExpression>(duckdb::Identifier("struct_extract"), std::move(arguments));
}

bool IsConstant(const duckdb::ParsedExpression& value) {
  return value.GetExpressionClass() == duckdb::ExpressionClass::CONSTANT;
}

bool Names(const duckdb::ParsedExpression& expression, const duckdb::Identifier& table) {
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::COLUMN_REF) {
    const auto& names = expression.Cast<duckdb::ColumnRefExpression>().ColumnNames();
    if (names.size() > 1 && names[names.size() - 2] == table) return true;
  }
  bool found = false;
  duckdb::ParsedExpressionIterator::EnumerateChildren(
      expression, [&](const duckdb::ParsedExpression& child) { found = found || Names(child, table); });
  return found;
}

// CASE WHEN condition THEN value ... END
class Case {
 public:
  void When(Expression condition, Expression value) {
    duckdb::CaseCheck check;
    check.when_expr = std::move(condition);
    check.then_expr = std::move(value);
    made_->CaseChecksMutable().push_back(std::move(check));
  }
  Expression End() {
    if (made_->CaseChecks().empty()) return Null();
    made_->ElseMutable() = Null();
    return std::move(made_);
  }

 private:
  duckdb::unique_ptr<duckdb::CaseExpression> made_ = duckdb::make_uniq<duckdb::CaseExpression>();
};

// The parts of a MERGE's query.
class MergeReader {
 public:
  MergeReader(const MergeTarget& target, std::vector<MergeAction>& actions) : target_(target), actions_(actions) {}

  // All of them before the first is chosen: each has the values of all others as NULLs.
  void Take(duckdb::vector<duckdb::unique_ptr<duckdb::MergeIntoAction>>& among, bool matched) {
    for (auto& action : among) {
      Branch branch{.matched = matched, .condition = std::move(action->condition), .action = {}};
      if (action->action_type != MergeActionType::MERGE_DO_NOTHING) {
        branch.action = actions_.size();
        TakeValues(*action, matched);
      }
      branches_.push_back(std::move(branch));
    }
  }

  // Which action a pair is for that is matched, or is not, with its values; NULL for none.
  Expression Choose(bool matched) {
    Case chosen;
    for (auto& branch : branches_) {
      if (branch.matched != matched) continue;
      auto condition = branch.condition ? std::move(branch.condition)
                                        : duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Literal::Boolean(true));
      chosen.When(std::move(condition), branch.action ? Choice(*branch.action) : Null());
    }
    return chosen.End();
  }

  // What the outer query selects of an action's values, in their order.
  std::vector<Expression> Selected() const {
    std::vector<Expression> items;
    for (std::size_t i = 0; i < values_.size(); ++i) {
      items.push_back(values_[i].constant ? values_[i].expression->Copy() : Field(FieldName(i)));
    }
    return items;
  }

  // What is inserted, of the source alone.
  std::vector<Expression> Inserted() const {
    std::vector<Expression> items;
    for (const auto& value : values_) {
      if (actions_[value.action].kind == MergeAction::Kind::kInsert) items.push_back(value.expression->Copy());
    }
    return items;
  }

 private:
  struct Branch {
    bool matched;
    Expression condition;  // null: always
    std::optional<std::size_t> action;
  };
  struct Value {
    std::size_t action;
    bool constant;
    Expression expression;
  };

  template <class... Parts>
  [[noreturn]] void NotThere(Parts&&... parts) const {
    RefuseIfNotOk(arrow::Status::NotImplemented("Backend ", target_.backend, " takes no ",
                                                std::forward<Parts>(parts)..., " in a MERGE"));
    throw duckdb::InternalException("a refusal was none");
  }

  void TakeValues(duckdb::MergeIntoAction& action, bool matched) {
    switch (action.action_type) {
      case MergeActionType::MERGE_DELETE:
        actions_.push_back({.kind = MergeAction::Kind::kDelete});
        return;
      case MergeActionType::MERGE_UPDATE:
        return TakeUpdate(action);
      case MergeActionType::MERGE_INSERT:
        if (matched) NotThere("INSERT of rows that are there");
        return TakeInsert(action);
      default:
        NotThere("THEN ERROR");
    }
  }

  void TakeUpdate(duckdb::MergeIntoAction& action) {
    if (!action.update_info || action.update_info->columns.empty()) NotThere("UPDATE without SET column = value");
    MergeAction update{.kind = MergeAction::Kind::kUpdate};
    for (const auto& column : action.update_info->columns) update.columns.push_back(column.GetIdentifierName());
    Add(std::move(update), action.update_info->expressions);
  }

  void TakeInsert(duckdb::MergeIntoAction& action) {
    if (action.expressions.empty() || action.default_values) NotThere("INSERT without (columns) VALUES (values)");
    MergeAction insert{.kind = MergeAction::Kind::kInsert};
    for (const auto& column : action.insert_columns) insert.columns.push_back(column.GetIdentifierName());
    if (insert.columns.empty()) insert.columns = target_.columns;
    if (insert.columns.size() != action.expressions.size()) {
      RefuseIfNotOk(arrow::Status::Invalid("INSERT of the MERGE gives ", action.expressions.size(), " values to ",
                                           insert.columns.size(), " columns"));
    }
    for (const auto& value : action.expressions) {
      if (!Names(*value, target_.rows->alias)) continue;
      RefuseIfNotOk(arrow::Status::Invalid("INSERT of the MERGE names ", target_.rows->alias.GetIdentifierName(),
                                           ", which has no row where nothing matched"));
    }
    Add(std::move(insert), action.expressions);
  }

  template <class Values>
  void Add(MergeAction action, Values& values) {
    for (auto& value : values) {
      if (value->GetExpressionClass() == duckdb::ExpressionClass::DEFAULT) NotThere("DEFAULT for a value");
      const bool constant = IsConstant(*value);
      values_.push_back({.action = actions_.size(), .constant = constant, .expression = std::move(value)});
    }
    actions_.push_back(std::move(action));
  }

  Expression Choice(std::size_t action) const {
    std::vector<duckdb::FunctionArgument> fields;
    fields.emplace_back(duckdb::Identifier(kNumber), Number(action));
    for (std::size_t i = 0; i < values_.size(); ++i) {
      if (values_[i].constant) continue;
      auto value = values_[i].action == action ? values_[i].expression->Copy() : Null();
      fields.emplace_back(duckdb::Identifier(FieldName(i)), std::move(value));
    }
    duckdb::vector<duckdb::FunctionArgument> arguments;
    for (auto& field : fields) arguments.push_back(std::move(field));
    return duckdb::make_uniq<duckdb::FunctionExpression>(duckdb::Identifier("struct_pack"), std::move(arguments));
  }

  const MergeTarget& target_;
  std::vector<MergeAction>& actions_;
  std::vector<Branch> branches_;
  std::vector<Value> values_;
};

duckdb::unique_ptr<duckdb::SelectStatement> Statement(duckdb::unique_ptr<duckdb::SelectNode> node) {
  auto select = duckdb::make_uniq<duckdb::SelectStatement>();
  select->node = std::move(node);
  return select;
}

// Where nothing matched there is no row of the target: a value that is inserted knows the source alone.
void CheckInserted(duckdb::ClientContext& context, const duckdb::MergeQueryNode& merge,
                   std::vector<Expression> values) {
  if (values.empty()) return;
  auto node = duckdb::make_uniq<duckdb::SelectNode>();
  for (auto& value : values) node->select_list.push_back(std::move(value));
  node->from_table = merge.source->Copy();
  node->cte_map = merge.cte_map.Copy();
  const auto statement = Statement(std::move(node));
  duckdb::Binder::CreateBinder(context)->Bind(static_cast<duckdb::SQLStatement&>(*statement));
}

// Each pair of rows, and each row of the source that has none, as the two columns of above.
duckdb::unique_ptr<duckdb::TableRef> Pairs(duckdb::MergeQueryNode& merge, MergeTarget& target, MergeReader& reader) {
  auto join = duckdb::make_uniq<duckdb::JoinRef>();
  join->type = duckdb::JoinType::LEFT;
  join->left = std::move(merge.source);
  join->right = std::move(target.rows);
  join->condition = std::move(merge.join_condition);
  join->using_columns = std::move(merge.using_columns);
  Case choice;
  const auto is = [&](ExpressionType type) {
    return duckdb::make_uniq<duckdb::OperatorExpression>(type, target.row_name->Copy());
  };
  choice.When(is(ExpressionType::OPERATOR_IS_NOT_NULL), reader.Choose(true));
  choice.When(is(ExpressionType::OPERATOR_IS_NULL), reader.Choose(false));
  auto node = duckdb::make_uniq<duckdb::SelectNode>();
  node->select_list.push_back(choice.End());
  node->select_list.push_back(target.row_name->Copy());
  node->from_table = std::move(join);
  auto pairs = duckdb::make_uniq<duckdb::SubqueryRef>(Statement(std::move(node)), duckdb::Identifier(kJoined));
  pairs->column_name_alias = {duckdb::Identifier(kChoice), duckdb::Identifier(kRowNameColumn)};
  return pairs;
}

arrow::Status FoundTwice(const TableRef& table) {
  return arrow::Status::Invalid("MERGE finds a row of table ", table.schema, ".", table.name,
                                " more than once; join so that each row is found once");
}

// A row may be changed once.
arrow::Status CheckRows(const TableRef& table, const std::vector<MergeAction>& actions, const Batches& batches) {
  std::unordered_set<std::string> seen;
  for (const auto& batch : batches) {
    const auto& numbers = static_cast<const arrow::Int32Array&>(*batch->column(kActionColumn));
    for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
      const auto action = static_cast<std::size_t>(numbers.Value(row));
      if (actions.at(action).kind == MergeAction::Kind::kInsert) continue;
      ARROW_ASSIGN_OR_RAISE(const auto name, batch->column(kRowColumn)->GetScalar(row));
      if (!seen.insert(name->ToString()).second) return FoundTwice(table);
    }
  }
  return arrow::Status::OK();
}

// The rows of one action, out of rows in the actions' order.
Batches RowsOf(const Batches& batches, std::int32_t action) {
  Batches rows;
  for (const auto& batch : batches) {
    const auto& numbers = static_cast<const arrow::Int32Array&>(*batch->column(kActionColumn));
    std::int64_t begin = 0;
    while (begin < batch->num_rows() && numbers.Value(begin) < action) ++begin;
    std::int64_t end = begin;
    while (end < batch->num_rows() && numbers.Value(end) == action) ++end;
    if (end > begin) rows.push_back(batch->Slice(begin, end - begin));
  }
  return rows;
}

// Under these names, those from `first` on; before them, of rows that are named, the name.
arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Part(const Batches& rows, const MergeAction& action,
                                                              std::size_t first) {
  const bool named = action.kind != MergeAction::Kind::kInsert;
  arrow::FieldVector fields;
  Batches parts;
  for (const auto& batch : rows) {
    fields.clear();
    arrow::ArrayVector columns;
    const auto add = [&](const std::string& name, std::size_t at) {
      fields.push_back(batch->schema()->field(static_cast<int>(at))->WithName(name));
      columns.push_back(batch->column(static_cast<int>(at)));
    };
    if (named) add(kRowNameColumn, kRowColumn);
    for (std::size_t i = 0; i < action.columns.size(); ++i) add(action.columns[i], first + i);
    parts.push_back(arrow::RecordBatch::Make(arrow::schema(fields), batch->num_rows(), std::move(columns)));
  }
  return arrow::RecordBatchReader::Make(std::move(parts));
}

}  // namespace

duckdb::unique_ptr<duckdb::SelectNode> MergeQuery(duckdb::ClientContext& context, duckdb::MergeQueryNode& merge,
                                                  MergeTarget target, bool has_parameters,
                                                  std::vector<MergeAction>& actions) {
  const auto refuse = [&](const char* what) {
    RefuseIfNotOk(arrow::Status::NotImplemented("Backend ", target.backend, " takes no ", what));
  };
  if (!merge.returning_list.empty()) refuse("RETURNING");
  if (merge.actions.contains(MergeActionCondition::WHEN_NOT_MATCHED_BY_SOURCE)) {
    refuse("WHEN NOT MATCHED BY SOURCE; write an UPDATE or DELETE of its own");
  }
  MergeReader reader(target, actions);
  reader.Take(merge.actions[MergeActionCondition::WHEN_MATCHED], true);
  reader.Take(merge.actions[MergeActionCondition::WHEN_NOT_MATCHED_BY_TARGET], false);
  if (!has_parameters) CheckInserted(context, merge, reader.Inserted());
  auto node = duckdb::make_uniq<duckdb::SelectNode>();
  node->from_table = Pairs(merge, target, reader);
  node->select_list.push_back(duckdb::make_uniq<duckdb::CastExpression>(duckdb::LogicalType::INTEGER, Field(kNumber)));
  node->select_list.push_back(Column(kRowNameColumn));
  for (auto& item : reader.Selected()) node->select_list.push_back(std::move(item));
  node->where_clause =
      duckdb::make_uniq<duckdb::OperatorExpression>(ExpressionType::OPERATOR_IS_NOT_NULL, Column(kChoice));
  auto order = duckdb::make_uniq<duckdb::OrderModifier>();
  order->orders.emplace_back(duckdb::OrderType::ASCENDING, duckdb::OrderByNullType::NULLS_LAST, Field(kNumber));
  node->modifiers.push_back(std::move(order));
  return node;
}

arrow::Result<std::int64_t> RunMerge(BackendWriter& writer, const MergeRun& run, arrow::RecordBatchReader& rows) {
  const auto& actions = run.actions;
  ARROW_ASSIGN_OR_RAISE(const auto batches, rows.ToRecordBatches());
  ARROW_RETURN_NOT_OK(CheckRows(run.table, actions, batches));
  std::int64_t changed = 0;
  for (const auto kind : {MergeAction::Kind::kDelete, MergeAction::Kind::kUpdate, MergeAction::Kind::kInsert}) {
    std::size_t first = kFirstValue;
    for (std::size_t i = 0; i < actions.size(); first += actions[i++].columns.size()) {
      if (actions[i].kind != kind) continue;
      const auto of_action = RowsOf(batches, static_cast<std::int32_t>(i));
      if (of_action.empty()) continue;
      ARROW_ASSIGN_OR_RAISE(auto part, Part(of_action, actions[i], first));
      part = run.cast(std::move(part));
      auto done = kind == MergeAction::Kind::kDelete   ? writer.Delete(run.table, *part)
                  : kind == MergeAction::Kind::kUpdate ? writer.Update(run.table, *part)
                                                       : writer.Append(run.table, *part);
      ARROW_ASSIGN_OR_RAISE(const auto count, std::move(done));
      changed += count;
    }
  }
  return changed;
}

}  // namespace hyprstream::engine
