#include "engine/combine_internal.h"

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/type.h>

#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/function/function_binder.hpp>
#include <duckdb/parser/parsed_data/create_aggregate_function_info.hpp>
#include <duckdb/parser/parsed_data/drop_info.hpp>
#include <duckdb/planner/expression/bound_aggregate_expression.hpp>
#include <duckdb/planner/expression/bound_columnref_expression.hpp>
#include <duckdb/planner/expression/bound_window_expression.hpp>
#include <duckdb/planner/operator/logical_aggregate.hpp>
#include <duckdb/planner/operator/logical_get.hpp>
#include <duckdb/planner/operator/logical_projection.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "engine/arrow_in_internal.h"
#include "engine/error_internal.h"
#include "engine/state_scan_internal.h"

namespace hyprstream::engine {

namespace {

// ---- the function, over states

struct CombineData : duckdb::FunctionData {
  CombineData(duckdb::ClientContext& asked_by, StateColumn of) : context(asked_by), column(std::move(of)) {}

  duckdb::ClientContext& context;  // of the statement, which outlives its plan
  StateColumn column;

  duckdb::unique_ptr<duckdb::FunctionData> Copy() const override {
    return duckdb::make_uniq<CombineData>(context, column);
  }
  bool Equals(const duckdb::FunctionData& other) const override {
    const auto& same = other.Cast<CombineData>();
    return column.view == same.column.view && column.index == same.column.index;
  }
  const MergeableState& states() const { return *column.states; }
};

// Set by OverStates; a plan without it must not run.
template <class Input>
const CombineData& DataOf(const Input& input) {
  if (!input.bind_data) throw duckdb::InternalException("combine() was not given its states");
  return input.bind_data->template Cast<CombineData>();
}

void ThrowIfFailed(const arrow::Status& status, const CombineData& data) {
  if (status.ok()) return;
  throw duckdb::OutOfRangeException("combine of column %s of view %s: %s", data.column.name,
                                    data.column.view.ToString(), status.message());
}

// The record that a vector of states points to in one row.
std::byte* RecordAt(const duckdb::UnifiedVectorFormat& pointers, duckdb::idx_t row) {
  return reinterpret_cast<std::byte*>(
      duckdb::UnifiedVectorFormat::GetData<duckdb::data_ptr_t>(pointers)[pointers.sel->get_index(row)]);
}

duckdb::idx_t StateSize(duckdb::AggregateStateInput& input) {
  return input.bind_data ? DataOf(input).states().record_bytes() : sizeof(std::uint64_t);
}

void InitStates(duckdb::AggregateStateInput& input, duckdb::data_ptr_t* states, duckdb::idx_t count) {
  if (!input.bind_data) return;
  const auto& merged = DataOf(input).states();
  for (duckdb::idx_t i = 0; i < count; ++i) merged.Init(reinterpret_cast<std::byte*>(states[i]));
}

void Update(duckdb::Vector inputs[], duckdb::AggregateInputData& input, duckdb::idx_t, duckdb::Vector& states,
            duckdb::idx_t count) {
  const auto& data = DataOf(input);
  duckdb::UnifiedVectorFormat payload;
  duckdb::UnifiedVectorFormat pointers;
  inputs[0].ToUnifiedFormat(payload);
  states.ToUnifiedFormat(pointers);
  const auto* payloads = duckdb::UnifiedVectorFormat::GetData<duckdb::string_t>(payload);
  for (duckdb::idx_t i = 0; i < count; ++i) {
    const auto at = payload.sel->get_index(i);
    if (!payload.validity.RowIsValid(at)) continue;  // an outer join found no row
    const auto& bytes = payloads[at];
    ThrowIfFailed(data.states().Add({bytes.GetData(), bytes.GetSize()}, RecordAt(pointers, i)), data);
  }
}

void Combine(duckdb::Vector& from, duckdb::Vector& to, duckdb::AggregateInputData& input, duckdb::idx_t count) {
  const auto& merged = DataOf(input).states();
  duckdb::UnifiedVectorFormat sources;
  duckdb::UnifiedVectorFormat targets;
  from.ToUnifiedFormat(sources);
  to.ToUnifiedFormat(targets);
  for (duckdb::idx_t i = 0; i < count; ++i) {
    merged.Merge(RecordAt(sources, i), RecordAt(targets, i));
  }
}

void Finalize(duckdb::Vector& states, duckdb::AggregateFinalizeInputData& input, duckdb::Vector& result,
              duckdb::idx_t count, duckdb::idx_t offset) {
  const auto& data = DataOf(input);
  duckdb::UnifiedVectorFormat pointers;
  states.ToUnifiedFormat(pointers);
  std::vector<std::byte*> records(count);
  for (duckdb::idx_t i = 0; i < count; ++i) records[i] = RecordAt(pointers, i);
  auto values = data.states().Read(records);
  ThrowIfFailed(values.status(), data);
  const auto& schema = data.column.value_schema;
  const auto batch =
      arrow::RecordBatch::Make(arrow::schema(schema->fields()), static_cast<std::int64_t>(count), {*values});
  ChunkSource(data.context, batch->schema()).ForEachChunk(batch, [&](duckdb::DataChunk& chunk) {
    duckdb::Vector declared(result.GetType(), chunk.size());
    ToDeclared(data.context, schema->carriage(0), chunk.data[0], chunk.size(), declared);
    duckdb::VectorOperations::Copy(declared, result, chunk.size(), 0, offset);
    offset += chunk.size();
  });
}

void Destroy(duckdb::Vector& states, duckdb::AggregateInputData& input, duckdb::idx_t count) {
  if (!input.bind_data) return;
  const auto& merged = DataOf(input).states();
  duckdb::UnifiedVectorFormat pointers;
  states.ToUnifiedFormat(pointers);
  for (duckdb::idx_t i = 0; i < count; ++i) merged.Release(RecordAt(pointers, i));
}

duckdb::AggregateFunction MakeCombine(const duckdb::LogicalType& argument, const duckdb::LogicalType& result) {
  duckdb::AggregateFunction function(duckdb::Identifier(kCombine), {argument}, result, StateSize, InitStates, Update,
                                     Combine, Finalize, duckdb::FunctionNullHandling::DEFAULT_NULL_HANDLING, nullptr,
                                     nullptr, Destroy);
  function.SetOrderDependent(duckdb::AggregateOrderDependent::NOT_ORDER_DEPENDENT);
  function.SetFallible();
  return function;
}

// As the binder sees it: of the argument's type.
duckdb::unique_ptr<duckdb::FunctionData> BindCombine(duckdb::BindAggregateFunctionInput& input) {
  const auto type = input.GetArguments()[0]->GetReturnType();
  input.GetBoundFunction().GetArguments()[0] = type;
  input.GetBoundFunction().SetReturnType(type);
  return nullptr;
}

// ---- from a call to the scan

using Operator = duckdb::LogicalOperator;
using duckdb::LogicalOperatorType;

constexpr const char* kWhatToDo =
    "; combine() merges the states of a materialized view, so its argument must be a column of the view itself, in a "
    "query that reads the view directly, through joins, filters or subqueries that pass the column on as it is";

// A column of states, and where it is found in an operator's output.
struct Reached {
  duckdb::ColumnBinding binding;
  StateColumn column;
};

bool Gives(Operator& plan, const duckdb::ColumnBinding& binding) {
  for (const auto& given : plan.GetColumnBindings()) {
    if (given == binding) return true;
  }
  return false;
}

duckdb::unique_ptr<duckdb::Expression> StatesAt(const duckdb::ColumnBinding& binding) {
  return duckdb::make_uniq<duckdb::BoundColumnRefExpression>(duckdb::LogicalType::BLOB, binding);
}

// Makes the plan pass on the states behind the column that it gives at `binding`. Nothing where it cannot.
std::optional<Reached> Reach(duckdb::ClientContext& context, Operator& plan, const duckdb::ColumnBinding& binding) {
  switch (plan.type) {
    case LogicalOperatorType::LOGICAL_GET: {
      auto& get = plan.Cast<duckdb::LogicalGet>();
      auto column = AddStateColumn(context, get, get.GetColumnIndex(binding).GetPrimaryIndex());
      if (!column) return std::nullopt;
      return Reached{.binding = {get.table_index, column->projected}, .column = std::move(column->column)};
    }
    case LogicalOperatorType::LOGICAL_PROJECTION: {
      auto& projection = plan.Cast<duckdb::LogicalProjection>();
      const auto& passed = projection.GetExpression(binding);
      if (passed.GetExpressionClass() != duckdb::ExpressionClass::BOUND_COLUMN_REF) return std::nullopt;
      auto reached = Reach(context, *plan.children[0], passed.Cast<duckdb::BoundColumnRefExpression>().Binding());
      if (!reached) return std::nullopt;
      projection.expressions.push_back(StatesAt(reached->binding));
      reached->binding = {projection.table_index, duckdb::ProjectionIndex(projection.expressions.size() - 1)};
      return reached;
    }
    case LogicalOperatorType::LOGICAL_FILTER:
    case LogicalOperatorType::LOGICAL_ORDER_BY:
    case LogicalOperatorType::LOGICAL_LIMIT:
    case LogicalOperatorType::LOGICAL_SAMPLE:
    case LogicalOperatorType::LOGICAL_WINDOW:
    case LogicalOperatorType::LOGICAL_UNNEST:
    case LogicalOperatorType::LOGICAL_SECURE_VIEW:
    case LogicalOperatorType::LOGICAL_COMPARISON_JOIN:
    case LogicalOperatorType::LOGICAL_DELIM_JOIN:
    case LogicalOperatorType::LOGICAL_ASOF_JOIN:
    case LogicalOperatorType::LOGICAL_ANY_JOIN:
    case LogicalOperatorType::LOGICAL_CROSS_PRODUCT:
      for (auto& child : plan.children) {
        if (Gives(*child, binding)) return Reach(context, *child, binding);
      }
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

bool IsCombine(const duckdb::Expression& expression) {
  return expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_AGGREGATE &&
         expression.Cast<duckdb::BoundAggregateExpression>().Function().GetName() == duckdb::Identifier(kCombine);
}

bool IsCombineOverRows(const duckdb::Expression& expression) {
  if (expression.GetExpressionClass() != duckdb::ExpressionClass::BOUND_WINDOW) return false;
  const auto& aggregate = expression.Cast<duckdb::BoundWindowExpression>().AggregateFunction();
  return aggregate && aggregate->GetName() == duckdb::Identifier(kCombine);
}

[[noreturn]] void Refuse(const duckdb::Expression& call, const char* why) {
  throw duckdb::BinderException("%s %s%s", CutText(call.ToString(), 120), why, kWhatToDo);
}

duckdb::unique_ptr<duckdb::Expression> OverStates(duckdb::ClientContext& context, Operator& input,
                                                  duckdb::BoundAggregateExpression& call) {
  if (call.IsDistinct()) Refuse(call, "cannot be DISTINCT");
  const auto& argument = *call.GetChildren()[0];
  if (argument.GetExpressionClass() != duckdb::ExpressionClass::BOUND_COLUMN_REF) {
    Refuse(call, "is of an expression");
  }
  auto reached = Reach(context, input, argument.Cast<duckdb::BoundColumnRefExpression>().Binding());
  if (!reached) Refuse(call, "does not reach a view's states");
  auto merged = MergeOf(context, std::move(reached->column), reached->binding, std::move(call.GetFilterMutable()));
  merged->SetAlias(call.GetAlias());
  return merged;
}

}  // namespace

void RegisterCombine(duckdb::Connection& connection) {
  auto function = MakeCombine(duckdb::LogicalType::ANY, duckdb::LogicalType::ANY);
  function.SetBindCallback(BindCombine);
  duckdb::CreateAggregateFunctionInfo info(std::move(function));
  auto& catalog = duckdb::Catalog::GetSystemCatalog(*connection.context);
  duckdb::DropInfo own;
  own.type = duckdb::CatalogType::SCALAR_FUNCTION_ENTRY;
  own.SetQualifiedName(duckdb::QualifiedName(info.GetQualifiedName()));
  own.allow_drop_internal = true;
  catalog.DropEntry(*connection.context, own);
  catalog.CreateFunction(*connection.context, info);
}

duckdb::unique_ptr<duckdb::Expression> MergeOf(duckdb::ClientContext& context, StateColumn column,
                                               const duckdb::ColumnBinding& binding,
                                               duckdb::unique_ptr<duckdb::Expression> filter) {
  const auto type = column.value_schema->types().at(0);
  duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> arguments;
  arguments.push_back(StatesAt(binding));
  return duckdb::make_uniq<duckdb::BoundAggregateExpression>(
      duckdb::BoundAggregateFunction(MakeCombine(duckdb::LogicalType::BLOB, type)), std::move(arguments),
      std::move(filter), duckdb::make_uniq<CombineData>(context, std::move(column)),
      duckdb::AggregateType::NON_DISTINCT);
}

void ReachStates(duckdb::ClientContext& context, Operator& plan) {
  for (auto& child : plan.children) ReachStates(context, *child);
  for (auto& expression : plan.expressions) {
    if (IsCombineOverRows(*expression)) Refuse(*expression, "cannot have an OVER clause");
    if (!IsCombine(*expression)) continue;
    if (plan.type != LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY) Refuse(*expression, "is out of place");
    expression = OverStates(context, *plan.children[0], expression->Cast<duckdb::BoundAggregateExpression>());
  }
}

}  // namespace hyprstream::engine
