// States from elsewhere: what rows cannot have made is refused, and nothing of it stays.
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aggregate/mergeable_state_internal.h"
#include "aggregate/state_bytes_internal.h"
#include "aggregate/state_format_internal.h"
#include "aggregate/view_state.h"
#include "aggregate/view_test_support.h"
#include "arrow/array/builder_binary.h"
#include "arrow/buffer.h"
#include "arrow/result.h"
#include "core/aggregate_functions.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hyprstream::aggregate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using enum AggregateKind;
using Type = std::shared_ptr<arrow::DataType>;

const Type kNumber = arrow::int64();
const Type kReal = arrow::float64();
const Type kText = arrow::utf8();
constexpr std::int64_t kMany = std::int64_t{1} << 46;

template <class... Values>
std::string Bytes(const Values&... values) {
  StateWriter writer;
  const auto put = [&]<class V>(const V& value) {
    if constexpr (std::is_arithmetic_v<V>) {
      writer.Put(value);
    } else {
      writer.PutBytes(value);
    }
  };
  (put(values), ...);
  return std::move(writer).Take();
}
std::string Text(const std::string& text) { return Bytes(std::uint64_t{text.size()}, text); }

constexpr std::uint8_t kSeen = 1;

// SELECT k, <aggregate>, with k an INTEGER.
std::shared_ptr<AggregateQuery> Query(const TestAggregate& aggregate) {
  return MakeTestQuery({{"k", arrow::int32()}}, -1, {aggregate});
}

// One group's state, sealed.
std::shared_ptr<arrow::RecordBatch> StateOf(const AggregateQuery& query, int key, std::int64_t rows,
                                            const std::string& payload) {
  arrow::BinaryBuilder builder;
  EXPECT_TRUE(builder.Append(SealState(FingerprintOfAggregate(query, 0), Bytes(rows, payload))).ok());
  const auto& type = query.evaluated_schema->field(0)->type();
  const arrow::ArrayVector columns = {
      arrow::json::ArrayFromJSONString(type, "[" + std::to_string(key) + "]").ValueOrDie(),
      builder.Finish().ValueOrDie()};
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("k", type), arrow::field("a0", arrow::binary())}), 1,
                                  columns);
}

arrow::Status Taken(const std::shared_ptr<AggregateQuery>& query, std::int64_t rows, const std::string& payload) {
  const auto state = ViewState::Make(query).ValueOrDie();
  return state->FoldStates({StateOf(*query, 7, rows, payload)}).status();
}

struct Forged {
  TestAggregate aggregate;
  std::string two_rows;
};

TEST(ForeignStates, CountNoMoreThanTheirRows) {
  const std::string octave = Bytes(5.0, 5.0, std::uint32_t{1}, std::int32_t{1025}, std::uint64_t{2});
  const std::string other_buckets(63 * sizeof(std::uint64_t), '\0');
  const Type features = arrow::list(kReal);
  const Type fit = arrow::struct_({arrow::field("weights", features), arrow::field("bias", kReal),
                                   arrow::field("r2", kReal), arrow::field("n", kNumber)});
  const Forged cases[] = {
      {{kQuantileDisc, {kNumber}, kNumber, {0.5}}, Bytes(kSeen, std::uint64_t{1}, std::int64_t{5}, std::uint64_t{2})},
      {{kApproxTopK, {kText}, arrow::list(kText), {3}}, Bytes(kSeen, std::uint64_t{1}, Text("x"), std::uint64_t{2})},
      {{kApproxQuantile, {kNumber}, kNumber, {0.5}}, Bytes(kSeen, octave, other_buckets)},
      {{kVarPop, {kReal}, kReal}, Bytes(std::int64_t{2}, 1.0, 1.0)},
      {{kProduct, {kReal}, kReal}, Bytes(std::int64_t{2}, 1.0)},
      {{kDecayedSum, {kReal, kNumber}, kReal, {10}}, Bytes(1.0, 1.0, std::int64_t{0}, std::int64_t{2})},
      {{kVecSum, {features}, features},
       Bytes(kSeen, std::uint32_t{1}, std::uint8_t{0}, std::uint32_t{0}, 1.0, 0.0, std::int64_t{2})},
      {{kLinearFit, {kReal, features}, fit},
       Bytes(kSeen, std::int64_t{2}, std::uint32_t{0}, std::uint8_t{0}, 1.0, 1.0)},
      {{kSum, {kNumber}, arrow::decimal128(38, 0)}, Bytes(std::int64_t{0}, std::uint64_t{0}, std::uint64_t{2})}};
  for (const Forged& forged : cases) {
    const auto query = Query(forged.aggregate);
    const auto name = FunctionOf(forged.aggregate.kind).name();
    EXPECT_TRUE(Taken(query, 2, forged.two_rows).ok()) << name << ": " << Taken(query, 2, forged.two_rows);
    const auto refused = Taken(query, 1, forged.two_rows);
    EXPECT_TRUE(refused.IsInvalid()) << name;
    EXPECT_THAT(refused.message(), HasSubstr("column a0, row 0: it counts more than its rows")) << name;
  }
}

TEST(ForeignStates, NeverTakeAViewBeyondWhatItCanCount) {
  const auto query = Query({kCountStar, nullptr, kNumber});
  const auto state = ViewState::Make(query).ValueOrDie();
  const auto many = StateOf(*query, 7, kMany, "");
  EXPECT_TRUE(state->FoldStates({StateOf(*query, 7, 3 * kMany, "")}).status().IsInvalid());
  EXPECT_TRUE(state->FoldStates({many, many, many}).status().IsInvalid());
  state->Merge(*state->FoldStates({many}).ValueOrDie());
  {
    const auto waiting = state->FoldStates({StateOf(*query, 8, kMany, "")}).ValueOrDie();
    const auto refused = state->FoldStates({StateOf(*query, 9, 1, "")}).status();
    EXPECT_TRUE(refused.IsInvalid());
    EXPECT_THAT(refused.message(), HasSubstr("View sales_5m takes no more states: it would be of more than "
                                             "140737488355328 rows"));
  }
  // What is not merged after all leaves its room.
  state->Merge(*state->FoldStates({StateOf(*query, 8, kMany - 1, "")}).ValueOrDie());
  FoldAndMerge(*state, {MakeTestBatch(*query, {"[7, 7, 8]"})});
  EXPECT_THAT(RowsOf(state->Pin()), ElementsAre("7 | 70368744177666", "8 | 70368744177664"));
  const auto restored = ViewState::Make(query).ValueOrDie();
  EXPECT_TRUE(restored->Restore(std::string_view(*state->Serialize().ValueOrDie())).ok());
}

// As those of windows that have expired, which come again and again.
TEST(ForeignStates, MergedBesideAViewTheyEndWhereRecordsDo) {
  const auto query = Query({kCountStar, nullptr, kNumber});
  const auto view = ViewState::Make(query).ValueOrDie();
  const auto delta = view->FoldStates({StateOf(*query, 7, 2 * kMany, "")}).ValueOrDie();
  const auto together = view->MakeEmpty();
  for (int i = 0; i < 5; ++i) together->Merge(*delta);
  EXPECT_THAT(RowsOf(together->Pin()), ElementsAre("7 | 140737488355328"));
  EXPECT_TRUE(view->RestoreDelta(std::string_view(*together->Serialize().ValueOrDie())).ok());
}

TEST(ForeignStates, CountsThatPassSixtyFourBitsStayThere) {
  const auto query = Query({kQuantileDisc, {kNumber}, kNumber, {0.5}});
  const auto state = MakeMergeableState(query, 0);
  const std::string bytes = Bytes(kMany, kSeen, std::uint64_t{1}, std::int64_t{5}, std::uint64_t{kMany});
  std::vector<std::uint64_t> room(state->record_bytes() / 8);
  auto* const record = reinterpret_cast<std::byte*>(room.data());
  state->Init(record);
  ASSERT_TRUE(state->Add(bytes, record).ok());
  for (int doubled = 0; doubled < 18; ++doubled) state->Merge(record, record);
  EXPECT_EQ(state->Read(std::vector{record}).ValueOrDie()->ToString(), "[\n  5\n]");
  state->Release(record);
}

TEST(ForeignStates, OfValuesThatTravelAsBytesAreNotTaken) {
  const Type bytes = arrow::binary();
  for (const char* carried : {"hyprstream_order_key", "hyprstream_value_key"}) {
    const auto query = Query({kMin, {bytes}, bytes});
    const auto payload = Bytes(kSeen, Text("abc"));
    EXPECT_TRUE(Taken(query, 1, payload).ok());
    query->argument_sql[0] = std::string(carried) + "(\"s\")";
    const auto refused = Taken(query, 1, payload);
    EXPECT_TRUE(refused.IsInvalid());
    EXPECT_THAT(refused.message(), HasSubstr("column a0: values of its type are given by states(), but not taken"));
  }
  const auto query = Query({kCountStar, nullptr, kNumber});
  query->key_sql[0] = "hyprstream_order_key(\"s\")";
  EXPECT_THAT(Taken(query, 1, "").message(), HasSubstr("column k: values of its type are given by states()"));
  // What is only hashed holds no values.
  const auto distinct = Query({kApproxCountDistinct, {bytes}, kNumber});
  distinct->argument_sql[0] = "hyprstream_order_key(\"s\")";
  EXPECT_TRUE(Taken(distinct, 1, Bytes(std::uint8_t{0})).ok());
}

TEST(ForeignStates, HaveTextThatIsText) {
  const Type bytes = arrow::binary();
  const auto cases = [](const Type& type) {
    return std::vector<std::pair<TestAggregate, std::string>>{
        {{kMin, {type}, type}, Bytes(kSeen)},
        {{kMax, {type}, type}, Bytes(kSeen)},
        {{kAnyValue, {type}, type}, Bytes(kSeen)},
        {{kArgMin, {kNumber, type}, kNumber}, Bytes(kSeen)},
        {{kMode, {type}, type}, Bytes(kSeen, std::uint64_t{1})},
        {{kApproxTopK, {type}, arrow::list(type), {3}}, Bytes(kSeen, std::uint64_t{1})}};
  };
  const auto ends = [](const TestAggregate& aggregate) {
    if (aggregate.kind == kArgMin) return Bytes(std::int64_t{5});
    return aggregate.kind == kMode || aggregate.kind == kApproxTopK ? Bytes(std::uint64_t{1}) : std::string();
  };
  for (const auto& [aggregate, begin] : cases(kText)) {
    const auto name = FunctionOf(aggregate.kind).name();
    const auto end = ends(aggregate);
    EXPECT_TRUE(Taken(Query(aggregate), 1, begin + Text("ab\xc3\xa9") + end).ok()) << name;
    const auto refused = Taken(Query(aggregate), 1, begin + Text("ab\xe2\x82") + end);
    EXPECT_TRUE(refused.IsInvalid()) << name;
    EXPECT_THAT(refused.message(), HasSubstr("a value that is none of its type")) << name;
  }
  for (const auto& [aggregate, begin] : cases(bytes)) {
    EXPECT_TRUE(Taken(Query(aggregate), 1, begin + Text("ab\xe2\x82") + ends(aggregate)).ok());
  }
}

TEST(ForeignStates, HaveTimesOfADay) {
  const Type time = arrow::time64(arrow::TimeUnit::MICRO);
  constexpr std::int64_t kDay = 86'400'000'000;
  const auto query = Query({kMax, {time}, time});
  const auto of = [](std::int64_t micros) { return Bytes(std::int64_t{0}, micros, micros); };
  EXPECT_TRUE(Taken(query, 1, of(kDay)).ok());
  EXPECT_TRUE(Taken(query, 1, of(kDay + 1)).IsInvalid());
  EXPECT_TRUE(Taken(query, 1, of(-1)).IsInvalid());
  // Of no value they hold the ends of what is kept.
  EXPECT_TRUE(Taken(query, 1, Bytes(std::int64_t{1}, std::int64_t{1} << 62, std::int64_t{-1})).ok());
}

// A zone says how instants are shown.
TEST(ForeignStates, OfInstantsAreTheSameInEveryZone) {
  const auto in_zone = [](const char* zone) {
    const Type instant = arrow::timestamp(arrow::TimeUnit::MICRO, zone);
    return Query({kMin, {instant}, instant});
  };
  const auto berlin = in_zone("Europe/Berlin");
  const auto state = StateOf(*in_zone("UTC"), 7, 1, Bytes(std::int64_t{0}, std::int64_t{5}, std::int64_t{5}));
  EXPECT_TRUE(ViewState::Make(berlin).ValueOrDie()->FoldStates({state}).ok());
  EXPECT_TRUE(ViewState::Make(in_zone("")).ValueOrDie()->FoldStates({state}).status().IsInvalid());
}

}  // namespace
}  // namespace hyprstream::aggregate
