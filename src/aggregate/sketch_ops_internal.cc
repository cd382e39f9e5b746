#include "aggregate/sketch_ops_internal.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "aggregate/frequent_items_internal.h"
#include "aggregate/hyper_log_log_internal.h"
#include "aggregate/log_linear_histogram_internal.h"
#include "aggregate/owned_ops_internal.h"
#include "aggregate/physical_internal.h"
#include "aggregate/value_limits_internal.h"
#include "arrow/array/builder_nested.h"
#include "arrow/type.h"

namespace hyprstream::aggregate {
namespace {

using Records = std::span<const Record>;

// NaN is one value, zero has no sign.
template <class V>
V Canonical(V value) {
  if constexpr (std::is_floating_point_v<V>) {
    if (std::isnan(value)) return std::numeric_limits<V>::quiet_NaN();
    return value == 0 ? V{0} : value;
  }
  return value;
}

// A value's bytes; `value` outlives them.
template <class V>
std::string_view BytesOf(const V& value) {
  if constexpr (std::same_as<V, std::string_view>) {
    return value;
  } else {
    return {reinterpret_cast<const char*>(&value), sizeof(V)};
  }
}

template <class V>
class DistinctOps final : public OwnedOps<HyperLogLog> {
 public:
  void Update(const BlockInput& input, Records records, BlockScratch& scratch, HeapAccount& heap) const override {
    const auto [values, present] = scratch.Gather<V>(input, records);
    std::array<std::uint64_t, kBlockRows> hashes;
    for (std::size_t i = 0; i < present.size(); ++i) hashes[i] = HashOf(Canonical(values[i]));
    ChangeRuns(present, heap, [&](HyperLogLog& sketch, std::size_t from, std::size_t until) {
      sketch.Add(std::span(hashes).subspan(from, until - from));
    });
  }
  bool is_large() const override { return true; }
  std::int64_t GrowthBound(std::int64_t rows, std::int64_t groups) const override {
    constexpr std::int64_t kOfRow = 24;  // of a table of hashes, half empty
    constexpr auto kOfGroup =
        static_cast<std::int64_t>(sizeof(HyperLogLog) + 2 * sizeof(std::uint64_t) * HyperLogLog::kExactMax);
    return std::min(rows * kOfRow + groups * 160, groups * kOfGroup);
  }
  arrow::Status Read(const AggregateColumn&, Records records, arrow::ArrayBuilder& builder) const override {
    for (const Record record : records) {
      const HyperLogLog* sketch = Find(record);
      const std::int64_t count = sketch == nullptr ? 0 : sketch->Estimate();
      ARROW_RETURN_NOT_OK(static_cast<arrow::Int64Builder&>(builder).Append(count));
    }
    return arrow::Status::OK();
  }

 protected:
  HyperLogLog Make() const override { return {}; }

 private:
  static std::uint64_t HashOf(const V& value) {
    if constexpr (std::same_as<V, std::string_view> || sizeof(V) > sizeof(std::uint64_t)) {
      return SketchHash(BytesOf(value));
    } else {
      return SketchHashOf(value);
    }
  }
};

template <class V>
class QuantileOps final : public OwnedOps<LogLinearHistogram> {
 public:
  void Update(const BlockInput& input, Records records, BlockScratch& scratch, HeapAccount& heap) const override {
    const auto [values, present] = scratch.Gather<V>(input, records);
    ChangeRuns(present, heap, [&](LogLinearHistogram& sketch, std::size_t from, std::size_t until) {
      sketch.AddAll(values + from, until - from);
    });
  }
  bool is_large() const override { return true; }
  std::int64_t GrowthBound(std::int64_t rows, std::int64_t groups) const override {
    constexpr std::int64_t kOfRow = 2 * LogLinearHistogram::kOctaveBytes;  // each one a power of two of its own
    constexpr std::int64_t kOfGroup = 32 * LogLinearHistogram::kOctaveBytes;
    return std::min(rows * kOfRow + groups * 160, groups * kOfGroup);
  }
  arrow::Status Read(const AggregateColumn& aggregate, Records records, arrow::ArrayBuilder& builder) const override {
    for (const Record record : records) {
      const LogLinearHistogram* sketch = Find(record);
      if (sketch == nullptr || sketch->total() == 0) {
        ARROW_RETURN_NOT_OK(builder.AppendNull());
        continue;
      }
      arrow::ArrayBuilder* values = &builder;
      if (aggregate.result_type->id() == arrow::Type::LIST) {
        auto& list = static_cast<arrow::ListBuilder&>(builder);
        ARROW_RETURN_NOT_OK(list.Append());
        values = list.value_builder();
      }
      for (const double q : aggregate.parameters) ARROW_RETURN_NOT_OK(Append(*sketch->Quantile(q), *values));
    }
    return arrow::Status::OK();
  }

 protected:
  LogLinearHistogram Make() const override { return {}; }

 private:
  // In the argument's own type: least and greatest came from it, so what lies between fits, but for rounding.
  static arrow::Status Append(double value, arrow::ArrayBuilder& builder) {
    return WithBuilder<V>(builder, [&](auto append) {
      if constexpr (std::is_floating_point_v<V>) {
        return append(static_cast<V>(value));
      } else if constexpr (std::same_as<V, Int128>) {
        // A HUGEINT travels as a decimal of 38 digits, and may have more.
        const int digits = static_cast<const arrow::Decimal128Type&>(*builder.type()).precision();
        const Int128 greatest = digits < 38 ? GreatestOfDigits(digits) : static_cast<Int128>(~UInt128{0} >> 1);
        const double rounded = std::nearbyint(value);
        if (rounded >= static_cast<double>(greatest)) return append(greatest);
        if (digits < 38 && rounded <= -static_cast<double>(greatest)) return append(-greatest);
        return append(static_cast<Int128>(rounded));
      } else {
        // The greatest 64-bit values round up to what does not fit.
        const double rounded = std::nearbyint(value);
        if (rounded >= static_cast<double>(std::numeric_limits<V>::max())) return append(std::numeric_limits<V>::max());
        return append(static_cast<V>(rounded));
      }
    });
  }
};

template <class V>
class TopOps final : public OwnedOps<FrequentItems> {
 public:
  TopOps(const arrow::DataType& argument, std::size_t most) : limits_(argument), most_(most) {}

  void Update(const BlockInput& input, Records records, BlockScratch& scratch, HeapAccount& heap) const override {
    const auto [values, present] = scratch.Gather<V>(input, records);
    for (std::size_t i = 0; i < present.size(); ++i) {
      const V value = Canonical(values[i]);
      Change(present[i], heap, [&](FrequentItems& items) { items.Add(BytesOf(value)); });
    }
  }
  arrow::Status Read(const AggregateColumn&, Records records, arrow::ArrayBuilder& builder) const override {
    auto& list = static_cast<arrow::ListBuilder&>(builder);
    for (const Record record : records) {
      const FrequentItems* items = Find(record);
      if (items == nullptr) {
        ARROW_RETURN_NOT_OK(list.AppendNull());
        continue;
      }
      ARROW_RETURN_NOT_OK(list.Append());
      ARROW_RETURN_NOT_OK(WithBuilder<V>(*list.value_builder(), [&](auto append) {
        for (const std::string_view item : items->Top(most_)) ARROW_RETURN_NOT_OK(append(ValueOf(item)));
        return arrow::Status::OK();
      }));
    }
    return arrow::Status::OK();
  }

 protected:
  FrequentItems Make() const override {
    return FrequentItems(static_cast<std::uint32_t>(std::max<std::size_t>(100, 10 * most_)));
  }

  bool HasValues(const FrequentItems& items) const override {
    return items.All([&](std::string_view item) {
      const bool is_whole = std::same_as<V, std::string_view> || item.size() == sizeof(V);
      return is_whole && limits_.Has(ValueOf(item));
    });
  }

 private:
  static V ValueOf(std::string_view item) {
    if constexpr (std::same_as<V, std::string_view>) {
      return item;
    } else {
      V value{};  // bytes of a damaged state may be fewer
      std::memcpy(&value, item.data(), std::min(item.size(), sizeof(V)));
      return value;
    }
  }

  const ValueLimits limits_;
  const std::size_t most_;
};

}  // namespace

std::unique_ptr<StateOps> MakeDistinctOps(const arrow::DataType& argument) {
  return WithPhysical(*PhysicalOf(argument), []<class V>(std::type_identity<V>) -> std::unique_ptr<StateOps> {
    return std::make_unique<DistinctOps<V>>();
  });
}

std::unique_ptr<StateOps> MakeQuantileOps(const arrow::DataType& argument) {
  return WithPhysical(*PhysicalOf(argument), []<class V>(std::type_identity<V>) -> std::unique_ptr<StateOps> {
    if constexpr ((std::is_arithmetic_v<V> && !std::same_as<V, bool>) || std::same_as<V, Int128>) {
      return std::make_unique<QuantileOps<V>>();
    }
    return nullptr;  // CheckAggregate refuses other types
  });
}

std::unique_ptr<StateOps> MakeTopOps(const arrow::DataType& argument, double most) {
  return WithPhysical(*PhysicalOf(argument), [&]<class V>(std::type_identity<V>) -> std::unique_ptr<StateOps> {
    return std::make_unique<TopOps<V>>(argument, static_cast<std::size_t>(most));
  });
}

}  // namespace hyprstream::aggregate
