#include "backend/literals.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace hyprstream::backend {
namespace {

constexpr std::int64_t kMicrosOfDay = 86'400'000'000;

struct CivilDate {
  std::int64_t year;  // 0 is 1 BC
  unsigned month;
  unsigned day;
};

// Howard Hinnant's days_from_civil, backwards.
CivilDate CivilOf(std::int64_t days) {
  days += 719'468;
  const std::int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const auto day_of_era = static_cast<unsigned>(days - era * 146'097);
  const unsigned year_of_era = (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const unsigned shifted = (5 * day_of_year + 2) / 153;
  const unsigned month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {.year = static_cast<std::int64_t>(year_of_era) + era * 400 + (month <= 2 ? 1 : 0),
          .month = month,
          .day = day_of_year - (153 * shifted + 2) / 5 + 1};
}

std::string Padded(std::int64_t number, std::size_t digits) {
  std::string text = std::to_string(number);
  if (text.size() < digits) text.insert(0, digits - text.size(), '0');
  return text;
}

// The date without its era, and the era.
std::pair<std::string, std::string_view> DateParts(std::int64_t days) {
  const auto date = CivilOf(days);
  const bool before = date.year <= 0;
  return {Padded(before ? 1 - date.year : date.year, 4) + "-" + Padded(date.month, 2) + "-" + Padded(date.day, 2),
          before ? " BC" : ""};
}

template <class T>
std::string ShortestText(T value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  std::array<char, 64> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

}  // namespace

std::string DateText(std::int64_t days) {
  const auto [date, era] = DateParts(days);
  return date + std::string(era);
}

std::string TimeText(std::int64_t micros) {
  const std::int64_t seconds = micros / 1'000'000;
  return Padded(seconds / 3'600, 2) + ":" + Padded(seconds / 60 % 60, 2) + ":" + Padded(seconds % 60, 2) + "." +
         Padded(micros % 1'000'000, 6);
}

std::string TimestampText(std::int64_t micros) {
  std::int64_t days = micros / kMicrosOfDay;
  if (micros % kMicrosOfDay < 0) --days;
  const auto [date, era] = DateParts(days);
  return date + " " + TimeText(micros - days * kMicrosOfDay) + std::string(era);
}

std::string UuidText(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    const auto byte = static_cast<unsigned char>(bytes[i]);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string FloatText(float value) { return ShortestText(value); }
std::string DoubleText(double value) { return ShortestText(value); }

}  // namespace hyprstream::backend
