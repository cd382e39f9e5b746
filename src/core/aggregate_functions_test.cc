#include "core/aggregate_functions.h"

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hyprstream {
namespace {

std::string RowOf(const AggregateFunction& function) {
  const auto text = [](std::string_view view) { return std::string(view); };
  std::string row = "| `" + text(function.signature) + "`";
  if (const std::size_t more = function.names.find(' '); more != std::string_view::npos) {
    row += " (" + text(function.names.substr(more + 1)) + ")";
  }
  return row + " | " + text(function.result) + " | " + text(function.state) + " | " + text(function.mergeable) + " | " +
         text(function.subtractable) + " | " + text(function.exactness) + " | " + text(function.source) + " |";
}

// The document's table is the code's, row by row in its order.
TEST(AggregateFunctions, AreTheTableOfTheDocument) {
  std::string expected;
  for (const AggregateFunction& function : AggregateFunctions()) expected += RowOf(function) + "\n";
  std::ifstream file(std::string(HYPRSTREAM_DOCS) + "/aggregates.md");
  ASSERT_TRUE(file) << HYPRSTREAM_DOCS << "/aggregates.md";
  std::stringstream document;
  document << file.rdbuf();
  std::string rows;
  for (std::string line; std::getline(document, line);) {
    if (line.starts_with("| `")) rows += line + "\n";
  }
  EXPECT_EQ(rows, expected);
}

TEST(AggregateFunctions, AreFoundByNameArgumentsAndDistinct) {
  EXPECT_EQ(FindAggregateFunction("mean", 1, false)->kind, AggregateKind::kAvg);
  EXPECT_EQ(FindAggregateFunction("count", 0, false)->kind, AggregateKind::kCountStar);
  EXPECT_EQ(FindAggregateFunction("count", 1, false)->kind, AggregateKind::kCount);
  EXPECT_EQ(FindAggregateFunction("max", 2, false), nullptr);
  EXPECT_EQ(FindAggregateFunction("me", 1, false), nullptr);
  EXPECT_EQ(FindAggregateFunction("", 1, false), nullptr);
  EXPECT_EQ(FindAggregateFunction("avg mean", 1, false), nullptr);
}

TEST(AggregateFunctions, EachIsDescribedAndFoundOnce) {
  std::set<std::string> seen;
  for (const AggregateFunction& function : AggregateFunctions()) {
    const AggregateFunction& known = FunctionOf(function.kind);
    EXPECT_EQ(known.kind, function.kind) << function.signature;
    EXPECT_EQ(known.family, function.family) << function.signature;
    EXPECT_EQ(known.column_count(), function.column_count()) << function.signature;
    EXPECT_EQ(known.of_argument_type, function.of_argument_type) << function.signature;
    std::stringstream names{std::string(function.names)};
    for (std::string name; names >> name;) {
      const auto key = name + std::to_string(function.argument_count()) + (function.distinct ? " distinct" : "");
      EXPECT_TRUE(seen.insert(key).second) << key;
      EXPECT_EQ(FindAggregateFunction(name, function.argument_count(), function.distinct), &function) << key;
    }
    for (const auto text : {function.signature, function.result, function.state, function.exactness, function.source}) {
      EXPECT_FALSE(text.empty()) << function.signature;
      EXPECT_EQ(text.find('|'), std::string_view::npos) << text;
    }
  }
}

}  // namespace
}  // namespace hyprstream
