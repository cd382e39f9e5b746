#include "engine/contained_errors_internal.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <duckdb.hpp>
#include <duckdb/common/error_data.hpp>
#include <duckdb/common/vector/unified_vector_format.hpp>
#include <duckdb/function/cast/cast_function_set.hpp>
#include <duckdb/function/cast/default_casts.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>
#include <string>
#include <utility>

#include "base/mutex.h"
#include "engine/plan_walk_internal.h"

namespace hyprstream::engine {

namespace {

// A function's callback, whose errors are of a kind that DuckDB never makes a fatal one.
struct Contained {
  duckdb::scalar_function_t inner;
  bool fallible;

  void operator()(duckdb::DataChunk& arguments, duckdb::ExpressionState& state, duckdb::Vector& result) const {
    try {
      inner(arguments, state, result);
    } catch (const duckdb::Exception& exception) {
      const duckdb::ErrorData error(exception);
      const bool is_internal = error.Type() == duckdb::ExceptionType::INTERNAL;
      const bool is_announced = fallible || !duckdb::Exception::IsExecutionError(error.Type());
      if (!is_internal && is_announced) throw;
      throw duckdb::BinderException(error.RawMessage());
    }
  }
};

// DuckDB asks functions what they give for the least and the greatest value of a column while it plans, and takes what
// they throw for an error of the statement, whichever rows it is about. Its callbacks are bare pointers: each has a
// slot, and a function made for the slot.
constexpr std::size_t kSlots = 512;
std::array<std::atomic<duckdb::function_statistics_t>, kSlots> inner_statistics{};

template <std::size_t slot>
duckdb::unique_ptr<duckdb::BaseStatistics> StatisticsOrNone(duckdb::ClientContext& context,
                                                            duckdb::FunctionStatisticsInput& input) {
  try {
    return inner_statistics[slot].load()(context, input);
  } catch (const std::exception&) {
    return nullptr;
  }
}

template <std::size_t... slots>
constexpr std::array<duckdb::function_statistics_t, kSlots> MakeOuter(std::index_sequence<slots...>) {
  return {StatisticsOrNone<slots>...};
}
constexpr auto kOuterStatistics = MakeOuter(std::make_index_sequence<kSlots>());

// Null, and so no statistics, when there is no slot left.
duckdb::function_statistics_t ContainedStatistics(duckdb::function_statistics_t inner) {
  static Mutex mutex;
  if (std::ranges::find(kOuterStatistics, inner) != kOuterStatistics.end()) return inner;
  const MutexLock lock(mutex);
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    if (inner_statistics[slot].load() == nullptr) inner_statistics[slot].store(inner);
    if (inner_statistics[slot].load() == inner) return kOuterStatistics[slot];
  }
  return nullptr;
}

void Contain(duckdb::BoundScalarFunction& function) {
  if (function.HasStatisticsCallback()) {
    function.SetStatisticsCallback(ContainedStatistics(function.GetStatisticsCallback()));
  }
  if (!function.HasFunctionCallback()) return;
  auto inner = function.GetFunctionCallback();
  if (IsContained(inner)) return;
  const bool fallible = function.GetErrorMode() != duckdb::FunctionErrors::CANNOT_ERROR;
  function.SetFunctionCallback(Contained{.inner = std::move(inner), .fallible = fallible});
}

// DuckDB's own cast, which fails in the year before this time; the type goes on for some hours.
constexpr std::int64_t kFirstTimestamp = -9'223'372'022'400'000'000;

struct InnerCast : duckdb::BoundCastData {
  explicit InnerCast(duckdb::BoundCastInfo cast) : inner(std::move(cast)) {}
  duckdb::unique_ptr<duckdb::BoundCastData> Copy() const override { return duckdb::make_uniq<InnerCast>(inner.Copy()); }
  duckdb::BoundCastInfo inner;
};

// A cast may throw nothing that DuckDB takes for an error of a value: this is of another kind.
bool CastInRange(duckdb::Vector& source, duckdb::Vector& result, duckdb::idx_t count,
                 duckdb::CastParameters& parameters) {
  duckdb::UnifiedVectorFormat times;
  source.ToUnifiedFormat(times);
  const auto* values = times.GetData<duckdb::timestamp_t>();
  for (duckdb::idx_t row = 0; row < count; ++row) {
    const auto at = times.sel->get_index(row);
    if (!times.validity.RowIsValid(at) || values[at].value >= kFirstTimestamp) continue;
    if (!duckdb::Value::IsFinite(values[at])) continue;
    throw duckdb::BinderException("A timestamp is out of range: %s microseconds from 1970 on",
                                  std::to_string(values[at].value));
  }
  return parameters.cast_data->Cast<InnerCast>().inner.Cast(source, result, count, parameters);
}

duckdb::BoundCastInfo BindCastInRange(duckdb::BindCastInput& input, const duckdb::LogicalType& source,
                                      const duckdb::LogicalType& target) {
  return {CastInRange,
          duckdb::make_uniq<InnerCast>(duckdb::DefaultCasts::GetDefaultCastFunction(input, source, target))};
}

}  // namespace

void ContainTimeCasts(duckdb::DatabaseInstance& database) {
  duckdb::CastFunctionSet::Get(database).RegisterCastFunction(duckdb::LogicalType::TIMESTAMP,
                                                              duckdb::LogicalType::VARCHAR, BindCastInRange);
}

bool IsContained(const duckdb::scalar_function_t& callback) { return callback.target<Contained>() != nullptr; }

void ContainErrors(duckdb::LogicalOperator& plan) {
  WalkPlan(
      plan, [](const duckdb::LogicalOperator&) {},
      [](const duckdb::Expression& expression) {
        if (expression.GetExpressionClass() != duckdb::ExpressionClass::BOUND_FUNCTION) return;
        // The plan is the caller's to change; only the walk knows it as const.
        auto& changed = const_cast<duckdb::Expression&>(expression);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
        Contain(changed.Cast<duckdb::BoundFunctionExpression>().FunctionMutable());
      });
}

}  // namespace hyprstream::engine
