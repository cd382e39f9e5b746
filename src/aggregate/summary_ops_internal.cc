#include "aggregate/summary_ops_internal.h"

#ifdef __SSE4_1__
#include <smmintrin.h>
#endif

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "aggregate/division_internal.h"
#include "aggregate/physical_internal.h"
#include "aggregate/value_limits_internal.h"
#include "arrow/builder.h"
#include "arrow/type.h"
#include "core/aggregate_functions.h"
#include "core/float_sum.h"

namespace hyprstream::aggregate {
namespace {

using Records = std::span<const Record>;

arrow::Status Damaged(std::string_view what) { return arrow::Status::Invalid("View state: ", what); }

// No view has seen more rows; what is below can be added up without overflow.
constexpr std::int64_t kCountMax = std::int64_t{1} << 48;

// An Int128 that needs no more than 8-byte alignment.
struct Wide {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  Int128 value() const { return static_cast<Int128>(static_cast<UInt128>(high) << 64 | low); }
  void Set(Int128 value) {
    low = static_cast<std::uint64_t>(value);
    high = static_cast<std::uint64_t>(static_cast<UInt128>(value) >> 64);
  }
};

// Sums of integers of up to 64 bits: 2^48 of them cannot leave 128 bits.
struct NarrowSum {
  Wide sum;

  template <class V>
  void Add(V value) {
    sum.Set(sum.value() + static_cast<Int128>(value));
  }
  void Subtract(const NarrowSum& from) { sum.Set(sum.value() - from.sum.value()); }
  void Merge(const NarrowSum& from) { sum.Set(sum.value() + from.sum.value()); }
  std::int64_t carry() const { return 0; }
  // Can it be of so many rows?
  bool IsOf(std::int64_t rows) const {
    const Int128 most = static_cast<Int128>(rows) << 64;
    return sum.value() <= most && sum.value() >= -most;
  }
};

// Exact: the low 128 bits wrap, and how often they did is kept beside them. So only the final sum can be out of range,
// in whatever order its terms came.
struct WideSum {
  Wide sum;
  std::int64_t carries = 0;  // times 2^128

  void Add(Int128 value) {
    const Int128 before = sum.value();
    const auto after = static_cast<Int128>(static_cast<UInt128>(before) + static_cast<UInt128>(value));
    sum.Set(after);
    if (value >= 0 ? after < before : after > before) carries += value >= 0 ? 1 : -1;
  }
  void Merge(const WideSum& from) {
    Add(from.sum.value());
    carries += from.carries;
  }
  void Subtract(const WideSum& from) {
    const Int128 value = from.sum.value();
    const Int128 before = sum.value();
    const auto after = static_cast<Int128>(static_cast<UInt128>(before) - static_cast<UInt128>(value));
    sum.Set(after);
    if (value >= 0 ? after > before : after < before) carries -= value >= 0 ? 1 : -1;
    carries -= from.carries;
  }
  std::int64_t carry() const { return carries; }
  bool IsOf(std::int64_t rows) const { return carries <= rows && carries >= -rows; }
};

struct NoSum {
  template <class V>
  void Add(V) {}
  void Merge(const NoSum&) {}
};

template <class V>
using SumOf = std::conditional_t<std::is_floating_point_v<V>, FloatSum,
                                 std::conditional_t<std::same_as<V, Int128>, WideSum, NarrowSum>>;

// Is a less than b, where NaN is the greatest?
template <class V>
bool Less(const V& a, const V& b) {
  if constexpr (std::is_floating_point_v<V>) {
    return a < b || (std::isnan(b) && !std::isnan(a));
  } else {
    return a < b;
  }
}

// Less(value, low) ? value : low, for a value that is not NaN. Without a branch: which of a group's first values are
// its least so far cannot be foretold.
double LeastOf(double value, double low) {
#ifdef __SSE4_1__
  const __m128d kept = _mm_set_sd(low);
  const __m128d offered = _mm_set_sd(value);
  return _mm_cvtsd_f64(_mm_blendv_pd(kept, offered, _mm_cmpnle_sd(kept, offered)));  // true beside NaN
#else
  return Less(value, low) ? value : low;
#endif
}

// Of equal values the first stays. Before any value, min is the greatest and max the least value of the type.
template <class V>
struct Extremes {
  using Kept = std::conditional_t<std::same_as<V, Int128>, Wide, V>;
  alignas(8) Kept least;
  alignas(8) Kept greatest;

  void Init() {
    if constexpr (std::is_floating_point_v<V>) {
      Set(least, std::numeric_limits<V>::quiet_NaN());
      Set(greatest, -std::numeric_limits<V>::infinity());
    } else if constexpr (std::same_as<V, Int128>) {
      Set(least, static_cast<Int128>(~UInt128{0} >> 1));
      Set(greatest, static_cast<Int128>(UInt128{1} << 127));
    } else {
      Set(least, std::numeric_limits<V>::max());
      Set(greatest, std::numeric_limits<V>::lowest());
    }
  }
  void Add(V value) {
    const V low = Get(least);
    const V high = Get(greatest);
    if constexpr (std::same_as<V, double>) {
      if (std::isnan(value)) [[unlikely]] {
        greatest = value;
      } else {
        least = LeastOf(value, low);
        greatest = high < value ? value : high;
      }
    } else {
      Set(least, Less(value, low) ? value : low);
      Set(greatest, Less(high, value) ? value : high);
    }
  }
  void Merge(const Extremes& from) {
    // What has seen nothing holds the ends of the type and changes nothing.
    if constexpr (std::same_as<V, double>) {
      if (!std::isnan(from.least) && !std::isnan(from.greatest)) [[likely]] {
        least = LeastOf(from.least, least);
        greatest = greatest < from.greatest ? from.greatest : greatest;
        return;
      }
    }
    if (Less(Get(from.least), Get(least))) least = from.least;
    if (Less(Get(greatest), Get(from.greatest))) greatest = from.greatest;
  }
  static V Get(const Kept& kept) {
    if constexpr (std::same_as<V, Int128>) {
      return kept.value();
    } else {
      return kept;
    }
  }
  static void Set(Kept& kept, V value) {
    if constexpr (std::same_as<V, Int128>) {
      kept.Set(value);
    } else {
      kept = value;
    }
  }
};

struct NoExtremes {
  void Init() {}
  template <class V>
  void Add(V) {}
  void Merge(const NoExtremes&) {}
};

template <class V, bool kSum, bool kExtremes>
class SummaryOps final : public StateOps {
  using Sum = std::conditional_t<kSum, SumOf<V>, NoSum>;
  using Range = std::conditional_t<kExtremes, Extremes<V>, NoExtremes>;
  struct State {
    std::int64_t skipped;  // of the group's rows: a NULL, or not of the FILTER; a row that counts changes nothing
    [[no_unique_address]] Sum sum;
    [[no_unique_address]] Range range;
  };

 public:
  SummaryOps(Division division, std::optional<ValueLimits> limits) : division_(division), limits_(limits) {}

  std::size_t width() const override { return (sizeof(State) + 7) / 8 * 8; }
  void Init(Record record) const override {
    auto* state = new (record + offset()) State{.skipped = 0, .sum = {}, .range = {}};
    state->range.Init();
  }
  void Update(const BlockInput& input, Records records, BlockScratch& scratch, HeapAccount&) const override {
    for (const Record record : scratch.Rest(input, records)) ++StateOf(record).skipped;
    if constexpr (kSum || kExtremes) {
      const auto [values, present] = scratch.Gather<V>(input, records);
      for (std::size_t i = 0; i < present.size(); ++i) {
        State& state = StateOf(present[i]);
        state.sum.Add(values[i]);
        state.range.Add(values[i]);
      }
    }
  }
  void Merge(Records from, Records to, HeapAccount&) const override {
    for (std::size_t i = 0; i < from.size(); ++i) {
      const State& other = StateOf(from[i]);
      State& state = StateOf(to[i]);
      state.skipped += other.skipped;
      state.sum.Merge(other.sum);
      state.range.Merge(other.range);
    }
  }
  bool can_subtract() const override { return !kExtremes && !(kSum && std::is_floating_point_v<V>); }
  void Subtract(Records from, Records to) const override {
    if constexpr (!kExtremes && !(kSum && std::is_floating_point_v<V>)) {
      for (std::size_t i = 0; i < from.size(); ++i) {
        StateOf(to[i]).skipped -= StateOf(from[i]).skipped;
        if constexpr (kSum) StateOf(to[i]).sum.Subtract(StateOf(from[i]).sum);
      }
    }
  }
  arrow::Status Read(const AggregateColumn& aggregate, Records records, arrow::ArrayBuilder& builder) const override {
    switch (aggregate.kind) {
      case AggregateKind::kCountStar:
      case AggregateKind::kCount:
        return WithRoom<std::int64_t>(builder, records.size(), [&](auto append) {
          for (const Record record : records) ARROW_RETURN_NOT_OK(append(Values(record)));
          return arrow::Status::OK();
        });
      case AggregateKind::kSum:
        if constexpr (kSum) return ReadSums(aggregate.decimal_sum, records, builder);
        break;
      case AggregateKind::kAvg:
        if constexpr (kSum) return ReadAverages(records, builder);
        break;
      case AggregateKind::kGeomean:
        if constexpr (kSum && std::is_floating_point_v<V>) {
          return ReadPresent<double>(records, builder, [this](Record record) { return std::exp(Average(record)); });
        }
        break;
      case AggregateKind::kMin:
        if constexpr (kExtremes) {
          return ReadPresent<V>(records, builder,
                                [this](Record record) { return Range::Get(StateOf(record).range.least); });
        }
        break;
      case AggregateKind::kMax:
        if constexpr (kExtremes) {
          return ReadPresent<V>(records, builder,
                                [this](Record record) { return Range::Get(StateOf(record).range.greatest); });
        }
        break;
      default:
        break;
    }
    return arrow::Status::UnknownError("an aggregate that its argument's states do not hold");
  }
  void Save(Records records, StateWriter& writer) const override {
    for (const Record record : records) writer.Put(StateOf(record).skipped);
    if constexpr (kSum) {
      for (const Record record : records) writer.Put(StateOf(record).sum);
    }
    if constexpr (kExtremes) {
      for (const Record record : records) writer.Put(StateOf(record).range.least);
      for (const Record record : records) writer.Put(StateOf(record).range.greatest);
    }
  }
  arrow::Status Load(StateReader& reader, Records records, HeapAccount&) const override {
    for (const Record record : records) {
      ARROW_ASSIGN_OR_RAISE(StateOf(record).skipped, reader.Take<std::int64_t>());
      if (StateOf(record).skipped < 0 || Values(record) < 0) return Damaged("a count that cannot be");
    }
    if constexpr (kSum) {
      for (const Record record : records) {
        ARROW_ASSIGN_OR_RAISE(StateOf(record).sum, reader.Take<Sum>());
        if constexpr (!std::is_floating_point_v<V>) {
          const std::int64_t carry = StateOf(record).sum.carry();
          if (carry > kCountMax || carry < -kCountMax) return Damaged("a sum that cannot be");
        }
      }
    }
    if constexpr (kExtremes) {
      using Kept = typename Range::Kept;
      for (const Record record : records) {
        ARROW_ASSIGN_OR_RAISE(StateOf(record).range.least, TakeKept<Kept>(reader));
      }
      for (const Record record : records) {
        ARROW_ASSIGN_OR_RAISE(StateOf(record).range.greatest, TakeKept<Kept>(reader));
      }
    }
    return arrow::Status::OK();
  }
  arrow::Status CheckForeign(Record record) const override {
    if constexpr (kSum && !std::is_floating_point_v<V>) {
      if (!StateOf(record).sum.IsOf(Values(record))) return TooManyCounted();
    }
    if constexpr (kExtremes) {
      const auto has = [&](const auto& kept) { return !limits_ || limits_->Has(Range::Get(kept)); };
      const Range& range = StateOf(record).range;
      if (Values(record) != 0 && !(has(range.least) && has(range.greatest))) return NotOfType();
    }
    return arrow::Status::OK();
  }
  // The other part may have the sum, the extremes or both of the same type, and has what this one has: its size tells.
  arrow::Status LoadWider(std::string_view payload, Record record, HeapAccount& heap) const override {
    if (payload.empty()) return arrow::Status::OK();
    StateWriter own;
    Save(std::span(&record, 1), own);
    const std::size_t kept = own.bytes().size();
    if (payload.size() == kept) return StateOps::LoadWider(payload, record, heap);
    if (payload.size() < kept) return Damaged("a part that is not there");
    if constexpr (kExtremes && !kSum) {  // they come last
      constexpr std::size_t kRows = sizeof(std::int64_t);
      const auto extremes = payload.substr(payload.size() - (kept - kRows));
      return StateOps::LoadWider(std::string(payload.substr(0, kRows)).append(extremes), record, heap);
    }
    return StateOps::LoadWider(payload.substr(0, kept), record, heap);
  }
  void SkipRows(Record record) const override { StateOf(record).skipped = RowsOf(record); }

 private:
  State& StateOf(Record record) const { return *std::launder(reinterpret_cast<State*>(record + offset())); }
  std::int64_t Values(Record record) const { return RowsOf(record) - StateOf(record).skipped; }

  template <class Kept>
  static arrow::Result<Kept> TakeKept(StateReader& reader) {
    if constexpr (std::same_as<Kept, bool>) {
      ARROW_ASSIGN_OR_RAISE(const auto byte, reader.Take<std::uint8_t>());
      if (byte > 1) return Damaged("a truth that is neither");
      return byte == 1;
    } else {
      return reader.Take<Kept>();
    }
  }

  // A NULL where no value was seen.
  template <class Out, class F>
  arrow::Status ReadPresent(Records records, arrow::ArrayBuilder& builder, const F& value) const {
    return WithRoom<Out>(builder, records.size(), [&](auto append) {
      for (const Record record : records) {
        ARROW_RETURN_NOT_OK(Values(record) == 0 ? builder.AppendNull() : append(value(record)));
      }
      return arrow::Status::OK();
    });
  }
  arrow::Status ReadSums(bool is_decimal, Records records, arrow::ArrayBuilder& builder) const {
    if constexpr (std::is_floating_point_v<V>) {
      return ReadPresent<double>(records, builder, [this](Record record) { return StateOf(record).sum.total(); });
    } else {
      for (const Record record : records) {
        const Sum& sum = StateOf(record).sum;
        if (sum.carry() == 0 && (!is_decimal || FitsDecimal(sum.sum.value()))) continue;
        return arrow::Status::Invalid("the sum is out of range of ", is_decimal ? "DECIMAL(38)" : "HUGEINT");
      }
      return ReadPresent<Int128>(records, builder, [this](Record record) { return StateOf(record).sum.sum.value(); });
    }
  }
  arrow::Status ReadAverages(Records records, arrow::ArrayBuilder& builder) const {
    if constexpr (!std::is_floating_point_v<V>) {
      for (const Record record : records) {
        if (StateOf(record).sum.carry() == 0) continue;
        return arrow::Status::Invalid("the sum behind the average is out of range of HUGEINT");
      }
    }
    return ReadPresent<double>(records, builder, [this](Record record) { return Average(record); });
  }
  double Average(Record record) const {
    const Sum& sum = StateOf(record).sum;
    const std::int64_t values = Values(record);
    if constexpr (std::is_floating_point_v<V>) {
      return sum.total() / static_cast<double>(values);
    } else {
      return division_(sum.sum.value(), values);
    }
  }

  const Division division_;
  const std::optional<ValueLimits> limits_;  // none: it keeps no values
};

template <bool kIsMin>
class TextExtremeOps final : public StateOps {
 public:
  explicit TextExtremeOps(ValueLimits limits) : limits_(limits) {}

  std::size_t width() const override { return sizeof(std::string*); }
  void Init(Record record) const override { Text(record) = nullptr; }
  void Update(const BlockInput& input, Records records, BlockScratch& scratch, HeapAccount& heap) const override {
    const auto [values, present] = scratch.Gather<std::string_view>(input, records);
    for (std::size_t i = 0; i < present.size(); ++i) Offer(present[i], values[i], heap);
  }
  void Merge(Records from, Records to, HeapAccount& heap) const override {
    for (std::size_t i = 0; i < from.size(); ++i) {
      if (const std::string* text = Text(from[i]); text != nullptr) Offer(to[i], *text, heap);
    }
  }
  arrow::Status Read(const AggregateColumn&, Records records, arrow::ArrayBuilder& builder) const override {
    return WithBuilder<std::string_view>(builder, [&](auto append) {
      for (const Record record : records) {
        const std::string* text = Text(record);
        ARROW_RETURN_NOT_OK(text == nullptr ? builder.AppendNull() : append(*text));
      }
      return arrow::Status::OK();
    });
  }
  void Save(Records records, StateWriter& writer) const override {
    for (const Record record : records) writer.Put<std::uint8_t>(Text(record) == nullptr ? 0 : 1);
    for (const Record record : records) {
      if (Text(record) == nullptr) continue;
      writer.Put(static_cast<std::uint64_t>(Text(record)->size()));
      writer.PutBytes(*Text(record));
    }
  }
  arrow::Status Load(StateReader& reader, Records records, HeapAccount& heap) const override {
    ARROW_ASSIGN_OR_RAISE(const auto seen, reader.TakeAll<std::uint8_t>(records.size()));
    for (std::size_t i = 0; i < records.size(); ++i) {
      if (seen[i] > 1) return Damaged("a flag that is neither set nor clear");
      if (seen[i] == 0) continue;
      ARROW_ASSIGN_OR_RAISE(const auto size, reader.Take<std::uint64_t>());
      ARROW_ASSIGN_OR_RAISE(const std::string_view text, reader.TakeBytes(size));
      Offer(records[i], text, heap);
    }
    return arrow::Status::OK();
  }
  arrow::Status CheckForeign(Record record) const override {
    return Text(record) == nullptr || limits_.Has(*Text(record)) ? arrow::Status::OK() : NotOfType();
  }
  bool has_heap() const override { return true; }
  void Detach(Record record, HeapAccount& heap) const override {
    if (Text(record) == nullptr) return;
    Text(record) = new std::string(*Text(record));
    heap.bytes += BytesOf(*Text(record));
  }
  void Release(Record record) const override { delete Text(record); }

 private:
  std::string*& Text(Record record) const { return *std::launder(reinterpret_cast<std::string**>(record + offset())); }
  static std::int64_t BytesOf(const std::string& text) {
    const std::size_t heap = text.capacity() < sizeof(std::string) ? 0 : text.capacity();
    return static_cast<std::int64_t>(sizeof(std::string) + heap);
  }
  void Offer(Record record, std::string_view value, HeapAccount& heap) const {
    std::string*& text = Text(record);
    if (text == nullptr) {
      text = new std::string(value);
    } else if (kIsMin ? value < *text : *text < value) {
      heap.bytes -= BytesOf(*text);
      text->assign(value);
    } else {
      return;
    }
    heap.bytes += BytesOf(*text);
  }

  const ValueLimits limits_;
};

}  // namespace

std::unique_ptr<StateOps> MakeSummaryOps(const arrow::DataType* argument, SummaryNeeds needs) {
  using Counter = SummaryOps<bool, false, false>;
  if (!needs.sum && !needs.extremes) return std::make_unique<Counter>(Division{}, std::nullopt);
  const Division division = Division::Of(*argument);
  const ValueLimits limits(*argument);
  const Physical physical = *PhysicalOf(*argument);
  return WithPhysical(physical, [&]<class V>(std::type_identity<V>) -> std::unique_ptr<StateOps> {
    if constexpr (!std::same_as<V, std::string_view>) {
      if (needs.sum && needs.extremes) return std::make_unique<SummaryOps<V, true, true>>(division, limits);
      if (needs.sum) return std::make_unique<SummaryOps<V, true, false>>(division, limits);
      if (needs.extremes) return std::make_unique<SummaryOps<V, false, true>>(division, limits);
    }
    return std::make_unique<Counter>(division, std::nullopt);
  });
}

std::unique_ptr<StateOps> MakeTextExtremeOps(AggregateKind kind, const arrow::DataType& argument) {
  if (kind == AggregateKind::kMin) return std::make_unique<TextExtremeOps<true>>(ValueLimits(argument));
  return std::make_unique<TextExtremeOps<false>>(ValueLimits(argument));
}

}  // namespace hyprstream::aggregate
