#include "aggregate/bit_ops_internal.h"

#include <cstring>

#include "aggregate/physical_internal.h"
#include "arrow/builder.h"
#include "core/aggregate_functions.h"

namespace hyprstream::aggregate {
namespace {

using Records = std::span<const Record>;

template <class V, AggregateKind kKind>
class BitOps final : public StateOps {
  static constexpr V kNeutral = kKind == AggregateKind::kBitAnd ? static_cast<V>(~V{0}) : V{0};

 public:
  // Whether there was a value, or how many of those that can be taken out again, then the bits; wider ones need no
  // alignment of their own.
  std::size_t width() const override { return sizeof(std::uint64_t) + (sizeof(V) + 7) / 8 * 8; }
  void Init(Record record) const override {
    SetSeen(record, 0);
    std::memset(record + offset() + sizeof(std::uint64_t), 0, width() - sizeof(std::uint64_t));
    Set(record, kNeutral);
  }
  void Update(const BlockInput& input, Records records, BlockScratch& scratch, HeapAccount&) const override {
    const auto [values, present] = scratch.Gather<V>(input, records);
    for (std::size_t i = 0; i < present.size(); ++i) Add(present[i], values[i]);
  }
  void Merge(Records from, Records to, HeapAccount&) const override {
    for (std::size_t i = 0; i < from.size(); ++i) {
      if (Seen(from[i]) != 0) Add(to[i], Get(from[i]), Seen(from[i]));
    }
  }
  bool can_subtract() const override { return kCounts; }
  void Subtract(Records from, Records to) const override {
    for (std::size_t i = 0; i < from.size(); ++i) {
      SetSeen(to[i], Seen(to[i]) - Seen(from[i]));
      Set(to[i], static_cast<V>(Get(to[i]) ^ Get(from[i])));
    }
  }
  arrow::Status Read(const AggregateColumn&, Records records, arrow::ArrayBuilder& builder) const override {
    return WithBuilder<V>(builder, [&](auto append) {
      for (const Record record : records) {
        ARROW_RETURN_NOT_OK(Seen(record) == 0 ? builder.AppendNull() : append(Get(record)));
      }
      return arrow::Status::OK();
    });
  }
  void Save(Records records, StateWriter& writer) const override {
    for (const Record record : records) {
      writer.Put(static_cast<std::uint8_t>(Seen(record) == 0 ? 0 : kCounts ? 2 : 1));
    }
    for (const Record record : records) writer.Put(Get(record));
    for (const Record record : records) {
      if (kCounts && Seen(record) != 0) writer.Put(Seen(record));
    }
  }
  arrow::Status Load(StateReader& reader, Records records, HeapAccount&) const override {
    for (const Record record : records) {
      ARROW_ASSIGN_OR_RAISE(const auto seen, reader.Take<std::uint8_t>());
      if (seen > (kCounts ? 2 : 1)) return arrow::Status::Invalid("View state: a flag that is neither set nor clear");
      SetSeen(record, seen);
    }
    for (const Record record : records) {
      ARROW_ASSIGN_OR_RAISE(const V bits, reader.Take<V>());
      if (Seen(record) == 0 && bits != kNeutral) return arrow::Status::Invalid("View state: bits of no value");
      Set(record, bits);
    }
    if constexpr (kCounts) {
      for (const Record record : records) {
        const auto rows = static_cast<std::uint64_t>(RowsOf(record));
        if (Seen(record) == 0) continue;
        std::uint64_t count = rows;  // of before they were counted: that many at most
        if (Seen(record) == 2) {
          ARROW_ASSIGN_OR_RAISE(count, reader.Take<std::uint64_t>());
        }
        if (count == 0 || count > rows) return arrow::Status::Invalid("View state: a count that cannot be");
        SetSeen(record, count);
      }
    }
    return arrow::Status::OK();
  }

 private:
  static constexpr bool kCounts = kKind == AggregateKind::kBitXor;
  std::uint64_t& SeenOf(Record record) const {
    return *std::launder(reinterpret_cast<std::uint64_t*>(record + offset()));
  }
  std::uint64_t Seen(Record record) const { return SeenOf(record); }
  void SetSeen(Record record, std::uint64_t seen) const { SeenOf(record) = seen; }
  V Get(Record record) const {
    V value;
    std::memcpy(&value, record + offset() + sizeof(std::uint64_t), sizeof(V));
    return value;
  }
  void Set(Record record, V value) const { std::memcpy(record + offset() + sizeof(std::uint64_t), &value, sizeof(V)); }
  void Add(Record record, V value, std::uint64_t count = 1) const {
    SetSeen(record, kCounts ? Seen(record) + count : 1);
    const V bits = Get(record);
    if constexpr (kKind == AggregateKind::kBitAnd) {
      Set(record, static_cast<V>(bits & value));
    } else if constexpr (kKind == AggregateKind::kBitOr) {
      Set(record, static_cast<V>(bits | value));
    } else {
      Set(record, static_cast<V>(bits ^ value));
    }
  }
};

}  // namespace

std::unique_ptr<StateOps> MakeBitOps(AggregateKind kind, const arrow::DataType& argument) {
  return WithPhysical(*PhysicalOf(argument), [&]<class V>(std::type_identity<V>) -> std::unique_ptr<StateOps> {
    if constexpr ((std::is_integral_v<V> && !std::same_as<V, bool>) || std::same_as<V, Int128>) {
      if (kind == AggregateKind::kBitAnd) return std::make_unique<BitOps<V, AggregateKind::kBitAnd>>();
      if (kind == AggregateKind::kBitOr) return std::make_unique<BitOps<V, AggregateKind::kBitOr>>();
      return std::make_unique<BitOps<V, AggregateKind::kBitXor>>();
    }
    return nullptr;  // CheckAggregate refuses other types
  });
}

}  // namespace hyprstream::aggregate
