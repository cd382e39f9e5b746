#include "aggregate/state_ops_internal.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "aggregate/bag_ops_internal.h"
#include "aggregate/bit_ops_internal.h"
#include "aggregate/decay_ops_internal.h"
#include "aggregate/fit_ops_internal.h"
#include "aggregate/logistic_ops_internal.h"
#include "aggregate/moment_ops_internal.h"
#include "aggregate/physical_internal.h"
#include "aggregate/pick_ops_internal.h"
#include "aggregate/row_keys_internal.h"
#include "aggregate/sketch_ops_internal.h"
#include "aggregate/summary_ops_internal.h"
#include "aggregate/vector_builder_internal.h"
#include "aggregate/vector_ops_internal.h"
#include "arrow/type.h"
#include "core/aggregate_functions.h"

namespace hyprstream::aggregate {
namespace {

constexpr int kTopMax = 100;  // of approx_top_k, as queries may ask for

bool IsNumber(const arrow::DataType& type) {
  return arrow::is_integer(type.id()) || type.id() == arrow::Type::DECIMAL128 || type.id() == arrow::Type::FLOAT ||
         type.id() == arrow::Type::DOUBLE;
}

bool IsFloat(const arrow::DataType& type) {
  return type.id() == arrow::Type::FLOAT || type.id() == arrow::Type::DOUBLE;
}

std::shared_ptr<arrow::DataType> SumType(const arrow::DataType& argument) {
  if (IsFloat(argument)) return arrow::float64();
  if (argument.id() != arrow::Type::DECIMAL128) return arrow::decimal128(38, 0);
  return arrow::decimal128(38, static_cast<const arrow::Decimal128Type&>(argument).scale());
}

// Instants are the same in every zone: the zone says how they are shown, and a session may have another one than the
// view's CREATE had.
bool AreInstants(const arrow::DataType& type, const arrow::DataType& other) {
  if (type.id() != arrow::Type::TIMESTAMP || other.id() != arrow::Type::TIMESTAMP) return false;
  const auto& time = static_cast<const arrow::TimestampType&>(type);
  const auto& other_time = static_cast<const arrow::TimestampType&>(other);
  return time.unit() == other_time.unit() && !time.timezone().empty() && !other_time.timezone().empty();
}

arrow::Status CheckResultType(const arrow::DataType& expected, const arrow::DataType& actual) {
  if (expected.Equals(actual) || AreInstants(expected, actual)) return arrow::Status::OK();
  return arrow::Status::Invalid("a result of type ", actual.ToString(), " where ", expected.ToString(), " is computed");
}

// A value between two of the argument's: of its own type or, of integers, DOUBLE, of dates a time.
arrow::Status CheckBetween(const arrow::DataType& argument, const arrow::DataType& result) {
  if (argument.id() == arrow::Type::DATE32) return CheckResultType(*arrow::timestamp(arrow::TimeUnit::MICRO), result);
  const bool is_whole = arrow::is_integer(argument.id()) || argument.Equals(*arrow::decimal128(38, 0));
  return CheckResultType(is_whole ? *arrow::float64() : argument, result);
}

arrow::Status CheckNested(const AggregateFunction& function, const AggregateColumn& aggregate,
                          const arrow::DataType& argument) {
  const arrow::DataType& result = *aggregate.result_type;
  if (aggregate.kind == AggregateKind::kHistogram && result.id() == arrow::Type::MAP) {
    const auto& map = static_cast<const arrow::MapType&>(result);
    ARROW_RETURN_NOT_OK(CheckResultType(*arrow::uint64(), *map.item_type()));
    return CheckResultType(argument, *map.key_type());
  }
  if (aggregate.kind != AggregateKind::kHistogram && result.id() == arrow::Type::LIST) {
    const arrow::DataType& element = *static_cast<const arrow::ListType&>(result).value_type();
    if (aggregate.kind == AggregateKind::kQuantileCont) return CheckBetween(argument, element);
    return CheckResultType(argument, element);
  }
  return arrow::Status::Invalid(function.name(), " does not give ", result.ToString());
}

arrow::Status CheckParameters(const AggregateFunction& function, const AggregateColumn& aggregate) {
  const std::vector<double>& given = aggregate.parameters;
  const auto within = [&](double least, double greatest) {
    return std::ranges::all_of(given, [&](double q) { return q >= least && q <= greatest; });
  };
  const bool takes_list = aggregate.result_type->id() == arrow::Type::LIST;
  switch (aggregate.kind) {
    case AggregateKind::kApproxTopK:
      if (given.size() == 1 && within(1, kTopMax)) return arrow::Status::OK();
      return arrow::Status::Invalid(function.name(), " keeps the 1 to ", kTopMax, " most frequent values, not ",
                                    std::llround(given.empty() ? 0 : given[0]), ": give it a number of that range");
    case AggregateKind::kApproxQuantile:
    case AggregateKind::kMedian:
    case AggregateKind::kQuantileCont:
    case AggregateKind::kQuantileDisc: {
      const double least = aggregate.kind == AggregateKind::kApproxQuantile ? 0 : -1;
      if ((given.size() == 1 || takes_list) && within(least, 1)) return arrow::Status::OK();
      return arrow::Status::Invalid(function.name(), " takes shares from ", least, " to 1");
    }
    case AggregateKind::kLinearFit:
    case AggregateKind::kLogisticFit:
      if (given.empty() || (given.size() == 1 && given[0] >= 0 && std::isfinite(given[0]))) return arrow::Status::OK();
      return arrow::Status::Invalid("The ridge of ", function.name(), " is a number from 0 on");
    case AggregateKind::kEwma:
    case AggregateKind::kDecayedSum:
    case AggregateKind::kDecayedCount:
      if (given.size() == 1 && given[0] > 0) return arrow::Status::OK();
      return arrow::Status::Invalid("The half-life of ", function.name(),
                                    " is an interval above zero, such as INTERVAL '1 hour'");
    default:
      return arrow::Status::OK();
  }
}

// By the rule of its first function: what other functions of the kind are called with is less.
bool Takes(const AggregateFunction& function, std::size_t argument, const arrow::DataType& type) {
  switch (function.arguments[argument]) {
    case ArgumentRule::kAny:
      return true;
    case ArgumentRule::kNumber:
      return IsNumber(type) || (function.kind != AggregateKind::kAvg && type.id() == arrow::Type::BOOL);
    case ArgumentRule::kDouble:
    case ArgumentRule::kLogarithm:
      return type.id() == arrow::Type::DOUBLE;
    case ArgumentRule::kTruth:
      return type.id() == arrow::Type::BOOL;
    case ArgumentRule::kMeasured:
      return IsNumber(type);
    case ArgumentRule::kInstant:
    case ArgumentRule::kEventInstant:
      return type.id() == arrow::Type::INT64;
    case ArgumentRule::kVector:
      return type.Equals(*arrow::list(arrow::float64()));
    case ArgumentRule::kBetween:
      return IsNumber(type) || arrow::is_temporal(type.id());
    case ArgumentRule::kInteger:
      return arrow::is_integer(type.id()) || type.Equals(*arrow::decimal128(38, 0));
    default:
      return PhysicalOf(type).has_value();
  }
}

bool IsExtreme(AggregateKind kind) { return kind == AggregateKind::kMin || kind == AggregateKind::kMax; }

// Which aggregates share a part: those of the same arguments, condition and family, but in some families each kind has
// its own.
struct PartKey {
  std::vector<int> arguments;
  int filter;
  StateFamily family;
  std::optional<AggregateKind> kind;  // where it has its own
  std::vector<double> parameters;     // likewise
  bool is_text_extreme = false;

  friend bool operator==(const PartKey&, const PartKey&) = default;
};

bool IsShared(StateFamily family) {
  return family == StateFamily::kSummary || family == StateFamily::kMoments || family == StateFamily::kPairs ||
         family == StateFamily::kFit || family == StateFamily::kDistinct || family == StateFamily::kQuantile ||
         family == StateFamily::kBag;
}

ArgumentTypes TypesOf(const AggregateQuery& query, const std::vector<int>& arguments) {
  ArgumentTypes types;
  for (const int argument : arguments) types.push_back(query.evaluated_schema->field(argument)->type());
  return types;
}

PartKey PartKeyOf(const AggregateQuery& query, const AggregateColumn& aggregate) {
  PartKey key{.arguments = aggregate.arguments,
              .filter = aggregate.filter,
              .family = FunctionOf(aggregate.kind).family,
              .kind = std::nullopt,
              .parameters = {}};
  // count(*) with a condition counts like count(x).
  if (key.family == StateFamily::kRows) key.family = StateFamily::kSummary;
  key.is_text_extreme =
      IsExtreme(aggregate.kind) && *PhysicalOf(*TypesOf(query, aggregate.arguments).front()) == Physical::kBytes;
  if (key.family == StateFamily::kDecay) {
    key.parameters = aggregate.parameters;
  } else if (key.family == StateFamily::kVector) {
    key.kind = aggregate.kind == AggregateKind::kVecAvg ? AggregateKind::kVecSum : aggregate.kind;
  } else if (!IsShared(key.family) || key.is_text_extreme) {
    key.kind = aggregate.kind;
    key.parameters = aggregate.parameters;
  }
  return key;
}

std::unique_ptr<StateOps> MakeSummary(const AggregateQuery& query, const PartKey& key, const ArgumentTypes& types) {
  if (key.is_text_extreme) return MakeTextExtremeOps(*key.kind, *types.front());
  SummaryNeeds needs;
  for (const AggregateColumn& aggregate : query.aggregates) {
    if (PartKeyOf(query, aggregate) != key) continue;
    needs.sum = needs.sum || aggregate.kind == AggregateKind::kSum || aggregate.kind == AggregateKind::kAvg ||
                aggregate.kind == AggregateKind::kGeomean;
    needs.extremes = needs.extremes || IsExtreme(aggregate.kind);
  }
  return MakeSummaryOps(types.empty() ? nullptr : types.front().get(), needs);
}

bool NeedsHigherMoments(const AggregateQuery& query, const PartKey& key) {
  return std::ranges::any_of(query.aggregates, [&](const AggregateColumn& aggregate) {
    return (aggregate.kind == AggregateKind::kSkewness || aggregate.kind == AggregateKind::kKurtosis ||
            aggregate.kind == AggregateKind::kKurtosisPop) &&
           PartKeyOf(query, aggregate) == key;
  });
}

// Does sum(DISTINCT) end at 38 digits? A DECIMAL of 38 digits travels as a HUGEINT does: the view's column tells.
bool SumsDecimals(const AggregateQuery& query, const PartKey& key) {
  for (std::size_t i = 0; i < query.output_types.size(); ++i) {
    const OutputColumn& column = query.output[i];
    if (column.is_key || !query.output_types[i].starts_with("DECIMAL")) continue;
    const AggregateColumn& aggregate = query.aggregates[static_cast<std::size_t>(column.index)];
    if (aggregate.kind == AggregateKind::kSumDistinct && PartKeyOf(query, aggregate) == key) return true;
  }
  return false;
}

std::unique_ptr<StateOps> MakeOps(const AggregateQuery& query, const PartKey& key,
                                  const std::shared_ptr<std::atomic<std::int64_t>>& exact_bytes) {
  const ArgumentTypes types = TypesOf(query, key.arguments);
  switch (key.family) {
    case StateFamily::kRows:
    case StateFamily::kSummary:
      return MakeSummary(query, key, types);
    case StateFamily::kMoments:
      return MakeMomentOps(NeedsHigherMoments(query, key));
    case StateFamily::kPairs:
      return MakePairOps();
    case StateFamily::kProduct:
      return MakeProductOps();
    case StateFamily::kBits:
      return MakeBitOps(*key.kind, *types.front());
    case StateFamily::kPick:
      return MakePickOps(*key.kind, types);
    case StateFamily::kDistinct:
      return MakeDistinctOps(*types.front());
    case StateFamily::kQuantile:
      return MakeQuantileOps(*types.front());
    case StateFamily::kTop:
      return MakeTopOps(*types.front(), key.parameters.front());
    case StateFamily::kFit:
      return MakeFitOps();
    case StateFamily::kVector:
      return MakeVectorOps(*key.kind);
    case StateFamily::kDecay:
      return MakeDecayOps(key.parameters.front());
    case StateFamily::kLogistic:
      return MakeLogisticOps(key.parameters.empty() ? 1 : key.parameters.front());
    case StateFamily::kBag:
      return MakeBagOps(types.front(), SumsDecimals(query, key), exact_bytes);
  }
  return nullptr;
}

std::size_t RoundUp(std::size_t bytes) { return (bytes + 7) / 8 * 8; }

}  // namespace

arrow::Status CheckAggregate(const AggregateColumn& aggregate, const ArgumentTypes& arguments) {
  const AggregateFunction& function = FunctionOf(aggregate.kind);
  if (arguments.size() != function.column_count()) {
    return arrow::Status::Invalid(function.name(), " has ", function.column_count(), " arguments, not ",
                                  arguments.size());
  }
  const arrow::DataType& result = *aggregate.result_type;
  ARROW_RETURN_NOT_OK(CheckParameters(function, aggregate));
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (Takes(function, i, *arguments[i])) continue;
    return arrow::Status::NotImplemented(function.name(), " of ", arguments[i]->ToString(), " cannot be maintained");
  }
  if (aggregate.of_argument_type) return CheckResultType(*arguments.front(), result);
  if (function.family == StateFamily::kVector) {
    if (IsVector(result)) return arrow::Status::OK();
    return CheckResultType(*arrow::list(arrow::float64()), result);
  }
  if (result.id() == arrow::Type::LIST || result.id() == arrow::Type::MAP) {
    return CheckNested(function, aggregate, *arguments.front());
  }
  switch (aggregate.kind) {
    case AggregateKind::kCountStar:
    case AggregateKind::kCount:
    case AggregateKind::kCountDistinct:
    case AggregateKind::kApproxCountDistinct:
      return CheckResultType(*arrow::int64(), result);
    case AggregateKind::kMedian:
    case AggregateKind::kQuantileCont:
      return CheckBetween(*arguments.front(), result);
    case AggregateKind::kSum:
    case AggregateKind::kSumDistinct:
      return CheckResultType(*SumType(*arguments.front()), result);
    case AggregateKind::kRegrCount:
      return CheckResultType(*arrow::uint32(), result);
    case AggregateKind::kStandardScaler:
      return CheckResultType(*ScalerType(), result);
    case AggregateKind::kLinearFit:
      return CheckFitType(result);
    case AggregateKind::kLogisticFit:
      return CheckLogisticType(result);
    default:
      return CheckResultType(*arrow::float64(), result);
  }
}

arrow::Status StateOps::LoadWider(std::string_view payload, Record record, HeapAccount& heap) const {
  StateReader reader(payload);
  ARROW_RETURN_NOT_OK(Load(reader, std::span(&record, 1), heap));
  return reader.left() == 0 ? arrow::Status::OK() : arrow::Status::Invalid("View state: bytes are left over");
}

RecordLayout::RecordLayout(const AggregateQuery& query, std::int64_t key_width, std::optional<std::size_t> only) {
  std::size_t end = key_width == RowKeys::kVariable ? sizeof(std::uint64_t) + sizeof(KeyRef)
                                                    : RoundUp(kKeyOffset + static_cast<std::size_t>(key_width));
  std::vector<PartKey> keys;
  std::vector<StateOps*> placed;
  const auto placed_ones = only ? std::span(query.aggregates).subspan(*only, 1) : std::span(query.aggregates);
  for (const AggregateColumn& aggregate : placed_ones) {
    if (aggregate.kind == AggregateKind::kCountStar && aggregate.filter < 0) {
      ops_of_.push_back(nullptr);
      continue;
    }
    const PartKey key = PartKeyOf(query, aggregate);
    const auto known = std::ranges::find(keys, key);
    if (known != keys.end()) {
      ops_of_.push_back(placed[static_cast<std::size_t>(known - keys.begin())]);
      continue;
    }
    std::unique_ptr<StateOps> ops = MakeOps(query, key, exact_bytes_);
    ops->Place(end);
    end += ops->width();
    has_heap_ = has_heap_ || ops->has_heap();
    has_large_ = has_large_ || ops->is_large();
    keys.push_back(key);
    placed.push_back(ops.get());
    ops_of_.push_back(ops.get());
    parts_.push_back({.ops = std::move(ops), .arguments = aggregate.arguments, .filter = aggregate.filter});
  }
  prototype_.resize(end);
  for (const Part& part : parts_) part.ops->Init(prototype_.data());
}

arrow::Status CheckExactBytes(const AggregateQuery& query, const RecordLayout& layout) {
  if (layout.exact_bytes() <= query.exact_bytes_max) return arrow::Status::OK();
  const auto& column = *std::ranges::find_if(query.output, [&](const OutputColumn& output) {
    return !output.is_key &&
           FunctionOf(query.aggregates[static_cast<std::size_t>(output.index)].kind).family == StateFamily::kBag;
  });
  const AggregateFunction& function = FunctionOf(query.aggregates[static_cast<std::size_t>(column.index)].kind);
  return arrow::Status::CapacityError("View ", query.view.ToString(), ", column ", column.name, ": ",
                                      function.signature, " keeps every distinct value, and the view's passed ",
                                      query.exact_bytes_max >> 20, " MiB: drop the view, or make it anew with ",
                                      function.instead);
}

}  // namespace hyprstream::aggregate
