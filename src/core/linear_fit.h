// Least squares, kept as the moments that its normal equations need: rows may come in any split, and two fits merge
// into that of both their rows.
//
// Moments are centred as they come (Welford; merged as Chan, Golub and LeVeque, STAN-CS-79-773), so that a large common
// part of the numbers costs no digits. Thread safety: none; const methods from any thread while nobody writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace arrow {
template <class T>
class Result;
}

namespace hyprstream {

class LinearFit {
 public:
  static constexpr std::size_t kFeaturesMax = 64;

  struct Solution {
    std::vector<double> weights;
    double bias;
    std::optional<double> r2;  // nullopt: y never changes
    std::int64_t rows;
  };

  // A row: what is explained, and what explains it. All rows have as many features, at most kFeaturesMax; others are
  // not added, and Solve fails from then on.
  void Add(double y, std::span<const double> features);
  void Merge(const LinearFit& other);

  std::int64_t rows() const { return rows_; }
  // The weights and the bias that explain the rows best, with `ridge` times the sum of the weights' squares added to
  // the error; rows() > 0. By Cholesky's factors of the matrix scaled to a diagonal of ones. A feature that those
  // before it determine has the weight 0. Not a number where any number of the rows is not finite. Invalid when rows
  // had different numbers of features.
  arrow::Result<Solution> Solve(double ridge) const;
  std::int64_t bytes() const { return static_cast<std::int64_t>(sizeof(*this) + sums_.capacity() * sizeof(double)); }

  // All that it is, for who saves it.
  struct Parts {
    std::int64_t rows = 0;
    std::uint32_t features = 0;
    bool uneven = false;
    std::vector<double> sums = {};
  };
  Parts parts() const { return {.rows = rows_, .features = features_, .uneven = uneven_, .sums = sums_}; }
  static std::size_t SumsOf(std::size_t features) { return 2 + features * 2 + features * (features + 1) / 2; }
  // Invalid when the parts are none.
  static arrow::Result<LinearFit> Make(Parts parts);

 private:
  void Start(std::size_t features);

  // Of y, then of the features.
  double& mean_y() { return sums_[0]; }
  double& squares_y() { return sums_[1]; }
  double* means() { return sums_.data() + 2; }
  double* with_y() { return means() + features_; }
  double* products() { return with_y() + features_; }  // the lower triangle, row by row
  // Adds those of `weight` times a distance from the means.
  void AddProducts(double weight, double of_y, const double* of_features);

  std::int64_t rows_ = 0;
  std::uint32_t features_ = 0;
  bool uneven_ = false;
  std::vector<double> sums_;  // means, and sums of products of distances from them; empty before the first row
};

}  // namespace hyprstream
