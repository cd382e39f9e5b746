#include "backend/driver_objects.h"

#include <arrow/array/array_nested.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <gmock/gmock.h>

#include "support/status_assertions.h"

namespace hyprstream::backend {
namespace {

using ::testing::ElementsAre;
using ::testing::Key;

std::shared_ptr<arrow::RecordBatch> Objects(const char* json) {
  const auto table =
      arrow::struct_({arrow::field("table_name", arrow::utf8()), arrow::field("table_type", arrow::utf8())});
  const auto schema = arrow::struct_(
      {arrow::field("db_schema_name", arrow::utf8()), arrow::field("db_schema_tables", arrow::list(table))});
  const auto type = arrow::struct_(
      {arrow::field("catalog_name", arrow::utf8()), arrow::field("catalog_db_schemas", arrow::list(schema))});
  const auto rows = arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
  return arrow::RecordBatch::FromStructArray(rows).ValueOrDie();
}

TEST(DriverObjects, TablesAreFoundInTheirCatalogsAndSchemas) {
  const auto objects = Objects(R"([
      ["a", [["s", [["t", "TABLE"], ["v", "MATERIALIZED VIEW"]]], ["empty", []]]],
      ["b", [[null, [["t", "view"]]], ["unknown", null]]],
      [null, null], ["none", []]])");
  ASSERT_OK_AND_ASSIGN(const auto tables, TablesIn(*objects));
  ASSERT_EQ(tables.size(), 3);
  EXPECT_EQ(tables[0].schema, (NamedSchema{.catalog = "a", .name = "s"}));
  EXPECT_EQ(tables[0].name, "t");
  EXPECT_FALSE(tables[0].is_view);
  EXPECT_TRUE(tables[1].is_view);
  EXPECT_EQ(tables[2].schema, (NamedSchema{.catalog = "b", .name = ""}));
  EXPECT_TRUE(tables[2].is_view);
  ASSERT_OK_AND_ASSIGN(const auto schemas, SchemasIn(*objects));
  EXPECT_THAT(schemas, ElementsAre(NamedSchema{"a", "s"}, NamedSchema{"a", "empty"}, NamedSchema{"b", ""},
                                   NamedSchema{"b", "unknown"}, NamedSchema{"", ""}, NamedSchema{"none", ""}));
}

TEST(DriverObjects, AnotherShapeIsAnError) {
  const auto batch = arrow::RecordBatch::Make(arrow::schema({}), 0, arrow::ArrayVector{});
  EXPECT_TRUE(SchemasIn(*batch).status().IsInvalid());
  EXPECT_TRUE(TablesIn(*batch).status().IsInvalid());
}

TEST(DriverObjects, SchemasOfTheCurrentCatalogGoByTheirOwnNames) {
  const std::vector<NamedSchema> two = {{"a", "s"}, {"b", "s"}, {"b", "t"}, {"c", ""}};
  EXPECT_THAT(NamesOf(two, "b"), ElementsAre(Key("a.s"), Key("c"), Key("s"), Key("t")));
  EXPECT_EQ(NamesOf(two, "b").at("s"), two[1]);
  EXPECT_THAT(NamesOf(two, ""), ElementsAre(Key("a.s"), Key("b.s"), Key("b.t"), Key("c")));
  EXPECT_THAT(NamesOf({{"only", "s"}, {"only", ""}}, ""), ElementsAre(Key("main"), Key("s")));
  // Nothing elsewhere takes the name of what is here.
  const std::vector<NamedSchema> alike = {{"a", "s"}, {"b", "a.s"}};
  EXPECT_EQ(NamesOf(alike, "b").at("a.s"), alike[1]);
  EXPECT_TRUE(NamesOf({}, "b").empty());
}

}  // namespace
}  // namespace hyprstream::backend
