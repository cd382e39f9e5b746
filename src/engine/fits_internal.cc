#include "engine/fits_internal.h"

#include <arrow/result.h>

#include <cstdint>
#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/default/default_functions.hpp>
#include <duckdb/parser/parsed_data/create_aggregate_function_info.hpp>
#include <duckdb/parser/parsed_data/create_macro_info.hpp>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/linear_fit.h"
#include "core/logistic_fit.h"
#include "core/second_moment.h"
#include "engine/owned_aggregate_internal.h"
#include "engine/vector_argument_internal.h"

namespace hyprstream::engine {

namespace {

using duckdb::LogicalType;
// ---- linear_fit

struct WeightedFit {
  LinearFit fit;
  double ridge = 0;

  void Merge(const WeightedFit& other) {
    if (fit.rows() == 0) ridge = other.ridge;
    fit.Merge(other.fit);
  }
};

// `weights`: DOUBLE[], or DOUBLE[n] where all rows have n features.
LogicalType FitType(const LogicalType& weights) {
  return LogicalType::STRUCT(
      {{"weights", weights}, {"bias", LogicalType::DOUBLE}, {"r2", LogicalType::DOUBLE}, {"n", LogicalType::BIGINT}});
}

duckdb::unique_ptr<duckdb::FunctionData> BindFit(duckdb::BindAggregateFunctionInput& input) {
  auto& function = input.GetBoundFunction();
  function.SetReturnType(FitType(BindVector(function, 1, input.GetArguments()[1]->GetReturnType())));
  return nullptr;
}

// Rows of y, features and perhaps a ridge, those with a NULL left out: `add(state, y, features)`.
template <class State>
void UpdateModels(const char* name, duckdb::Vector inputs[], duckdb::idx_t input_count, duckdb::Vector& states,
                  duckdb::idx_t count, const auto& add) {
  const Numbers ys(inputs[0]);
  const Vectors features(inputs[1]);
  const std::optional<Numbers> ridges = input_count > 2 ? std::optional<Numbers>(inputs[2]) : std::nullopt;
  duckdb::UnifiedVectorFormat pointers;
  states.ToUnifiedFormat(pointers);
  std::vector<double> values;
  for (duckdb::idx_t row = 0; row < count; ++row) {
    const auto y = ys[row];
    const auto vector = features[row];
    if (!y || !vector || vector->HasNull()) continue;
    auto& state = StateOf<State>(pointers, row);
    if (ridges) {
      state.ridge = (*ridges)[row].value_or(-1);
      if (!(state.ridge >= 0)) {
        throw duckdb::InvalidInputException("The ridge of %s is a number from 0 on", name);
      }
    }
    vector->CopyTo(values);
    add(state, *y, values);
  }
}

void UpdateFits(duckdb::Vector inputs[], duckdb::AggregateInputData&, duckdb::idx_t input_count, duckdb::Vector& states,
                duckdb::idx_t count) {
  UpdateModels<WeightedFit>(
      "linear_fit", inputs, input_count, states, count,
      [](WeightedFit& state, double y, const std::vector<double>& features) { state.fit.Add(y, features); });
}

duckdb::Value ValueOf(const WeightedFit& state, const LogicalType& type) {
  const auto solved = state.fit.Solve(state.ridge);
  if (!solved.ok()) throw duckdb::InvalidInputException(solved.status().message());
  const std::vector<std::optional<double>> weights(solved->weights.begin(), solved->weights.end());
  return duckdb::Value::STRUCT(
      {{"weights", VectorValue(weights, duckdb::StructType::GetChildType(type, 0))},
       {"bias", duckdb::Value::DOUBLE(solved->bias)},
       {"r2", solved->r2 ? duckdb::Value::DOUBLE(*solved->r2) : duckdb::Value(LogicalType::DOUBLE)},
       {"n", duckdb::Value::BIGINT(solved->rows)}});
}

duckdb::AggregateFunction MakeLinearFit(bool has_ridge) {
  duckdb::vector<LogicalType> arguments = {LogicalType::DOUBLE, LogicalType::ANY};
  if (has_ridge) arguments.push_back(LogicalType::DOUBLE);
  return MakeOwnedAggregate<WeightedFit, ValueOf>("linear_fit", arguments,
                                                  FitType(LogicalType::LIST(LogicalType::DOUBLE)), UpdateFits, BindFit);
}

// ---- standard_scaler

void UpdateScalers(duckdb::Vector inputs[], duckdb::AggregateInputData&, duckdb::idx_t, duckdb::Vector& states,
                   duckdb::idx_t count) {
  const Numbers values(inputs[0]);
  duckdb::UnifiedVectorFormat pointers;
  states.ToUnifiedFormat(pointers);
  for (duckdb::idx_t row = 0; row < count; ++row) {
    if (const auto value = values[row]) StateOf<SecondMoment>(pointers, row).Add(*value);
  }
}

duckdb::Value ScalerOf(const SecondMoment& state, const LogicalType&) {
  const Standardization scaler(state);
  return duckdb::Value::STRUCT({{"mean", duckdb::Value::DOUBLE(scaler.mean)},
                                {"stddev", duckdb::Value::DOUBLE(scaler.stddev)},
                                {"weight", duckdb::Value::DOUBLE(scaler.weight)},
                                {"bias", duckdb::Value::DOUBLE(scaler.bias)}});
}

duckdb::AggregateFunction MakeStandardScaler() {
  const auto type = LogicalType::STRUCT({{"mean", LogicalType::DOUBLE},
                                         {"stddev", LogicalType::DOUBLE},
                                         {"weight", LogicalType::DOUBLE},
                                         {"bias", LogicalType::DOUBLE}});
  return MakeOwnedAggregate<SecondMoment, ScalerOf>("standard_scaler", {LogicalType::DOUBLE}, type, UpdateScalers);
}

// ---- logistic_fit

// Rows in their order, as far as DuckDB keeps it: a fit of some cannot go on with others.
struct LabelledRows {
  std::vector<double> numbers;         // of each row y and its features
  std::vector<std::uint32_t> lengths;  // how many features each has
  double ridge = 1;

  void Merge(const LabelledRows& later) {
    ridge = later.ridge;
    numbers.insert(numbers.end(), later.numbers.begin(), later.numbers.end());
    lengths.insert(lengths.end(), later.lengths.begin(), later.lengths.end());
  }
};

LogicalType LogisticType(const LogicalType& weights) {
  return LogicalType::STRUCT({{"weights", weights}, {"bias", LogicalType::DOUBLE}, {"n", LogicalType::BIGINT}});
}

duckdb::unique_ptr<duckdb::FunctionData> BindLogistic(duckdb::BindAggregateFunctionInput& input) {
  auto& function = input.GetBoundFunction();
  const auto& y = input.GetArguments()[0]->GetReturnType();
  if (y.id() == duckdb::LogicalTypeId::UNKNOWN) throw duckdb::ParameterNotResolvedException();
  if (!y.IsNumeric() && y.id() != duckdb::LogicalTypeId::BOOLEAN && y.id() != duckdb::LogicalTypeId::SQLNULL) {
    throw duckdb::BinderException("logistic_fit takes a y that is true or false, or a number from 0 to 1, not %s",
                                  y.ToString());
  }
  function.GetArguments()[0] = LogicalType::DOUBLE;
  function.SetReturnType(LogisticType(BindVector(function, 1, input.GetArguments()[1]->GetReturnType())));
  return nullptr;
}

void UpdateLogistic(duckdb::Vector inputs[], duckdb::AggregateInputData&, duckdb::idx_t input_count,
                    duckdb::Vector& states, duckdb::idx_t count) {
  UpdateModels<LabelledRows>("logistic_fit", inputs, input_count, states, count,
                             [](LabelledRows& state, double y, const std::vector<double>& features) {
                               state.numbers.push_back(y);
                               state.numbers.insert(state.numbers.end(), features.begin(), features.end());
                               state.lengths.push_back(static_cast<std::uint32_t>(features.size()));
                             });
}

duckdb::Value LogisticOf(const LabelledRows& rows, const LogicalType& type) {
  LogisticFit fit(rows.ridge);
  std::size_t at = 0;
  for (const std::uint32_t length : rows.lengths) {
    fit.Add(rows.numbers[at], std::span(rows.numbers).subspan(at + 1, length));
    at += length + 1;
  }
  const auto solved = fit.Solve();
  if (!solved.ok()) throw duckdb::InvalidInputException(solved.status().message());
  const std::vector<std::optional<double>> weights(solved->weights.begin(), solved->weights.end());
  return duckdb::Value::STRUCT({{"weights", VectorValue(weights, duckdb::StructType::GetChildType(type, 0))},
                                {"bias", duckdb::Value::DOUBLE(solved->bias)},
                                {"n", duckdb::Value::BIGINT(solved->rows)}});
}

duckdb::AggregateFunction MakeLogisticFit(bool has_ridge) {
  duckdb::vector<LogicalType> arguments = {LogicalType::ANY, LogicalType::ANY};
  if (has_ridge) arguments.push_back(LogicalType::DOUBLE);
  auto function = MakeOwnedAggregate<LabelledRows, LogisticOf>(
      "logistic_fit", arguments, LogisticType(LogicalType::LIST(LogicalType::DOUBLE)), UpdateLogistic, BindLogistic);
  function.SetOrderDependent(duckdb::AggregateOrderDependent::ORDER_DEPENDENT);
  return function;
}

// What applies them. list_dot_product fails with NULL in any row of a vector, those that CASE leaves out included.
constexpr duckdb::DefaultMacro kMacros[] = {
    {"main", "apply_weights",
     "(fit, features) AS CASE WHEN len(features) = list_aggregate(features::DOUBLE[], 'count') "
     "THEN list_dot_product(fit.weights::DOUBLE[], list_transform(features::DOUBLE[], lambda feature: "
     "coalesce(feature, 0))) "
     "+ fit.bias END"},
    {"main", "apply_logistic", "(fit, features) AS 1 / (1 + exp(-apply_weights(fit, features)))"},
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
  duckdb::AggregateFunctionSet logistic_fits(duckdb::Identifier("logistic_fit"));
  logistic_fits.AddFunction(MakeLogisticFit(false));
  logistic_fits.AddFunction(MakeLogisticFit(true));
  duckdb::CreateAggregateFunctionInfo logistic_fit(std::move(logistic_fits));
  catalog.CreateFunction(*connection.context, logistic_fit);
  duckdb::CreateAggregateFunctionInfo standard_scaler(MakeStandardScaler());
  catalog.CreateFunction(*connection.context, standard_scaler);
  for (const auto& macro : kMacros) {
    catalog.CreateFunction(*connection.context, *duckdb::DefaultFunctionGenerator::CreateInternalMacroInfo(macro));
  }
}

}  // namespace hyprstream::engine
