#include "backend/key_names.h"

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/json/from_string.h>
#include <arrow/result.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "support/status_assertions.h"

namespace hyprstream::backend {
namespace {

TEST(KeyNames, AreTheKeysAgain) {
  const std::vector<std::pair<std::shared_ptr<arrow::DataType>, std::string>> keys = {
      {arrow::int8(), "[-128, 127]"},
      {arrow::uint64(), "[0, 18446744073709551615]"},
      {arrow::int64(), "[-9223372036854775808, 9223372036854775807]"},
      {arrow::boolean(), "[true, false]"},
      {arrow::utf8(), R"(["", "it's", "ä", "12"])"},
      {arrow::decimal128(38, 2), R"(["0.00", "-999999999999999999999999999999999999.99"])"},
      {arrow::date32(), "[-719162, 2932896]"},
      {arrow::timestamp(arrow::TimeUnit::SECOND), "[0, -1]"},
      {arrow::timestamp(arrow::TimeUnit::NANO, "UTC"), "[1700000000123456789]"}};
  for (const auto& [type, json] : keys) {
    ASSERT_OK_AND_ASSIGN(const auto array, arrow::json::ArrayFromJSONString(type, json));
    ASSERT_OK_AND_ASSIGN(const auto names, NamesOfKeys(array));
    EXPECT_EQ(names->type_id(), arrow::Type::STRING);
    ASSERT_OK_AND_ASSIGN(const auto again, KeysOfNames(names, type));
    EXPECT_TRUE(again->Equals(array)) << *type << ": " << names->ToString();
  }
}

TEST(KeyNames, OfBytesAreTheirDigits) {
  arrow::BinaryBuilder builder;
  ASSERT_OK(builder.Append(std::string("\0\xff z", 4)));
  ASSERT_OK(builder.Append(""));
  ASSERT_OK_AND_ASSIGN(const std::shared_ptr<arrow::Array> keys, builder.Finish());
  ASSERT_OK_AND_ASSIGN(const auto names, NamesOfKeys(keys));
  EXPECT_EQ(static_cast<const arrow::StringArray&>(*names).GetString(0), "00ff207a");
  ASSERT_OK_AND_ASSIGN(const auto again, KeysOfNames(names, arrow::binary()));
  EXPECT_TRUE(again->Equals(keys));
  ASSERT_OK_AND_ASSIGN(const auto wrong, arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["0g"])"));
  EXPECT_TRUE(KeysOfNames(wrong, arrow::binary()).status().IsInvalid());
}

TEST(KeyNames, AreNoneForFloats) {
  ASSERT_OK_AND_ASSIGN(const auto keys, arrow::json::ArrayFromJSONString(arrow::float64(), "[1.5]"));
  EXPECT_TRUE(NamesOfKeys(keys).status().IsNotImplemented());
}

}  // namespace
}  // namespace hyprstream::backend
