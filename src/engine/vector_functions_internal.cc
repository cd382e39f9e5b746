#include "engine/vector_functions_internal.h"

#include <arrow/status.h>

#include <algorithm>
#include <cmath>
#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/common/vector/array_vector.hpp>
#include <duckdb/common/vector/flat_vector.hpp>
#include <duckdb/common/vector/list_vector.hpp>
#include <duckdb/parser/parsed_data/create_aggregate_function_info.hpp>
#include <duckdb/parser/parsed_data/create_scalar_function_info.hpp>
#include <optional>
#include <vector>

#include "core/aggregate_functions.h"
#include "core/vector_summary.h"
#include "engine/owned_aggregate_internal.h"
#include "engine/vector_argument_internal.h"

namespace hyprstream::engine {

namespace {

using duckdb::LogicalType;

// What an aggregate reads of a place.
template <AggregateKind kKind>
struct Reading;
template <>
struct Reading<AggregateKind::kVecSum> {
  using Place = SumAtPlace;
  static std::optional<double> Of(const Place& place) { return place.sum(); }
};
template <>
struct Reading<AggregateKind::kVecAvg> {
  using Place = SumAtPlace;
  static std::optional<double> Of(const Place& place) { return place.mean(); }
};
template <>
struct Reading<AggregateKind::kVecMin> {
  using Place = LeastAtPlace;
  static std::optional<double> Of(const Place& place) { return place.value(); }
};
template <>
struct Reading<AggregateKind::kVecMax> {
  using Place = GreatestAtPlace;
  static std::optional<double> Of(const Place& place) { return place.value(); }
};
template <>
struct Reading<AggregateKind::kVecStddev> {
  using Place = SpreadAtPlace;
  static std::optional<double> Of(const Place& place) { return place.stddev(); }
};

template <AggregateKind kKind>
using SummaryOf = VectorSummary<typename Reading<kKind>::Place>;

duckdb::unique_ptr<duckdb::FunctionData> Bind(duckdb::BindAggregateFunctionInput& input) {
  auto& function = input.GetBoundFunction();
  function.SetReturnType(BindVector(function, 0, input.GetArguments()[0]->GetReturnType()));
  return nullptr;
}

template <AggregateKind kKind>
void Update(duckdb::Vector inputs[], duckdb::AggregateInputData&, duckdb::idx_t, duckdb::Vector& states,
            duckdb::idx_t count) {
  const Vectors vectors(inputs[0]);
  duckdb::UnifiedVectorFormat pointers;
  states.ToUnifiedFormat(pointers);
  for (duckdb::idx_t row = 0; row < count; ++row) {
    if (const auto vector = vectors[row]) StateOf<SummaryOf<kKind>>(pointers, row).Add(vector->length(), *vector);
  }
}

template <AggregateKind kKind>
duckdb::Value ValueOf(const SummaryOf<kKind>& summary, const LogicalType& type) {
  const auto checked = summary.lengths().Check(FunctionOf(kKind).name());
  if (!checked.ok()) throw duckdb::InvalidInputException(checked.message());
  std::vector<std::optional<double>> numbers;
  for (const auto& place : summary.places()) numbers.push_back(Reading<kKind>::Of(place));
  return VectorValue(numbers, type);
}

template <AggregateKind kKind>
void Register(duckdb::ClientContext& context) {
  duckdb::CreateAggregateFunctionInfo info(MakeOwnedAggregate<SummaryOf<kKind>, ValueOf<kKind>>(
      std::string(FunctionOf(kKind).name()).c_str(), {LogicalType::ANY}, LogicalType::LIST(LogicalType::DOUBLE),
      Update<kKind>, Bind));
  duckdb::Catalog::GetSystemCatalog(context).CreateFunction(context, info);
}

// ---- vec_normalize

// Of vectors of any length, beginning where the last one ended; of a fixed length, where that row's do.
class VectorWriter {
 public:
  explicit VectorWriter(duckdb::Vector& result) : result_(result) {
    if (result.GetType().id() == duckdb::LogicalTypeId::ARRAY) fixed_ = duckdb::ArrayType::GetSize(result.GetType());
  }
  // Where the row's numbers go.
  double* Begin(duckdb::idx_t row, duckdb::idx_t length) {
    if (fixed_ > 0) {
      return duckdb::FlatVector::GetDataMutable<double>(duckdb::ArrayVector::GetChildMutable(result_)) + row * fixed_;
    }
    duckdb::ListVector::Reserve(result_, end_ + length);
    duckdb::FlatVector::GetDataMutable<duckdb::list_entry_t>(result_)[row] = {end_, length};
    end_ += length;
    duckdb::ListVector::SetListSize(result_, end_);
    return duckdb::FlatVector::GetDataMutable<double>(duckdb::ListVector::GetChildMutable(result_)) + end_ - length;
  }

 private:
  duckdb::Vector& result_;
  duckdb::idx_t fixed_ = 0;  // 0: they have any length
  duckdb::idx_t end_ = 0;
};

// A vector without a direction has none at length 1: NULL.
void Normalize(duckdb::DataChunk& arguments, duckdb::ExpressionState&, duckdb::Vector& result) {
  const Vectors vectors(arguments.data[0]);
  VectorWriter writer(result);
  std::vector<double> numbers;
  for (duckdb::idx_t row = 0; row < arguments.size(); ++row) {
    const auto vector = vectors[row];
    numbers.clear();
    if (vector && !vector->HasNull()) vector->CopyTo(numbers);
    double greatest = 0;  // squares of what is divided by it are in range
    for (const double number : numbers) greatest = std::max(greatest, std::abs(number));
    double squares = 0;
    for (const double number : numbers) squares += number / greatest * (number / greatest);
    if (!(squares > 0) || !std::isfinite(greatest)) {
      duckdb::FlatVector::SetNull(result, row, true);
      continue;
    }
    double* const out = writer.Begin(row, numbers.size());
    for (std::size_t i = 0; i < numbers.size(); ++i) out[i] = numbers[i] / greatest / std::sqrt(squares);
  }
}

void ResolveNormalize(duckdb::ResolveScalarFunctionTypesInput& input) {
  auto& function = input.GetBoundFunction();
  function.SetReturnType(BindVector(function, 0, input.GetArgumentType(0)));
}

void RegisterNormalize(duckdb::ClientContext& context) {
  duckdb::ScalarFunction normalize(duckdb::Identifier("vec_normalize"), {LogicalType::ANY},
                                   LogicalType::LIST(LogicalType::DOUBLE), Normalize);
  normalize.SetFallible();
  normalize.SetStability(duckdb::FunctionStability::CONSISTENT);
  normalize.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  normalize.SetResolveTypesCallback(ResolveNormalize);
  duckdb::CreateScalarFunctionInfo info(normalize);
  duckdb::Catalog::GetSystemCatalog(context).CreateFunction(context, info);
}

}  // namespace

void RegisterVectorFunctions(duckdb::Connection& connection) {
  auto& context = *connection.context;
  Register<AggregateKind::kVecSum>(context);
  Register<AggregateKind::kVecAvg>(context);
  Register<AggregateKind::kVecMin>(context);
  Register<AggregateKind::kVecMax>(context);
  Register<AggregateKind::kVecStddev>(context);
  RegisterNormalize(context);
}

}  // namespace hyprstream::engine
