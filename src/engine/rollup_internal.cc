#include "engine/rollup_internal.h"

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/table_catalog_entry.hpp>
#include <duckdb/common/type_visitor.hpp>
#include <duckdb/main/config.hpp>
#include <duckdb/optimizer/optimizer.hpp>
#include <duckdb/parser/expression/constant_expression.hpp>
#include <duckdb/parser/expression/function_expression.hpp>
#include <duckdb/parser/tableref/table_function_ref.hpp>
#include <duckdb/planner/binder.hpp>
#include <duckdb/planner/expression/bound_aggregate_expression.hpp>
#include <duckdb/planner/expression/bound_between_expression.hpp>
#include <duckdb/planner/expression/bound_case_expression.hpp>
#include <duckdb/planner/expression/bound_cast_expression.hpp>
#include <duckdb/planner/expression/bound_columnref_expression.hpp>
#include <duckdb/planner/expression/bound_comparison_expression.hpp>
#include <duckdb/planner/expression/bound_conjunction_expression.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>
#include <duckdb/planner/expression/bound_operator_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/operator/logical_aggregate.hpp>
#include <duckdb/planner/operator/logical_filter.hpp>
#include <duckdb/planner/operator/logical_get.hpp>
#include <duckdb/planner/operator/logical_set_operation.hpp>
#include <duckdb/transaction/duck_transaction.hpp>
#include <limits>
#include <set>
#include <utility>

#include "core/aggregate_functions.h"
#include "core/snapshot.h"
#include "engine/combine_internal.h"
#include "engine/context_state_internal.h"
#include "engine/edge_rows_internal.h"
#include "engine/error_internal.h"
#include "engine/expression_shape_internal.h"
#include "engine/plan_targets_internal.h"
#include "engine/state_scan_internal.h"
#include "engine/time_grain_internal.h"

namespace hyprstream::engine {

namespace {

using Expression = duckdb::unique_ptr<duckdb::Expression>;
using duckdb::ExpressionClass;
using duckdb::LogicalOperatorType;
using duckdb::LogicalTypeId;

std::string Show(const duckdb::Expression& expression) { return CutText(expression.ToString(), 120); }

// And the calendar, where it is not the views'.
std::string ZoneOf(duckdb::ClientContext& context) {
  duckdb::Value zone;
  duckdb::Value calendar;
  auto text = context.TryGetCurrentSetting("TimeZone", zone) ? zone.ToString() : "UTC";
  if (context.TryGetCurrentSetting("Calendar", calendar) && FoldIdentifier(calendar.ToString()) != "gregorian") {
    text += " " + calendar.ToString();
  }
  return text;
}

// 0 and -0 are equal, as are all NaNs, and 30 days and a month.
bool HasUnlikeEquals(const duckdb::LogicalType& type) {
  return duckdb::TypeVisitor::Contains(type, [](const duckdb::LogicalType& part) {
    return part.id() == LogicalTypeId::FLOAT || part.id() == LogicalTypeId::DOUBLE ||
           part.id() == LogicalTypeId::INTERVAL;
  });
}

// Does a call give equal values for equal arguments, also where these are unlike?
bool KeepsEqual(const duckdb::BoundFunctionExpression& call) {
  static const std::set<std::string> kKnown = {
      "__between", "+",     "-",     "*",        "abs", "ceil",        "ceiling",    "floor",         "round",
      "trunc",     "isnan", "isinf", "isfinite", "row", "struct_pack", "list_value", "struct_extract"};
  if (duckdb::BoundComparisonExpression::IsComparison(call)) return true;
  if (duckdb::BoundCastExpression::IsCast(call)) return call.GetReturnType().IsNumeric();
  const auto name = FoldIdentifier(call.Function().GetName().GetIdentifierName());
  if (name == "normalized_interval") return true;
  // A month later is not 30 days later.
  const bool calculates = name != "__between" && !call.GetReturnType().IsNested();
  if (calculates && std::ranges::any_of(call.GetChildren(), [](const auto& child) {
        return child->GetReturnType().id() == LogicalTypeId::INTERVAL;
      })) {
    return false;
  }
  return kKnown.contains(name);
}

// The tables whose rows a statement changes in a WITH: what else it reads of them may have these changes.
void CollectChanged(const duckdb::LogicalOperator& plan, bool in_with, std::set<TableRef>& changed) {
  if (const auto target = TargetOf(plan); target && in_with && ChangesRows(plan.type)) changed.insert(target->table);
  for (std::size_t i = 0; i < plan.children.size(); ++i) {
    const bool defines = plan.type == LogicalOperatorType::LOGICAL_MATERIALIZED_CTE && i == 0;
    CollectChanged(*plan.children[i], in_with || defines, changed);
  }
}

bool HasChanges(duckdb::ClientContext& context, const std::string& database) {
  auto& attached = duckdb::Catalog::GetCatalog(context, duckdb::Identifier(database)).GetAttached();
  return duckdb::DuckTransaction::Get(context, attached).ChangesMade();
}

duckdb::unique_ptr<duckdb::LogicalOperator> ScanOf(duckdb::Optimizer& optimizer, const TableRef& view) {
  duckdb::vector<duckdb::unique_ptr<duckdb::ParsedExpression>> arguments;
  arguments.push_back(duckdb::ConstantExpression::FromValue(duckdb::Value(view.schema)));
  arguments.push_back(duckdb::ConstantExpression::FromValue(duckdb::Value(view.name)));
  duckdb::TableFunctionRef ref;
  ref.function = duckdb::make_uniq<duckdb::FunctionExpression>(duckdb::Identifier("view_scan"), std::move(arguments));
  duckdb::TableRef& from = ref;
  return duckdb::Binder::CreateBinder(optimizer.context, &optimizer.binder)->Bind(from).plan;
}

// Whose states the aggregation's groups are to be merged of: not the answer of a query, but another view.
struct StatesAsked {
  const StateRequest& request;
  const std::map<std::size_t, std::size_t>& aggregates;  // of the request's view, by those of the aggregation
};

// One aggregation and one view that may answer it; used once. Nothing is changed before Apply().
class RollUp {
 public:
  RollUp(duckdb::Optimizer& optimizer, duckdb::LogicalAggregate& aggregation, const AggregationInput& input,
         const AnsweringView& view, const StatesAsked* asked = nullptr)
      : optimizer_(optimizer),
        aggregation_(aggregation),
        input_(input),
        view_(view),
        query_(*view.query),
        asked_(asked),
        zone_(ZoneOf(optimizer.context)) {
    for (const auto& shape : query_.shapes.output) key_size_max_ = std::max(key_size_max_, shape.size());
  }

  // Why the view does not answer it; empty: it does.
  std::string Match() {
    if (asked_ == nullptr && !view_.partial.empty()) return view_.partial;
    if (const auto rows = ShapeOfRows(input_, zone_); !rows || *rows != query_.shapes.rows) {
      if (query_.session_gap) return "its windows are sessions of other rows";
      return "the query's rows are told apart by their neighbours, which it does not know";
    }
    if (query_.hopping || query_.shapes.output.empty()) return "its windows overlap, or its SELECT is not compared";
    if (query_.key_sql.empty() && !aggregation_.groups.empty()) {
      return "it has a row where the table has none";
    }
    plan_ = ScanOf(optimizer_, query_.view);
    if (plan_->type != LogicalOperatorType::LOGICAL_GET) return "it cannot be scanned";
    scan_ = &plan_->Cast<duckdb::LogicalGet>();
    for (const auto& group : aggregation_.groups) {
      if (asked_ == nullptr && ShowsOneOfUnlikeEquals(*group)) {
        return "of INTERVALs that are equal it shows one form, which the query may compute with";
      }
      groups_.push_back(OverView(*group));
      if (!groups_.back()) return "its keys do not give " + Show(*group);
      ++matched_;
    }
    if (auto why = MatchConditions(); !why.empty()) return why;
    ++matched_;
    for (const auto& aggregate : aggregation_.expressions) {
      if (auto why = MatchAggregate(*aggregate); !why.empty()) return why;
      ++matched_;
    }
    if (asked_ == nullptr) return MatchRange();
    if (auto why = MatchWholeRange(); !why.empty()) return why;
    ++matched_;
    return view_.partial;
  }

  // How much of the aggregation Match() has found.
  int matched() const { return matched_; }

  // Rows of the table cost more than groups of the view.
  std::pair<bool, std::int64_t> cost() const { return {has_edges_, view_.source->EstimatedRows().value_or(0)}; }

  RolledUp Apply() {
    aggregation_.groups = std::move(groups_);
    aggregation_.expressions.clear();
    for (auto& merge : merges_) {
      aggregation_.expressions.push_back(
          MergeOf(optimizer_.context, std::move(merge.column), merge.binding, std::move(merge.filter)));
    }
    aggregation_.group_stats.clear();
    if (!window_conditions_.empty()) Filter(std::move(window_conditions_));
    if (edge_rows_ != nullptr) AddEdgeRows();
    if (!conditions_.empty()) Filter(std::move(conditions_));
    aggregation_.children[0] = std::move(plan_);
    return {.query = view_.query,
            .from = from_,
            .how = "rolled up from materialized view " + query_.view.ToString() +
                   (has_edges_ ? ", with the rows of windows that are not whole" : "")};
  }

  // Where states are asked for.
  GroupsOfView Take() {
    GroupsOfView taken{.query = view_.query, .plan = nullptr, .groups = std::move(groups_), .states = {}, .rows = {}};
    if (!window_conditions_.empty()) Filter(std::move(window_conditions_));
    if (!conditions_.empty()) Filter(std::move(conditions_));
    taken.plan = std::move(plan_);
    for (auto& merge : merges_) {
      Expression state = duckdb::make_uniq<duckdb::BoundColumnRefExpression>(duckdb::LogicalType::BLOB, merge.binding);
      if (!taken.rows) taken.rows = state->Copy();
      if (merge.filter) {
        auto none = duckdb::make_uniq<duckdb::BoundConstantExpression>(duckdb::Value(duckdb::LogicalType::BLOB));
        state =
            duckdb::make_uniq<duckdb::BoundCaseExpression>(std::move(merge.filter), std::move(state), std::move(none));
      }
      taken.states.push_back(std::move(state));
    }
    return taken;
  }

 private:
  // ---- expressions over the view's columns

  Expression ColumnOfView(std::size_t column) {
    const auto& type = scan_->returned_types.at(column);
    return duckdb::make_uniq<duckdb::BoundColumnRefExpression>(
        type, duckdb::ColumnBinding(scan_->table_index, scan_->AddColumnId(column)));
  }

  // The view's key that an expression is, if any.
  std::optional<std::size_t> KeyOf(const duckdb::Expression& expression) const {
    std::optional<std::string> shape;
    for (std::size_t i = 0; i < query_.output.size(); ++i) {
      const auto& output = query_.output[i];
      if (!output.is_key || (output.after_start != 0 && !query_.session_gap)) continue;
      if (scan_->returned_types.at(i) != expression.GetReturnType()) continue;
      if (!shape) shape = ShapeOf(input_, expression, zone_, key_size_max_);  // of deep ones no long text is made
      if (!shape) return std::nullopt;
      if (query_.shapes.output[i] == *shape) return i;
    }
    return std::nullopt;
  }

  // The same value over the view's columns; null when these do not give it.
  Expression OverView(const duckdb::Expression& expression) {
    if (const auto key = KeyOf(expression)) return ColumnOfView(*key);
    if (expression.GetExpressionClass() == ExpressionClass::BOUND_COLUMN_REF) {
      const auto* behind = input_.Behind(expression.Cast<duckdb::BoundColumnRefExpression>().Binding());
      return behind == nullptr ? nullptr : OverView(*behind);
    }
    if (expression.IsVolatile()) return nullptr;
    if (expression.GetExpressionClass() == ExpressionClass::BOUND_CONSTANT ||
        expression.GetExpressionClass() == ExpressionClass::BOUND_PARAMETER) {
      return expression.Copy();
    }
    static constexpr std::array kTaken = {ExpressionClass::BOUND_FUNCTION, ExpressionClass::BOUND_OPERATOR,
                                          ExpressionClass::BOUND_CONJUNCTION, ExpressionClass::BOUND_CASE};
    if (std::ranges::find(kTaken, expression.GetExpressionClass()) == kTaken.end()) return nullptr;
    if (auto coarse = OverWindow(expression)) return coarse;
    if (TellsEqualKeysApart(expression)) return nullptr;
    auto copy = expression.Copy();
    bool given = true;
    duckdb::ExpressionIterator::EnumerateChildren(*copy, [&](Expression& child) {
      if (!given) return;
      child = OverView(*child);
      given = child != nullptr;
      if (!given)
        child =
            duckdb::make_uniq<duckdb::BoundColumnRefExpression>(duckdb::LogicalType::SQLNULL, duckdb::ColumnBinding());
    });
    return given ? std::move(copy) : nullptr;
  }

  // Keys that are equal are one group, of which a view knows one value.
  bool TellsEqualKeysApart(const duckdb::Expression& expression) const {
    if (expression.GetExpressionClass() != ExpressionClass::BOUND_FUNCTION) return false;
    const auto& call = expression.Cast<duckdb::BoundFunctionExpression>();
    if (KeepsEqual(call)) return false;
    const bool divides = call.Function().GetName() == duckdb::Identifier("/");
    if (divides) return HasUnlikeKey(*call.GetChildren().back());
    return std::ranges::any_of(call.GetChildren(), [&](const auto& child) { return HasUnlikeKey(*child); });
  }

  // 30 days and a month are one key. What is made of it above the aggregation (a time plus it) is not of one value.
  bool ShowsOneOfUnlikeEquals(const duckdb::Expression& group) const {
    return duckdb::TypeVisitor::Contains(group.GetReturnType(), LogicalTypeId::INTERVAL) && HasUnlikeKey(group);
  }

  // Is it a value of a key of the view that equals unlike ones, or made of one? Deeper down it may be.
  bool HasUnlikeKey(const duckdb::Expression& expression, int depth_max = 64) const {
    if (!HasUnlikeEquals(expression.GetReturnType())) return false;
    if (depth_max == 0 || KeyOf(expression)) return true;
    if (expression.GetExpressionClass() == ExpressionClass::BOUND_COLUMN_REF) {
      const auto* behind = input_.Behind(expression.Cast<duckdb::BoundColumnRefExpression>().Binding());
      return behind != nullptr && HasUnlikeKey(*behind);
    }
    bool has = false;
    duckdb::ExpressionIterator::EnumerateChildren(
        expression, [&](const duckdb::Expression& child) { has = has || HasUnlikeKey(child, depth_max - 1); });
    return has;
  }

  // The view's column of its windows, when they are of one size over a column of the table.
  std::optional<std::size_t> WindowColumn() const {
    if (!query_.fixed_window || query_.window_time.empty()) return std::nullopt;
    // tumble makes a TIMESTAMP of other times: ranges of these are not compared with its windows.
    const auto& time = query_.plain_columns[static_cast<std::size_t>(query_.window_key)];
    if (query_.finite_times_only && time.empty()) return std::nullopt;
    for (std::size_t i = 0; i < query_.output.size(); ++i) {
      const auto& output = query_.output[i];
      if (!output.is_key || output.index != query_.window_key || output.after_start != 0) continue;
      const auto type = scan_->returned_types.at(i).id();
      if (type == LogicalTypeId::TIMESTAMP || type == LogicalTypeId::TIMESTAMP_TZ) return i;  // in microseconds
    }
    return std::nullopt;
  }

  // Is it the time that the view's windows are over?
  bool IsWindowTime(const duckdb::Expression& expression) const {
    if (expression.GetExpressionClass() != ExpressionClass::BOUND_COLUMN_REF) return false;
    const auto& binding = expression.Cast<duckdb::BoundColumnRefExpression>().Binding();
    if (const auto* behind = input_.Behind(binding)) return IsWindowTime(*behind);
    const auto name = input_.ColumnOf(binding);
    return !name.empty() && FoldIdentifier(name) == FoldIdentifier(query_.window_time);
  }

  // An expression with the start of the window in the place of the time, where that makes no difference.
  Expression OverWindow(const duckdb::Expression& expression) {
    const auto window = WindowColumn();
    if (window && (expression.GetExpressionType() == duckdb::ExpressionType::OPERATOR_IS_NULL ||
                   expression.GetExpressionType() == duckdb::ExpressionType::OPERATOR_IS_NOT_NULL)) {
      auto copy = expression.Copy();
      auto& time = copy->Cast<duckdb::BoundOperatorExpression>().GetChildrenMutable()[0];
      if (!IsWindowTime(*time)) return nullptr;
      time = ColumnOfView(*window);
      return copy;
    }
    if (!window || expression.GetExpressionClass() != ExpressionClass::BOUND_FUNCTION) return nullptr;
    const auto& call = expression.Cast<duckdb::BoundFunctionExpression>();
    const auto at = CoarseTimeArgument(optimizer_.context, *query_.fixed_window, zone_, call);
    if (!at || !IsWindowTime(*call.GetChildren()[*at])) return nullptr;
    if (call.GetChildren()[*at]->GetReturnType() != scan_->returned_types.at(*window)) return nullptr;
    auto coarse = call.Copy();
    coarse->Cast<duckdb::BoundFunctionExpression>().GetChildrenMutable()[*at] = ColumnOfView(*window);
    return coarse;
  }

  // ---- conditions

  // Empty, or why the view's rows cannot be told apart as they ask.
  std::string MatchConditions() {
    auto missing = query_.shapes.conditions;  // those of the view that the query does not have
    for (const auto* condition : input_.conditions()) {
      const auto shape = ShapeOf(input_, *condition, zone_);
      const auto same = shape ? std::ranges::find(query_.shapes.conditions, *shape) : query_.shapes.conditions.end();
      if (same != query_.shapes.conditions.end()) {
        std::erase(missing, *shape);
        continue;
      }
      if (NarrowBy(*condition, range_)) continue;
      auto over_view = OverView(*condition);
      if (!over_view) return "neither its keys nor whole windows of it give " + Show(*condition);
      conditions_.push_back(std::move(over_view));
    }
    return missing.empty() ? "" : "it has only rows of its own WHERE";
  }

  // Is it a comparison of the time with constants? Then the range ends by it.
  bool NarrowBy(const duckdb::Expression& condition, TimeRange& range) {
    if (!WindowColumn() || condition.GetExpressionClass() != ExpressionClass::BOUND_FUNCTION) return false;
    const auto& call = condition.Cast<duckdb::BoundFunctionExpression>();
    if (FoldIdentifier(call.Function().GetName().GetIdentifierName()) == "__between") {
      using Between = duckdb::BoundBetweenExpression;
      auto narrowed = range;
      if (!IsWindowTime(Between::Input(call)) ||
          !Narrow(narrowed, Between::LowerComparisonType(call), Between::LowerBound(call)) ||
          !Narrow(narrowed, Between::UpperComparisonType(call), Between::UpperBound(call))) {
        return false;
      }
      range = narrowed;
      return true;
    }
    if (!duckdb::BoundComparisonExpression::IsComparison(condition)) return false;
    const auto& left = duckdb::BoundComparisonExpression::Left(call);
    const auto& right = duckdb::BoundComparisonExpression::Right(call);
    if (IsWindowTime(left)) return Narrow(range, condition.GetExpressionType(), right);
    return IsWindowTime(right) && Narrow(range, duckdb::FlipComparisonExpression(condition.GetExpressionType()), left);
  }

  // By `time <comparison> bound`.
  bool Narrow(TimeRange& range, duckdb::ExpressionType comparison, const duckdb::Expression& bound) {
    const auto time = ConstantTime(optimizer_.context, bound);
    if (!time || bound.GetReturnType() != scan_->returned_types.at(*WindowColumn())) return false;
    const auto next = *time + (*time < std::numeric_limits<std::int64_t>::max() ? 1 : 0);
    switch (comparison) {
      case duckdb::ExpressionType::COMPARE_GREATERTHANOREQUALTO:
        range.from = std::max(range.from.value_or(*time), *time);
        return true;
      case duckdb::ExpressionType::COMPARE_GREATERTHAN:
        range.from = std::max(range.from.value_or(next), next);
        return next != *time;
      case duckdb::ExpressionType::COMPARE_LESSTHAN:
        range.to = std::min(range.to.value_or(*time), *time);
        return true;
      case duckdb::ExpressionType::COMPARE_LESSTHANOREQUALTO:
        range.to = std::min(range.to.value_or(next), next);
        return next != *time;
      default:
        return false;
    }
  }

  // Whole windows come from the view, what the range has beside them from the table's rows.
  std::string MatchRange() {
    if (!range_.any() && !view_.whole_from) return "";
    const auto window = WindowColumn();
    if (!window) return "its retention or the table's has let windows go that the query may be about";
    const auto split = SplitByWindows(*query_.fixed_window, range_, view_.whole_from);
    if (!split) return "the query is about less than one of its windows";
    from_ = split->windows.from;
    window_conditions_ = WindowsIn(split->windows);
    if (!range_.any()) {  // rows without a time are in the query, too
      auto is_null = duckdb::make_uniq<duckdb::BoundOperatorExpression>(duckdb::ExpressionType::OPERATOR_IS_NULL,
                                                                        duckdb::LogicalType::BOOLEAN);
      is_null->GetChildrenMutable().push_back(ColumnOfView(*window));
      window_conditions_[0] = duckdb::make_uniq<duckdb::BoundConjunctionExpression>(
          duckdb::ExpressionType::CONJUNCTION_OR, std::move(window_conditions_[0]), std::move(is_null));
    }
    if (split->rows.empty()) return "";
    if (query_.time_zone != zone_) return "it is in another time zone, and the query ends within a window of it";
    edge_rows_ = RowsAsStates(optimizer_, view_, *scan_, scan_->returned_types.at(*window), split->rows);
    has_edges_ = true;
    return edge_rows_ != nullptr ? "" : "the query ends within a window of it, and its keys are of nested types";
  }

  // Where states are asked for: no row of the table may be needed.
  std::string MatchWholeRange() {
    if (view_.whole_from && !NeedsNothingBefore(*view_.whole_from)) {
      return "its retention has let windows go that the new view would have";
    }
    if (!range_.any()) return "";
    const auto split = SplitByWindows(*query_.fixed_window, range_, std::nullopt);
    if (!split || !split->rows.empty()) return "the WHERE ends within a window of it";
    window_conditions_ = WindowsIn(split->windows);
    return "";
  }

  // Are all windows of the view that asks over by then, those that have rows of before `time`?
  bool NeedsNothingBefore(std::int64_t time) const {
    const auto& asks = asked_->request.view;
    const auto& windows = asks.fixed_window;
    if (!asked_->request.needed_after || !windows || !WindowColumn()) return false;
    if (FoldIdentifier(asks.window_time) != FoldIdentifier(query_.window_time)) return false;
    const auto& key = *asks.evaluated_schema->field(asks.window_key)->type();
    if (!key.Equals(*query_.evaluated_schema->field(query_.window_key)->type())) return false;
    std::int64_t since = 0;
    if (__builtin_sub_overflow(time - 1, windows->origin, &since)) return false;
    const auto into = ((since % windows->size) + windows->size) % windows->size;
    return time - 1 - into <= *asked_->request.needed_after - windows->size;
  }

  void Filter(duckdb::vector<Expression> conditions) {
    auto filter = duckdb::make_uniq<duckdb::LogicalFilter>();
    filter->expressions = std::move(conditions);
    filter->children.push_back(std::move(plan_));
    plan_ = std::move(filter);
  }

  // From here on the columns are those of the union.
  void AddEdgeRows() {
    const auto columns = scan_->GetColumnIds().size();
    const auto united = optimizer_.binder.GenerateTableIndex();
    plan_ = duckdb::make_uniq<duckdb::LogicalSetOperation>(united, columns, std::move(plan_), std::move(edge_rows_),
                                                           LogicalOperatorType::LOGICAL_UNION, true);
    for (auto* expressions : {&aggregation_.groups, &aggregation_.expressions, &conditions_}) {
      for (auto& expression : *expressions) {
        duckdb::ExpressionIterator::VisitExpressionMutable<duckdb::BoundColumnRefExpression>(
            expression, [&](duckdb::BoundColumnRefExpression& column, Expression&) {
              if (column.Binding().table_index == scan_->table_index) column.BindingMutable().table_index = united;
            });
      }
    }
  }

  // The windows that begin in a range.
  duckdb::vector<Expression> WindowsIn(const TimeRange& range) {
    const auto window = *WindowColumn();
    duckdb::vector<Expression> conditions;
    const auto bound = [&](duckdb::ExpressionType comparison, std::int64_t time) {
      auto value =
          duckdb::make_uniq<duckdb::BoundConstantExpression>(TimeValue(scan_->returned_types.at(window), time));
      conditions.push_back(
          duckdb::BoundComparisonExpression::Create(comparison, ColumnOfView(window), std::move(value)));
    };
    if (range.from == kAfterMinusInfinity) {
      bound(duckdb::ExpressionType::COMPARE_GREATERTHAN, kAfterMinusInfinity - 1);
    } else if (range.from) {
      bound(duckdb::ExpressionType::COMPARE_GREATERTHANOREQUALTO, *range.from);
    }
    if (range.to) bound(duckdb::ExpressionType::COMPARE_LESSTHAN, *range.to);
    return conditions;
  }

  // A comparison of the time with constants at the edges of windows, over the starts of windows; else null.
  Expression OverEdges(const duckdb::Expression& condition) {
    TimeRange range;
    if (!NarrowBy(condition, range)) return nullptr;
    const auto split = SplitByWindows(*query_.fixed_window, range, std::nullopt);
    if (!split || !split->rows.empty()) return nullptr;
    auto conditions = WindowsIn(split->windows);
    if (conditions.size() == 1) return std::move(conditions[0]);
    return duckdb::make_uniq<duckdb::BoundConjunctionExpression>(duckdb::ExpressionType::CONJUNCTION_AND,
                                                                 std::move(conditions[0]), std::move(conditions[1]));
  }

  // ---- aggregates

  std::string MatchAggregate(const duckdb::Expression& expression) {
    const auto unmatched = [&] { return Show(expression) + " is not among its aggregates"; };
    if (expression.GetExpressionClass() != ExpressionClass::BOUND_AGGREGATE) return unmatched();
    if (Merge(Alike(ShapeOfAggregate(input_, expression, zone_), true), nullptr)) return "";
    const auto& filter = expression.Cast<duckdb::BoundAggregateExpression>().GetFilter();
    if (!filter) return unmatched();
    auto over_view = OverEdges(*filter);
    if (!over_view) over_view = OverView(*filter);
    const auto alike = Alike(ShapeOfAggregate(input_, expression, zone_, false), false);
    if (over_view && Merge(alike, std::move(over_view))) return "";
    return unmatched();
  }

  // The view's column that is the aggregate at hand; with its filter, or as if it had none.
  std::optional<std::size_t> Alike(const std::optional<std::string>& shape, bool with_filter) const {
    for (std::size_t i = 0; i < query_.output.size(); ++i) {
      if (query_.output[i].is_key) continue;
      if (shape ? query_.shapes.output[i] == *shape : HasStatesAsked(query_.output[i].index, with_filter)) return i;
    }
    return std::nullopt;
  }

  // Where states are asked for: has the view's aggregate the very states of the next that is matched? So are found
  // those that no query is answered by, since DuckDB's own are others.
  bool HasStatesAsked(int index, bool with_filter) const {
    if (asked_ == nullptr) return false;
    const auto found = asked_->aggregates.find(merges_.size());
    if (found == asked_->aggregates.end()) return false;
    const auto& view = asked_->request.view;
    const auto& wanted = view.aggregates.at(found->second);
    const auto& has = query_.aggregates.at(static_cast<std::size_t>(index));
    if (wanted.kind != has.kind || wanted.parameters != has.parameters || FunctionOf(has.kind).mergeable != "yes" ||
        wanted.of_argument_type != has.of_argument_type || wanted.decimal_sum != has.decimal_sum ||
        !wanted.result_type->Equals(*has.result_type) || wanted.arguments.size() != has.arguments.size()) {
      return false;
    }
    for (std::size_t i = 0; i < has.arguments.size(); ++i) {
      if (!SameArgument(view, wanted.arguments[i], has.arguments[i])) return false;
    }
    if (has.filter < 0) return wanted.filter < 0 || !with_filter;
    return with_filter && wanted.filter >= 0 && SameArgument(view, wanted.filter, has.filter);
  }

  // Columns of evaluated batches.
  bool SameArgument(const AggregateQuery& other, int of_other, int of_view) const {
    const auto& one = other.shapes.arguments.at(static_cast<std::size_t>(of_other - other.key_count()));
    return !one.empty() && one == query_.shapes.arguments.at(static_cast<std::size_t>(of_view - query_.key_count()));
  }

  bool Merge(const std::optional<std::size_t>& column, Expression filter) {
    if (!column) return false;
    auto states = AddStateColumn(optimizer_.context, *scan_, *column);
    if (!states) return false;
    merges_.push_back({.column = std::move(states->column),
                       .binding = duckdb::ColumnBinding(scan_->table_index, states->projected),
                       .filter = std::move(filter)});
    return true;
  }

  // The states of a column that are merged: all of them, or those that the filter holds for.
  struct Merged {
    StateColumn column;
    duckdb::ColumnBinding binding;
    Expression filter;
  };

  duckdb::Optimizer& optimizer_;
  duckdb::LogicalAggregate& aggregation_;
  const AggregationInput& input_;
  const AnsweringView& view_;
  const AggregateQuery& query_;
  const StatesAsked* const asked_;  // null: a query's answer is
  const std::string zone_;
  std::size_t key_size_max_ = 0;                      // of the view's keys as texts
  duckdb::unique_ptr<duckdb::LogicalOperator> plan_;  // of the scan
  duckdb::LogicalGet* scan_ = nullptr;
  duckdb::vector<Expression> groups_;
  duckdb::vector<Expression> conditions_;
  std::vector<Merged> merges_;
  int matched_ = 0;
  TimeRange range_;                                        // that the query is about
  std::optional<std::int64_t> from_;                       // it reads no earlier window
  duckdb::vector<Expression> window_conditions_;           // of the view alone
  duckdb::unique_ptr<duckdb::LogicalOperator> edge_rows_;  // with the columns of the scan
  bool has_edges_ = false;
};

// All aggregations of one plan.
class PlanRollUp {
 public:
  PlanRollUp(duckdb::Optimizer& optimizer, const duckdb::LogicalOperator& plan)
      : optimizer_(optimizer), state_(ContextState::Of(optimizer.context)) {
    CollectChanged(plan, false, changed_);
  }

  void Visit(duckdb::LogicalOperator& plan) {
    for (auto& child : plan.children) Visit(*child);
    if (plan.type == LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY) Answer(plan.Cast<duckdb::LogicalAggregate>());
  }
  RollUpFacts Take() { return std::move(facts_); }

 private:
  void Answer(duckdb::LogicalAggregate& aggregation) {
    const auto input = AggregationInput::Of(*aggregation.children[0]);
    if (!input) return;
    const auto table = input->scan().GetTable();
    if (table->temporary || table->ParentCatalog().GetName().GetIdentifierName() != state_.shared->database) return;
    const TableRef ref{.schema = table->ParentSchema().name.GetIdentifierName(),
                       .name = table->name.GetIdentifierName()};
    if (changed_.contains(ref)) return facts_.unanswered.push_back("the statement changes " + ref.ToString());
    std::string unanswered;
    std::unique_ptr<RollUp> best;
    const auto views = state_.snapshot->ViewsOver(ref);
    for (const auto& view : views) {
      auto rollup = std::make_unique<RollUp>(optimizer_, aggregation, *input, view);
      const auto why = rollup->Match();
      if (!why.empty()) {
        unanswered += (unanswered.empty() ? "" : "; ") + view.query->view.ToString() + ": " + why;
      } else if (!best || rollup->cost() < best->cost()) {
        best = std::move(rollup);
      }
    }
    if (best) {
      facts_.answered.push_back(best->Apply());
    } else if (!unanswered.empty()) {
      facts_.unanswered.push_back(std::move(unanswered));
    }
  }

  duckdb::Optimizer& optimizer_;
  ContextState& state_;
  std::set<TableRef> changed_;
  RollUpFacts facts_;
};

bool UsesViews(duckdb::ClientContext& context) {
  const auto& state = ContextState::Of(context);
  if (state.trust != Trust::kClient || !state.snapshot || state.appending || state.plan_is_kept) return false;
  duckdb::Value use;
  if (!context.TryGetCurrentSetting(kUseViews, use) || use.IsNull() || !use.GetValue<bool>()) return false;
  return !HasChanges(context, state.shared->database);
}

}  // namespace

void AddUseViews(duckdb::DBConfig& config) {
  config.AddExtensionOption(duckdb::Identifier(kUseViews),
                            "Whether aggregations over a table may be answered from its materialized views",
                            duckdb::LogicalType::BOOLEAN, duckdb::Value::BOOLEAN(true));
}

std::optional<GroupsOfView> GroupsFor(duckdb::Optimizer& optimizer, duckdb::LogicalAggregate& aggregation,
                                      const std::map<std::size_t, std::size_t>& aggregates, StateRequest& request) {
  const auto input = AggregationInput::Of(*aggregation.children[0]);
  if (!input) return std::nullopt;
  auto views = ContextState::Of(optimizer.context).snapshot->ViewsOver(request.view.base);
  const StatesAsked asked{.request = request, .aggregates = aggregates};
  std::unique_ptr<RollUp> best;
  int nearest = -1;
  for (auto& view : views) {
    view.whole_from = view.lost_before;  // that the table has rows no more is why its states are asked for
    auto rollup = std::make_unique<RollUp>(optimizer, aggregation, *input, view, &asked);
    const auto why = rollup->Match();
    if (why.empty()) {
      if (!best || rollup->cost() < best->cost()) best = std::move(rollup);
    } else if (rollup->matched() > nearest) {
      nearest = rollup->matched();
      request.refusal = view.query->view.ToString() + ": " + why;
    }
  }
  if (!best) return std::nullopt;
  return best->Take();
}

RollUpFacts AnswerFromViews(duckdb::Optimizer& optimizer, duckdb::LogicalOperator& plan) {
  if (!UsesViews(optimizer.context)) return {};
  PlanRollUp rollup(optimizer, plan);
  rollup.Visit(plan);
  return rollup.Take();
}

void RollUpFacts::Add(RollUpFacts more) {
  for (auto& rolled_up : more.answered) answered.push_back(std::move(rolled_up));
  for (auto& why : more.unanswered) {
    if (std::ranges::find(unanswered, why) == unanswered.end()) unanswered.push_back(std::move(why));
  }
  for (auto& bound : more.bounds) {
    if (std::ranges::find(bounds, bound) == bounds.end()) bounds.push_back(std::move(bound));
  }
}

bool StillAnswers(duckdb::ClientContext& context, const RolledUp& rolled_up) {
  if (!UsesViews(context)) return false;
  for (const auto& view : ContextState::Of(context).snapshot->ViewsOver(rolled_up.query->base)) {
    if (view.query != rolled_up.query) continue;
    return view.partial.empty() && (!view.whole_from || (rolled_up.from && *rolled_up.from >= *view.whole_from));
  }
  return false;
}

}  // namespace hyprstream::engine
