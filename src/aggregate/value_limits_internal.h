// Which values a type has, of all that lie in memory as its own do.
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>

#include "aggregate/physical_internal.h"
#include "arrow/type.h"
#include "arrow/util/utf8.h"

namespace hyprstream::aggregate {

// Of 1 to 38 digits.
constexpr Int128 GreatestOfDigits(int digits) {
  Int128 power = 1;
  for (int i = 0; i < digits; ++i) power *= 10;
  return power - 1;
}
inline bool FitsDecimal(Int128 value) {
  constexpr Int128 kGreatest = GreatestOfDigits(38);
  return value <= kGreatest && value >= -kGreatest;
}

inline bool IsUtf8(std::string_view text) {
  static const bool kReady = (arrow::util::InitializeUTF8(), true);
  return kReady && arrow::util::ValidateUTF8(text);
}

// For values from elsewhere: what a reader of the type would trip over.
class ValueLimits {
 public:
  explicit ValueLimits(const arrow::DataType& type)
      : is_text_(arrow::is_string(type.id()) || type.id() == arrow::Type::STRING_VIEW), day_(DayOf(type)) {}

  template <class V>
  bool Has(const V& value) const {
    if constexpr (std::convertible_to<V, std::string_view>) return !is_text_ || IsUtf8(value);
    if constexpr (std::signed_integral<V>) return day_ == 0 || (value >= 0 && value <= day_);
    return true;
  }

 private:
  // A day's end is a time of it; 0: the type is no time of a day.
  static std::int64_t DayOf(const arrow::DataType& type) {
    if (!arrow::is_time(type.id())) return 0;
    constexpr std::int64_t kSeconds = 86'400;
    switch (static_cast<const arrow::TimeType&>(type).unit()) {
      case arrow::TimeUnit::SECOND:
        return kSeconds;
      case arrow::TimeUnit::MILLI:
        return kSeconds * 1'000;
      case arrow::TimeUnit::MICRO:
        return kSeconds * 1'000'000;
      default:
        return kSeconds * 1'000'000'000;
    }
  }

  bool is_text_;
  std::int64_t day_;
};

}  // namespace hyprstream::aggregate
