#include "aggregate/moment_ops_internal.h"

#include <cmath>
#include <concepts>
#include <new>
#include <optional>

#include "aggregate/physical_internal.h"
#include "arrow/builder.h"
#include "arrow/type.h"
#include "core/aggregate_functions.h"
#include "core/second_moment.h"

namespace hyprstream::aggregate {
namespace {

using Records = std::span<const Record>;
using Result = arrow::Result<std::optional<double>>;

constexpr std::int64_t kCountMax = std::int64_t{1} << 48;

struct FourMoments : SecondMoment {
  double m3 = 0;
  double m4 = 0;

  void Add(double value) {
    const auto before = static_cast<double>(count);
    ++count;
    const auto n = static_cast<double>(count);
    const double delta = value - mean;
    const double step = delta / n;
    // From right to left: of a first row, 0 times what would have no square.
    const double term = delta * (step * before);
    mean += step;
    m4 += term * step * step * (n * n - 3 * n + 3) + 6 * step * (step * m2) - 4 * step * m3;
    m3 += term * step * (n - 2) - 3 * step * m2;
    m2 += term;
  }
  void Merge(const FourMoments& from) {
    if (count == 0) {
      *this = from;
      return;
    }
    if (from.count == 0) return;
    const auto a = static_cast<double>(count);
    const auto b = static_cast<double>(from.count);
    const double n = a + b;
    const double delta = from.mean - mean;
    const double step = delta / n;
    const double square = delta * step * a * b;
    m4 += from.m4 + square * step * step * (a * a - a * b + b * b) +
          6 * step * (step * (a * a * from.m2 + b * b * m2)) + 4 * step * (a * from.m3 - b * m3);
    m3 += from.m3 + square * step * (a - b) + 3 * step * (a * from.m2 - b * m2);
    m2 += from.m2 + square;
    mean = std::fma(b / n, delta, mean);
    count += from.count;
  }
};

// Two columns of one row.
struct PairMoments {
  std::int64_t count = 0;
  double mean_x = 0;
  double mean_y = 0;
  double m2_x = 0;
  double m2_y = 0;
  double comoment = 0;
  double sum_x = 0;  // averages are those of sums, as in DuckDB, which an infinity survives
  double sum_y = 0;

  void Add(double y, double x) {
    ++count;
    const auto n = static_cast<double>(count);
    const double dx = x - mean_x;
    const double dy = y - mean_y;
    mean_x += dx / n;
    mean_y += dy / n;
    comoment += dx * (y - mean_y);
    m2_x += (x - mean_x) * dx;
    m2_y += (y - mean_y) * dy;
    sum_x += x;
    sum_y += y;
  }
  void Merge(const PairMoments& from) {
    if (count == 0) {
      *this = from;
      return;
    }
    if (from.count == 0) return;
    const auto a = static_cast<double>(count);
    const auto b = static_cast<double>(from.count);
    const double n = a + b;
    const double dx = from.mean_x - mean_x;
    const double dy = from.mean_y - mean_y;
    comoment = from.comoment + comoment + dx * dy * b * a / n;
    m2_x = from.m2_x + m2_x + dx * dx * b * a / n;
    m2_y = from.m2_y + m2_y + dy * dy * b * a / n;
    mean_x = std::fma(b / n, dx, mean_x);
    mean_y = std::fma(b / n, dy, mean_y);
    sum_x += from.sum_x;
    sum_y += from.sum_y;
    count += from.count;
  }
};

struct Product {
  std::int64_t count = 0;
  double product = 1;

  void Add(double value) {
    ++count;
    product *= value;
  }
  void Merge(const Product& from) {
    count += from.count;
    product *= from.product;
  }
};

// ---- results

Result ReadVariance(AggregateKind kind, const SecondMoment& state) {
  const auto n = static_cast<double>(state.count);
  if (state.count == 0) return std::nullopt;
  switch (kind) {
    case AggregateKind::kVarPop:
      return state.variance();
    case AggregateKind::kStddevPop:
      return std::sqrt(state.variance());
    case AggregateKind::kSem:
      return std::sqrt(state.m2 / n) / std::sqrt(n);
    default:
      break;
  }
  if (state.count == 1) return std::nullopt;
  const double variance = state.m2 / (n - 1);
  return kind == AggregateKind::kVarSamp ? variance : std::sqrt(variance);
}

Result InRange(double value, const char* name) {
  if (std::isfinite(value)) return value;
  return arrow::Status::Invalid("the ", name, " is out of range of DOUBLE");
}

Result ReadMoments(AggregateKind kind, const FourMoments& state) {
  const auto n = static_cast<double>(state.count);
  const double variance = state.m2 / n;
  switch (kind) {
    case AggregateKind::kSkewness:
      if (state.count <= 2 || state.m2 == 0) return std::nullopt;
      return InRange(std::sqrt(n * (n - 1)) / (n - 2) * (state.m3 / n) / std::pow(variance, 1.5), "skewness");
    case AggregateKind::kKurtosis:
      if (state.count <= 3 || state.m2 == 0) return std::nullopt;
      return InRange((n - 1) * ((n + 1) * (state.m4 / n) / (variance * variance) - 3 * (n - 1)) / ((n - 2) * (n - 3)),
                     "kurtosis");
    case AggregateKind::kKurtosisPop:
      if (state.count <= 1 || state.m2 == 0) return std::nullopt;
      return InRange(state.m4 / n / (variance * variance) - 3, "kurtosis");
    default:
      return ReadVariance(kind, state);
  }
}

std::optional<double> Slope(const PairMoments& state) {
  const auto n = static_cast<double>(state.count);
  const double variance = state.count > 1 ? state.m2_x / n : 0;
  return variance != 0 ? state.comoment / n / variance : std::nan("");
}

double Correlation(const PairMoments& state) {
  const auto n = static_cast<double>(state.count);
  const double deviation_x = state.count > 1 ? std::sqrt(state.m2_x / n) : 0;
  const double deviation_y = state.count > 1 ? std::sqrt(state.m2_y / n) : 0;
  const double both = deviation_x * deviation_y;
  return both != 0 ? state.comoment / n / both : std::nan("");
}

std::optional<double> Intercept(const PairMoments& state) {
  const double slope = *Slope(state);
  if (std::isnan(slope)) return std::nullopt;
  const auto n = static_cast<double>(state.count);
  return state.sum_y / n - slope * (state.sum_x / n);
}

std::optional<double> Determination(const PairMoments& state) {
  if (state.count <= 1 || state.m2_x == 0) return std::nullopt;
  if (state.m2_y == 0) return 1;
  const double correlation = Correlation(state);
  return correlation * correlation;
}

Result ReadPair(AggregateKind kind, const PairMoments& state) {
  if (state.count == 0) return std::nullopt;
  const auto n = static_cast<double>(state.count);
  switch (kind) {
    case AggregateKind::kCovarPop:
      return state.comoment / n;
    case AggregateKind::kCovarSamp:
      if (state.count == 1) return std::nullopt;
      return state.comoment / (n - 1);
    case AggregateKind::kCorr:
      return Correlation(state);
    case AggregateKind::kRegrSlope:
      return Slope(state);
    case AggregateKind::kRegrIntercept:
      return Intercept(state);
    case AggregateKind::kRegrR2:
      return Determination(state);
    case AggregateKind::kRegrAvgX:
      return state.sum_x / n;
    case AggregateKind::kRegrAvgY:
      return state.sum_y / n;
    case AggregateKind::kRegrSxx:
      return state.count > 1 ? state.m2_x : 0;
    case AggregateKind::kRegrSyy:
      return state.count > 1 ? state.m2_y : 0;
    default:
      return state.comoment;  // regr_sxy
  }
}

// ---- ops

// `State` has Add(double...) and Merge; `Read` makes a result of it.
template <class State, int kArguments, Result (*kRead)(AggregateKind, const State&)>
class DoubleOps final : public StateOps {
 public:
  std::size_t width() const override { return sizeof(State); }
  void Init(Record record) const override { new (record + offset()) State(); }
  void Update(const BlockInput& input, Records records, BlockScratch& scratch, HeapAccount&) const override {
    if constexpr (kArguments == 1) {
      const auto [values, present] = scratch.Gather<double>(input, records);
      for (std::size_t i = 0; i < present.size(); ++i) StateOf(present[i]).Add(values[i]);
    } else {
      const auto [rows, present] = scratch.Taken(input, records);
      WithColumn<double>(*input.arguments[0], [&](auto first) {
        WithColumn<double>(*input.arguments[1], [&](auto second) {
          for (std::size_t i = 0; i < rows.size(); ++i) StateOf(present[i]).Add(first(rows[i]), second(rows[i]));
        });
      });
    }
  }
  void Merge(Records from, Records to, HeapAccount&) const override {
    for (std::size_t i = 0; i < from.size(); ++i) StateOf(to[i]).Merge(StateOf(from[i]));
  }
  arrow::Status Read(const AggregateColumn& aggregate, Records records, arrow::ArrayBuilder& builder) const override {
    if constexpr (std::derived_from<State, SecondMoment>) {
      if (aggregate.kind == AggregateKind::kStandardScaler) return ReadScalers(records, builder);
    }
    if (aggregate.kind == AggregateKind::kRegrCount) {
      return WithBuilder<std::uint32_t>(builder, [&](auto append) {
        for (const Record record : records) {
          ARROW_RETURN_NOT_OK(append(static_cast<std::uint32_t>(StateOf(record).count)));
        }
        return arrow::Status::OK();
      });
    }
    return WithBuilder<double>(builder, [&](auto append) {
      for (const Record record : records) {
        ARROW_ASSIGN_OR_RAISE(const std::optional<double> result, kRead(aggregate.kind, StateOf(record)));
        ARROW_RETURN_NOT_OK(result ? append(*result) : builder.AppendNull());
      }
      return arrow::Status::OK();
    });
  }
  void Save(Records records, StateWriter& writer) const override {
    for (const Record record : records) writer.Put(StateOf(record));
  }
  arrow::Status Load(StateReader& reader, Records records, HeapAccount&) const override {
    for (const Record record : records) {
      ARROW_ASSIGN_OR_RAISE(StateOf(record), reader.Take<State>());
      const std::int64_t count = StateOf(record).count;
      if (count < 0 || count > kCountMax) return arrow::Status::Invalid("View state: a count that cannot be");
    }
    return arrow::Status::OK();
  }
  arrow::Status CheckForeign(Record record) const override {
    return StateOf(record).count <= RowsOf(record) ? arrow::Status::OK() : TooManyCounted();
  }
  arrow::Status LoadWider(std::string_view payload, Record record, HeapAccount& heap) const override {
    if constexpr (std::same_as<State, SecondMoment>) {  // higher moments come after these
      static_assert(std::derived_from<FourMoments, SecondMoment>);
      if (payload.size() == sizeof(FourMoments)) payload = payload.substr(0, sizeof(State));
    }
    return StateOps::LoadWider(payload, record, heap);
  }

 private:
  State& StateOf(Record record) const { return *std::launder(reinterpret_cast<State*>(record + offset())); }

  arrow::Status ReadScalers(Records records, arrow::ArrayBuilder& builder) const {
    auto& scalers = static_cast<arrow::StructBuilder&>(builder);
    for (const Record record : records) {
      const SecondMoment& moment = StateOf(record);
      if (moment.count == 0) {
        ARROW_RETURN_NOT_OK(scalers.AppendNull());
        continue;
      }
      const Standardization scaler(moment);
      ARROW_RETURN_NOT_OK(scalers.Append());
      int field = 0;
      for (const double value : {scaler.mean, scaler.stddev, scaler.weight, scaler.bias}) {
        ARROW_RETURN_NOT_OK(static_cast<arrow::DoubleBuilder&>(*scalers.field_builder(field++)).Append(value));
      }
    }
    return arrow::Status::OK();
  }
};

Result ReadProduct(AggregateKind, const Product& state) {
  return state.count == 0 ? std::nullopt : std::optional(state.product);
}

}  // namespace

std::unique_ptr<StateOps> MakeMomentOps(bool higher) {
  if (higher) return std::make_unique<DoubleOps<FourMoments, 1, ReadMoments>>();
  return std::make_unique<DoubleOps<SecondMoment, 1, ReadVariance>>();
}

std::shared_ptr<arrow::DataType> ScalerType() {
  arrow::FieldVector fields;
  for (const char* name : {"mean", "stddev", "weight", "bias"}) fields.push_back(arrow::field(name, arrow::float64()));
  return arrow::struct_(fields);
}

std::unique_ptr<StateOps> MakePairOps() { return std::make_unique<DoubleOps<PairMoments, 2, ReadPair>>(); }

std::unique_ptr<StateOps> MakeProductOps() { return std::make_unique<DoubleOps<Product, 1, ReadProduct>>(); }

}  // namespace hyprstream::aggregate
