#include "aggregate/logistic_ops_internal.h"

#include <span>
#include <utility>

#include "aggregate/observations_internal.h"
#include "aggregate/owned_ops_internal.h"
#include "aggregate/vector_builder_internal.h"
#include "arrow/array/array_nested.h"
#include "arrow/array/array_primitive.h"
#include "arrow/array/builder_nested.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/type.h"
#include "core/logistic_fit.h"

namespace hyprstream::aggregate {
namespace {

struct LogisticState {
  static constexpr bool kInOrder = true;

  double ridge;
  LogisticFit fit = LogisticFit(ridge);

  std::int64_t bytes() const { return fit.bytes(); }
  std::int64_t total() const { return fit.rows(); }
  void Merge(const LogisticState& later) { fit.Merge(later.fit); }
  void Save(StateWriter& writer) const {
    const LogisticFit::Parts parts = fit.parts();
    writer.Put(parts.rows);
    writer.Put(parts.features);
    writer.Put(parts.flaws);
    writer.PutAll(parts.numbers);
  }
  arrow::Status Load(StateReader& reader) {
    LogisticFit::Parts parts;
    ARROW_ASSIGN_OR_RAISE(parts.rows, reader.Take<std::int64_t>());
    ARROW_ASSIGN_OR_RAISE(parts.features, reader.Take<std::uint32_t>());
    ARROW_ASSIGN_OR_RAISE(parts.flaws, reader.Take<std::uint8_t>());
    if (parts.rows < 0 || parts.features > LogisticFit::kFeaturesMax) {
      return arrow::Status::Invalid("View state: a logistic fit that cannot be");
    }
    ARROW_ASSIGN_OR_RAISE(parts.numbers, reader.TakeAll<double>(LogisticFit::NumbersOf(parts.rows, parts.features)));
    ARROW_ASSIGN_OR_RAISE(fit, LogisticFit::Make(ridge, std::move(parts)));
    return arrow::Status::OK();
  }
};

class LogisticOps final : public OwnedOps<LogisticState> {
 public:
  explicit LogisticOps(double ridge) : ridge_(ridge) {}

  void Update(const BlockInput& input, std::span<const Record> records, BlockScratch& scratch,
              HeapAccount& heap) const override {
    ForEachObservation(input, records, scratch, [&](Record record, double y, std::span<const double> features) {
      Change(record, heap, [&](LogisticState& state) { state.fit.Add(y, features); });
    });
  }

  arrow::Status Read(const AggregateColumn&, std::span<const Record> records,
                     arrow::ArrayBuilder& builder) const override {
    auto& fits = static_cast<arrow::StructBuilder&>(builder);
    for (const Record record : records) {
      const LogisticState* const state = Find(record);
      if (state == nullptr) {
        ARROW_RETURN_NOT_OK(fits.AppendNull());
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(const LogisticFit::Solution solution, state->fit.Solve());
      ARROW_RETURN_NOT_OK(fits.Append());
      ARROW_ASSIGN_OR_RAISE(auto* const weights, BeginVector(*fits.field_builder(0), solution.weights.size()));
      ARROW_RETURN_NOT_OK(weights->AppendValues(solution.weights));
      ARROW_RETURN_NOT_OK(static_cast<arrow::DoubleBuilder&>(*fits.field_builder(1)).Append(solution.bias));
      ARROW_RETURN_NOT_OK(static_cast<arrow::Int64Builder&>(*fits.field_builder(2)).Append(solution.rows));
    }
    return arrow::Status::OK();
  }

 protected:
  LogisticState Make() const override { return {.ridge = ridge_}; }

 private:
  const double ridge_;
};

}  // namespace

std::unique_ptr<StateOps> MakeLogisticOps(double ridge) { return std::make_unique<LogisticOps>(ridge); }

arrow::Status CheckLogisticType(const arrow::DataType& type) {
  const bool has_weights =
      type.id() == arrow::Type::STRUCT && type.num_fields() > 0 && IsVector(*type.field(0)->type());
  const auto weights = has_weights ? type.field(0)->type() : arrow::list(arrow::float64());
  const auto fit = arrow::struct_(
      {arrow::field("weights", weights), arrow::field("bias", arrow::float64()), arrow::field("n", arrow::int64())});
  if (type.Equals(*fit)) return arrow::Status::OK();
  return arrow::Status::Invalid("a result of type ", type.ToString(), " where ", fit->ToString(), " is computed");
}

}  // namespace hyprstream::aggregate
