#include "aggregate/state_ops_internal.h"

#include <algorithm>

#include "aggregate/physical_internal.h"
#include "aggregate/row_keys_internal.h"
#include "aggregate/summary_ops_internal.h"
#include "arrow/type.h"

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

bool IsExtreme(AggregateKind kind) { return kind == AggregateKind::kMin || kind == AggregateKind::kMax; }

// Which aggregates share a part: all of one argument and condition, but for each extreme of text.
struct PartKey {
  int argument;
  int filter;
  bool is_text_extreme;
  AggregateKind kind;  // of a text extreme

  friend bool operator==(const PartKey&, const PartKey&) = default;
};

const arrow::DataType* ArgumentType(const AggregateQuery& query, int argument) {
  return argument < 0 ? nullptr : query.evaluated_schema->field(argument)->type().get();
}

PartKey PartKeyOf(const AggregateQuery& query, const AggregateColumn& aggregate) {
  const arrow::DataType* argument = ArgumentType(query, aggregate.argument);
  const bool is_text = IsExtreme(aggregate.kind) && *PhysicalOf(*argument) == Physical::kBytes;
  return {.argument = aggregate.argument,
          .filter = aggregate.filter,
          .is_text_extreme = is_text,
          .kind = is_text ? aggregate.kind : AggregateKind::kCount};
}

std::unique_ptr<StateOps> MakeOps(const AggregateQuery& query, const PartKey& key) {
  if (key.is_text_extreme) return MakeTextExtremeOps(key.kind);
  SummaryNeeds needs;
  for (const AggregateColumn& aggregate : query.aggregates) {
    if (PartKeyOf(query, aggregate) != key) continue;
    needs.sum = needs.sum || aggregate.kind == AggregateKind::kSum || aggregate.kind == AggregateKind::kAvg;
    needs.extremes = needs.extremes || IsExtreme(aggregate.kind);
  }
  return MakeSummaryOps(ArgumentType(query, key.argument), needs);
}

std::size_t RoundUp(std::size_t bytes) { return (bytes + 7) / 8 * 8; }

}  // namespace

arrow::Status CheckAggregate(const AggregateColumn& aggregate, const arrow::DataType* argument) {
  const arrow::DataType& result = *aggregate.result_type;
  switch (aggregate.kind) {
    case AggregateKind::kCountStar:
    case AggregateKind::kCount:
      return CheckResultType(*arrow::int64(), result);
    case AggregateKind::kSum:
      if (!IsNumber(*argument) && argument->id() != arrow::Type::BOOL) break;
      return CheckResultType(*SumType(*argument), result);
    case AggregateKind::kAvg:
      if (!IsNumber(*argument)) break;
      return CheckResultType(*arrow::float64(), result);
    case AggregateKind::kMin:
    case AggregateKind::kMax:
      if (!PhysicalOf(*argument)) break;
      return CheckResultType(*argument, result);
  }
  const char* name = aggregate.kind == AggregateKind::kSum   ? "sum"
                     : aggregate.kind == AggregateKind::kAvg ? "avg"
                     : aggregate.kind == AggregateKind::kMin ? "min"
                                                             : "max";
  return arrow::Status::NotImplemented(name, " of ", argument->ToString(), " cannot be maintained");
}

RecordLayout::RecordLayout(const AggregateQuery& query, std::int64_t key_width) {
  std::size_t end = key_width == RowKeys::kVariable ? sizeof(std::uint64_t) + sizeof(KeyRef)
                                                    : RoundUp(kKeyOffset + static_cast<std::size_t>(key_width));
  std::vector<PartKey> keys;
  std::vector<StateOps*> placed;
  for (const AggregateColumn& aggregate : query.aggregates) {
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
    parts_.push_back({.ops = std::move(ops), .argument = aggregate.argument, .filter = aggregate.filter});
  }
  prototype_.resize(end);
  for (const Part& part : parts_) part.ops->Init(prototype_.data());
}

}  // namespace hyprstream::aggregate
