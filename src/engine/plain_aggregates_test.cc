// Whatever a view maintains is an aggregate of plain queries, too, so that a SELECT means the same with and without a
// view: each name of core/aggregate_functions.h is called by a client over a table.
#include <arrow/result.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "core/aggregate_functions.h"
#include "engine/connection.h"
#include "engine/engine.h"

namespace hyprstream::engine {

namespace {

// What a call writes where the rule has an argument, over the columns of the table below.
std::string ArgumentOf(const AggregateFunction& function, ArgumentRule rule) {
  switch (rule) {
    case ArgumentRule::kDouble:
    case ArgumentRule::kLogarithm:
    case ArgumentRule::kMeasured:
    case ArgumentRule::kBetween:
      return "d";
    case ArgumentRule::kTruth:
      return "b";
    case ArgumentRule::kAny:
    case ArgumentRule::kValue:
    case ArgumentRule::kListed:
      return "s";
    case ArgumentRule::kInstant:
      return "ts";
    case ArgumentRule::kVector:
      return "[d, i]";
    case ArgumentRule::kConstant:
      return function.family == StateFamily::kTop ? "3" : "0.5";
    case ArgumentRule::kHalfLife:
      return "INTERVAL '1 hour'";
    default:
      return "i";
  }
}

std::string CallOf(const AggregateFunction& function, const std::string& name) {
  std::string arguments;
  for (const ArgumentRule rule : function.arguments) {
    if (rule == ArgumentRule::kNone || AggregateFunction::IsEventTime(rule)) continue;
    arguments += (arguments.empty() ? "" : ", ") + ArgumentOf(function, rule);
  }
  return name + "(" + (function.distinct ? "DISTINCT " : "") + arguments + ")";
}

std::vector<std::string> NamesOf(const AggregateFunction& function) {
  std::istringstream names{std::string(function.names)};
  std::vector<std::string> all;
  for (std::string name; names >> name;) all.push_back(name);
  return all;
}

class PlainAggregates : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(connection_
                    ->Run("CREATE TABLE t AS SELECT TIMESTAMP '2026-03-02' + to_minutes(n) AS ts, n % 3 AS k, n AS i, "
                          "(n + 1) / 200 AS d, n % 2 = 0 AS b, 'text ' || n % 7 AS s FROM range(0, 100) r(n)")
                    .ok());
  }

  // One value of each group, as a client gets it.
  arrow::Result<std::shared_ptr<arrow::Table>> Ask(const std::string& call) {
    ARROW_ASSIGN_OR_RAISE(const auto parsed, engine_->Parse("SELECT k, " + call + " AS v FROM t GROUP BY ALL"));
    ARROW_RETURN_NOT_OK(connection_->Begin());
    const auto answer = [&]() -> arrow::Result<std::shared_ptr<arrow::Table>> {
      ARROW_ASSIGN_OR_RAISE(const auto prepared, connection_->Prepare(*parsed.at(0), Trust::kClient));
      ARROW_ASSIGN_OR_RAISE(const auto run, connection_->Execute(*prepared, nullptr, ResultMode::kBuffered));
      return run.rows->ToTable();
    }();
    ARROW_RETURN_NOT_OK(connection_->Rollback());
    return answer;
  }

  // Does a view over the table maintain it? Its event time is ts.
  arrow::Status InView(const std::string& call) {
    ViewSurroundings surroundings;
    surroundings.time_column_of = [](const TableRef&) { return "ts"; };
    return engine_
        ->AnalyzeView(*connection_, {.schema = "main", .name = "v"}, "SELECT k, " + call + " AS v FROM t GROUP BY ALL",
                      "UTC", surroundings)
        .status();
  }

  std::unique_ptr<Engine> engine_ = Engine::Make({.threads = 1}).ValueOrDie();
  std::unique_ptr<Connection> connection_ = engine_->Connect().ValueOrDie();
};

// Of those that a view takes a time for of its own, as ewma(x, half_life), a query is told what to write.
bool NeedsTime(const AggregateFunction& function) {
  return std::ranges::find(function.arguments, ArgumentRule::kEventInstant) != function.arguments.end();
}

TEST_F(PlainAggregates, EachThatAViewMaintainsAnswersAQuery) {
  for (const AggregateFunction& function : AggregateFunctions()) {
    for (const auto& name : NamesOf(function)) {
      const auto call = CallOf(function, name);
      EXPECT_EQ(InView(call), arrow::Status::OK()) << call;
      const auto plain = Ask(call);
      if (NeedsTime(function)) {
        EXPECT_THAT(plain.status().message(), testing::HasSubstr("in a query give ewma, decayed_sum")) << call;
        continue;
      }
      ASSERT_TRUE(plain.ok()) << call << " in a query: " << plain.status().ToString();
      const auto& values = *(*plain)->GetColumnByName("v");
      EXPECT_EQ(values.length(), 3) << call;
      EXPECT_EQ(values.null_count(), 0) << call;
    }
  }
}

TEST_F(PlainAggregates, TakeTheFilterThatAViewTakes) {
  for (const AggregateFunction& function : AggregateFunctions()) {
    if (NeedsTime(function)) continue;
    for (const auto& name : NamesOf(function)) {
      const auto call = CallOf(function, name) + " FILTER (WHERE b)";
      EXPECT_EQ(InView(call).ok(), Ask(call).ok()) << call;
    }
  }
}

}  // namespace

}  // namespace hyprstream::engine
