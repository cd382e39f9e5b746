#include "aggregate/bag_ops_internal.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "aggregate/division_internal.h"
#include "aggregate/owned_ops_internal.h"
#include "aggregate/physical_internal.h"
#include "aggregate/value_bag_internal.h"
#include "aggregate/value_limits_internal.h"
#include "arrow/array/builder_nested.h"
#include "arrow/type.h"
#include "core/aggregate_functions.h"

namespace hyprstream::aggregate {
namespace {

using Records = std::span<const Record>;

// DuckDB's times: microseconds, the ends of the type its infinities.
arrow::Result<std::int64_t> MidnightOf(std::int32_t date) {
  constexpr std::int64_t kDay = 86'400'000'000;
  constexpr auto kInfiniteDate = std::numeric_limits<std::int32_t>::max();
  constexpr auto kInfiniteTime = std::numeric_limits<std::int64_t>::max();
  if (date == kInfiniteDate) return kInfiniteTime;
  if (date == -kInfiniteDate) return -kInfiniteTime;
  std::int64_t midnight = 0;
  if (__builtin_mul_overflow(std::int64_t{date}, kDay, &midnight)) {
    return arrow::Status::Invalid("the date ", date, " days from 1970 is out of range of TIMESTAMP");
  }
  return midnight;
}

std::int64_t TimeBetween(std::int64_t from, double part, std::int64_t to) {
  return std::llround(static_cast<double>(from) * (1.0 - part) + static_cast<double>(to) * part);
}

template <class V>
class BagOps final : public OwnedOps<ValueBag<V>> {
  using Bag = ValueBag<V>;
  using Entry = typename Bag::Entry;
  using Sorted = std::vector<const Entry*>;
  static constexpr bool kIsText = std::same_as<V, std::string_view>;

 public:
  BagOps(std::shared_ptr<arrow::DataType> argument, bool sums_decimals, std::shared_ptr<std::atomic<std::int64_t>> kept)
      : OwnedOps<Bag>(std::move(kept)),
        argument_(std::move(argument)),
        limits_(*argument_),
        sums_decimals_(sums_decimals) {}

  void Update(const BlockInput& input, Records records, BlockScratch& scratch, HeapAccount& heap) const override {
    const auto [values, present] = scratch.Gather<V>(input, records);
    for (std::size_t i = 0; i < present.size(); ++i) {
      this->Change(present[i], heap, [value = values[i]](Bag& bag) { bag.Add(value); });
    }
  }

  arrow::Status Read(const AggregateColumn& aggregate, Records records, arrow::ArrayBuilder& builder) const override {
    for (const Record record : records) {
      const Bag* bag = this->Find(record);
      if (bag == nullptr) {
        ARROW_RETURN_NOT_OK(ReadNothing(aggregate.kind, builder));
      } else {
        ARROW_RETURN_NOT_OK(ReadBag(aggregate, *bag, builder));
      }
    }
    return arrow::Status::OK();
  }

 protected:
  Bag Make() const override { return {}; }
  bool HasValues(const Bag& bag) const override {
    return std::ranges::all_of(bag.Sorted(), [&](const Entry* entry) { return limits_.Has(entry->value); });
  }

 private:
  static arrow::Status ReadNothing(AggregateKind kind, arrow::ArrayBuilder& builder) {
    if (kind == AggregateKind::kCountDistinct) return static_cast<arrow::Int64Builder&>(builder).Append(0);
    if (kind == AggregateKind::kEntropy) return static_cast<arrow::DoubleBuilder&>(builder).Append(0);
    return builder.AppendNull();
  }

  arrow::Status ReadBag(const AggregateColumn& aggregate, const Bag& bag, arrow::ArrayBuilder& builder) const {
    switch (aggregate.kind) {
      case AggregateKind::kCountDistinct:
        return static_cast<arrow::Int64Builder&>(builder).Append(static_cast<std::int64_t>(bag.size()));
      case AggregateKind::kSumDistinct:
      case AggregateKind::kAvgDistinct:
        return ReadSum(aggregate, bag, builder);
      case AggregateKind::kMode:
        return ReadMode(bag, builder);
      case AggregateKind::kEntropy:
        return static_cast<arrow::DoubleBuilder&>(builder).Append(Entropy(bag));
      case AggregateKind::kHistogram:
        return ReadHistogram(bag, static_cast<arrow::MapBuilder&>(builder));
      default:
        return ReadQuantiles(aggregate, bag, builder);
    }
  }

  // ---- sums

  arrow::Status ReadSum(const AggregateColumn& aggregate, const Bag& bag, arrow::ArrayBuilder& builder) const {
    if constexpr (kIsText) {
      return arrow::Status::UnknownError("a sum of text");
    } else if constexpr (std::is_floating_point_v<V>) {
      double sum = 0;
      double error = 0;
      for (const Entry* entry : bag.Sorted()) {
        const double before = sum;
        sum += static_cast<double>(entry->value);
        const double part = sum - before;
        error += (before - (sum - part)) + (static_cast<double>(entry->value) - part);
      }
      const double total = std::isfinite(sum) ? sum + error : sum;
      const bool is_sum = aggregate.kind == AggregateKind::kSumDistinct;
      return static_cast<arrow::DoubleBuilder&>(builder).Append(is_sum ? total
                                                                       : total / static_cast<double>(bag.size()));
    } else {
      Int128 sum = 0;
      for (const Entry* entry : bag.Sorted()) {
        if (__builtin_add_overflow(sum, static_cast<Int128>(entry->value), &sum)) return OutOfRange("HUGEINT");
      }
      const bool is_sum = aggregate.kind == AggregateKind::kSumDistinct;
      if (is_sum && sums_decimals_ && !FitsDecimal(sum)) return OutOfRange("DECIMAL(38)");
      if (aggregate.kind == AggregateKind::kAvgDistinct) {
        return static_cast<arrow::DoubleBuilder&>(builder).Append(
            Division::Of(*argument_)(sum, static_cast<std::int64_t>(bag.size())));
      }
      return WithBuilder<Int128>(builder, [&](auto append) { return append(sum); });
    }
  }
  static arrow::Status OutOfRange(const char* type) {
    return arrow::Status::Invalid("the sum is out of range of ", type);
  }

  // ---- values

  static arrow::Status Append(const Entry& entry, arrow::ArrayBuilder& builder) {
    return WithBuilder<V>(builder, [&](auto append) { return append(entry.value); });
  }

  static arrow::Status ReadMode(const Bag& bag, arrow::ArrayBuilder& builder) {
    const Sorted sorted = bag.Sorted();
    // Of equally frequent ones the least.
    return Append(**std::ranges::max_element(sorted, {}, &Entry::count), builder);
  }

  static double Entropy(const Bag& bag) {
    const auto total = static_cast<double>(bag.total());
    double entropy = 0;
    for (const Entry* entry : bag.Sorted()) {
      const double share = static_cast<double>(entry->count) / total;
      entropy += share * std::log2(1 / share);
    }
    return entropy;
  }

  static arrow::Status ReadHistogram(const Bag& bag, arrow::MapBuilder& builder) {
    ARROW_RETURN_NOT_OK(builder.Append());
    for (const Entry* entry : bag.Sorted()) {
      ARROW_RETURN_NOT_OK(Append(*entry, *builder.key_builder()));
      ARROW_RETURN_NOT_OK(static_cast<arrow::UInt64Builder&>(*builder.item_builder()).Append(entry->count));
    }
    return arrow::Status::OK();
  }

  // ---- quantiles

  // The value at a place among all values in order, repeated as often as they came.
  class Places {
   public:
    explicit Places(const Bag& bag) : sorted_(bag.Sorted()) {
      std::uint64_t end = 0;
      for (const Entry* entry : sorted_) ends_.push_back(end = Bag::Sum(end, entry->count));
    }
    std::uint64_t count() const { return ends_.back(); }
    const Entry& At(std::uint64_t place) const {
      return *sorted_[static_cast<std::size_t>(std::ranges::upper_bound(ends_, place) - ends_.begin())];
    }

   private:
    const Sorted sorted_;
    std::vector<std::uint64_t> ends_;
  };

  arrow::Status ReadQuantiles(const AggregateColumn& aggregate, const Bag& bag, arrow::ArrayBuilder& builder) const {
    const Places places(bag);
    arrow::ArrayBuilder* values = &builder;
    const arrow::DataType* type = aggregate.result_type.get();
    if (type->id() == arrow::Type::LIST) {
      auto& list = static_cast<arrow::ListBuilder&>(builder);
      ARROW_RETURN_NOT_OK(list.Append());
      values = list.value_builder();
      type = static_cast<const arrow::ListType&>(*type).value_type().get();
    }
    for (const double q : aggregate.parameters) {
      ARROW_RETURN_NOT_OK(aggregate.kind == AggregateKind::kQuantileDisc
                              ? Append(places.At(DiscretePlace(places.count(), q)), *values)
                              : ReadContinuous(places, q, *type, *values));
    }
    return arrow::Status::OK();
  }

  // As DuckDB; a negative one counts from the greatest.
  static std::uint64_t DiscretePlace(std::uint64_t count, double q) {
    const auto n = static_cast<double>(count);
    const auto floored = static_cast<std::uint64_t>(std::floor(n - n * std::abs(q)));
    const std::uint64_t place = std::max<std::uint64_t>(1, count - floored) - 1;
    return std::signbit(q) ? count - 1 - place : place;
  }

  arrow::Status ReadContinuous(const Places& places, double q, const arrow::DataType& type,
                               arrow::ArrayBuilder& builder) const {
    const double place = static_cast<double>(places.count() - 1) * std::abs(q);
    auto low = static_cast<std::uint64_t>(std::floor(place));
    auto high = static_cast<std::uint64_t>(std::ceil(place));
    const double part = place - std::floor(place);
    if (std::signbit(q)) {
      low = places.count() - 1 - low;
      high = places.count() - 1 - high;
    }
    const Entry& from = places.At(low);
    const Entry& to = places.At(high);
    if constexpr (kIsText || std::same_as<V, bool>) {
      return arrow::Status::UnknownError("a quantile between texts");
    } else if (type.id() == arrow::Type::DOUBLE) {
      const double value = low == high
                               ? static_cast<double>(from.value)
                               : static_cast<double>(from.value) * (1.0 - part) + static_cast<double>(to.value) * part;
      return static_cast<arrow::DoubleBuilder&>(builder).Append(value);
    } else {
      if constexpr (std::same_as<V, std::int32_t>) {  // dates become times as they are read, as in DuckDB
        if (argument_->id() == arrow::Type::DATE32)
          return ReadDates(from.value, low == high ? 0 : part, to.value, builder);
      }
      V value = from.value;
      if (low != high) value = Between(from.value, part, to.value, type);
      return WithBuilder<V>(builder, [&](auto append) { return append(value); });
    }
  }

  static arrow::Status ReadDates(std::int32_t from, double part, std::int32_t to, arrow::ArrayBuilder& builder) {
    ARROW_ASSIGN_OR_RAISE(auto time, MidnightOf(from));
    if (part != 0) {
      ARROW_ASSIGN_OR_RAISE(const auto end, MidnightOf(to));
      time = TimeBetween(time, part, end);
    }
    return static_cast<arrow::TimestampBuilder&>(builder).Append(time);
  }

  // Times are rounded, decimals cut, as in DuckDB.
  static V Between(V from, double part, V to, const arrow::DataType& type) {
    if constexpr (std::same_as<V, std::int64_t>) {
      if (arrow::is_temporal(type.id())) return TimeBetween(from, part, to);
    }
    const auto low = static_cast<double>(from);
    return static_cast<V>(low + (static_cast<double>(to) - low) * part);
  }

  const std::shared_ptr<arrow::DataType> argument_;
  const ValueLimits limits_;
  const bool sums_decimals_;
};

}  // namespace

std::unique_ptr<StateOps> MakeBagOps(const std::shared_ptr<arrow::DataType>& argument, bool sums_decimals,
                                     std::shared_ptr<std::atomic<std::int64_t>> kept) {
  return WithPhysical(*PhysicalOf(*argument), [&]<class V>(std::type_identity<V>) -> std::unique_ptr<StateOps> {
    return std::make_unique<BagOps<V>>(argument, sums_decimals, kept);
  });
}

}  // namespace hyprstream::aggregate
