#include <arrow/compute/initialize.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "cli/text_format.h"

namespace hyprstream::cli {
namespace {

constexpr std::int64_t kBad = -1;

std::int64_t RowsOf(TextFormat& format, std::string_view records) {
  if (format.IsBlank(records)) return 0;
  const auto batch = format.Parse(records);
  return batch.ok() ? (*batch)->num_rows() : kBad;
}

// Record by record.
std::int64_t RowsOfRecords(TextFormat& format, std::string_view text) {
  std::int64_t rows = 0;
  while (!text.empty()) {
    const auto record = text.substr(0, format.RecordEnd(text));
    text.remove_prefix(record.size());
    const auto more = RowsOf(format, record);
    if (more == kBad || more > 1) return kBad;
    rows += more;
  }
  return rows;
}

// Every text of some letters: what the parser takes for a record is one for who cuts the text.
TEST(CsvFormat, RecordsEndWhereTheParserEndsThem) {
  ASSERT_TRUE(arrow::compute::Initialize().ok());
  constexpr std::string_view kLetters = "a,\"\n\r";
  constexpr int kLength = 5;
  const auto format =
      MakeCsvFormat(arrow::schema({arrow::field("a", arrow::utf8()), arrow::field("b", arrow::utf8())}));
  for (const std::string header : {"a\n", "a,b\n"}) {
    ASSERT_TRUE(format->Learn(header).ok());
    std::string text(kLength, ' ');
    for (int number = 0; number < 3125; ++number) {
      for (int at = 0, rest = number; at < kLength; ++at, rest /= 5) {
        text[static_cast<std::size_t>(at)] = kLetters[static_cast<std::size_t>(rest % 5)];
      }
      EXPECT_EQ(RowsOf(*format, text), RowsOfRecords(*format, text)) << ::testing::PrintToString(text) << header;
    }
  }
}

}  // namespace
}  // namespace hyprstream::cli
