// A value between an Arrow array or a literal and its kept text.
#pragma once

#include <arrow/type_fwd.h>
#include <arrow/util/decimal.h>

#include <string_view>

#include "cell.h"

namespace adbc_redis {

struct PlainValue {
  enum class Kind { kBoolean, kInteger, kReal, kDecimal, kText, kBytes, kDate, kTimestamp };
  Kind kind;
  Wide integer = 0;  // also days, and counts of a time's unit
  double real = 0;
  bool single = false;  // the real comes from a 32-bit float
  arrow::Decimal128 decimal = {};
  int scale = 0;
  std::string_view text = {};
  Wide unit = 1;      // of a timestamp, in nanoseconds
  bool zone = false;  // the timestamp is an instant
};

arrow::Result<PlainValue> PlainOf(const arrow::Array& array, int64_t row);
// A number or string literal takes its meaning from the target.
arrow::Result<PlainValue> PlainOf(const sql::Value& literal, const arrow::DataType& target);
arrow::Status WritePlain(const PlainValue& value, const arrow::DataType& target, std::string& text);

// ISO 8601 in the type's unit; nanoseconds where `unit` says so. False: it is none.
bool ReadIsoTimestamp(std::string_view text, arrow::TimeUnit::type unit, int64_t& count, bool& zone);
bool ReadIsoDate(std::string_view text, int64_t& days);

}  // namespace adbc_redis
