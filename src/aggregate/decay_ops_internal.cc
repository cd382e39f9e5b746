#include "aggregate/decay_ops_internal.h"

#include <new>

#include "aggregate/physical_internal.h"
#include "arrow/array/array_primitive.h"
#include "core/aggregate_functions.h"
#include "core/decayed_sum.h"

namespace hyprstream::aggregate {
namespace {

using Records = std::span<const Record>;

constexpr std::int64_t kRowsMax = std::int64_t{1} << 48;

class DecayOps final : public StateOps {
 public:
  explicit DecayOps(double half_life) : half_life_(half_life) {}

  std::size_t width() const override { return sizeof(DecayedSum); }
  void Init(Record record) const override { new (record + offset()) DecayedSum(); }

  void Update(const BlockInput& input, Records records, BlockScratch& scratch, HeapAccount&) const override {
    const arrow::Array& values = *input.arguments[0];
    const bool is_number = values.type_id() == arrow::Type::DOUBLE;
    const auto [rows, present] = scratch.Taken(input, records);
    WithColumn<std::int64_t>(*input.arguments[1], [&](auto at) {
      WithColumn<double>(is_number ? values : *input.arguments[1], [&](auto value) {
        for (std::size_t i = 0; i < rows.size(); ++i) {
          StateOf(present[i]).Add(is_number ? value(rows[i]) : 1, at(rows[i]), half_life_);
        }
      });
    });
  }

  void Merge(Records from, Records to, HeapAccount&) const override {
    for (std::size_t i = 0; i < from.size(); ++i) StateOf(to[i]).Merge(StateOf(from[i]), half_life_);
  }

  arrow::Status Read(const AggregateColumn& aggregate, Records records, arrow::ArrayBuilder& builder) const override {
    return WithBuilder<double>(builder, [&](auto append) {
      for (const Record record : records) {
        const DecayedSum& state = StateOf(record);
        if (aggregate.kind == AggregateKind::kDecayedCount) {
          ARROW_RETURN_NOT_OK(append(state.weight));
        } else if (state.rows == 0) {
          ARROW_RETURN_NOT_OK(builder.AppendNull());
        } else {
          ARROW_RETURN_NOT_OK(append(aggregate.kind == AggregateKind::kEwma ? state.mean() : state.sum));
        }
      }
      return arrow::Status::OK();
    });
  }

  void Save(Records records, StateWriter& writer) const override {
    for (const Record record : records) writer.Put(StateOf(record));
  }
  arrow::Status Load(StateReader& reader, Records records, HeapAccount&) const override {
    for (const Record record : records) {
      ARROW_ASSIGN_OR_RAISE(StateOf(record), reader.Take<DecayedSum>());
      const std::int64_t rows = StateOf(record).rows;
      if (rows < 0 || rows > kRowsMax) return arrow::Status::Invalid("View state: a count that cannot be");
    }
    return arrow::Status::OK();
  }
  arrow::Status CheckForeign(Record record) const override {
    return StateOf(record).rows <= RowsOf(record) ? arrow::Status::OK() : TooManyCounted();
  }

 private:
  DecayedSum& StateOf(Record record) const { return *std::launder(reinterpret_cast<DecayedSum*>(record + offset())); }

  const double half_life_;
};

}  // namespace

std::unique_ptr<StateOps> MakeDecayOps(double half_life) { return std::make_unique<DecayOps>(half_life); }

}  // namespace hyprstream::aggregate
