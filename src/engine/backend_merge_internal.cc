#include "engine/backend_merge_internal.h"

#include <arrow/array/array_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <duckdb.hpp>
#include <duckdb/parser/expression/case_expression.hpp>
#include <duckdb/parser/expression/cast_expression.hpp>
#include <duckdb/parser/expression/columnref_expression.hpp>
#include <duckdb/parser/expression/comparison_expression.hpp>
#include <duckdb/parser/expression/conjunction_expression.hpp>
#include <duckdb/parser/expression/constant_expression.hpp>
#include <duckdb/parser/expression/operator_expression.hpp>
#include <duckdb/parser/query_node/merge_query_node.hpp>
#include <duckdb/parser/result_modifier.hpp>
#include <duckdb/parser/statement/merge_into_statement.hpp>
#include <duckdb/parser/statement/update_statement.hpp>
#include <duckdb/parser/tableref/joinref.hpp>
#include <utility>

#include "engine/error_internal.h"

namespace hyprstream::engine {

namespace {

using duckdb::ExpressionType;
using duckdb::MergeActionCondition;
using duckdb::MergeActionType;
using Expression = duckdb::unique_ptr<duckdb::ParsedExpression>;
using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

constexpr const char* kAction = "hyprstream_action";
enum { kActionColumn, kRowColumn, kFirstValue };

Expression Number(std::size_t number) {
  return duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Literal::Integer(static_cast<std::int64_t>(number)));
}

Expression Null() { return duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Literal::Null()); }

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
  MergeReader(MergeTarget& target, std::vector<MergeAction>& actions) : target_(target), actions_(actions) {}

  // Which action a pair is for that is matched, or is not; NULL for none.
  Expression Choose(std::vector<duckdb::unique_ptr<duckdb::MergeIntoAction>>& among) {
    Case chosen;
    for (auto& action : among) {
      auto number = Take(*action);
      auto condition = action->condition
                           ? std::move(action->condition)
                           : duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Literal::Boolean(true));
      chosen.When(std::move(condition), std::move(number));
    }
    return chosen.End();
  }

  std::vector<Expression> TakeValues() { return std::move(values_); }

 private:
  template <class... Parts>
  [[noreturn]] void NotThere(Parts&&... parts) {
    RefuseIfNotOk(arrow::Status::NotImplemented("Backend ", target_.backend, " takes no ",
                                                std::forward<Parts>(parts)..., " in a MERGE"));
    throw duckdb::InternalException("a refusal was none");
  }

  Expression Take(duckdb::MergeIntoAction& action) {
    switch (action.action_type) {
      case MergeActionType::MERGE_DO_NOTHING:
        return Null();
      case MergeActionType::MERGE_DELETE:
        actions_.push_back({.kind = MergeAction::Kind::kDelete});
        break;
      case MergeActionType::MERGE_UPDATE:
        TakeUpdate(action);
        break;
      case MergeActionType::MERGE_INSERT:
        TakeInsert(action);
        break;
      default:
        NotThere("THEN ERROR");
    }
    return Number(actions_.size() - 1);
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
    Add(std::move(insert), action.expressions);
  }

  // A value is computed for the rows of its action alone: for others it may fail.
  template <class Values>
  void Add(MergeAction action, Values& values) {
    for (auto& value : values) {
      if (value->GetExpressionClass() == duckdb::ExpressionClass::CONSTANT) {
        values_.push_back(std::move(value));
        continue;
      }
      if (value->GetExpressionClass() == duckdb::ExpressionClass::DEFAULT) NotThere("DEFAULT for a value");
      Case computed;
      computed.When(
          duckdb::make_uniq<duckdb::ComparisonExpression>(
              ExpressionType::COMPARE_EQUAL,
              duckdb::make_uniq<duckdb::ColumnRefExpression>(duckdb::Identifier(kAction)), Number(actions_.size())),
          std::move(value));
      values_.push_back(computed.End());
    }
    actions_.push_back(std::move(action));
  }

  MergeTarget& target_;
  std::vector<MergeAction>& actions_;
  std::vector<Expression> values_;
};

duckdb::unique_ptr<duckdb::TableRef> Joined(duckdb::MergeQueryNode& merge,
                                            duckdb::unique_ptr<duckdb::TableRef> target) {
  auto join = duckdb::make_uniq<duckdb::JoinRef>();
  join->type = duckdb::JoinType::LEFT;
  join->left = std::move(merge.source);
  join->right = std::move(target);
  join->condition = std::move(merge.join_condition);
  join->using_columns = std::move(merge.using_columns);
  return join;
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

duckdb::unique_ptr<duckdb::SelectNode> MergeQuery(duckdb::MergeQueryNode& merge, MergeTarget target,
                                                  std::vector<MergeAction>& actions) {
  const auto refuse = [&](const char* what) {
    RefuseIfNotOk(arrow::Status::NotImplemented("Backend ", target.backend, " takes no ", what));
  };
  if (!merge.returning_list.empty()) refuse("RETURNING");
  if (merge.actions.contains(MergeActionCondition::WHEN_NOT_MATCHED_BY_SOURCE)) {
    refuse("WHEN NOT MATCHED BY SOURCE; write an UPDATE or DELETE of its own");
  }
  MergeReader reader(target, actions);
  Case action;
  auto found =
      duckdb::make_uniq<duckdb::OperatorExpression>(ExpressionType::OPERATOR_IS_NOT_NULL, target.row_name->Copy());
  auto missing =
      duckdb::make_uniq<duckdb::OperatorExpression>(ExpressionType::OPERATOR_IS_NULL, target.row_name->Copy());
  action.When(std::move(found), reader.Choose(merge.actions[MergeActionCondition::WHEN_MATCHED]));
  action.When(std::move(missing), reader.Choose(merge.actions[MergeActionCondition::WHEN_NOT_MATCHED_BY_TARGET]));
  auto node = duckdb::make_uniq<duckdb::SelectNode>();
  auto number = duckdb::make_uniq<duckdb::CastExpression>(duckdb::LogicalType::INTEGER, action.End());
  number->SetAlias(duckdb::Identifier(kAction));
  node->select_list.push_back(std::move(number));
  node->select_list.push_back(std::move(target.row_name));
  for (auto& value : reader.TakeValues()) node->select_list.push_back(std::move(value));
  node->from_table = Joined(merge, std::move(target.rows));
  const auto chosen = [] { return duckdb::make_uniq<duckdb::ColumnRefExpression>(duckdb::Identifier(kAction)); };
  node->where_clause = duckdb::make_uniq<duckdb::OperatorExpression>(ExpressionType::OPERATOR_IS_NOT_NULL, chosen());
  auto order = duckdb::make_uniq<duckdb::OrderModifier>();
  order->orders.emplace_back(duckdb::OrderType::ASCENDING, duckdb::OrderByNullType::NULLS_LAST, chosen());
  node->modifiers.push_back(std::move(order));
  return node;
}

arrow::Result<std::int64_t> RunMerge(BackendWriter& writer, const TableRef& table,
                                     const std::vector<MergeAction>& actions, arrow::RecordBatchReader& rows) {
  ARROW_ASSIGN_OR_RAISE(const auto batches, rows.ToRecordBatches());
  std::int64_t changed = 0;
  for (const auto kind : {MergeAction::Kind::kDelete, MergeAction::Kind::kUpdate, MergeAction::Kind::kInsert}) {
    std::size_t first = kFirstValue;
    for (std::size_t i = 0; i < actions.size(); first += actions[i++].columns.size()) {
      if (actions[i].kind != kind) continue;
      const auto of_action = RowsOf(batches, static_cast<std::int32_t>(i));
      if (of_action.empty()) continue;
      ARROW_ASSIGN_OR_RAISE(const auto part, Part(of_action, actions[i], first));
      auto done = kind == MergeAction::Kind::kDelete   ? writer.Delete(table, *part)
                  : kind == MergeAction::Kind::kUpdate ? writer.Update(table, *part)
                                                       : writer.Append(table, *part);
      ARROW_ASSIGN_OR_RAISE(const auto count, std::move(done));
      changed += count;
    }
  }
  return changed;
}

}  // namespace hyprstream::engine
