#include "aggregate/state_ops_internal.h"

#include <algorithm>
#include <optional>

#include "aggregate/bit_ops_internal.h"
#include "aggregate/moment_ops_internal.h"
#include "aggregate/physical_internal.h"
#include "aggregate/pick_ops_internal.h"
#include "aggregate/row_keys_internal.h"
#include "aggregate/summary_ops_internal.h"
#include "arrow/type.h"
#include "core/aggregate_functions.h"

namespace hyprstream::aggregate {
namespace {

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

arrow::Status CheckResultType(const arrow::DataType& expected, const arrow::DataType& actual) {
  if (expected.Equals(actual)) return arrow::Status::OK();
  return arrow::Status::Invalid("a result of type ", actual.ToString(), " where ", expected.ToString(), " is computed");
}

// By the rule of its first function: what other functions of the kind are called with is less.
bool Takes(const AggregateFunction& function, std::size_t argument, const arrow::DataType& type) {
  switch (function.arguments[argument]) {
    case ArgumentRule::kAny:
      return true;
    case ArgumentRule::kNumber:
      return IsNumber(type) || (function.kind == AggregateKind::kSum && type.id() == arrow::Type::BOOL);
    case ArgumentRule::kDouble:
    case ArgumentRule::kLogarithm:
      return type.id() == arrow::Type::DOUBLE;
    case ArgumentRule::kTruth:
      return type.id() == arrow::Type::BOOL;
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
  bool is_text_extreme = false;

  friend bool operator==(const PartKey&, const PartKey&) = default;
};

bool IsShared(StateFamily family) {
  return family == StateFamily::kSummary || family == StateFamily::kMoments || family == StateFamily::kPairs;
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
              .kind = std::nullopt};
  // count(*) with a condition counts like count(x).
  if (key.family == StateFamily::kRows) key.family = StateFamily::kSummary;
  key.is_text_extreme =
      IsExtreme(aggregate.kind) && *PhysicalOf(*TypesOf(query, aggregate.arguments).front()) == Physical::kBytes;
  if (!IsShared(key.family) || key.is_text_extreme) key.kind = aggregate.kind;
  return key;
}

std::unique_ptr<StateOps> MakeSummary(const AggregateQuery& query, const PartKey& key, const ArgumentTypes& types) {
  if (key.is_text_extreme) return MakeTextExtremeOps(*key.kind);
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

std::unique_ptr<StateOps> MakeOps(const AggregateQuery& query, const PartKey& key) {
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
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (Takes(function, i, *arguments[i])) continue;
    return arrow::Status::NotImplemented(function.name(), " of ", arguments[i]->ToString(), " cannot be maintained");
  }
  if (function.of_argument_type) return CheckResultType(*arguments.front(), result);
  switch (aggregate.kind) {
    case AggregateKind::kCountStar:
    case AggregateKind::kCount:
      return CheckResultType(*arrow::int64(), result);
    case AggregateKind::kSum:
      return CheckResultType(*SumType(*arguments.front()), result);
    case AggregateKind::kRegrCount:
      return CheckResultType(*arrow::uint32(), result);
    default:
      return CheckResultType(*arrow::float64(), result);
  }
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
    std::unique_ptr<StateOps> ops = MakeOps(query, key);
    ops->Place(end);
    end += ops->width();
    has_heap_ = has_heap_ || ops->has_heap();
    keys.push_back(key);
    placed.push_back(ops.get());
    ops_of_.push_back(ops.get());
    parts_.push_back({.ops = std::move(ops), .arguments = aggregate.arguments, .filter = aggregate.filter});
  }
  prototype_.resize(end);
  for (const Part& part : parts_) part.ops->Init(prototype_.data());
}

}  // namespace hyprstream::aggregate
