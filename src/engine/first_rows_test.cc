#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "engine/first_rows_internal.h"

namespace hyprstream::engine {
namespace {

// The values of a column `type`, in batches, as FirstRows leaves them.
std::string First(const std::shared_ptr<arrow::DataType>& type, const std::vector<std::string>& batches,
                  const RowOrder& order) {
  const auto schema = arrow::schema({arrow::field("x", type)});
  std::vector<std::shared_ptr<arrow::RecordBatch>> rows;
  for (const auto& values : batches) {
    const auto column = arrow::json::ArrayFromJSONString(type, values).ValueOrDie();
    rows.push_back(arrow::RecordBatch::Make(schema, column->length(), {column}));
  }
  const auto reader = arrow::RecordBatchReader::Make(rows, schema).ValueOrDie();
  const auto first = FirstRows(*reader, order, [] {}).ValueOrDie();
  std::string text;
  for (std::int64_t i = 0; i < first->num_rows(); ++i) {
    text += (i == 0 ? "" : " ") + first->column(0)->GetScalar(i).ValueOrDie()->ToString();
  }
  return text;
}

TEST(FirstRows, AreThoseOfAllBatches) {
  const std::vector<std::string> batches{"[5, 1, 9]", "[]", "[7, 9, -3]", "[8]"};
  EXPECT_EQ(First(arrow::int64(), batches, {.rows = 3}), "-3 1 5");
  EXPECT_EQ(First(arrow::int64(), batches, {.descending = true, .rows = 4}), "9 9 8 7");
  EXPECT_EQ(First(arrow::int64(), batches, {.rows = 100}), "-3 1 5 7 8 9 9");
  EXPECT_EQ(First(arrow::int64(), batches, {.rows = 0}), "");
  EXPECT_EQ(First(arrow::int64(), {}, {.rows = 3}), "");
}

TEST(FirstRows, PutNullsWhereTheyAreToBe) {
  const std::vector<std::string> batches{"[null, 1, 9]", "[7, null]"};
  EXPECT_EQ(First(arrow::int32(), batches, {.rows = 4}), "1 7 9 null");
  EXPECT_EQ(First(arrow::int32(), batches, {.descending = true, .rows = 4}), "9 7 1 null");
  EXPECT_EQ(First(arrow::int32(), batches, {.nulls_first = true, .rows = 3}), "null null 1");
  EXPECT_EQ(First(arrow::int32(), batches, {.descending = true, .nulls_first = true, .rows = 3}), "null null 9");
}

TEST(FirstRows, KnowTheEndsOfTheirTypes) {
  EXPECT_EQ(First(arrow::uint64(), {"[18446744073709551615, 0, 9223372036854775808]"}, {.rows = 3}),
            "0 9223372036854775808 18446744073709551615");
  EXPECT_EQ(First(arrow::int64(), {"[9223372036854775807, -9223372036854775808, 0]"}, {.descending = true, .rows = 3}),
            "9223372036854775807 0 -9223372036854775808");
  EXPECT_EQ(First(arrow::float64(), {"[1.5, NaN, -Inf, Inf, -1e-300, 0, null]"}, {.rows = 7}),
            "-inf -1e-300 0 1.5 inf nan null");
  EXPECT_EQ(First(arrow::float32(), {"[1.5, NaN, -2.5, Inf]"}, {.descending = true, .rows = 4}), "nan inf 1.5 -2.5");
  EXPECT_EQ(First(arrow::decimal128(38, 2), {R"(["-999999999999999999999999999999999999.99", "0.01", "7.00"])"},
                  {.descending = true, .rows = 3}),
            "7.00 0.01 -999999999999999999999999999999999999.99");
}

TEST(FirstRows, AreNotOfTypesThatOrderOtherwise) {
  for (const auto& type : {arrow::utf8(), arrow::boolean(), arrow::binary(), arrow::list(arrow::int32())}) {
    EXPECT_FALSE(CanOrder(*type)) << type->ToString();
  }
  for (const auto& type : {arrow::int8(), arrow::timestamp(arrow::TimeUnit::NANO), arrow::date32(), arrow::float64()}) {
    EXPECT_TRUE(CanOrder(*type)) << type->ToString();
  }
}

TEST(FirstRows, CanBeInterrupted) {
  const auto schema = arrow::schema({arrow::field("x", arrow::int64())});
  const auto reader = arrow::RecordBatchReader::Make({}, schema).ValueOrDie();
  EXPECT_THROW(ARROW_UNUSED(FirstRows(*reader, {.rows = 1}, [] { throw std::runtime_error("stop"); })),
               std::runtime_error);
}

}  // namespace
}  // namespace hyprstream::engine
