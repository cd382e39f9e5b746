#include "aggregate/vector_ops_internal.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "aggregate/owned_ops_internal.h"
#include "aggregate/vector_builder_internal.h"
#include "arrow/array/array_nested.h"
#include "arrow/array/array_primitive.h"
#include "core/aggregate_functions.h"
#include "core/vector_summary.h"

namespace hyprstream::aggregate {
namespace {

template <class Place>
struct VectorState {
  VectorSummary<Place> summary;

  std::int64_t bytes() const { return summary.bytes(); }
  std::int64_t total() const {
    std::int64_t most = 0;
    for (const Place& place : summary.places()) most = std::max(most, place.count);
    return most;
  }
  void Merge(const VectorState& other) { summary.Merge(other.summary); }
  void Save(StateWriter& writer) const {
    const VectorLengths& lengths = summary.lengths();
    writer.Put(lengths.length);
    writer.Put(static_cast<std::uint8_t>(lengths.other ? 1 : 0));
    writer.Put(lengths.other.value_or(0));
    writer.PutAll(summary.places());
  }
  arrow::Status Load(StateReader& reader) {
    ARROW_ASSIGN_OR_RAISE(const auto length, reader.Take<std::uint32_t>());
    ARROW_ASSIGN_OR_RAISE(const auto uneven, reader.Take<std::uint8_t>());
    ARROW_ASSIGN_OR_RAISE(const auto other, reader.Take<std::uint32_t>());
    if (uneven > 1) return arrow::Status::Invalid("View state: a flag that is neither set nor clear");
    ARROW_ASSIGN_OR_RAISE(auto places, reader.TakeAll<Place>(length));
    for (const Place& place : places) {
      if (place.count < 0 || place.count > kCountMax)
        return arrow::Status::Invalid("View state: a count that cannot be");
    }
    summary = VectorSummary<Place>::Of(std::move(places), uneven == 1 ? std::optional(other) : std::nullopt);
    return arrow::Status::OK();
  }

 private:
  static constexpr std::int64_t kCountMax = std::int64_t{1} << 48;
};

std::optional<double> Read(AggregateKind kind, const SumAtPlace& place) {
  return kind == AggregateKind::kVecSum ? place.sum() : place.mean();
}
template <bool kGreatest>
std::optional<double> Read(AggregateKind, const ExtremeAtPlace<kGreatest>& place) {
  return place.value();
}
std::optional<double> Read(AggregateKind, const SpreadAtPlace& place) { return place.stddev(); }

template <class Place>
class VectorOps final : public OwnedOps<VectorState<Place>> {
 public:
  void Update(const BlockInput& input, std::span<const Record> records, BlockScratch& scratch,
              HeapAccount& heap) const override {
    const auto& lists = static_cast<const arrow::ListArray&>(*input.arguments[0]);
    const auto& values = static_cast<const arrow::DoubleArray&>(*lists.values());
    const double* const numbers = values.raw_values();
    const bool has_nulls = values.null_count() != 0;
    const auto [rows, of_rows] = scratch.Taken(input, records);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::int64_t first = lists.value_offset(rows[i]);
      const auto length = static_cast<std::size_t>(lists.value_length(rows[i]));
      const auto value = [&](std::size_t at) {
        const auto place = first + static_cast<std::int64_t>(at);
        return has_nulls && values.IsNull(place) ? std::nullopt : std::optional(numbers[place]);
      };
      this->Change(of_rows[i], heap, [&](VectorState<Place>& state) { state.summary.Add(length, value); });
    }
  }

  arrow::Status Read(const AggregateColumn& aggregate, std::span<const Record> records,
                     arrow::ArrayBuilder& builder) const override {
    for (const Record record : records) {
      const VectorState<Place>* const state = this->Find(record);
      if (state == nullptr) {
        ARROW_RETURN_NOT_OK(builder.AppendNull());
        continue;
      }
      ARROW_RETURN_NOT_OK(state->summary.lengths().Check(FunctionOf(aggregate.kind).name()));
      const std::vector<Place>& places = state->summary.places();
      ARROW_ASSIGN_OR_RAISE(arrow::DoubleBuilder* const numbers, BeginVector(builder, places.size()));
      for (const Place& place : places) {
        const std::optional<double> number = aggregate::Read(aggregate.kind, place);
        ARROW_RETURN_NOT_OK(number ? numbers->Append(*number) : numbers->AppendNull());
      }
    }
    return arrow::Status::OK();
  }

 protected:
  VectorState<Place> Make() const override { return {}; }
};

}  // namespace

std::unique_ptr<StateOps> MakeVectorOps(AggregateKind kind) {
  switch (kind) {
    case AggregateKind::kVecMin:
      return std::make_unique<VectorOps<LeastAtPlace>>();
    case AggregateKind::kVecMax:
      return std::make_unique<VectorOps<GreatestAtPlace>>();
    case AggregateKind::kVecStddev:
      return std::make_unique<VectorOps<SpreadAtPlace>>();
    default:
      return std::make_unique<VectorOps<SumAtPlace>>();
  }
}

}  // namespace hyprstream::aggregate
