#include "aggregate/accumulator_internal.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "aggregate/physical_internal.h"

namespace hyprstream::aggregate {
namespace {

using Groups = std::span<const std::uint32_t>;

template <class T>
std::int64_t BytesOf(const std::vector<T>& values) {
  return static_cast<std::int64_t>(values.capacity() * sizeof(T));
}

arrow::Status Damaged(std::string_view what) { return arrow::Status::Invalid("View state: ", what); }

// No view has seen more rows; what is below can be added up without overflow.
constexpr std::int64_t kCountMax = std::int64_t{1} << 48;

arrow::Result<std::vector<std::int64_t>> LoadCounts(StateReader& reader, std::int64_t groups) {
  ARROW_ASSIGN_OR_RAISE(auto counts, reader.TakeAll<std::int64_t>(static_cast<std::uint64_t>(groups)));
  if (std::ranges::any_of(counts, [](std::int64_t count) { return count < 0 || count > kCountMax; })) {
    return Damaged("a count that cannot be");
  }
  return counts;
}

class Count final : public Accumulator {
 public:
  void Resize(std::int64_t groups) override { counts_.resize(static_cast<std::size_t>(groups)); }
  void Update(const arrow::Array* argument, Groups rows, Groups groups) override {
    if (argument == nullptr) {
      for (const std::uint32_t group : groups) ++counts_[group];
      return;
    }
    for (std::size_t i = 0; i < rows.size(); ++i) counts_[groups[i]] += argument->IsValid(rows[i]) ? 1 : 0;
  }
  void Merge(const Accumulator& other, Groups groups) override {
    const auto& from = static_cast<const Count&>(other);
    for (std::size_t i = 0; i < groups.size(); ++i) counts_[groups[i]] += from.counts_[i];
  }
  std::unique_ptr<Accumulator> Clone() const override { return std::make_unique<Count>(*this); }
  arrow::Status Read(Groups groups, arrow::ArrayBuilder& builder) const override {
    return WithBuilder<std::int64_t>(builder, [&](auto append) {
      for (const std::uint32_t group : groups) ARROW_RETURN_NOT_OK(append(counts_[group]));
      return arrow::Status::OK();
    });
  }
  std::int64_t bytes() const override { return BytesOf(counts_); }
  void Save(StateWriter& writer) const override { writer.PutAll(counts_); }
  arrow::Status Load(StateReader& reader, std::int64_t groups) override {
    return LoadCounts(reader, groups).Value(&counts_);
  }

 private:
  std::vector<std::int64_t> counts_;
};

// What sum and avg share: how the finished number is made.
struct SumResult {
  bool is_average = false;
  bool wide_division = true;  // DuckDB averages 16-bit arguments in double, wider ones in long double
  double scale = 1;           // of a decimal argument, as a power of ten
  bool is_decimal = false;    // ends at 38 digits, else at 128 bits
};

// Exact: the low 128 bits wrap, and how often they did is kept apart for the few groups where that ever happens. So
// only the final sum can be out of range, in whatever order its terms came.
template <class V>
class ExactSum final : public Accumulator {
 public:
  explicit ExactSum(SumResult result) : result_(result) {}

  void Resize(std::int64_t groups) override {
    counts_.resize(static_cast<std::size_t>(groups));
    sums_.resize(static_cast<std::size_t>(groups));
    if (!carries_.empty()) carries_.resize(static_cast<std::size_t>(groups));
  }
  void Update(const arrow::Array* argument, Groups rows, Groups groups) override {
    ForEachValid<V>(*argument, rows, groups, [this](std::uint32_t group, V value) {
      ++counts_[group];
      Add(group, static_cast<Int128>(value));
    });
  }
  void Merge(const Accumulator& other, Groups groups) override {
    const auto& from = static_cast<const ExactSum&>(other);
    for (std::size_t i = 0; i < groups.size(); ++i) {
      counts_[groups[i]] += from.counts_[i];
      Add(groups[i], from.sums_[i]);
      if (!from.carries_.empty() && from.carries_[i] != 0) Carry(groups[i], from.carries_[i]);
    }
  }
  std::unique_ptr<Accumulator> Clone() const override { return std::make_unique<ExactSum>(*this); }
  arrow::Status Read(Groups groups, arrow::ArrayBuilder& builder) const override {
    if (result_.is_average) return ReadAverages(groups, builder);
    return WithBuilder<Int128>(builder, [&](auto append) {
      for (const std::uint32_t group : groups) {
        if (counts_[group] == 0) {
          ARROW_RETURN_NOT_OK(builder.AppendNull());
        } else if (!Fits(group)) {
          return arrow::Status::Invalid("the sum is out of range of ", result_.is_decimal ? "DECIMAL(38)" : "HUGEINT");
        } else {
          ARROW_RETURN_NOT_OK(append(sums_[group]));
        }
      }
      return arrow::Status::OK();
    });
  }
  std::int64_t bytes() const override { return BytesOf(counts_) + BytesOf(sums_) + BytesOf(carries_); }
  void Save(StateWriter& writer) const override {
    writer.PutAll(counts_);
    writer.PutAll(sums_);
    writer.Put<std::uint8_t>(carries_.empty() ? 0 : 1);
    writer.PutAll(carries_);
  }
  arrow::Status Load(StateReader& reader, std::int64_t groups) override {
    ARROW_ASSIGN_OR_RAISE(counts_, LoadCounts(reader, groups));
    ARROW_ASSIGN_OR_RAISE(sums_, reader.TakeAll<Int128>(static_cast<std::uint64_t>(groups)));
    ARROW_ASSIGN_OR_RAISE(const auto has_carries, reader.Take<std::uint8_t>());
    if (has_carries > 1) return Damaged("a flag that is neither set nor clear");
    if (has_carries == 0) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(carries_, reader.TakeAll<std::int64_t>(static_cast<std::uint64_t>(groups)));
    const auto impossible = [](std::int64_t carry) { return carry > kCountMax || carry < -kCountMax; };
    return std::ranges::any_of(carries_, impossible) ? Damaged("a sum that cannot be") : arrow::Status::OK();
  }

 private:
  void Carry(std::uint32_t group, std::int64_t carry) {
    if (carries_.empty()) carries_.resize(sums_.size());
    carries_[group] += carry;
  }
  void Add(std::uint32_t group, Int128 value) {
    const Int128 before = sums_[group];
    const Int128 sum = static_cast<Int128>(static_cast<UInt128>(before) + static_cast<UInt128>(value));
    sums_[group] = sum;
    if (value >= 0 ? sum < before : sum > before) [[unlikely]]
      Carry(group, value >= 0 ? 1 : -1);
  }
  bool FitsHugeint(std::uint32_t group) const { return carries_.empty() || carries_[group] == 0; }
  bool Fits(std::uint32_t group) const {
    if (!FitsHugeint(group) || !result_.is_decimal) return FitsHugeint(group);
    constexpr Int128 kTenTo19 = Int128{10'000'000'000'000'000'000ULL};
    constexpr Int128 kLimit = kTenTo19 * kTenTo19;
    return sums_[group] < kLimit && sums_[group] > -kLimit;
  }
  arrow::Status ReadAverages(Groups groups, arrow::ArrayBuilder& builder) const {
    return WithBuilder<double>(builder, [&](auto append) {
      for (const std::uint32_t group : groups) {
        if (counts_[group] == 0) {
          ARROW_RETURN_NOT_OK(builder.AppendNull());
        } else if (!FitsHugeint(group)) {
          return arrow::Status::Invalid("the sum behind the average is out of range of HUGEINT");
        } else {
          ARROW_RETURN_NOT_OK(append(Average(group)));
        }
      }
      return arrow::Status::OK();
    });
  }
  double Average(std::uint32_t group) const {
    if (!result_.wide_division) {
      return static_cast<double>(sums_[group]) / (static_cast<double>(counts_[group]) * result_.scale);
    }
    return static_cast<double>(static_cast<long double>(sums_[group]) /
                               (static_cast<long double>(counts_[group]) * result_.scale));
  }

  SumResult result_;
  std::vector<std::int64_t> counts_;   // values that were not NULL
  std::vector<Int128> sums_;           // modulo 2^128
  std::vector<std::int64_t> carries_;  // times 2^128; empty while all are 0
};

// Double-double: each addition's rounding error is found exactly (Knuth's TwoSum) and summed up beside the sum.
template <class V>
class FloatSum final : public Accumulator {
 public:
  explicit FloatSum(SumResult result) : result_(result) {}

  void Resize(std::int64_t groups) override {
    counts_.resize(static_cast<std::size_t>(groups));
    sums_.resize(static_cast<std::size_t>(groups));
    errors_.resize(static_cast<std::size_t>(groups));
  }
  void Update(const arrow::Array* argument, Groups rows, Groups groups) override {
    ForEachValid<V>(*argument, rows, groups, [this](std::uint32_t group, V value) {
      ++counts_[group];
      Add(group, static_cast<double>(value));
    });
  }
  void Merge(const Accumulator& other, Groups groups) override {
    const auto& from = static_cast<const FloatSum&>(other);
    for (std::size_t i = 0; i < groups.size(); ++i) {
      counts_[groups[i]] += from.counts_[i];
      Add(groups[i], from.sums_[i]);
      errors_[groups[i]] += from.errors_[i];
    }
  }
  std::unique_ptr<Accumulator> Clone() const override { return std::make_unique<FloatSum>(*this); }
  arrow::Status Read(Groups groups, arrow::ArrayBuilder& builder) const override {
    return WithBuilder<double>(builder, [&](auto append) {
      for (const std::uint32_t group : groups) {
        if (counts_[group] == 0) {
          ARROW_RETURN_NOT_OK(builder.AppendNull());
          continue;
        }
        // With an infinity or a NaN the error term means nothing.
        const double sum = std::isfinite(sums_[group]) ? sums_[group] + errors_[group] : sums_[group];
        ARROW_RETURN_NOT_OK(append(result_.is_average ? sum / static_cast<double>(counts_[group]) : sum));
      }
      return arrow::Status::OK();
    });
  }
  std::int64_t bytes() const override { return BytesOf(counts_) + BytesOf(sums_) + BytesOf(errors_); }
  void Save(StateWriter& writer) const override {
    writer.PutAll(counts_);
    writer.PutAll(sums_);
    writer.PutAll(errors_);
  }
  arrow::Status Load(StateReader& reader, std::int64_t groups) override {
    ARROW_ASSIGN_OR_RAISE(counts_, LoadCounts(reader, groups));
    ARROW_ASSIGN_OR_RAISE(sums_, reader.TakeAll<double>(static_cast<std::uint64_t>(groups)));
    return reader.TakeAll<double>(static_cast<std::uint64_t>(groups)).Value(&errors_);
  }

 private:
  void Add(std::uint32_t group, double value) {
    const double before = sums_[group];
    const double sum = before + value;
    const double part = sum - before;
    sums_[group] = sum;
    errors_[group] += (before - (sum - part)) + (value - part);
  }

  SumResult result_;
  std::vector<std::int64_t> counts_;  // values that were not NULL
  std::vector<double> sums_;
  std::vector<double> errors_;
};

template <class V>
bool Less(const V& a, const V& b) {
  if constexpr (std::is_floating_point_v<V>) {
    return a < b || (std::isnan(b) && !std::isnan(a));  // NaN is the greatest
  } else {
    return a < b;
  }
}

// Equal values: the first one stays.
template <class V, bool kIsMin>
class Extreme final : public Accumulator {
  // vector<bool> is no column; a string_view needs an owner.
  using Kept = std::conditional_t<std::same_as<V, bool>, std::uint8_t,
                                  std::conditional_t<std::same_as<V, std::string_view>, std::string, V>>;

 public:
  void Resize(std::int64_t groups) override {
    seen_.resize(static_cast<std::size_t>(groups));
    values_.resize(static_cast<std::size_t>(groups));
  }
  void Update(const arrow::Array* argument, Groups rows, Groups groups) override {
    ForEachValid<V>(*argument, rows, groups, [this](std::uint32_t group, V value) { Offer(group, value); });
  }
  void Merge(const Accumulator& other, Groups groups) override {
    const auto& from = static_cast<const Extreme&>(other);
    for (std::size_t i = 0; i < groups.size(); ++i) {
      if (from.seen_[i] != 0) Offer(groups[i], static_cast<V>(from.values_[i]));
    }
  }
  std::unique_ptr<Accumulator> Clone() const override { return std::make_unique<Extreme>(*this); }
  arrow::Status Read(Groups groups, arrow::ArrayBuilder& builder) const override {
    return WithBuilder<V>(builder, [&](auto append) {
      for (const std::uint32_t group : groups) {
        ARROW_RETURN_NOT_OK(seen_[group] == 0 ? builder.AppendNull() : append(static_cast<V>(values_[group])));
      }
      return arrow::Status::OK();
    });
  }
  std::int64_t bytes() const override { return BytesOf(seen_) + BytesOf(values_) + heap_bytes_; }
  void Save(StateWriter& writer) const override {
    writer.PutAll(seen_);
    if constexpr (std::same_as<Kept, std::string>) {
      for (const std::string& value : values_) {
        writer.Put(static_cast<std::uint64_t>(value.size()));
        writer.PutBytes(value);
      }
    } else {
      writer.PutAll(values_);
    }
  }
  arrow::Status Load(StateReader& reader, std::int64_t groups) override {
    ARROW_ASSIGN_OR_RAISE(seen_, reader.TakeAll<std::uint8_t>(static_cast<std::uint64_t>(groups)));
    if (std::ranges::any_of(seen_, [](std::uint8_t seen) { return seen > 1; })) {
      return Damaged("a flag that is neither set nor clear");
    }
    if constexpr (std::same_as<Kept, std::string>) {
      values_.resize(static_cast<std::size_t>(groups));
      for (std::string& value : values_) {
        ARROW_ASSIGN_OR_RAISE(const auto size, reader.Take<std::uint64_t>());
        ARROW_ASSIGN_OR_RAISE(value, reader.TakeBytes(size));
        heap_bytes_ += HeapBytes(value);
      }
      return arrow::Status::OK();
    } else {
      return reader.TakeAll<Kept>(static_cast<std::uint64_t>(groups)).Value(&values_);
    }
  }

 private:
  static std::int64_t HeapBytes(const std::string& value) {
    return value.capacity() < sizeof(std::string) ? 0 : static_cast<std::int64_t>(value.capacity());
  }
  void Offer(std::uint32_t group, V value) {
    const bool better =
        kIsMin ? Less<V>(value, static_cast<V>(values_[group])) : Less<V>(static_cast<V>(values_[group]), value);
    if (seen_[group] != 0 && !better) return;
    seen_[group] = 1;
    if constexpr (std::same_as<Kept, std::string>) {
      heap_bytes_ -= HeapBytes(values_[group]);
      values_[group].assign(value);
      heap_bytes_ += HeapBytes(values_[group]);
    } else {
      values_[group] = static_cast<Kept>(value);
    }
  }

  std::vector<std::uint8_t> seen_;
  std::vector<Kept> values_;
  std::int64_t heap_bytes_ = 0;  // of strings
};

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

SumResult SumResultOf(const AggregateColumn& aggregate, const arrow::DataType& argument) {
  SumResult result{.is_average = aggregate.kind == AggregateKind::kAvg, .is_decimal = aggregate.decimal_sum};
  if (argument.id() == arrow::Type::DECIMAL128) {
    const auto& decimal = static_cast<const arrow::Decimal128Type&>(argument);
    result.scale = std::pow(10.0, decimal.scale());
    result.wide_division = decimal.precision() > 4;
  } else {
    result.wide_division = argument.bit_width() > 16 || argument.id() == arrow::Type::UINT16;
  }
  return result;
}

arrow::Status CheckResultType(const arrow::DataType& expected, const arrow::DataType& actual) {
  if (expected.Equals(actual)) return arrow::Status::OK();
  return arrow::Status::Invalid("a result of type ", actual.ToString(), " where ", expected.ToString(), " is computed");
}

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

std::unique_ptr<Accumulator> MakeAccumulator(const AggregateColumn& aggregate, const arrow::DataType* argument) {
  if (aggregate.kind == AggregateKind::kCountStar || aggregate.kind == AggregateKind::kCount) {
    return std::make_unique<Count>();
  }
  const bool is_sum = aggregate.kind == AggregateKind::kSum || aggregate.kind == AggregateKind::kAvg;
  return WithPhysical(*PhysicalOf(*argument), [&]<class V>(std::type_identity<V>) -> std::unique_ptr<Accumulator> {
    if constexpr (std::is_floating_point_v<V>) {
      if (is_sum) return std::make_unique<FloatSum<V>>(SumResultOf(aggregate, *argument));
    } else if constexpr (!std::same_as<V, std::string_view>) {
      if (is_sum) return std::make_unique<ExactSum<V>>(SumResultOf(aggregate, *argument));
    }
    if (aggregate.kind == AggregateKind::kMin) return std::make_unique<Extreme<V, true>>();
    return std::make_unique<Extreme<V, false>>();
  });
}

}  // namespace hyprstream::aggregate
