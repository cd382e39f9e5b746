#include "backend/driver_objects.h"

#include <arrow/array/array_nested.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <gmock/gmock.h>

#include "backend/table_keys.h"
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

TEST(DriverObjects, ConstraintsAreThoseOfTheirTables) {
  const auto texts = arrow::list(arrow::utf8());
  const auto field = [](const char* name, std::shared_ptr<arrow::DataType> type) { return arrow::field(name, type); };
  const auto list = [](const arrow::FieldVector& fields) { return arrow::list(arrow::struct_(fields)); };
  const auto usages = list({field("fk_catalog", arrow::utf8()), field("fk_db_schema", arrow::utf8()),
                            field("fk_table", arrow::utf8()), field("fk_column_name", arrow::utf8())});
  const auto constraints = list({field("constraint_name", arrow::utf8()), field("constraint_type", arrow::utf8()),
                                 field("constraint_column_names", texts), field("constraint_column_usage", usages)});
  const auto tables = list({field("table_name", arrow::utf8()), field("table_constraints", constraints)});
  const auto schemas = list({field("db_schema_name", arrow::utf8()), field("db_schema_tables", tables)});
  const auto rows =
      arrow::json::ArrayFromJSONString(
          arrow::struct_({field("catalog_name", arrow::utf8()), field("catalog_db_schemas", schemas)}), R"([
      ["c", [["s", [["t", [["t_pk", "PRIMARY KEY", ["a", "b"], null],
                           [null, "FOREIGN KEY", ["a"], [["c", "o", "u", "x"]]], ["even", "CHECK", null, null]]],
                    ["unknown", null], ["none", []]]]]]])")
          .ValueOrDie();
  const auto batch = arrow::RecordBatch::FromStructArray(rows).ValueOrDie();
  ASSERT_OK_AND_ASSIGN(const auto found, ConstraintsIn(*batch));
  ASSERT_EQ(found.size(), 3);
  EXPECT_EQ(found[0].table.name, "t");
  EXPECT_EQ(found[0].name, "t_pk");
  EXPECT_THAT(found[0].columns, ElementsAre("a", "b"));
  EXPECT_THAT(found[2].columns, ElementsAre());
  const std::map<std::string, NamedSchema> names = {{"main", {"c", "s"}}, {"other", {"c", "o"}}};
  ASSERT_OK_AND_ASSIGN(const auto keys, KeysIn({batch}, names));
  ASSERT_EQ(keys.size(), 2);
  EXPECT_EQ(keys[0].table, (TableRef{.schema = "main", .name = "t"}));
  EXPECT_FALSE(keys[0].is_foreign());
  EXPECT_EQ(keys[1].referenced, (TableRef{.schema = "other", .name = "u"}));
  EXPECT_THAT(keys[1].referenced_columns, ElementsAre("x"));
  // Of a schema that has no name here there are none, nor any that lead there.
  ASSERT_OK_AND_ASSIGN(const auto fewer, KeysIn({batch}, {{"main", {"c", "s"}}}));
  EXPECT_EQ(fewer.size(), 1);
  ASSERT_OK_AND_ASSIGN(const auto all, KeysIn({batch}, {{"main", {}}}));  // a database without schemas
  EXPECT_EQ(all.size(), 2);
}

TEST(DriverObjects, KeysOfACatalogAreTakenColumnByColumn) {
  using Row = TextRow;
  const std::optional<std::string> none;
  ASSERT_OK_AND_ASSIGN(const auto keys, KeysOf({Row{"p", "s", "t", "k", "1", "a", none, none, none, none, "a", "a"},
                                                Row{"p", "s", "t", "k", "1", "b", none, none, none, none, "a", "a"},
                                                Row{"f", "s", "t", "", "0", "a", "o", "u", "x", "u_pk", "c", "n"},
                                                Row{"f", "s", "t", "", "1", "a", "o", "v", "x", none, "d", "r"}}));
  ASSERT_EQ(keys.size(), 3);
  EXPECT_THAT(keys[0].columns, ElementsAre("a", "b"));
  EXPECT_EQ(keys[1].referenced_name, "u_pk");
  EXPECT_EQ(keys[1].on_update, BackendKey::Rule::kCascade);
  EXPECT_EQ(keys[1].on_delete, BackendKey::Rule::kSetNull);
  EXPECT_EQ(keys[2].on_update, BackendKey::Rule::kSetDefault);
  EXPECT_EQ(keys[2].on_delete, BackendKey::Rule::kRestrict);
  EXPECT_TRUE(KeysOf({Row{"p", "s"}}).status().IsInvalid());
}

TEST(DriverObjects, AnotherShapeIsAnError) {
  const auto batch = arrow::RecordBatch::Make(arrow::schema({}), 0, arrow::ArrayVector{});
  EXPECT_TRUE(SchemasIn(*batch).status().IsInvalid());
  EXPECT_TRUE(TablesIn(*batch).status().IsInvalid());
  EXPECT_TRUE(ConstraintsIn(*batch).status().IsInvalid());
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
