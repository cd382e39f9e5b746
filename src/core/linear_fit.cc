#include "core/linear_fit.h"

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

// The place of row and column (row >= column) in a lower triangle.
std::size_t At(std::size_t row, std::size_t column) { return row * (row + 1) / 2 + column; }

// Solves matrix * x = right for a symmetric matrix with a diagonal of ones, as its lower triangle. Where a pivot is
// none, x is 0: the row says no more than those before it.
std::vector<double> SolveScaled(std::vector<double> matrix, std::vector<double> right) {
  const std::size_t n = right.size();
  const double least_pivot = static_cast<double>(n) * 64 * std::numeric_limits<double>::epsilon();
  std::vector<bool> is_used(n);
  for (std::size_t row = 0; row < n; ++row) {
    double pivot = matrix[At(row, row)];
    for (std::size_t column = 0; column < row; ++column) {
      double rest = matrix[At(row, column)];
      for (std::size_t k = 0; k < column; ++k) rest -= matrix[At(row, k)] * matrix[At(column, k)];
      rest = is_used[column] ? rest / matrix[At(column, column)] : 0;
      matrix[At(row, column)] = rest;
      pivot -= rest * rest;
      right[row] -= rest * right[column];
    }
    is_used[row] = pivot > least_pivot;
    matrix[At(row, row)] = is_used[row] ? std::sqrt(pivot) : 0;
    right[row] = is_used[row] ? right[row] / matrix[At(row, row)] : 0;
  }
  for (std::size_t row = n; row-- > 0;) {
    if (!is_used[row]) continue;
    for (std::size_t below = row + 1; below < n; ++below) right[row] -= matrix[At(below, row)] * right[below];
    right[row] /= matrix[At(row, row)];
  }
  return right;
}

}  // namespace

void LinearFit::Start(std::size_t features) {
  features_ = static_cast<std::uint32_t>(features);
  sums_.assign(SumsOf(features), 0);
}

void LinearFit::AddProducts(double weight, double of_y, const double* of_features) {
  squares_y() += weight * of_y * of_y;
  double* const with = with_y();
  double* product = products();
  for (std::size_t row = 0; row < features_; ++row) {
    const double weighted = weight * of_features[row];
    with[row] += weighted * of_y;
    for (std::size_t column = 0; column <= row; ++column) *product++ += weighted * of_features[column];
  }
}

void LinearFit::Add(double y, std::span<const double> features) {
  if (sums_.empty() && features.size() <= kFeaturesMax) Start(features.size());
  if (features.size() != features_ || sums_.empty()) {
    uneven_ = true;
    return;
  }
  const auto before = static_cast<double>(rows_);
  const auto n = static_cast<double>(++rows_);
  std::array<double, kFeaturesMax> distances;
  const double of_y = y - mean_y();
  mean_y() += of_y / n;
  for (std::size_t i = 0; i < features.size(); ++i) {
    distances[i] = features[i] - means()[i];
    means()[i] += distances[i] / n;
  }
  AddProducts(before / n, of_y, distances.data());
}

void LinearFit::Merge(const LinearFit& other) {
  uneven_ = uneven_ || other.uneven_;
  if (other.rows_ == 0) return;
  if (rows_ == 0) {
    const bool uneven = uneven_;
    *this = other;
    uneven_ = uneven;
    return;
  }
  if (features_ != other.features_) {
    uneven_ = true;
    return;
  }
  const auto ours = static_cast<double>(rows_);
  const auto theirs = static_cast<double>(other.rows_);
  const double n = ours + theirs;
  std::array<double, kFeaturesMax> distances;
  const double of_y = other.sums_[0] - mean_y();
  for (std::size_t i = 0; i < features_; ++i) distances[i] = other.sums_[2 + i] - means()[i];
  const std::size_t first_product = 2 + std::size_t{features_};
  squares_y() += other.sums_[1];
  for (std::size_t i = first_product; i < sums_.size(); ++i) sums_[i] += other.sums_[i];
  AddProducts(ours * theirs / n, of_y, distances.data());
  mean_y() = std::fma(theirs / n, of_y, mean_y());
  for (std::size_t i = 0; i < features_; ++i) means()[i] = std::fma(theirs / n, distances[i], means()[i]);
  rows_ += other.rows_;
}

arrow::Result<LinearFit::Solution> LinearFit::Solve(double ridge) const {
  if (uneven_) {
    return arrow::Status::Invalid("linear_fit needs as many features in every row, at most ", kFeaturesMax,
                                  ": give it lists of one length");
  }
  if (sums_.empty()) return Solution{.weights = {}, .bias = 0, .r2 = std::nullopt, .rows = 0};
  const std::size_t n = features_;
  const double* const means = sums_.data() + 2;
  const double* const with_y = means + n;
  const double* const products = with_y + n;
  if (!std::ranges::all_of(sums_, [](double sum) { return std::isfinite(sum); })) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    return Solution{.weights = std::vector<double>(n, nan), .bias = nan, .r2 = nan, .rows = rows_};
  }
  // By the square roots of the diagonal: features of different size weigh alike in what is small.
  std::vector<double> scales(n);
  for (std::size_t i = 0; i < n; ++i) scales[i] = std::sqrt(products[At(i, i)] + ridge);
  std::vector<double> matrix(n * (n + 1) / 2);
  std::vector<double> right(n);
  for (std::size_t row = 0; row < n; ++row) {
    if (scales[row] == 0) continue;
    right[row] = with_y[row] / scales[row];
    for (std::size_t column = 0; column < row; ++column) {
      if (scales[column] != 0) matrix[At(row, column)] = products[At(row, column)] / scales[row] / scales[column];
    }
    matrix[At(row, row)] = 1;
  }
  Solution solution{
      .weights = SolveScaled(std::move(matrix), std::move(right)), .bias = sums_[0], .r2 = std::nullopt, .rows = rows_};
  double explained = 0;
  for (std::size_t row = 0; row < n; ++row) {
    double& weight = solution.weights[row];
    weight = scales[row] == 0 ? 0 : weight / scales[row];
    solution.bias -= weight * means[row];
    explained += weight * with_y[row];
    // What a ridge keeps the weights from explaining.
    explained += ridge * weight * weight;
  }
  if (sums_[1] > 0) solution.r2 = std::clamp(explained / sums_[1], 0.0, 1.0);
  return solution;
}

arrow::Result<LinearFit> LinearFit::Make(Parts parts) {
  const bool is_empty = parts.rows == 0;
  // What has seen no row is not made before one comes; one may have come that does not count.
  if ((is_empty && !parts.uneven) || parts.rows < 0 || parts.rows > kRowsMax || parts.features > kFeaturesMax ||
      parts.sums.size() != (is_empty ? 0 : SumsOf(parts.features))) {
    return arrow::Status::Invalid("A linear fit of impossible parts");
  }
  LinearFit fit;
  fit.rows_ = parts.rows;
  fit.features_ = parts.features;
  fit.uneven_ = parts.uneven;
  fit.sums_ = std::move(parts.sums);
  return fit;
}

}  // namespace hyprstream
