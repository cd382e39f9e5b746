// Every family of states: rows in any split, saved and restored, damaged.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "aggregate/state_format_internal.h"
#include "aggregate/view_state.h"
#include "aggregate/view_test_support.h"
#include "arrow/array/array_binary.h"
#include "arrow/array/array_primitive.h"
#include "arrow/array/builder_decimal.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/buffer.h"
#include "arrow/builder.h"
#include "arrow/result.h"
#include "arrow/table.h"
#include "core/aggregate_functions.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hyprstream::aggregate {
namespace {

using enum AggregateKind;
using Random = std::mt19937_64;
using Type = std::shared_ptr<arrow::DataType>;

struct Case {
  std::string name;
  std::vector<TestAggregate> aggregates;
};

std::int64_t Below(Random& random, std::int64_t limit) {
  return std::uniform_int_distribution<std::int64_t>(0, limit - 1)(random);
}

// As JSON: NULLs among small values, so that groups meet equal ones.
std::string RandomColumn(Random& random, const arrow::DataType& type, int rows) {
  std::string json = "[";
  for (int row = 0; row < rows; ++row) {
    if (row > 0) json += ", ";
    if (Below(random, 6) == 0) {
      json += "null";
    } else if (type.id() == arrow::Type::LIST) {
      json += "[" + std::to_string(Below(random, 50)) + ", " + (Below(random, 20) == 0 ? "null" : "7.5") + ", " +
              std::to_string(static_cast<double>(Below(random, 900)) / 8) + "]";
    } else if (type.id() == arrow::Type::BOOL) {
      json += Below(random, 2) == 0 ? "true" : "false";
    } else if (type.id() == arrow::Type::STRING) {
      json += "\"" + std::string(static_cast<std::size_t>(Below(random, 40)), 'a') + std::to_string(row % 7) + "\"";
    } else if (type.id() == arrow::Type::DECIMAL128) {
      const auto zeros = static_cast<std::size_t>(static_cast<const arrow::Decimal128Type&>(type).scale());
      json += "\"" + std::to_string(Below(random, 900) - 450) + (zeros > 0 ? "." + std::string(zeros, '5') : "") + "\"";
    } else if (arrow::is_floating(type.id())) {
      json += std::to_string(static_cast<double>(Below(random, 4'000)) / 16 + 1);
    } else {
      json += std::to_string(Below(random, 100));
    }
  }
  return json + "]";
}

std::vector<Case> SketchCases() {
  const Type f64 = arrow::float64();
  const Type i64 = arrow::int64();
  const Type text = arrow::utf8();
  const Type money = arrow::decimal128(9, 2);
  Case sketches{.name = "Sketches"};
  for (const Type& type : {i64, f64, text, money, arrow::boolean()}) {
    sketches.aggregates.push_back({kApproxCountDistinct, {type}, i64});
    sketches.aggregates.push_back({kApproxTopK, {type}, arrow::list(type), {20}});
  }
  for (const Type& type : {i64, f64, money}) {
    sketches.aggregates.push_back({kApproxQuantile, {type}, type, {0.9}});
    sketches.aggregates.push_back({kApproxQuantile, {type}, arrow::list(type), {0, 0.5, 1}});
  }
  Case bags{.name = "Bags"};
  for (const Type& type : {i64, f64, text, money, arrow::boolean()}) {
    bags.aggregates.push_back({kCountDistinct, {type}, i64});
    bags.aggregates.push_back({kMode, {type}, type});
    bags.aggregates.push_back({kEntropy, {type}, f64});
    bags.aggregates.push_back({kQuantileDisc, {type}, type, {0.25}});
    bags.aggregates.push_back({kQuantileDisc, {type}, arrow::list(type), {0.25, 1}});
    bags.aggregates.push_back({kHistogram, {type}, arrow::map(type, arrow::uint64())});
  }
  bags.aggregates.push_back({kSumDistinct, {i64}, arrow::decimal128(38, 0)});
  bags.aggregates.push_back({kSumDistinct, {money}, arrow::decimal128(38, 2)});
  bags.aggregates.push_back({kSumDistinct, {f64}, f64});
  bags.aggregates.push_back({kAvgDistinct, {i64}, f64});
  bags.aggregates.push_back({kMedian, {i64}, f64, {0.5}});
  bags.aggregates.push_back({kMedian, {money}, money, {0.5}});
  bags.aggregates.push_back({kQuantileCont, {f64}, f64, {-0.25}});
  bags.aggregates.push_back({kQuantileCont, {f64}, arrow::list(f64), {0.1, 0.9}});
  const Type scaler = arrow::struct_(
      {arrow::field("mean", f64), arrow::field("stddev", f64), arrow::field("weight", f64), arrow::field("bias", f64)});
  const Type fit = arrow::struct_({arrow::field("weights", arrow::list(f64)), arrow::field("bias", f64),
                                   arrow::field("r2", f64), arrow::field("n", i64)});
  const Type features = arrow::list(f64);
  Case fits{.name = "Fits",
            .aggregates = {{kStandardScaler, {f64}, scaler},
                           {kLinearFit, {f64, features}, fit},
                           {kLinearFit, {f64, features}, fit, {2.5}}}};
  Case vectors{.name = "Vectors"};
  for (const auto kind : {kVecSum, kVecAvg, kVecMin, kVecMax, kVecStddev}) {
    vectors.aggregates.push_back({kind, {features}, features});
    vectors.aggregates.push_back({kind, {features}, arrow::fixed_size_list(f64, 3)});
  }
  Case decays{.name = "Decays"};
  for (const auto kind : {kEwma, kDecayedSum, kDecayedCount}) {
    for (const double half_life : {3.0, 1000.0}) decays.aggregates.push_back({kind, {f64, i64}, f64, {half_life}});
  }
  decays.aggregates.push_back({kDecayedCount, {text, i64}, f64, {20}});
  const Type logistic =
      arrow::struct_({arrow::field("weights", features), arrow::field("bias", f64), arrow::field("n", i64)});
  Case learned{
      .name = "Learned",
      .aggregates = {{kLogisticFit, {f64, features}, logistic}, {kLogisticFit, {f64, features}, logistic, {0.1}}}};
  return {sketches, bags, fits, vectors, decays, learned};
}

std::vector<Case> Cases() {
  const Type f64 = arrow::float64();
  const Type i64 = arrow::int64();
  const Type text = arrow::utf8();
  const Type huge = arrow::decimal128(38, 0);
  std::vector<Case> cases;
  Case moments{.name = "Moments"};
  for (const auto kind : {kVarPop, kVarSamp, kStddevPop, kStddevSamp, kSem}) {
    moments.aggregates.push_back({kind, {f64}, f64});
  }
  cases.push_back(moments);
  for (const auto kind : {kSkewness, kKurtosis, kKurtosisPop, kVarPop}) {
    moments.aggregates.push_back({kind, {f64}, f64});
  }
  moments.name = "HigherMoments";
  cases.push_back(moments);
  Case pairs{.name = "Pairs"};
  for (const auto kind : {kCovarPop, kCovarSamp, kCorr, kRegrSlope, kRegrIntercept, kRegrR2, kRegrAvgX, kRegrAvgY,
                          kRegrSxx, kRegrSyy, kRegrSxy}) {
    pairs.aggregates.push_back({kind, {f64, f64}, f64});
  }
  pairs.aggregates.push_back({kRegrCount, {f64, f64}, arrow::uint32()});
  cases.push_back(pairs);
  cases.push_back({.name = "Products", .aggregates = {{kProduct, {f64}, f64}, {kGeomean, {f64}, f64}}});
  Case bits{.name = "Bits"};
  for (const auto kind : {kBitAnd, kBitOr, kBitXor}) {
    for (const Type& type : {arrow::int8(), arrow::uint16(), i64, huge})
      bits.aggregates.push_back({kind, {type}, type});
  }
  cases.push_back(bits);
  Case picks{.name = "Picks"};
  for (const auto kind : {kArgMin, kArgMax, kFirst, kLast}) {
    for (const Type& by : {i64, f64, text, huge}) {
      for (const Type& value : {arrow::int32(), text, arrow::boolean(), huge}) {
        picks.aggregates.push_back({kind, {value, by}, value});
      }
    }
  }
  for (const Type& value : {i64, text, arrow::boolean()}) picks.aggregates.push_back({kAnyValue, {value}, value});
  cases.push_back(picks);
  for (Case& sketches : SketchCases()) cases.push_back(std::move(sketches));
  return cases;
}

class StateFamilies : public testing::TestWithParam<Case> {
 protected:
  static constexpr int kRows = 300;

  StateFamilies() : query_(MakeTestQuery({{"k", arrow::int64()}}, -1, GetParam().aggregates)) {
    std::vector<std::string> columns = {"["};
    for (int row = 0; row < kRows; ++row) columns[0] += (row == 0 ? "" : ", ") + std::to_string(Below(random_, 9));
    columns[0] += "]";
    for (int i = 1; i < query_->evaluated_schema->num_fields(); ++i) {
      columns.push_back(IsLabel(i) ? RandomLabels()
                                   : RandomColumn(random_, *query_->evaluated_schema->field(i)->type(), kRows));
    }
    batch_ = MakeTestBatch(*query_, columns);
  }

  // What a model explains is true or false.
  bool IsLabel(int column) const {
    return std::ranges::any_of(query_->aggregates, [&](const AggregateColumn& aggregate) {
      return aggregate.kind == kLogisticFit && aggregate.arguments.front() == column;
    });
  }
  std::string RandomLabels() {
    std::string json = "[";
    for (int row = 0; row < kRows; ++row)
      json += std::string(row == 0 ? "" : ", ") + (Below(random_, 3) > 0 ? "1" : "0");
    return json + "]";
  }

  std::unique_ptr<ViewState> Make() const { return ViewState::Make(query_).ValueOrDie(); }
  std::unique_ptr<ViewState> Filled() const {
    auto state = Make();
    FoldAndMerge(*state, {batch_});
    return state;
  }
  // The rows in their order, in random deltas of random batches.
  void FeedInPieces(ViewState& state) {
    for (std::int64_t at = 0; at < kRows;) {
      std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
      for (std::int64_t pieces = Below(random_, 3); pieces >= 0; --pieces) {
        const std::int64_t take = std::min<std::int64_t>(Below(random_, 80), kRows - at);
        batches.push_back(batch_->Slice(at, take));
        at += take;
      }
      FoldAndMerge(state, batches);
    }
  }

  Random random_{17};
  const std::shared_ptr<AggregateQuery> query_;
  std::shared_ptr<arrow::RecordBatch> batch_;
};

std::shared_ptr<arrow::RecordBatch> Read(ViewState& state) {
  const auto source = MakeViewSource(state.Pin());
  const auto reader = source->Scan(AllColumns(*source)).ValueOrDie();
  const auto table = reader->ToTable().ValueOrDie();
  return table->CombineChunksToBatch().ValueOrDie();
}

// Doubles to the last bits, inside of lists and structs, too.
void ExpectSame(const arrow::Scalar& actual, const arrow::Scalar& expected, int column) {
  ASSERT_EQ(actual.is_valid, expected.is_valid) << column;
  if (!actual.is_valid) return;
  if (actual.type->id() == arrow::Type::DOUBLE) {
    const double value = static_cast<const arrow::DoubleScalar&>(actual).value;
    const double wanted = static_cast<const arrow::DoubleScalar&>(expected).value;
    EXPECT_NEAR(value, wanted, 1e-12 * std::max(1.0, std::abs(wanted))) << column;
  } else if (actual.type->id() == arrow::Type::STRUCT) {
    const auto& fields = static_cast<const arrow::StructScalar&>(actual).value;
    const auto& wanted = static_cast<const arrow::StructScalar&>(expected).value;
    for (std::size_t i = 0; i < fields.size(); ++i) ExpectSame(*fields[i], *wanted[i], column);
  } else if (actual.type->id() == arrow::Type::LIST || actual.type->id() == arrow::Type::FIXED_SIZE_LIST) {
    const auto& values = *static_cast<const arrow::BaseListScalar&>(actual).value;
    const auto& wanted = *static_cast<const arrow::BaseListScalar&>(expected).value;
    ASSERT_EQ(values.length(), wanted.length()) << column;
    for (std::int64_t i = 0; i < values.length(); ++i) {
      ExpectSame(*values.GetScalar(i).ValueOrDie(), *wanted.GetScalar(i).ValueOrDie(), column);
    }
  } else {
    EXPECT_TRUE(actual.Equals(expected)) << column << ": " << actual.ToString() << ", not " << expected.ToString();
  }
}

// Row for row by key.
void ExpectSame(const arrow::RecordBatch& actual, const arrow::RecordBatch& expected) {
  ASSERT_EQ(actual.num_rows(), expected.num_rows());
  const auto& keys = static_cast<const arrow::Int64Array&>(*actual.column(0));
  const auto& others = static_cast<const arrow::Int64Array&>(*expected.column(0));
  for (std::int64_t row = 0; row < actual.num_rows(); ++row) {
    std::int64_t other = 0;
    while (others.Value(other) != keys.Value(row)) ++other;
    for (int column = 1; column < actual.num_columns(); ++column) {
      ExpectSame(*actual.column(column)->GetScalar(row).ValueOrDie(),
                 *expected.column(column)->GetScalar(other).ValueOrDie(), column);
    }
  }
}

TEST(ExactStates, AreBoundedAndSayWhatToUseInstead) {
  auto query = MakeTestQuery({}, -1, {{kCountDistinct, {arrow::int64()}, arrow::int64()}});
  query->exact_bytes_max = 1 << 20;
  const auto state = ViewState::Make(query).ValueOrDie();
  const auto rows = [&](std::int64_t first, std::int64_t count) {
    arrow::Int64Builder builder;
    for (std::int64_t i = first; i < first + count; ++i) EXPECT_TRUE(builder.Append(i).ok());
    return arrow::RecordBatch::Make(query->evaluated_schema, count, {builder.Finish().ValueOrDie()});
  };
  FoldAndMerge(*state, {rows(0, 10'000)});
  FoldAndMerge(*state, {rows(0, 10'000)});
  const auto refused = state->Fold({rows(10'000, 80'000)}).status();
  EXPECT_TRUE(refused.IsCapacityError()) << refused;
  EXPECT_THAT(refused.message(), testing::HasSubstr("View sales_5m, column a0: count(DISTINCT x) keeps every distinct "
                                                    "value, and the view's passed 1 MiB"));
  EXPECT_THAT(refused.message(), testing::HasSubstr("with approx_count_distinct"));
  EXPECT_THAT(RowsOf(state->Pin()), testing::ElementsAre("10000"));
  FoldAndMerge(*state, {rows(0, 10'100)});  // what was refused is gone
}

TEST(Moments, AFirstValueWhoseSquareIsNoNumberStillHasNoSpread) {
  const Type f64 = arrow::float64();
  const auto query = MakeTestQuery({}, -1, {{kVarPop, {f64}, f64}, {kSkewness, {f64}, f64}});
  query->aggregates[1].arguments = query->aggregates[0].arguments;  // one part
  const auto batch = MakeTestBatch(*query, {"[1e160, 1e160]", "[0, 0]"});
  const auto state = ViewState::Make(query).ValueOrDie();
  FoldAndMerge(*state, {batch->Slice(0, 1)});
  FoldAndMerge(*state, {batch->Slice(1)});
  EXPECT_THAT(RowsOf(*MakeViewSource(state->Pin())->Scan({.projection = {0}, .filters = {}}).ValueOrDie()),
              testing::ElementsAre("0"));
  const auto at_once = ViewState::Make(query).ValueOrDie();
  FoldAndMerge(*at_once, {batch});
  EXPECT_THAT(RowsOf(*MakeViewSource(at_once->Pin())->Scan({.projection = {0}, .filters = {}}).ValueOrDie()),
              testing::ElementsAre("0"));
}

TEST(ApproxQuantiles, StayWithinTheirType) {
  const Type huge = arrow::decimal128(38, 0);
  const Type wide = arrow::decimal128(17, 0);
  const auto query = MakeTestQuery({}, -1,
                                   {{kApproxQuantile, {wide}, wide, {1}},
                                    {kApproxQuantile, {wide}, wide, {0}},
                                    {kApproxQuantile, {huge}, arrow::list(huge), {0, 1}}});
  const auto state = ViewState::Make(query).ValueOrDie();
  const std::string digits(17, '9');
  auto columns = MakeTestBatch(*query, {"[\"" + digits + "\"]", "[\"-" + digits + "\"]", "[\"0\"]"})->columns();
  // A HUGEINT travels as a decimal of 38 digits, and has more.
  arrow::Decimal128Builder builder(huge);
  ASSERT_TRUE(builder.Append(arrow::Decimal128((std::int64_t{1} << 62) - 1 + (std::int64_t{1} << 62), ~0ULL)).ok());
  columns[2] = builder.Finish().ValueOrDie();
  FoldAndMerge(*state, {arrow::RecordBatch::Make(query->evaluated_schema, 1, columns)});
  const auto rows = RowsOf(state->Pin());
  EXPECT_THAT(rows.front(), testing::StartsWith(digits + " | -" + digits + " | "));
  EXPECT_THAT(rows.front(), testing::HasSubstr("170141183460469231731687303715884105727"));
  EXPECT_THAT(rows.front(), testing::Not(testing::HasSubstr("-17014118346046923173")));
}

TEST(DistinctSums, OfDecimalsEndWhereDecimalsDo) {
  const Type wide = arrow::decimal128(38, 0);
  const auto query = MakeTestQuery({}, -1, {{kSumDistinct, {wide}, wide}});
  const std::string zeros(37, '0');
  const auto batch = MakeTestBatch(*query, {"[\"9" + zeros + "\", \"8" + zeros + "\"]"});
  const auto read = [&](const char* type) {
    query->output_types = {type};
    const auto state = ViewState::Make(query).ValueOrDie();
    FoldAndMerge(*state, {batch});
    const auto source = MakeViewSource(state->Pin());
    return source->Scan(AllColumns(*source)).ValueOrDie()->ToRecordBatches().status();
  };
  EXPECT_THAT(read("DECIMAL(38,0)").message(), testing::HasSubstr("the sum is out of range of DECIMAL(38)"));
  EXPECT_TRUE(read("HUGEINT").ok());
}

TEST_P(StateFamilies, AnySplitOfTheRowsGivesTheSame) {
  const auto whole = Read(*Filled());
  EXPECT_GT(whole->num_rows(), 5);
  for (int round = 0; round < 10; ++round) {
    const auto state = Make();
    FeedInPieces(*state);
    ExpectSame(*Read(*state), *whole);
  }
}

TEST_P(StateFamilies, APinKeepsWhatItSaw) {
  const auto state = Filled();
  const auto pin = state->Pin();
  const auto before = RowsOf(pin);
  FeedInPieces(*state);
  EXPECT_EQ(RowsOf(pin), before);
  EXPECT_NE(state->Serialize().ValueOrDie()->ToString(), Filled()->Serialize().ValueOrDie()->ToString());
}

TEST_P(StateFamilies, SavedAndRestoredTheyGoOnAlike) {
  const auto state = Filled();
  const auto bytes = state->Serialize().ValueOrDie();
  const auto restored = Make();
  ASSERT_TRUE(restored->Restore(std::string_view(*bytes)).ok());
  EXPECT_TRUE(restored->Serialize().ValueOrDie()->Equals(*bytes));
  EXPECT_TRUE(Read(*restored)->Equals(*Read(*state)));
  FoldAndMerge(*state, {batch_->Slice(20)});
  FoldAndMerge(*restored, {batch_->Slice(20)});
  EXPECT_TRUE(restored->Serialize().ValueOrDie()->Equals(*state->Serialize().ValueOrDie()));
}

// Whatever the bytes say, the reader stays inside them and answers.
TEST_P(StateFamilies, DamagedBytesAreReadWithinBounds) {
  const std::string bytes = Filled()->Serialize().ValueOrDie()->ToString();
  constexpr std::size_t kEnvelope = 20;  // magic, version and fingerprint
  const auto below = [&](std::size_t limit) {
    return static_cast<std::size_t>(Below(random_, static_cast<std::int64_t>(limit)));
  };
  int refused = 0;
  for (int round = 0; round < 300; ++round) {
    std::string forged = bytes.substr(0, bytes.size() - sizeof(std::uint32_t));
    for (std::size_t flips = 1 + below(3); flips > 0; --flips) {
      forged[kEnvelope + below(forged.size() - kEnvelope)] = static_cast<char>(below(256));
    }
    if (below(4) == 0) forged.resize(kEnvelope + below(forged.size() - kEnvelope));
    const std::uint32_t checksum = StateChecksum(forged);
    forged.append(reinterpret_cast<const char*>(&checksum), sizeof(checksum));
    const auto state = Make();
    const auto status = state->Restore(forged);
    if (!status.ok()) {
      ASSERT_TRUE(status.IsInvalid()) << status;
      ++refused;
      continue;
    }
    const auto source = MakeViewSource(state->Pin());
    const auto read = source->Scan(AllColumns(*source)).ValueOrDie()->ToRecordBatches();
    ASSERT_TRUE(read.ok() || read.status().IsInvalid()) << read.status();
    FoldAndMerge(*state, {batch_});
  }
  EXPECT_GT(refused, 0);
}

// As states('view') gives them: the columns of the view, sealed states in the place of values.
std::shared_ptr<arrow::RecordBatch> StatesOf(ViewState& state) {
  const auto source = MakeViewSource(state.Pin());
  const int columns = source->schema()->num_fields();
  ScanRequest request{.projection = {0}, .filters = {}};
  for (int column = 1; column < columns; ++column) request.projection.push_back(columns + column);
  const auto table = source->Scan(request).ValueOrDie()->ToTable().ValueOrDie();
  const auto batch = table->CombineChunksToBatch().ValueOrDie();
  arrow::ArrayVector arrays = {batch->column(0)};
  for (int column = 1; column < columns; ++column) {
    const auto& states = static_cast<const arrow::BinaryArray&>(*batch->column(column));
    arrow::BinaryBuilder sealed;
    for (std::int64_t row = 0; row < states.length(); ++row) {
      EXPECT_TRUE(sealed.Append(source->StatesOf(column)->Seal(states.GetView(row))).ok());
    }
    arrays.push_back(sealed.Finish().ValueOrDie());
  }
  return arrow::RecordBatch::Make(batch->schema(), batch->num_rows(), arrays);
}

TEST_P(StateFamilies, TakenOutOfOneViewTheyAreMergedIntoAnother) {
  const auto state = Filled();
  const auto first = Make();
  const auto second = Make();
  FoldAndMerge(*first, {batch_->Slice(0, 170)});
  FoldAndMerge(*second, {batch_->Slice(170)});
  first->Merge(*first->FoldStates({StatesOf(*second)}).ValueOrDie());
  ExpectSame(*Read(*first), *Read(*state));
  const auto moved = Make();
  moved->Merge(*moved->FoldStates({StatesOf(*state)}).ValueOrDie());
  ExpectSame(*Read(*moved), *Read(*state));
}

// Whatever the bytes say, the reader stays inside them, and takes all or nothing.
TEST_P(StateFamilies, ForgedStatesAreReadWithinBounds) {
  const auto states = StatesOf(*Filled());
  constexpr std::size_t kHead = 12;
  const auto below = [&](std::size_t limit) {
    return static_cast<std::size_t>(Below(random_, static_cast<std::int64_t>(limit)));
  };
  int refused = 0;
  for (int round = 0; round < 300; ++round) {
    auto arrays = states->columns();
    const auto column = 1 + below(arrays.size() - 1);
    const auto& sound = static_cast<const arrow::BinaryArray&>(*arrays[column]);
    const auto row = static_cast<std::int64_t>(below(static_cast<std::size_t>(sound.length())));
    arrow::BinaryBuilder builder;
    for (std::int64_t i = 0; i < sound.length(); ++i) {
      std::string bytes(sound.GetView(i));
      if (i == row) {
        bytes.resize(bytes.size() - sizeof(std::uint32_t));
        for (std::size_t flips = 1 + below(3); flips > 0; --flips) {
          bytes[kHead + below(bytes.size() - kHead)] = static_cast<char>(below(256));
        }
        if (below(4) == 0) bytes.resize(kHead + below(bytes.size() - kHead));
        const std::uint32_t checksum = StateChecksum(bytes);
        if (below(8) != 0) bytes.append(reinterpret_cast<const char*>(&checksum), sizeof(checksum));
      }
      ASSERT_TRUE(builder.Append(bytes).ok());
    }
    arrays[column] = builder.Finish().ValueOrDie();
    const auto state = Make();
    const auto delta = state->FoldStates({arrow::RecordBatch::Make(states->schema(), states->num_rows(), arrays)});
    if (!delta.ok()) {
      ASSERT_TRUE(delta.status().IsInvalid()) << delta.status();
      ++refused;
      continue;
    }
    state->Merge(**delta);
    const auto source = MakeViewSource(state->Pin());
    const auto read = source->Scan(AllColumns(*source)).ValueOrDie()->ToRecordBatches();
    ASSERT_TRUE(read.ok() || read.status().IsInvalid()) << read.status();
    FoldAndMerge(*state, {batch_});
  }
  EXPECT_GT(refused, 0);
}

INSTANTIATE_TEST_SUITE_P(All, StateFamilies, testing::ValuesIn(Cases()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace hyprstream::aggregate
