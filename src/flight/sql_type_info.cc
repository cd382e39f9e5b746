// The types that a client may name in SQL, for GetXdbcTypeInfo.
#include <arrow/array.h>
#include <arrow/flight/sql/server.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/type.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "flight/sql_info.h"

namespace hyprstream::flight {

namespace sql = arrow::flight::sql;

namespace {

struct SqlType {
  const char* name;
  int code;  // XdbcDataType
  int column_size;
  const char* quote;       // before and after a literal, or null
  const char* parameters;  // of the type, or null
  int radix;               // 0: no number
  bool is_unsigned = false;
  int scale_max = 0;
  std::optional<int> subcode = std::nullopt;  // XdbcDatetimeSubcode, of dates, times and intervals alone
};

// Of XdbcDataType: the classes that sql_data_type has for dates and times, and for intervals.
constexpr int kDatetime = 9;
constexpr int kInterval = 10;
constexpr int kVarchar = 12;
constexpr int kFirstDatetime = 91;

// By code, then name, as the specification wants them. An INTERVAL here has months, days and microseconds: no subcode
// of the specification's is that, so it is the unknown one.
constexpr SqlType kTypes[] = {
    {"BOOLEAN", -7, 1, nullptr, nullptr, 0},
    {"TINYINT", -6, 3, nullptr, nullptr, 10},
    {"UTINYINT", -6, 3, nullptr, nullptr, 10, true},
    {"BIGINT", -5, 19, nullptr, nullptr, 10},
    {"UBIGINT", -5, 20, nullptr, nullptr, 10, true},
    {"BLOB", -3, 0, "'", nullptr, 0},
    {"HUGEINT", 2, 38, nullptr, nullptr, 10},
    {"DECIMAL", 3, 38, nullptr, "precision,scale", 10, false, 38},
    {"INTEGER", 4, 10, nullptr, nullptr, 10},
    {"UINTEGER", 4, 10, nullptr, nullptr, 10, true},
    {"SMALLINT", 5, 5, nullptr, nullptr, 10},
    {"USMALLINT", 5, 5, nullptr, nullptr, 10, true},
    {"FLOAT", 7, 24, nullptr, nullptr, 2},
    {"DOUBLE", 8, 53, nullptr, nullptr, 2},
    {"INTERVAL", kInterval, 0, "'", nullptr, 0, false, 0, 0},
    {"JSON", kVarchar, 0, "'", nullptr, 0},
    {"UUID", kVarchar, 36, "'", nullptr, 0},
    {"VARCHAR", kVarchar, 0, "'", nullptr, 0},
    {"DATE", 91, 10, "'", nullptr, 0, false, 0, 1},
    {"TIME", 92, 15, "'", nullptr, 0, false, 6, 2},
    {"TIMESTAMP", 93, 26, "'", nullptr, 0, false, 6, 3},
    {"TIMESTAMP WITH TIME ZONE", 93, 32, "'", nullptr, 0, false, 6, 5},
};

nlohmann::json Row(const SqlType& type) {
  using Json = nlohmann::json;
  const auto text = [](const char* value) { return value == nullptr ? Json() : Json(value); };
  const bool number = type.radix != 0;
  const bool has_scale = type.radix == 10 || type.scale_max > 0;
  Json parameters;
  if (type.parameters != nullptr) parameters = Json::array({"precision", "scale"});
  return {{"type_name", type.name},
          {"data_type", type.code},
          {"column_size", type.column_size == 0 ? Json() : Json(type.column_size)},
          {"literal_prefix", text(type.quote)},
          {"literal_suffix", text(type.quote)},
          {"create_params", parameters},
          {"nullable", 1},
          {"case_sensitive", type.code == kVarchar},
          {"searchable", 3},
          {"unsigned_attribute", number ? Json(type.is_unsigned) : Json()},
          {"fixed_prec_scale", false},
          {"auto_increment", false},
          {"local_type_name", type.name},
          {"minimum_scale", has_scale ? Json(0) : Json()},
          {"maximum_scale", has_scale ? Json(type.scale_max) : Json()},
          {"sql_data_type", type.code >= kFirstDatetime ? kDatetime : type.code},
          {"datetime_subcode", type.subcode.has_value() ? Json(*type.subcode) : Json()},
          {"num_prec_radix", number ? Json(type.radix) : Json()},
          {"interval_precision", nullptr}};
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::RecordBatch>> TypeInfoRows(std::optional<int> data_type) {
  auto rows = nlohmann::json::array();
  for (const auto& type : kTypes) {
    if (!data_type.has_value() || *data_type == type.code) rows.push_back(Row(type));
  }
  const auto& schema = sql::SqlSchema::GetXdbcTypeInfoSchema();
  ARROW_ASSIGN_OR_RAISE(const auto array,
                        arrow::json::ArrayFromJSONString(arrow::struct_(schema->fields()), rows.dump()));
  return arrow::RecordBatch::Make(schema, array->length(), static_cast<const arrow::StructArray&>(*array).fields());
}

}  // namespace hyprstream::flight
