#include "aggregate/pick_ops_internal.h"

#include <cmath>

#include "aggregate/kept_values_internal.h"
#include "arrow/builder.h"
#include "core/aggregate_functions.h"

namespace hyprstream::aggregate {
namespace {

using Records = std::span<const Record>;
using Kept = KeptValues::Kept;

// The first row is as good as any.
struct Unordered {};

// NaN is the greatest.
template <class By>
bool Less(const By& a, const By& b) {
  if constexpr (std::is_floating_point_v<By>) {
    return a < b || (std::isnan(b) && !std::isnan(a));
  } else {
    return a < b;
  }
}

template <class By, bool kIsMin>
class PickOps final : public StateOps {
  static constexpr bool kOrdered = !std::same_as<By, Unordered>;
  static constexpr std::uint64_t kSeen = 1;
  static constexpr std::uint64_t kIsNull = 2;  // the row's value is NULL
  struct Nothing {};
  struct State {
    std::uint64_t flags;
    Kept value;
    [[no_unique_address]] std::conditional_t<kOrdered, Kept, Nothing> by;
  };

 public:
  // `takes_null`: a row whose value is NULL may be the one.
  PickOps(const arrow::DataType& value, const arrow::DataType& by, bool takes_null)
      : values_(*PhysicalOf(value)),
        bys_(*PhysicalOf(by)),
        value_limits_(value),
        by_limits_(by),
        takes_null_(takes_null) {}

  std::size_t width() const override { return sizeof(State); }
  void Init(Record record) const override { new (record + offset()) State{.flags = 0, .value = {}, .by = {}}; }

  void Update(const BlockInput& input, Records records, BlockScratch&, HeapAccount& heap) const override {
    const arrow::Array& values = *input.arguments[0];
    if constexpr (!kOrdered) {
      for (std::size_t i = 0; i < input.rows.count; ++i) {
        const std::uint32_t row = input.rows.Row(i);
        if (StateOf(records[i]).flags == 0 && input.Takes(row)) Keep(StateOf(records[i]), values, row, heap);
      }
    } else {
      const arrow::Array& bys = *input.arguments[1];
      WithColumn<By>(bys, [&](auto by) {
        for (std::size_t i = 0; i < input.rows.count; ++i) {
          const std::uint32_t row = input.rows.Row(i);
          if (bys.IsNull(row) || (!takes_null_ && values.IsNull(row)) || !input.Passes(row)) continue;
          State& state = StateOf(records[i]);
          if (!IsBetter(state, static_cast<By>(by(row)))) continue;
          bys_.Set(bys, row, state.by, heap);
          Keep(state, values, row, heap);
        }
      });
    }
  }

  void Merge(Records from, Records to, HeapAccount& heap) const override { MergeIn<false>(from, to, heap); }
  void MergeBefore(Records from, Records to, HeapAccount& heap) const override { MergeIn<true>(from, to, heap); }

  arrow::Status Read(const AggregateColumn&, Records records, arrow::ArrayBuilder& builder) const override {
    for (const Record record : records) {
      const State& state = StateOf(record);
      ARROW_RETURN_NOT_OK(state.flags == kSeen ? values_.Append(state.value, builder) : builder.AppendNull());
    }
    return arrow::Status::OK();
  }

  void Save(Records records, StateWriter& writer) const override {
    for (const Record record : records) writer.Put(static_cast<std::uint8_t>(StateOf(record).flags));
    for (const Record record : records) {
      const State& state = StateOf(record);
      if (state.flags == 0) continue;
      if constexpr (kOrdered) bys_.Save(state.by, writer);
      if ((state.flags & kIsNull) == 0) values_.Save(state.value, writer);
    }
  }
  arrow::Status Load(StateReader& reader, Records records, HeapAccount& heap) const override {
    ARROW_ASSIGN_OR_RAISE(const auto flags, reader.TakeAll<std::uint8_t>(records.size()));
    for (std::size_t i = 0; i < records.size(); ++i) {
      State& state = StateOf(records[i]);
      const bool may_be_null = kOrdered && takes_null_;
      if (flags[i] != 0 && flags[i] != kSeen && !(may_be_null && flags[i] == (kSeen | kIsNull))) {
        return arrow::Status::Invalid("View state: flags that cannot be");
      }
      if (flags[i] == 0) continue;
      if constexpr (kOrdered) ARROW_RETURN_NOT_OK(bys_.Load(reader, state.by, heap));
      if ((flags[i] & kIsNull) == 0) ARROW_RETURN_NOT_OK(values_.Load(reader, state.value, heap));
      state.flags = flags[i];
    }
    return arrow::Status::OK();
  }

  arrow::Status CheckForeign(Record record) const override {
    const State& state = StateOf(record);
    const bool has_value = state.flags == kSeen;
    if (has_value && !values_.IsWithin(value_limits_, state.value)) return NotOfType();
    if constexpr (kOrdered) {
      if (state.flags != 0 && !bys_.IsWithin(by_limits_, state.by)) return NotOfType();
    }
    return arrow::Status::OK();
  }

  bool has_heap() const override { return values_.is_text() || (kOrdered && bys_.is_text()); }
  void Detach(Record record, HeapAccount& heap) const override {
    State& state = StateOf(record);
    values_.Detach(state.value, heap);
    if constexpr (kOrdered) bys_.Detach(state.by, heap);
  }
  void Release(Record record) const override {
    values_.Release(StateOf(record).value);
    if constexpr (kOrdered) bys_.Release(StateOf(record).by);
  }

 private:
  State& StateOf(Record record) const { return *std::launder(reinterpret_cast<State*>(record + offset())); }

  // `kBefore`: the others' rows came first.
  template <bool kBefore>
  void MergeIn(Records from, Records to, HeapAccount& heap) const {
    for (std::size_t i = 0; i < from.size(); ++i) {
      const State& other = StateOf(from[i]);
      State& state = StateOf(to[i]);
      if (other.flags == 0 || !Wins<kBefore>(other, state)) continue;
      if constexpr (kOrdered) bys_.Copy(other.by, state.by, heap);
      if ((other.flags & kIsNull) == 0) values_.Copy(other.value, state.value, heap);
      state.flags = other.flags;
    }
  }
  template <bool kBefore>
  bool Wins(const State& other, const State& state) const {
    if constexpr (!kOrdered) {
      return kBefore || state.flags == 0;
    } else if constexpr (kBefore) {
      return state.flags == 0 || !IsBetter(other, KeptValues::Get<By>(state.by));
    } else {
      return IsBetter(state, KeptValues::Get<By>(other.by));
    }
  }

  bool IsBetter(const State& state, const By& by) const {
    if constexpr (kOrdered) {
      if (state.flags == 0) return true;
      const By best = KeptValues::Get<By>(state.by);
      return kIsMin ? Less(by, best) : Less(best, by);
    }
    return state.flags == 0;
  }

  void Keep(State& state, const arrow::Array& values, std::uint32_t row, HeapAccount& heap) const {
    if (values.IsNull(row)) {
      state.flags = kSeen | kIsNull;
      return;
    }
    values_.Set(values, row, state.value, heap);
    state.flags = kSeen;
  }

  const KeptValues values_;
  const KeptValues bys_;
  const ValueLimits value_limits_;
  const ValueLimits by_limits_;
  const bool takes_null_;
};

}  // namespace

std::unique_ptr<StateOps> MakePickOps(AggregateKind kind, const ArgumentTypes& arguments) {
  const arrow::DataType& value = *arguments[0];
  if (kind == AggregateKind::kAnyValue) {
    return std::make_unique<PickOps<Unordered, true>>(value, value, false);
  }
  const arrow::DataType& by = *arguments[1];
  const bool takes_null = kind == AggregateKind::kFirst || kind == AggregateKind::kLast;
  const bool is_min = kind == AggregateKind::kFirst || kind == AggregateKind::kArgMin;
  return WithPhysical(*PhysicalOf(by), [&]<class By>(std::type_identity<By>) -> std::unique_ptr<StateOps> {
    if (is_min) return std::make_unique<PickOps<By, true>>(value, by, takes_null);
    return std::make_unique<PickOps<By, false>>(value, by, takes_null);
  });
}

}  // namespace hyprstream::aggregate
