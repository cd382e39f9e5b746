#include "flight/jdbc_schemas.h"

#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <gtest/gtest.h>

namespace hyprstream::flight {
namespace {

TEST(JdbcSchemas, ParametersHaveMilliseconds) {
  using arrow::TimeUnit;
  const auto given = arrow::schema({arrow::field("1", arrow::time64(TimeUnit::MICRO)),
                                    arrow::field("2", arrow::timestamp(TimeUnit::NANO)),
                                    arrow::field("3", arrow::timestamp(TimeUnit::MICRO, "UTC")),
                                    arrow::field("4", arrow::list(arrow::timestamp(TimeUnit::SECOND))),
                                    arrow::field("5", arrow::date32()), arrow::field("6", arrow::utf8())});
  const auto wanted = arrow::schema({arrow::field("1", arrow::time32(TimeUnit::MILLI)),
                                     arrow::field("2", arrow::timestamp(TimeUnit::MILLI)),
                                     arrow::field("3", arrow::timestamp(TimeUnit::MILLI, "UTC")),
                                     arrow::field("4", arrow::list(arrow::timestamp(TimeUnit::MILLI))),
                                     arrow::field("5", arrow::date32()), arrow::field("6", arrow::utf8())});
  EXPECT_TRUE(JdbcParameters(*given)->Equals(*wanted)) << JdbcParameters(*given)->ToString();
}

TEST(JdbcSchemas, RowsNamePrecisionAndScale) {
  const auto rows = JdbcRows(*arrow::schema(
      {arrow::field("d", arrow::decimal128(12, 3)), arrow::field("i", arrow::int32(), /*nullable=*/false)}));
  EXPECT_EQ(rows->field(0)->metadata()->Get("ARROW:FLIGHT:SQL:PRECISION").ValueOrDie(), "12");
  EXPECT_EQ(rows->field(0)->metadata()->Get("ARROW:FLIGHT:SQL:SCALE").ValueOrDie(), "3");
  EXPECT_TRUE(rows->field(0)->type()->Equals(arrow::decimal128(12, 3)));
  EXPECT_FALSE(rows->field(1)->HasMetadata());
  EXPECT_FALSE(rows->field(1)->nullable());
}

}  // namespace
}  // namespace hyprstream::flight
