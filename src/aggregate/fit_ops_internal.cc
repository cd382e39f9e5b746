#include "aggregate/fit_ops_internal.h"

#include <span>

#include "aggregate/observations_internal.h"
#include "aggregate/owned_ops_internal.h"
#include "aggregate/vector_builder_internal.h"
#include "arrow/array/array_nested.h"
#include "arrow/array/array_primitive.h"
#include "arrow/array/builder_nested.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/type.h"
#include "core/linear_fit.h"

namespace hyprstream::aggregate {
namespace {

struct FitState {
  LinearFit fit;

  std::int64_t bytes() const { return fit.bytes(); }
  std::int64_t total() const { return fit.rows(); }
  void Merge(const FitState& other) { fit.Merge(other.fit); }
  void Save(StateWriter& writer) const {
    const LinearFit::Parts parts = fit.parts();
    writer.Put(parts.rows);
    writer.Put(parts.features);
    writer.Put(static_cast<std::uint8_t>(parts.uneven ? 1 : 0));
    writer.PutAll(parts.sums);
  }
  arrow::Status Load(StateReader& reader) {
    LinearFit::Parts parts;
    ARROW_ASSIGN_OR_RAISE(parts.rows, reader.Take<std::int64_t>());
    ARROW_ASSIGN_OR_RAISE(parts.features, reader.Take<std::uint32_t>());
    ARROW_ASSIGN_OR_RAISE(const auto uneven, reader.Take<std::uint8_t>());
    if (uneven > 1) return arrow::Status::Invalid("View state: a flag that is neither set nor clear");
    parts.uneven = uneven == 1;
    const std::size_t sums = parts.rows == 0 ? 0 : LinearFit::SumsOf(parts.features);
    ARROW_ASSIGN_OR_RAISE(parts.sums, reader.TakeAll<double>(sums));
    ARROW_ASSIGN_OR_RAISE(fit, LinearFit::Make(std::move(parts)));
    return arrow::Status::OK();
  }
};

class FitOps final : public OwnedOps<FitState> {
 public:
  void Update(const BlockInput& input, std::span<const Record> records, BlockScratch& scratch,
              HeapAccount& heap) const override {
    ForEachObservation(input, records, scratch, [&](Record record, double y, std::span<const double> features) {
      Change(record, heap, [&](FitState& state) { state.fit.Add(y, features); });
    });
  }

  arrow::Status Read(const AggregateColumn& aggregate, std::span<const Record> records,
                     arrow::ArrayBuilder& builder) const override {
    auto& fits = static_cast<arrow::StructBuilder&>(builder);
    const double ridge = aggregate.parameters.empty() ? 0 : aggregate.parameters.front();
    for (const Record record : records) {
      const FitState* const state = Find(record);
      if (state == nullptr) {
        ARROW_RETURN_NOT_OK(fits.AppendNull());
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(const LinearFit::Solution solution, state->fit.Solve(ridge));
      ARROW_RETURN_NOT_OK(Append(solution, fits));
    }
    return arrow::Status::OK();
  }

 protected:
  FitState Make() const override { return {}; }

 private:
  static arrow::Status Append(const LinearFit::Solution& solution, arrow::StructBuilder& builder) {
    const auto number = [&](int field) -> arrow::DoubleBuilder& {
      return static_cast<arrow::DoubleBuilder&>(*builder.field_builder(field));
    };
    ARROW_RETURN_NOT_OK(builder.Append());
    ARROW_ASSIGN_OR_RAISE(auto* const weights, BeginVector(*builder.field_builder(0), solution.weights.size()));
    ARROW_RETURN_NOT_OK(weights->AppendValues(solution.weights));
    ARROW_RETURN_NOT_OK(number(1).Append(solution.bias));
    ARROW_RETURN_NOT_OK(solution.r2 ? number(2).Append(*solution.r2) : number(2).AppendNull());
    return static_cast<arrow::Int64Builder&>(*builder.field_builder(3)).Append(solution.rows);
  }
};

}  // namespace

std::unique_ptr<StateOps> MakeFitOps() { return std::make_unique<FitOps>(); }

arrow::Status CheckFitType(const arrow::DataType& type) {
  const bool has_weights =
      type.id() == arrow::Type::STRUCT && type.num_fields() > 0 && IsVector(*type.field(0)->type());
  const auto weights = has_weights ? type.field(0)->type() : arrow::list(arrow::float64());
  const auto fit = arrow::struct_({arrow::field("weights", weights), arrow::field("bias", arrow::float64()),
                                   arrow::field("r2", arrow::float64()), arrow::field("n", arrow::int64())});
  if (type.Equals(*fit)) return arrow::Status::OK();
  return arrow::Status::Invalid("a result of type ", type.ToString(), " where ", fit->ToString(), " is computed");
}

}  // namespace hyprstream::aggregate
