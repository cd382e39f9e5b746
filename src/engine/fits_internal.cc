#include "engine/fits_internal.h"

#include <arrow/result.h>

#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/default/default_functions.hpp>
#include <duckdb/common/vector/list_vector.hpp>
#include <duckdb/parser/parsed_data/create_aggregate_function_info.hpp>
#include <duckdb/parser/parsed_data/create_macro_info.hpp>
#include <utility>
#include <vector>

#include "core/linear_fit.h"
#include "core/second_moment.h"

namespace hyprstream::engine {

namespace {

using duckdb::LogicalType;
using Format = duckdb::UnifiedVectorFormat;

// A pointer to the state, null before the first row.
template <class T>
T*& StateAt(const Format& pointers, duckdb::idx_t row) {
  return *reinterpret_cast<T**>(Format::GetData<duckdb::data_ptr_t>(pointers)[pointers.sel->get_index(row)]);
}

duckdb::idx_t StateSize(duckdb::AggregateStateInput&) { return sizeof(void*); }

void InitStates(duckdb::AggregateStateInput&, duckdb::data_ptr_t* states, duckdb::idx_t count) {
  for (duckdb::idx_t i = 0; i < count; ++i) *reinterpret_cast<void**>(states[i]) = nullptr;
}

template <class T>
void Combine(duckdb::Vector& from, duckdb::Vector& to, duckdb::AggregateInputData&, duckdb::idx_t count) {
  Format sources;
  Format targets;
  from.ToUnifiedFormat(sources);
  to.ToUnifiedFormat(targets);
  for (duckdb::idx_t i = 0; i < count; ++i) {
    const T* const source = StateAt<T>(sources, i);
    T*& target = StateAt<T>(targets, i);
    if (source == nullptr) continue;
    if (target == nullptr) target = new T();
    target->Merge(*source);
  }
}

template <class T>
void Destroy(duckdb::Vector& states, duckdb::AggregateInputData&, duckdb::idx_t count) {
  Format pointers;
  states.ToUnifiedFormat(pointers);
  for (duckdb::idx_t i = 0; i < count; ++i) delete std::exchange(StateAt<T>(pointers, i), nullptr);
}

// `read` gives a state's result.
template <class T, class Read>
void FinalizeWith(duckdb::Vector& states, duckdb::Vector& result, duckdb::idx_t count, duckdb::idx_t offset,
                  Read&& read) {
  Format pointers;
  states.ToUnifiedFormat(pointers);
  for (duckdb::idx_t i = 0; i < count; ++i) {
    const T* const state = StateAt<T>(pointers, i);
    result.SetValue(offset + i, state == nullptr ? duckdb::Value(result.GetType()) : read(*state));
  }
}

// ---- linear_fit

struct WeightedFit {
  LinearFit fit;
  double ridge = 0;

  void Merge(const WeightedFit& other) {
    if (fit.rows() == 0) ridge = other.ridge;
    fit.Merge(other.fit);
  }
};

LogicalType FitType() {
  return LogicalType::STRUCT({{"weights", LogicalType::LIST(LogicalType::DOUBLE)},
                              {"bias", LogicalType::DOUBLE},
                              {"r2", LogicalType::DOUBLE},
                              {"n", LogicalType::BIGINT}});
}

// The features of rows: lists of DOUBLE.
class Features {
 public:
  explicit Features(duckdb::Vector& lists) {
    lists.ToUnifiedFormat(lists_);
    duckdb::ListVector::GetChildMutable(lists).ToUnifiedFormat(values_);
  }
  // Null: the list is NULL, or holds NULL. Until the next call.
  const std::vector<double>* Of(duckdb::idx_t row) {
    const auto at = lists_.sel->get_index(row);
    if (!lists_.validity.RowIsValid(at)) return nullptr;
    const auto entry = Format::GetData<duckdb::list_entry_t>(lists_)[at];
    row_.clear();
    for (duckdb::idx_t i = entry.offset; i < entry.offset + entry.length; ++i) {
      const auto place = values_.sel->get_index(i);
      if (!values_.validity.RowIsValid(place)) return nullptr;
      row_.push_back(Format::GetData<double>(values_)[place]);
    }
    return &row_;
  }

 private:
  Format lists_;
  Format values_;
  std::vector<double> row_;
};

void UpdateFits(duckdb::Vector inputs[], duckdb::AggregateInputData&, duckdb::idx_t input_count, duckdb::Vector& states,
                duckdb::idx_t count) {
  Format ys;
  Format pointers;
  Format ridges;
  inputs[0].ToUnifiedFormat(ys);
  Features features(inputs[1]);
  const bool has_ridge = input_count > 2;
  if (has_ridge) inputs[2].ToUnifiedFormat(ridges);
  states.ToUnifiedFormat(pointers);
  for (duckdb::idx_t row = 0; row < count; ++row) {
    const auto at = ys.sel->get_index(row);
    if (!ys.validity.RowIsValid(at)) continue;
    const std::vector<double>* const values = features.Of(row);
    if (values == nullptr) continue;
    WeightedFit*& state = StateAt<WeightedFit>(pointers, row);
    if (state == nullptr) state = new WeightedFit();
    if (has_ridge) {
      const auto place = ridges.sel->get_index(row);
      state->ridge = ridges.validity.RowIsValid(place) ? Format::GetData<double>(ridges)[place] : -1;
      if (!(state->ridge >= 0)) throw duckdb::InvalidInputException("The ridge of linear_fit is a number from 0 on");
    }
    state->fit.Add(Format::GetData<double>(ys)[at], *values);
  }
}

duckdb::Value ValueOf(const WeightedFit& state) {
  const auto solved = state.fit.Solve(state.ridge);
  if (!solved.ok()) throw duckdb::InvalidInputException(solved.status().message());
  duckdb::vector<duckdb::Value> weights;
  for (const double weight : solved->weights) weights.push_back(duckdb::Value::DOUBLE(weight));
  return duckdb::Value::STRUCT(
      {{"weights", duckdb::Value::LIST(LogicalType::DOUBLE, std::move(weights))},
       {"bias", duckdb::Value::DOUBLE(solved->bias)},
       {"r2", solved->r2 ? duckdb::Value::DOUBLE(*solved->r2) : duckdb::Value(LogicalType::DOUBLE)},
       {"n", duckdb::Value::BIGINT(solved->rows)}});
}

void FinalizeFits(duckdb::Vector& states, duckdb::AggregateFinalizeInputData&, duckdb::Vector& result,
                  duckdb::idx_t count, duckdb::idx_t offset) {
  FinalizeWith<WeightedFit>(states, result, count, offset, ValueOf);
}

duckdb::AggregateFunction MakeLinearFit(bool has_ridge) {
  duckdb::vector<LogicalType> arguments = {LogicalType::DOUBLE, LogicalType::LIST(LogicalType::DOUBLE)};
  if (has_ridge) arguments.push_back(LogicalType::DOUBLE);
  duckdb::AggregateFunction function(
      duckdb::Identifier("linear_fit"), arguments, FitType(), StateSize, InitStates, UpdateFits, Combine<WeightedFit>,
      FinalizeFits, duckdb::FunctionNullHandling::DEFAULT_NULL_HANDLING, nullptr, nullptr, Destroy<WeightedFit>);
  function.SetOrderDependent(duckdb::AggregateOrderDependent::NOT_ORDER_DEPENDENT);
  function.SetFallible();
  return function;
}

// ---- standard_scaler

void UpdateScalers(duckdb::Vector inputs[], duckdb::AggregateInputData&, duckdb::idx_t, duckdb::Vector& states,
                   duckdb::idx_t count) {
  Format values;
  Format pointers;
  inputs[0].ToUnifiedFormat(values);
  states.ToUnifiedFormat(pointers);
  for (duckdb::idx_t row = 0; row < count; ++row) {
    const auto at = values.sel->get_index(row);
    if (!values.validity.RowIsValid(at)) continue;
    SecondMoment*& state = StateAt<SecondMoment>(pointers, row);
    if (state == nullptr) state = new SecondMoment();
    state->Add(Format::GetData<double>(values)[at]);
  }
}

void FinalizeScalers(duckdb::Vector& states, duckdb::AggregateFinalizeInputData&, duckdb::Vector& result,
                     duckdb::idx_t count, duckdb::idx_t offset) {
  FinalizeWith<SecondMoment>(states, result, count, offset, [](const SecondMoment& state) {
    const Standardization scaler(state);
    return duckdb::Value::STRUCT({{"mean", duckdb::Value::DOUBLE(scaler.mean)},
                                  {"stddev", duckdb::Value::DOUBLE(scaler.stddev)},
                                  {"weight", duckdb::Value::DOUBLE(scaler.weight)},
                                  {"bias", duckdb::Value::DOUBLE(scaler.bias)}});
  });
}

duckdb::AggregateFunction MakeStandardScaler() {
  const auto type = LogicalType::STRUCT({{"mean", LogicalType::DOUBLE},
                                         {"stddev", LogicalType::DOUBLE},
                                         {"weight", LogicalType::DOUBLE},
                                         {"bias", LogicalType::DOUBLE}});
  duckdb::AggregateFunction function(duckdb::Identifier("standard_scaler"), {LogicalType::DOUBLE}, type, StateSize,
                                     InitStates, UpdateScalers, Combine<SecondMoment>, FinalizeScalers,
                                     duckdb::FunctionNullHandling::DEFAULT_NULL_HANDLING, nullptr, nullptr,
                                     Destroy<SecondMoment>);
  function.SetOrderDependent(duckdb::AggregateOrderDependent::NOT_ORDER_DEPENDENT);
  function.SetFallible();
  return function;
}

// What applies them. list_dot_product fails with NULL in any row of a vector, those that CASE leaves out included.
constexpr duckdb::DefaultMacro kMacros[] = {
    {"main", "apply_weights",
     "(fit, features) AS CASE WHEN len(features) = list_aggregate(features::DOUBLE[], 'count') "
     "THEN list_dot_product(fit.weights, list_transform(features::DOUBLE[], lambda feature: coalesce(feature, 0))) "
     "+ fit.bias END"},
    {"main", "zscore", "(x, scaler) AS x * scaler.weight + scaler.bias"},
};

}  // namespace

void RegisterFits(duckdb::Connection& connection) {
  auto& catalog = duckdb::Catalog::GetSystemCatalog(*connection.context);
  duckdb::AggregateFunctionSet fits(duckdb::Identifier("linear_fit"));
  fits.AddFunction(MakeLinearFit(false));
  fits.AddFunction(MakeLinearFit(true));
  duckdb::CreateAggregateFunctionInfo linear_fit(std::move(fits));
  catalog.CreateFunction(*connection.context, linear_fit);
  duckdb::CreateAggregateFunctionInfo standard_scaler(MakeStandardScaler());
  catalog.CreateFunction(*connection.context, standard_scaler);
  for (const auto& macro : kMacros) {
    catalog.CreateFunction(*connection.context, *duckdb::DefaultFunctionGenerator::CreateInternalMacroInfo(macro));
  }
}

}  // namespace hyprstream::engine
