#include "core/logistic_fit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "arrow/result.h"
#include "arrow/status.h"

namespace hyprstream {
namespace {

constexpr std::int64_t kRowsMax = std::int64_t{1} << 48;
constexpr std::size_t kDimensionsMax = LogisticFit::kFeaturesMax + 1;
constexpr double kRidgeMin = 1e-6;   // without any, rows that features tell apart have no best weights
constexpr double kBiasRidge = 0.01;  // the bias is hardly held back
constexpr double kRounding = 1e-15;  // what is left of a number less than this part of it is none
constexpr int kNewtonSteps = 50;
constexpr int kBisections = 60;
using Dimensions = std::array<double, kDimensionsMax>;

// The place of row and column (row >= column) in a lower triangle.
std::size_t At(std::size_t row, std::size_t column) { return row * (row + 1) / 2 + column; }

double Sigmoid(double x) {
  if (x >= 0) return 1 / (1 + std::exp(-x));
  const double e = std::exp(x);
  return e / (1 + e);
}

// -log of how likely y is: log(1 + e^x) - y x.
double Loss(double x, double y) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))) - y * x; }

// The lower triangle's Cholesky factor in its place; its diagonal is above zero.
void Factor(std::vector<double>& matrix, std::size_t n) {
  for (std::size_t row = 0; row < n; ++row) {
    const double least = std::max(matrix[At(row, row)] * kRounding, std::numeric_limits<double>::min());
    for (std::size_t column = 0; column <= row; ++column) {
      double rest = matrix[At(row, column)];
      for (std::size_t i = 0; i < column; ++i) rest -= matrix[At(row, i)] * matrix[At(column, i)];
      matrix[At(row, column)] = row == column ? std::sqrt(std::max(rest, least)) : rest / matrix[At(column, column)];
    }
  }
}

void SolveFactored(const std::vector<double>& factor, std::size_t n, Dimensions& right) {
  for (std::size_t row = 0; row < n; ++row) {
    for (std::size_t i = 0; i < row; ++i) right[row] -= factor[At(row, i)] * right[i];
    right[row] /= factor[At(row, row)];
  }
  for (std::size_t row = n; row-- > 0;) {
    for (std::size_t below = row + 1; below < n; ++below) right[row] -= factor[At(below, row)] * right[below];
    right[row] /= factor[At(row, row)];
  }
}

// The lower triangle of the inverse of what was factored.
std::vector<double> InverseOfFactored(const std::vector<double>& factor, std::size_t n) {
  std::vector<double> inverse(factor.size());
  for (std::size_t column = 0; column < n; ++column) {
    Dimensions unit{};
    unit[column] = 1;
    SolveFactored(factor, n, unit);
    for (std::size_t row = column; row < n; ++row) inverse[At(row, column)] = unit[row];
  }
  return inverse;
}

double RidgeOf(std::size_t dimension, std::size_t n, double ridge) {
  return dimension + 1 == n ? kBiasRidge : std::max(ridge, kRidgeMin);
}

// The first rows, standardized, and the error of weights over them.
class FirstRows {
 public:
  FirstRows(std::vector<double> ys, std::vector<double> rows, std::size_t dimensions, double ridge)
      : ys_(std::move(ys)), rows_(std::move(rows)), n_(dimensions), ridge_(ridge) {}

  double Error(const Dimensions& weights) const {
    double error = 0;
    for (std::size_t i = 0; i < n_; ++i) error += RidgeOf(i) * weights[i] * weights[i] / 2;
    for (std::size_t row = 0; row < ys_.size(); ++row) error += Loss(Of(row, weights), ys_[row]);
    return error;
  }
  // The Hessian of the error, factored, and what it falls fastest along.
  std::vector<double> Slope(const Dimensions& weights, Dimensions& downhill) const {
    std::vector<double> hessian(n_ * (n_ + 1) / 2);
    for (std::size_t i = 0; i < n_; ++i) {
      hessian[At(i, i)] = RidgeOf(i);
      downhill[i] = -RidgeOf(i) * weights[i];
    }
    for (std::size_t row = 0; row < ys_.size(); ++row) {
      const double* const z = rows_.data() + row * n_;
      const double likely = Sigmoid(Of(row, weights));
      for (std::size_t i = 0; i < n_; ++i) {
        downhill[i] += (ys_[row] - likely) * z[i];
        for (std::size_t j = 0; j <= i; ++j) hessian[At(i, j)] += likely * (1 - likely) * z[i] * z[j];
      }
    }
    Factor(hessian, n_);
    return hessian;
  }
  // Newton's method, by half a step where a whole one goes uphill; the Hessian of where it ends, factored.
  std::vector<double> Minimize(Dimensions& weights) const {
    Dimensions step;
    std::vector<double> hessian = Slope(weights, step);
    for (int i = 0; i < kNewtonSteps; ++i) {
      SolveFactored(hessian, n_, step);
      const double before = Error(weights);
      double part = 1;
      Dimensions next = weights;
      for (int halves = 0; halves < 30; ++halves, part /= 2) {
        for (std::size_t at = 0; at < n_; ++at) next[at] = weights[at] + part * step[at];
        if (Error(next) <= before) break;
      }
      const bool is_there = std::all_of(step.begin(), step.begin() + static_cast<std::ptrdiff_t>(n_),
                                        [](double distance) { return std::abs(distance) < 1e-12; });
      weights = next;
      hessian = Slope(weights, step);
      if (is_there) break;
    }
    return hessian;
  }

 private:
  double RidgeOf(std::size_t dimension) const { return hyprstream::RidgeOf(dimension, n_, ridge_); }
  double Of(std::size_t row, const Dimensions& weights) const {
    double sum = 0;
    for (std::size_t i = 0; i < n_; ++i) sum += rows_[row * n_ + i] * weights[i];
    return sum;
  }

  std::vector<double> ys_;
  std::vector<double> rows_;  // the last number of each is 1
  std::size_t n_;
  double ridge_;
};

// By how much a row moves x when the weights after it explain it best: the d with d = y - sigmoid(x + spread d).
double StepOf(double y, double x, double spread) {
  double low = y - 1;
  double high = y;
  double step = y - Sigmoid(x);
  for (int i = 0; i < kBisections; ++i) {
    const double likely = Sigmoid(x + spread * step);
    const double off = step - y + likely;
    (off > 0 ? high : low) = step;
    double next = step - off / (1 + spread * likely * (1 - likely));
    if (!(next >= low && next <= high)) next = (low + high) / 2;
    if (std::abs(next - step) < 1e-15) return next;
    step = next;
  }
  return step;
}

}  // namespace

std::size_t LogisticFit::NumbersOf(std::int64_t rows, std::size_t features) {
  if (rows < kFirstRows) return static_cast<std::size_t>(rows) * (features + 1);
  return 2 * features + (features + 1) + (features + 1) * (features + 2) / 2;
}

void LogisticFit::Add(double y, std::span<const double> features) {
  const bool is_first = rows_ == 0 && features.size() <= kFeaturesMax;
  if (is_first) features_ = static_cast<std::uint32_t>(features.size());
  const bool is_even = (is_first || rows_ > 0) && features.size() == features_;
  const bool is_finite =
      std::isfinite(y) && std::ranges::all_of(features, [](double number) { return std::isfinite(number); });
  const bool is_in_range = !is_finite || (y >= 0 && y <= 1);
  flaws_ |= (is_even ? 0 : kUneven) | (is_finite ? 0 : kNotFinite) | (is_in_range ? 0 : kOutOfRange);
  if (flaws_ != 0) return;  // no row mends that
  if (is_learned()) {
    ++rows_;
    return Learn(y, features);
  }
  ++rows_;
  numbers_.push_back(y);
  numbers_.insert(numbers_.end(), features.begin(), features.end());
  if (is_learned()) FitFirst();
}

void LogisticFit::FitFirst() {
  const std::size_t n = dimensions();
  const auto rows = numbers_.size() / n;
  std::vector<double> fitted(NumbersOf(kFirstRows, features_));
  std::vector<double> ys(rows);
  std::vector<double> standard(numbers_.size());
  for (std::size_t row = 0; row < rows; ++row) {
    ys[row] = numbers_[row * n];
    standard[row * n + features_] = 1;
  }
  for (std::size_t i = 0; i < features_; ++i) {
    double& mean = fitted[i];
    double& scale = fitted[features_ + i];
    for (std::size_t row = 0; row < rows; ++row) mean += numbers_[row * n + 1 + i] / static_cast<double>(rows);
    for (std::size_t row = 0; row < rows; ++row) scale = std::hypot(scale, numbers_[row * n + 1 + i] - mean);
    scale /= std::sqrt(static_cast<double>(rows));
    if (!(scale > 0)) scale = 1;
    for (std::size_t row = 0; row < rows; ++row) standard[row * n + i] = (numbers_[row * n + 1 + i] - mean) / scale;
  }
  numbers_ = std::move(fitted);
  numbers_.shrink_to_fit();
  const FirstRows first(std::move(ys), std::move(standard), n, ridge_);
  Dimensions best{};
  const std::vector<double> hessian = first.Minimize(best);
  std::copy_n(best.begin(), n, learned().weights);
  std::ranges::copy(InverseOfFactored(hessian, n), learned().covariance);
}

void LogisticFit::Learn(double y, std::span<const double> features) {
  const std::size_t n = dimensions();
  const auto [means, scales, weights, covariance] = learned();
  Dimensions z;
  for (std::size_t i = 0; i < features_; ++i) z[i] = (features[i] - means[i]) / scales[i];
  z[features_] = 1;
  Dimensions direction{};  // covariance times z
  for (std::size_t row = 0; row < n; ++row) {
    for (std::size_t column = 0; column < row; ++column) {
      direction[row] += covariance[At(row, column)] * z[column];
      direction[column] += covariance[At(row, column)] * z[row];
    }
    direction[row] += covariance[At(row, row)] * z[row];
  }
  double x = 0;
  double spread = 0;
  for (std::size_t i = 0; i < n; ++i) {
    x += weights[i] * z[i];
    spread += direction[i] * z[i];
  }
  spread = std::max(spread, 0.0);
  const double step = StepOf(y, x, spread);
  const double likely = Sigmoid(x + spread * step);
  const double known = likely * (1 - likely) / (1 + likely * (1 - likely) * spread);
  for (std::size_t row = 0; row < n; ++row) {
    weights[row] += step * direction[row];
    for (std::size_t column = 0; column <= row; ++column) {
      covariance[At(row, column)] -= known * direction[row] * direction[column];
    }
  }
}

void LogisticFit::AddRowsOf(const LogisticFit& other) {
  const std::size_t n = other.dimensions();
  for (std::size_t at = 0; at < other.numbers_.size(); at += n) {
    Add(other.numbers_[at], std::span(other.numbers_).subspan(at + 1, n - 1));
  }
}

void LogisticFit::Merge(const LogisticFit& later) {
  const std::uint8_t flaws = flaws_ | later.flaws_;
  if (rows_ == 0 || (later.is_learned() && !is_learned())) {
    const LogisticFit mine = std::exchange(*this, later);
    AddRowsOf(mine);
  } else if (!later.is_learned()) {
    AddRowsOf(later);
  } else if (later.features_ != features_) {
    flaws_ |= kUneven;
  } else {
    Average(later);
  }
  flaws_ |= flaws;
}

// Weights w over features that are standardized in another way are B w over its own: x'Px becomes w'B'PBw.
void LogisticFit::AddEvidence(const LogisticFit& to, std::vector<double>& precision, std::span<double> pull) const {
  const std::size_t n = dimensions();
  const auto own = learned();
  std::vector<double> factor(own.covariance, own.covariance + n * (n + 1) / 2);
  Factor(factor, n);
  const std::vector<double> known = InverseOfFactored(factor, n);
  Dimensions pulled;
  std::copy_n(own.weights, n, pulled.begin());
  SolveFactored(factor, n, pulled);
  Dimensions wider;  // B: the diagonal
  Dimensions moved;  // and the last row
  for (std::size_t i = 0; i < features_; ++i) {
    wider[i] = own.scales[i] / to.learned().scales[i];
    moved[i] = (own.means[i] - to.learned().means[i]) / to.learned().scales[i];
  }
  wider[features_] = 0;
  moved[features_] = 1;
  const auto at = [&](std::size_t row, std::size_t column) {
    return known[At(row, column)] - (row == column ? RidgeOf(row, n, ridge_) : 0);
  };
  for (std::size_t row = 0; row < n; ++row) {
    pull[row] += wider[row] * pulled[row] + moved[row] * pulled[features_];
    for (std::size_t column = 0; column <= row; ++column) {
      precision[At(row, column)] +=
          wider[row] * wider[column] * at(row, column) + wider[row] * moved[column] * at(features_, row) +
          moved[row] * wider[column] * at(features_, column) + moved[row] * moved[column] * at(features_, features_);
    }
  }
}

void LogisticFit::Average(const LogisticFit& other) {
  const std::size_t n = dimensions();
  const double share = static_cast<double>(other.rows_) / static_cast<double>(rows_ + other.rows_);
  LogisticFit merged = *this;
  const auto [means, scales, weights, covariance] = merged.learned();
  for (std::size_t i = 0; i < features_; ++i) {
    const double apart = other.learned().means[i] - means[i];
    means[i] += share * apart;
    scales[i] = std::hypot(std::sqrt(1 - share) * scales[i], std::sqrt(share) * other.learned().scales[i],
                           std::sqrt(share * (1 - share)) * apart);
  }
  std::vector<double> precision(n * (n + 1) / 2);
  Dimensions pull{};
  AddEvidence(merged, precision, pull);
  other.AddEvidence(merged, precision, pull);
  for (std::size_t i = 0; i < n; ++i) precision[At(i, i)] += RidgeOf(i, n, ridge_);
  Factor(precision, n);
  SolveFactored(precision, n, pull);
  std::copy_n(pull.begin(), n, weights);
  std::ranges::copy(InverseOfFactored(precision, n), covariance);
  merged.rows_ += other.rows_;
  *this = std::move(merged);
}

arrow::Result<LogisticFit::Solution> LogisticFit::Solve() const {
  if ((flaws_ & kUneven) != 0) {
    return arrow::Status::Invalid("logistic_fit needs as many features in every row, at most ", kFeaturesMax,
                                  ": give it lists of one length");
  }
  if ((flaws_ & kOutOfRange) != 0) {
    return arrow::Status::Invalid("logistic_fit takes a y that is true or false, or a number from 0 to 1");
  }
  Solution solution{.weights = std::vector<double>(features_), .bias = 0, .rows = rows_};
  if ((flaws_ & kNotFinite) != 0) {
    solution.bias = std::numeric_limits<double>::quiet_NaN();
    std::ranges::fill(solution.weights, solution.bias);
    return solution;
  }
  LogisticFit fit = *this;
  if (!is_learned()) fit.FitFirst();
  const auto [means, scales, weights, covariance] = fit.learned();
  solution.bias = weights[features_];
  for (std::size_t i = 0; i < features_; ++i) {
    solution.weights[i] = weights[i] / scales[i];
    solution.bias -= solution.weights[i] * means[i];
  }
  return solution;
}

arrow::Result<LogisticFit> LogisticFit::Make(double ridge, Parts parts) {
  const bool is_possible = parts.rows >= 0 && parts.rows <= kRowsMax && parts.features <= kFeaturesMax &&
                           parts.flaws < 2 * kOutOfRange &&
                           parts.numbers.size() == NumbersOf(parts.rows, parts.features);
  if (!is_possible) return arrow::Status::Invalid("A logistic fit of impossible parts");
  LogisticFit fit(ridge);
  fit.rows_ = parts.rows;
  fit.features_ = parts.features;
  fit.flaws_ = parts.flaws;
  fit.numbers_ = std::move(parts.numbers);
  return fit;
}

}  // namespace hyprstream
