// Logistic regression, learned from rows as they come: which weights and which bias explain by features how likely y
// is.
//
// The first kFirstRows rows are kept and fitted together (Newton's method), standardized by what they are; from then on
// each row moves the weights to where they explain it best without leaving what was learned before, and is forgotten
// (a Gaussian around the weights: Spiegelhalter and Lauritzen, Networks 20(5) 1990, each step solved for the weights
// after it as in implicit updates, Kulis and Bartlett, ICML 2010). So the result depends on the order of the rows; the
// same rows in the same order give the same bits, however they are split.
//
// Two that have forgotten their rows become one by their Gaussians: the average of the weights, each fit's weighted by
// how sure it is of them, the ridge counted once (Tresp, "A Bayesian Committee Machine", Neural Computation 12, 2000).
// That is not what all the rows in one order would have given but near to it, and nearer the more rows each has; rows
// of which all have the same y say next to nothing then. Merged in another order the fits differ in the last bits.
//
// Thread safety: none; const methods from any thread while nobody writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace arrow {
template <class T>
class Result;
class Status;
}  // namespace arrow

namespace hyprstream {

class LogisticFit {
 public:
  static constexpr std::size_t kFeaturesMax = 64;
  static constexpr std::int64_t kFirstRows = 64;

  struct Solution {
    std::vector<double> weights;
    double bias;
    std::int64_t rows;
  };

  // `ridge` times half the sum of the squares of the weights (of features that are standardized) is added to the error;
  // from 0 on.
  explicit LogisticFit(double ridge = 1) : ridge_(ridge) {}

  // A row: whether it is so (from 0 to 1), and what explains it. All rows have as many features, at most kFeaturesMax.
  void Add(double y, std::span<const double> features);
  // The rows of `later` after its own, where it still has them; its own after those of `later` where only it has them.
  // Of two that have forgotten theirs the average. Both have the same ridge.
  void Merge(const LogisticFit& later);

  std::int64_t rows() const { return rows_; }
  // rows() > 0. Not a number where any number of the rows is not finite. Invalid when rows had different numbers of
  // features, or when a y was not from 0 to 1.
  arrow::Result<Solution> Solve() const;
  std::int64_t bytes() const { return static_cast<std::int64_t>(sizeof(*this) + numbers_.capacity() * sizeof(double)); }

  // All that it is but for the ridge, for who saves it.
  struct Parts {
    std::int64_t rows = 0;
    std::uint32_t features = 0;
    std::uint8_t flaws = 0;
    std::vector<double> numbers = {};
  };
  Parts parts() const { return {.rows = rows_, .features = features_, .flaws = flaws_, .numbers = numbers_}; }
  // How many numbers belong to that many rows.
  static std::size_t NumbersOf(std::int64_t rows, std::size_t features);
  // Invalid when the parts are none.
  static arrow::Result<LogisticFit> Make(double ridge, Parts parts);

 private:
  enum Flaw : std::uint8_t { kUneven = 1, kNotFinite = 2, kOutOfRange = 4 };

  bool is_learned() const { return rows_ >= kFirstRows; }
  std::size_t dimensions() const { return std::size_t{features_} + 1; }  // the weights and, last, the bias
  // What was learned, in `numbers`; means and scales are those that features are standardized by.
  template <class Number>
  struct Learned {
    Number* means;
    Number* scales;
    Number* weights;     // and, last, the bias
    Number* covariance;  // the lower triangle, row by row
  };
  template <class Number>
  static Learned<Number> LearnedIn(Number* numbers, std::size_t features) {
    Number* const weights = numbers + 2 * features;
    return {numbers, numbers + features, weights, weights + features + 1};
  }
  Learned<double> learned() { return LearnedIn(numbers_.data(), features_); }
  Learned<const double> learned() const { return LearnedIn(numbers_.data(), features_); }
  void AddRowsOf(const LogisticFit& other);  // which still has them
  void Average(const LogisticFit& other);    // both have learned, of as many features
  // Adds what it knows but for its ridge, in terms of features that are standardized as those of `to`: the precision of
  // its weights, and that times the weights.
  void AddEvidence(const LogisticFit& to, std::vector<double>& precision, std::span<double> pull) const;
  // From the rows in `numbers_` to what is learned of them.
  void FitFirst();
  void Learn(double y, std::span<const double> features);

  double ridge_;
  std::int64_t rows_ = 0;
  std::uint32_t features_ = 0;
  std::uint8_t flaws_ = 0;
  std::vector<double> numbers_;  // of the first rows each y and its features, then what is learned
};

}  // namespace hyprstream
