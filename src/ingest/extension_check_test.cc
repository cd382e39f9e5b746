#include "ingest/extension_check.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/extension/opaque.h>
#include <arrow/extension/uuid.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hyprstream::ingest {
namespace {

using ::testing::HasSubstr;

std::shared_ptr<arrow::DataType> Opaque(std::shared_ptr<arrow::DataType> storage, std::string name) {
  return arrow::extension::opaque(std::move(storage), std::move(name), "DuckDB");
}

// Values of one of DuckDB's types, nothing for NULL.
std::shared_ptr<arrow::Array> Values(const std::string& name, const std::vector<std::optional<std::string>>& values,
                                     const std::shared_ptr<arrow::DataType>& storage = arrow::binary()) {
  auto builder = arrow::MakeBuilder(storage).ValueOrDie();
  for (const auto& value : values) {
    if (!value) {
      EXPECT_TRUE(builder->AppendNull().ok());
    } else if (storage->id() == arrow::Type::FIXED_SIZE_BINARY) {
      EXPECT_TRUE(static_cast<arrow::FixedSizeBinaryBuilder&>(*builder).Append(*value).ok());
    } else if (storage->id() == arrow::Type::LARGE_BINARY) {
      EXPECT_TRUE(static_cast<arrow::LargeBinaryBuilder&>(*builder).Append(*value).ok());
    } else if (storage->id() == arrow::Type::BINARY_VIEW) {
      EXPECT_TRUE(static_cast<arrow::BinaryViewBuilder&>(*builder).Append(*value).ok());
    } else {
      EXPECT_TRUE(static_cast<arrow::BinaryBuilder&>(*builder).Append(*value).ok());
    }
  }
  return arrow::ExtensionType::WrapArray(Opaque(storage, name), builder->Finish().ValueOrDie());
}

arrow::Status Check(const std::shared_ptr<arrow::Array>& column,
                    const std::shared_ptr<const arrow::KeyValueMetadata>& metadata = nullptr) {
  const auto schema = arrow::schema({arrow::field("a", column->type(), true, metadata)});
  return CheckExtensions(*arrow::RecordBatch::Make(schema, column->length(), {column}));
}

std::string Bytes(std::string_view bytes) { return std::string(bytes); }

std::shared_ptr<arrow::Array> BadBit() { return Values("bit", {"\x08"}); }

std::string TimeTz(std::uint64_t micros, std::uint64_t offset) {
  const auto bits = (micros << 24U) | offset;
  return {reinterpret_cast<const char*>(&bits), sizeof(bits)};
}

TEST(ExtensionCheck, TakesWhatDuckDbMakes) {
  EXPECT_TRUE(Check(Values("bit", {Bytes({"\x00\x01", 2}), "\x07\xff", "\x03\xe5\x01", std::nullopt})).ok());
  EXPECT_TRUE(Check(Values("bit", {"\x07\xff"}, arrow::large_binary())).ok());
  EXPECT_TRUE(Check(Values("bit", {"\x07\xff"}, arrow::binary_view())).ok());
  const std::string zero({'\x80', '\0', '\1', '\0'});
  const std::string one({'\x80', '\0', '\1', '\1'});
  const std::string minus_one({'\x7f', '\xff', '\xfe', '\xfe'});
  const std::string wide({'\x80', '\0', '\2', '\1', '\0'});
  EXPECT_TRUE(Check(Values("bignum", {zero, one, minus_one, wide, std::nullopt})).ok());
  const auto times =
      Values("time_tz", {TimeTz(0, 0), TimeTz(86'400'000'000, 115'198), std::nullopt}, arrow::fixed_size_binary(8));
  EXPECT_TRUE(Check(times).ok());
  EXPECT_TRUE(Check(Values("hugeint", {std::string(16, '\xff')}, arrow::fixed_size_binary(16))).ok());
  EXPECT_TRUE(Check(Values("uhugeint", {std::string(16, '\xff')}, arrow::fixed_size_binary(16))).ok());
}

TEST(ExtensionCheck, RefusesBitsThatLie) {
  for (const char* bytes : {"", "\x08", "\x01", "\x08\xff", "\xff\xff"}) {
    EXPECT_THAT(Check(Values("bit", {"\x07\xff", bytes})).message(), HasSubstr("Column a: a value is no BIT"));
  }
  EXPECT_THAT(Check(Values("bit", {"\x01\x7f"})).message(), HasSubstr("not all ones"));
  EXPECT_THAT(Check(Values("bit", {"\x08"}, arrow::large_binary())).message(), HasSubstr("no BIT"));
  EXPECT_THAT(Check(Values("bit", {"\x08"}, arrow::binary_view())).message(), HasSubstr("no BIT"));
}

TEST(ExtensionCheck, RefusesBignumsThatLie) {
  const std::vector<std::string> lies{"",
                                      "\x01",
                                      "\xff\xff\xff",
                                      "\xff\xff\xff\xff",
                                      std::string({'\x80', '\0', '\2', '\1'}),
                                      std::string({'\x80', '\0', '\2', '\0', '\1'}),  // a zero in front
                                      std::string({'\x7f', '\xff', '\xfe', '\xff'}),  // minus zero
                                      std::string({'\x80', '\0', '\1', '\1', '\1'})};
  for (const auto& bytes : lies) EXPECT_THAT(Check(Values("bignum", {bytes})).message(), HasSubstr("no BIGNUM"));
  const std::string long_one = std::string({'\x80', '\x10', '\0'}) + std::string(4096, '\1');
  EXPECT_THAT(Check(Values("bignum", {long_one})).message(), HasSubstr("4099 bytes, where at most 1024"));
}

TEST(ExtensionCheck, RefusesTimesThatAreNone) {
  for (const auto& bytes : {std::string(8, '\x7f'), TimeTz(86'400'000'001, 0), TimeTz(0, 115'199)}) {
    EXPECT_THAT(Check(Values("time_tz", {bytes}, arrow::fixed_size_binary(8))).message(), HasSubstr("no TIMETZ"));
  }
}

TEST(ExtensionCheck, RefusesOtherStorageThanDuckDbs) {
  const std::vector<std::shared_ptr<arrow::DataType>> others{arrow::int8(),
                                                             arrow::int64(),
                                                             arrow::null(),
                                                             arrow::utf8(),
                                                             arrow::fixed_size_binary(4),
                                                             arrow::list(arrow::int8()),
                                                             arrow::dictionary(arrow::int32(), arrow::binary())};
  for (const char* name : {"bit", "bignum", "time_tz", "hugeint", "uhugeint"}) {
    for (const auto& storage : others) {
      const auto schema = arrow::schema({arrow::field("a", Opaque(storage, name))});
      EXPECT_THAT(CheckExtensionTypes(*schema).message(), HasSubstr("is not stored as " + storage->ToString()));
    }
  }
}

// As a field comes whose extension type Arrow does not know.
arrow::Status CheckNamed(const std::string& metadata, const std::string& value) {
  const auto values = Values("x", {value});
  const auto names =
      arrow::key_value_metadata({{"ARROW:extension:name", "arrow.opaque"}, {"ARROW:extension:metadata", metadata}});
  return Check(static_cast<const arrow::ExtensionArray&>(*values).storage(), names);
}

TEST(ExtensionCheck, LooksAtTypesThatArrowDoesNotKnow) {
  const std::string bit = R"({"type_name":"bit","vendor_name":"DuckDB"})";
  EXPECT_TRUE(CheckNamed(bit, "\x07\xff").ok());
  EXPECT_THAT(CheckNamed(bit, "\x08").message(), HasSubstr("no BIT"));
  EXPECT_FALSE(CheckNamed(R"({"type_name":"x","type_name":"b\u0069t","vendor_name":"DuckDB"})", "\x08").ok());
  EXPECT_TRUE(CheckNamed(R"({"type_name":"bit","vendor_name":"PostgreSQL"})", "\x08").ok());
}

TEST(ExtensionCheck, RefusesMetadataThatMayBeReadInTwoWays) {
  const std::string deep = R"({"type_name":"bit","vendor_name":"DuckDB","x":)" + std::string(300'000, '[');
  for (const auto& metadata :
       {std::string(), std::string("{"), std::string("[]"), deep, std::string(R"({"type_name":"bit"})"),
        std::string(R"({"type_name":["bit"],"vendor_name":"DuckDB"})"),
        std::string(R"({"type_name":"bit\u0000","vendor_name":"DuckDB"})"),
        std::string(R"({"type_name":"x","type_name\u0000":"bit","vendor_name":"DuckDB"})")}) {
    EXPECT_THAT(CheckNamed(metadata, "\x07\xff").message(), HasSubstr("metadata of arrow.opaque")) << metadata;
  }
}

TEST(ExtensionCheck, LooksIntoNestedColumns) {
  const auto bad = BadBit();
  const auto offsets = [] {
    arrow::Int32Builder builder;
    EXPECT_TRUE(builder.AppendValues({0, 1}).ok());
    return builder.Finish().ValueOrDie();
  }();
  const auto one = offsets->Slice(1);
  const auto zero = offsets->Slice(0, 1);
  const auto named = arrow::field("x", bad->type());
  std::vector<std::shared_ptr<arrow::Array>> columns{arrow::ListArray::FromArrays(*offsets, *bad).ValueOrDie(),
                                                     arrow::FixedSizeListArray::FromArrays(bad, 1).ValueOrDie(),
                                                     arrow::StructArray::Make({bad}, {named}).ValueOrDie(),
                                                     arrow::MapArray::FromArrays(offsets, one, bad).ValueOrDie(),
                                                     arrow::RunEndEncodedArray::Make(1, one, bad).ValueOrDie(),
                                                     arrow::DictionaryArray::FromArrays(zero, bad).ValueOrDie()};
  const auto tags = std::make_shared<arrow::Int8Array>(1, arrow::Buffer::FromString(std::string(1, '\0')));
  columns.push_back(arrow::SparseUnionArray::Make(*tags, {bad}, {"x"}).ValueOrDie());
  columns.push_back(arrow::ListArray::FromArrays(*offsets, *columns[2]).ValueOrDie());
  for (const auto& column : columns) {
    EXPECT_THAT(Check(column).message(), HasSubstr("Column a: a value is no BIT")) << column->type()->ToString();
  }
}

TEST(ExtensionCheck, LeavesAloneWhatIsUnderANull) {
  const auto bits = Values("bit", {"", "\x07\xff"});
  const auto nulls = arrow::Buffer::FromString(std::string(1, '\x02'));
  const auto rows = arrow::StructArray::Make({bits}, {arrow::field("x", bits->type())}, nulls).ValueOrDie();
  EXPECT_TRUE(Check(rows).ok());
  const auto outer = arrow::StructArray::Make({rows}, {arrow::field("y", rows->type())}).ValueOrDie();
  EXPECT_TRUE(Check(outer).ok());
  EXPECT_TRUE(Check(outer->Slice(1)).ok());
}

std::shared_ptr<const arrow::KeyValueMetadata> Names(const std::vector<std::string>& names) {
  return arrow::key_value_metadata(std::vector<std::string>(names.size(), "ARROW:extension:name"), names);
}

TEST(ExtensionCheck, TakesOneExtensionTypeForAField) {
  const auto uuids = arrow::ExtensionType::WrapArray(
      arrow::extension::uuid(), arrow::MakeArrayOfNull(arrow::fixed_size_binary(16), 1).ValueOrDie());
  EXPECT_TRUE(Check(uuids).ok());
  EXPECT_THAT(Check(uuids, Names({"geoarrow.wkb"})).message(), HasSubstr("several extension types"));
  const auto plain = arrow::MakeArrayOfNull(arrow::binary(), 1).ValueOrDie();
  EXPECT_TRUE(Check(plain, Names({"geoarrow.wkb"})).ok());
  EXPECT_THAT(Check(plain, Names({"x", "geoarrow.wkb"})).message(), HasSubstr("several extension types"));
  EXPECT_FALSE(Check(plain, Names({"arrow.opaque"})).ok());
}

TEST(ExtensionCheck, RefusesVariants) {
  const auto type = arrow::struct_({arrow::field("metadata", arrow::binary()), arrow::field("value", arrow::binary())});
  const auto column = arrow::MakeArrayOfNull(type, 1).ValueOrDie();
  EXPECT_THAT(Check(column, Names({"arrow.parquet.variant"})).message(),
              HasSubstr("Column a: arrow.parquet.variant is not taken; send JSON text"));
  const auto item = arrow::field("item", type, true, Names({"arrow.parquet.variant"}));
  EXPECT_FALSE(CheckExtensionTypes(*arrow::schema({arrow::field("a", arrow::list(item))})).ok());
}

TEST(ExtensionCheck, TakesOpaqueTypesOfOthersAsTheirStorage) {
  EXPECT_TRUE(Check(Values("geometry", {"x"})).ok());
  const auto theirs = arrow::extension::opaque(arrow::binary(), "bit", "PostgreSQL");
  EXPECT_TRUE(
      Check(arrow::ExtensionType::WrapArray(theirs, arrow::MakeArrayOfNull(arrow::binary(), 1).ValueOrDie())).ok());
}

}  // namespace
}  // namespace hyprstream::ingest
