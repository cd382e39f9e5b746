#include "core/vector_summary.h"

#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "arrow/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hyprstream {
namespace {

using Vector = std::vector<std::optional<double>>;

template <class Place>
VectorSummary<Place> Of(const std::vector<Vector>& rows) {
  VectorSummary<Place> summary;
  for (const Vector& row : rows) summary.Add(row.size(), [&](std::size_t i) { return row[i]; });
  return summary;
}

template <class Place>
Vector Read(const VectorSummary<Place>& summary, std::optional<double> (Place::*read)() const) {
  Vector numbers;
  for (const Place& place : summary.places()) numbers.push_back((place.*read)());
  return numbers;
}

const std::vector<Vector> kRows = {{1, 2, std::nullopt}, {3, std::nullopt, std::nullopt}, {-8, 5, std::nullopt}};

TEST(VectorSummary, GivesAtEachPlaceWhatItsNumbersGive) {
  EXPECT_EQ(Read(Of<SumAtPlace>(kRows), &SumAtPlace::sum), (Vector{-4, 7, std::nullopt}));
  EXPECT_EQ(Read(Of<SumAtPlace>(kRows), &SumAtPlace::mean), (Vector{-4.0 / 3, 3.5, std::nullopt}));
  EXPECT_EQ(Read(Of<LeastAtPlace>(kRows), &LeastAtPlace::value), (Vector{-8, 2, std::nullopt}));
  EXPECT_EQ(Read(Of<GreatestAtPlace>(kRows), &GreatestAtPlace::value), (Vector{3, 5, std::nullopt}));
  const Vector spread = Read(Of<SpreadAtPlace>(kRows), &SpreadAtPlace::stddev);
  EXPECT_NEAR(*spread[0], std::sqrt(103.0 / 3), 1e-12);  // of 1, 3, -8: squares of distances from -4/3 make 68 2/3
  EXPECT_NEAR(*spread[1], std::sqrt(4.5), 1e-12);
  EXPECT_FALSE(spread[2].has_value());
  EXPECT_FALSE(Read(Of<SpreadAtPlace>({{1}}), &SpreadAtPlace::stddev)[0].has_value());
}

TEST(VectorSummary, NaNIsTheGreatestNumber) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(std::isnan(*Of<GreatestAtPlace>({{1}, {nan}, {2}}).places()[0].value()));
  EXPECT_EQ(Of<LeastAtPlace>({{nan}, {1}, {nan}}).places()[0].value(), 1);
  EXPECT_TRUE(std::isnan(*Of<LeastAtPlace>({{nan}}).places()[0].value()));
}

TEST(VectorSummary, AnySplitMergesToTheSame) {
  VectorSummary<SumAtPlace> merged;
  merged.Merge(VectorSummary<SumAtPlace>());
  for (const Vector& row : kRows) merged.Merge(Of<SumAtPlace>({row}));
  EXPECT_EQ(Read(merged, &SumAtPlace::mean), Read(Of<SumAtPlace>(kRows), &SumAtPlace::mean));
  // Digits that one large number hides come back when it is taken away.
  EXPECT_EQ(Read(Of<SumAtPlace>({{1e17}, {1}, {-1e17}}), &SumAtPlace::sum), Vector{1});
}

TEST(VectorSummary, SaysThatAnotherLengthCame) {
  EXPECT_TRUE(Of<SumAtPlace>(kRows).lengths().Check("vec_sum").ok());
  auto uneven = Of<SumAtPlace>({{1, 2}, {3}, {4, 5}});
  EXPECT_EQ(Read(uneven, &SumAtPlace::sum), (Vector{5, 7}));
  const auto said = uneven.lengths().Check("vec_sum");
  EXPECT_TRUE(said.IsInvalid());
  EXPECT_THAT(said.message(), testing::HasSubstr("vec_sum needs vectors of one length, and some have 2 numbers, "
                                                 "others 1"));
  auto from_merge = Of<SumAtPlace>({{1, 2}});
  from_merge.Merge(Of<SumAtPlace>({{3}}));
  EXPECT_FALSE(from_merge.lengths().Check("vec_sum").ok());
  VectorSummary<SumAtPlace> copied;
  copied.Merge(uneven);
  EXPECT_FALSE(copied.lengths().Check("vec_sum").ok());
}

}  // namespace
}  // namespace hyprstream
