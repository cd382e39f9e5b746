#include "engine/decay_functions_internal.h"

#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/parser/parsed_data/create_aggregate_function_info.hpp>
#include <duckdb/planner/expression.hpp>
#include <string>

#include "core/aggregate_functions.h"
#include "core/decayed_sum.h"
#include "engine/owned_aggregate_internal.h"

namespace hyprstream::engine {

namespace {

using duckdb::LogicalType;
using duckdb::LogicalTypeId;
using Format = duckdb::UnifiedVectorFormat;

// With the half-life that it has.
struct Decaying {
  DecayedSum sum;
  double half_life = 1;

  void Merge(const Decaying& from) {
    if (sum.rows == 0) half_life = from.half_life;
    sum.Merge(from.sum, half_life);
  }
};

LogicalType InstantType(const LogicalType& type, const duckdb::Identifier& function) {
  switch (type.id()) {
    case LogicalTypeId::UNKNOWN:
      throw duckdb::ParameterNotResolvedException();
    case LogicalTypeId::TIMESTAMP_TZ:
      return type;
    case LogicalTypeId::DATE:
    case LogicalTypeId::TIMESTAMP:
    case LogicalTypeId::TIMESTAMP_SEC:
    case LogicalTypeId::TIMESTAMP_MS:
    case LogicalTypeId::TIMESTAMP_NS:
    case LogicalTypeId::SQLNULL:
      return LogicalType::TIMESTAMP;
    default:
      throw duckdb::BinderException("%s goes by a DATE or a TIMESTAMP, as in %s(x, time, INTERVAL '1 hour'), not by %s",
                                    function.GetIdentifierName(), function.GetIdentifierName(), type.ToString());
  }
}

duckdb::unique_ptr<duckdb::FunctionData> Bind(duckdb::BindAggregateFunctionInput& input) {
  auto& function = input.GetBoundFunction();
  function.GetArguments()[1] = InstantType(input.GetArguments()[1]->GetReturnType(), function.GetName());
  if (function.GetArguments()[0].id() == LogicalTypeId::ANY) {
    function.GetArguments()[0] = input.GetArguments()[0]->GetReturnType();
  }
  return nullptr;
}

double HalfLifeOf(const Format& half_lives, duckdb::idx_t row) {
  const auto at = half_lives.sel->get_index(row);
  std::int64_t half_life = 0;
  if (half_lives.validity.RowIsValid(at)) {
    half_life = duckdb::Interval::GetMicro(Format::GetData<duckdb::interval_t>(half_lives)[at]);
  }
  if (half_life > 0) return static_cast<double>(half_life);
  throw duckdb::InvalidInputException("The half-life is an interval above zero, such as INTERVAL '1 hour'");
}

// `kNumbers`: what is summed up are DOUBLEs; else only whether they are NULL counts.
template <bool kNumbers>
void Update(duckdb::Vector inputs[], duckdb::AggregateInputData&, duckdb::idx_t, duckdb::Vector& states,
            duckdb::idx_t count) {
  Format values;
  Format times;
  Format half_lives;
  Format pointers;
  inputs[0].ToUnifiedFormat(values);
  inputs[1].ToUnifiedFormat(times);
  inputs[2].ToUnifiedFormat(half_lives);
  states.ToUnifiedFormat(pointers);
  for (duckdb::idx_t row = 0; row < count; ++row) {
    const auto value = values.sel->get_index(row);
    const auto time = times.sel->get_index(row);
    if (!values.validity.RowIsValid(value) || !times.validity.RowIsValid(time)) continue;
    const auto at = Format::GetData<duckdb::timestamp_t>(times)[time];
    if (!duckdb::Value::IsFinite(at)) continue;
    auto& state = StateOf<Decaying>(pointers, row);
    state.half_life = HalfLifeOf(half_lives, row);
    double number = 1;
    if constexpr (kNumbers) number = Format::GetData<double>(values)[value];
    state.sum.Add(number, at.value, state.half_life);
  }
}

duckdb::Value MeanOf(const Decaying& state, const LogicalType&) { return duckdb::Value::DOUBLE(state.sum.mean()); }
duckdb::Value SumOf(const Decaying& state, const LogicalType&) { return duckdb::Value::DOUBLE(state.sum.sum); }
duckdb::Value CountOf(const Decaying& state, const LogicalType&) { return duckdb::Value::DOUBLE(state.sum.weight); }

// ---- without a time

duckdb::unique_ptr<duckdb::FunctionData> BindUntimed(duckdb::BindAggregateFunctionInput& input) {
  auto& function = input.GetBoundFunction();
  if (function.GetArguments()[0].id() == LogicalTypeId::ANY) {
    function.GetArguments()[0] = input.GetArguments()[0]->GetReturnType();
  }
  return nullptr;
}

[[noreturn]] void NeedsTime() {
  throw duckdb::InvalidInputException(
      "Only a materialized view knows the event time: in a query give ewma, decayed_sum and decayed_count the time as "
      "their second argument, as in ewma(x, time, INTERVAL '1 hour')");
}

void UpdateUntimed(duckdb::Vector[], duckdb::AggregateInputData&, duckdb::idx_t, duckdb::Vector&, duckdb::idx_t) {
  NeedsTime();
}
void FinishUntimed(duckdb::Vector&, duckdb::AggregateFinalizeInputData&, duckdb::Vector&, duckdb::idx_t,
                   duckdb::idx_t) {
  NeedsTime();
}

template <AggregateKind kKind, duckdb::Value (*kRead)(const Decaying&, const LogicalType&)>
void Register(duckdb::ClientContext& context) {
  constexpr bool kCounts = kKind == AggregateKind::kDecayedCount;
  const std::string name(FunctionOf(kKind).name());
  const LogicalType value = kCounts ? LogicalTypeId::ANY : LogicalTypeId::DOUBLE;
  auto timed = MakeOwnedAggregate<Decaying, kRead, kCounts>(
      name.c_str(), {value, LogicalType::ANY, LogicalType::INTERVAL}, LogicalType::DOUBLE, Update<!kCounts>, Bind);
  duckdb::AggregateFunctionSet set{duckdb::Identifier(name)};
  set.AddFunction(timed);
  duckdb::AggregateFunction untimed(duckdb::Identifier(name), {value, LogicalType::INTERVAL}, LogicalType::DOUBLE,
                                    OwnedStateSize, InitOwnedStates, UpdateUntimed, MergeOwnedStates<Decaying>,
                                    FinishUntimed, duckdb::FunctionNullHandling::DEFAULT_NULL_HANDLING, nullptr,
                                    nullptr, DestroyOwnedStates<Decaying>);
  untimed.SetOrderDependent(duckdb::AggregateOrderDependent::NOT_ORDER_DEPENDENT);
  untimed.SetFallible();
  untimed.SetBindCallback(BindUntimed);
  set.AddFunction(untimed);
  duckdb::CreateAggregateFunctionInfo info(std::move(set));
  duckdb::Catalog::GetSystemCatalog(context).CreateFunction(context, info);
}

}  // namespace

void RegisterDecayFunctions(duckdb::Connection& connection) {
  Register<AggregateKind::kEwma, MeanOf>(*connection.context);
  Register<AggregateKind::kDecayedSum, SumOf>(*connection.context);
  Register<AggregateKind::kDecayedCount, CountOf>(*connection.context);
}

}  // namespace hyprstream::engine
