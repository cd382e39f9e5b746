// Which parts of a plan a backend is asked for as a whole, and what is made of its answers.
#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "engine/backend_test_support.h"
#include "engine/connection.h"
#include "engine/engine.h"

namespace hyprstream::engine {

namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Kind = RemoteRelation::Kind;

std::string Shown(const RemoteExpression& expression) {
  switch (expression.kind) {
    case RemoteExpression::Kind::kColumn:
      return "#" + std::to_string(expression.column);
    case RemoteExpression::Kind::kLiteral:
      return expression.value->ToString();
    case RemoteExpression::Kind::kCall:
      break;
  }
  std::string text = "(" + expression.function;
  for (const auto& argument : expression.arguments) text += " " + Shown(argument);
  return text + ")";
}

std::string Shown(const std::vector<RemoteExpression>& expressions) {
  std::string text;
  for (const auto& expression : expressions) text += " " + Shown(expression);
  return text;
}

std::string Shown(const RemoteRelation& relation) {
  static constexpr const char* kNames[] = {"table",     "filter",   "project", "join",
                                           "aggregate", "distinct", "union",   "top"};
  std::string text = kNames[static_cast<int>(relation.kind)];
  if (relation.kind == Kind::kJoin) text += std::to_string(static_cast<int>(relation.join));
  for (const int column : relation.columns) text += " " + std::to_string(column);
  text += Shown(relation.conditions) + Shown(relation.expressions);
  for (const auto& aggregate : relation.aggregates) {
    text += " " + std::string(aggregate.distinct ? "distinct " : "") + aggregate.function + Shown(aggregate.arguments);
    if (!aggregate.conditions.empty()) text += " where" + Shown(aggregate.conditions);
  }
  for (const auto& order : relation.order) {
    text += " by " + Shown(order.by) + (order.descending ? " desc" : "") + (order.nulls_first ? " nulls first" : "");
  }
  if (relation.kind == Kind::kTop) text += " " + std::to_string(relation.rows_max);
  for (const auto& input : relation.inputs) text += " [" + Shown(input) + "]";
  return text;
}

class BackendPushdown : public testing::Test {
 protected:
  void SetUp() override {
    Put(*warehouse_);
    Put(*other_);
    ASSERT_TRUE(engine_->AddBackend(warehouse_).ok());
    ASSERT_TRUE(engine_->AddBackend(other_).ok());
    ASSERT_EQ(Text("CREATE TABLE here AS SELECT 1::BIGINT AS id"), "");
  }

  static void Put(MemoryBackend& backend) {
    backend.Put("s", "a",
                RowsOf({arrow::field("id", arrow::int64()), arrow::field("name", arrow::utf8())},
                       {"[1, 2, 3]", R"(["ann", "bob", null])"}));
    backend.Put(
        "s", "b",
        RowsOf({arrow::field("id", arrow::int64()), arrow::field("n", arrow::int32())}, {"[1, 1, 4]", "[10, 20, 30]"}));
  }
  // All queries of the warehouse's are noted and answered with these columns.
  void AnswerWith(const arrow::FieldVector& fields, const std::vector<std::string>& columns) {
    warehouse_->Answer([this, rows = RowsOf(fields, columns)](const RemoteRelation& query) {
      queries_.push_back(Shown(query));
      return rows;
    });
  }
  // None is answered.
  void Refuse() {
    warehouse_->Answer([this](const RemoteRelation& query) -> arrow::Result<MemoryBackend::Rows> {
      queries_.push_back(Shown(query));
      return arrow::Status::NotImplemented("a thing of its own");
    });
  }

  // Rows as text, or the error.
  std::string Text(const std::string& sql) {
    queries_.clear();
    if (!connection_->Begin().ok()) return "no transaction";
    auto text = Run(sql);
    const auto ended = text.ok() ? connection_->Commit() : connection_->Rollback();
    if (!ended.ok()) return ended.ToString();
    return text.ok() ? *text : text.status().ToString();
  }
  arrow::Result<std::string> Run(const std::string& sql) {
    ARROW_ASSIGN_OR_RAISE(const auto parsed, engine_->Parse(sql));
    ARROW_ASSIGN_OR_RAISE(const auto prepared, connection_->Prepare(*parsed.at(0), Trust::kClient));
    info_ = prepared->info();
    ARROW_ASSIGN_OR_RAISE(const auto executed, connection_->Execute(*prepared, nullptr, ResultMode::kBuffered));
    if (executed.rows == nullptr) return "";
    ARROW_ASSIGN_OR_RAISE(const auto table, executed.rows->ToTable());
    std::string text;
    for (std::int64_t row = 0; row < table->num_rows(); ++row) {
      text += row == 0 ? "" : "; ";
      for (int column = 0; column < table->num_columns(); ++column) {
        ARROW_ASSIGN_OR_RAISE(const auto value, table->column(column)->GetScalar(row));
        text += (column == 0 ? "" : ",") + (value->is_valid ? value->ToString() : "NULL");
      }
    }
    return text;
  }

  std::unique_ptr<Engine> engine_ = Engine::Make({}).ValueOrDie();
  std::unique_ptr<Connection> connection_ = engine_->Connect().ValueOrDie();
  std::shared_ptr<MemoryBackend> warehouse_ = std::make_shared<MemoryBackend>("warehouse");
  std::shared_ptr<MemoryBackend> other_ = std::make_shared<MemoryBackend>("other");
  std::vector<std::string> queries_;
  PreparedInfo info_;
};

TEST_F(BackendPushdown, AsksForJoinsAndAggregatesAsAWhole) {
  AnswerWith({arrow::field("c0", arrow::utf8()), arrow::field("c1", arrow::decimal128(38, 0)),
              arrow::field("c2", arrow::int64())},
             {R"(["ann", null])", R"(["30", null])", "[2, 7]"});
  EXPECT_EQ(Text("SELECT name, sum(n), count(*) FROM warehouse.s.a JOIN warehouse.s.b ON a.id = b.id "
                 "WHERE n > 5 GROUP BY name ORDER BY ALL"),
            "ann,30,2; NULL,NULL,7");
  EXPECT_THAT(queries_, Contains("project #0 #1 #2 [aggregate #1 sum #3 count_star "
                                 "[filter (> #3 5) [join1 (= #0 #2) [table 0 1] [table 0 1]]]]"));
  EXPECT_THAT(info_.pushed, ElementsAre("warehouse: s.a, s.b"));
  EXPECT_THAT(info_.not_pushed, IsEmpty());
  EXPECT_EQ(info_.schema->field(1)->type()->ToString(), "decimal128(38, 0)");
  EXPECT_THAT(Text("EXPLAIN SELECT name, sum(n), count(*) FROM warehouse.s.a JOIN warehouse.s.b ON a.id = b.id "
                   "GROUP BY name"),
              HasSubstr("SELECT 'it'"));
}

TEST_F(BackendPushdown, TellsWhyAPartIsNotAskedForAndScansInstead) {
  Refuse();
  EXPECT_EQ(Text("SELECT name, sum(n) FROM warehouse.s.a JOIN warehouse.s.b ON a.id = b.id GROUP BY name"), "ann,30");
  EXPECT_THAT(info_.pushed, IsEmpty());
  EXPECT_THAT(info_.not_pushed, ElementsAre("warehouse: a thing of its own"));
  EXPECT_EQ(Text("SELECT list(n) FROM warehouse.s.b"), "list<l: int32>[10, 20, 30]");
  EXPECT_THAT(info_.not_pushed, ElementsAre("warehouse: a thing of its own"));
}

TEST_F(BackendPushdown, LeavesScansOfSingleTablesAsTheyAre) {
  Refuse();
  EXPECT_EQ(Text("SELECT name FROM warehouse.s.a"), "ann; bob; NULL");
  EXPECT_EQ(Text("SELECT * FROM warehouse.s.a, warehouse.s.b WHERE false"), "");
  EXPECT_EQ(Text("SELECT count(*) FROM warehouse.s.a a, here"), "3");
  EXPECT_THAT(info_.pushed, IsEmpty());
}

TEST_F(BackendPushdown, SendsNoQueryOverTwoBackendsOrWhatIsHere) {
  AnswerWith({arrow::field("c0", arrow::int64())}, {"[3]"});
  EXPECT_EQ(Text("SELECT count(*) FROM warehouse.s.a a JOIN other.s.a b ON a.id = b.id"), "3");
  EXPECT_THAT(queries_, IsEmpty());
  EXPECT_EQ(Text("SELECT * FROM here WHERE id + 2 IN (SELECT count(*) FROM warehouse.s.a)"), "1");
  EXPECT_THAT(queries_, Contains("project #0 [aggregate count_star [table]]"));
  EXPECT_THAT(info_.pushed, ElementsAre("warehouse: s.a"));
}

TEST_F(BackendPushdown, AsksForTheFirstRowsAndOrdersThemItself) {
  AnswerWith({arrow::field("c0", arrow::int64()), arrow::field("c1", arrow::utf8())},
             {"[2, 3, 1]", R"(["bob", null, "ann"])"});
  EXPECT_EQ(Text("SELECT id, name FROM warehouse.s.a ORDER BY name DESC NULLS FIRST, id LIMIT 2 OFFSET 1"),
            "2,bob; 1,ann");
  EXPECT_THAT(queries_, Contains("top by #1 desc nulls first by #0 3 [project #0 #1 [table 0 1]]"));
  EXPECT_EQ(Text("SELECT random() < 0, id, name FROM warehouse.s.a LIMIT 2"), "false,2,bob; false,3,NULL");
  EXPECT_THAT(queries_, Contains("top 2 [table 0 1]"));
}

TEST_F(BackendPushdown, ScansNoMoreRowsThanALimitLooksAt) {
  warehouse_->TakeAsked();
  EXPECT_EQ(Text("SELECT id + 1 FROM warehouse.s.a LIMIT 1 OFFSET 1"), "3");
  EXPECT_THAT(warehouse_->TakeAsked(), Contains("scan s.a [id] 0 filters, at most 2 rows"));
  EXPECT_EQ(Text("SELECT id FROM (SELECT * FROM warehouse.s.a LIMIT 2) WHERE id > 1"), "2");
  EXPECT_THAT(warehouse_->TakeAsked(), Contains("scan s.a [id] 0 filters, at most 2 rows"));
  // It applies no conditions: what is left after them cannot be told beforehand.
  EXPECT_EQ(Text("SELECT id FROM warehouse.s.a WHERE id > 2 LIMIT 1"), "3");
  EXPECT_THAT(warehouse_->TakeAsked(), Contains("scan s.a [id] 1 filters"));
  // Half of a condition is not all of it.
  warehouse_->SayExactly();
  EXPECT_EQ(Text("SELECT id FROM warehouse.s.a WHERE id BETWEEN 2 AND 3 LIMIT 1"), "2");
  EXPECT_THAT(warehouse_->TakeAsked(), Contains("scan s.a [id] 2 filters, at most 1 rows"));
  EXPECT_EQ(Text("SELECT id FROM warehouse.s.a WHERE id BETWEEN 1 AND id LIMIT 1"), "1");
  EXPECT_THAT(warehouse_->TakeAsked(), Contains("scan s.a [id] 1 filters"));
  warehouse_->SayExactly(false);
  EXPECT_EQ(Text("SELECT id FROM warehouse.s.a WHERE random() < 2 LIMIT 1"), "1");
  EXPECT_THAT(warehouse_->TakeAsked(), Contains("scan s.a [id] 0 filters"));
  EXPECT_EQ(Text("SELECT id FROM warehouse.s.a ORDER BY id DESC LIMIT 1"), "3");
  EXPECT_THAT(warehouse_->TakeAsked(), Contains("scan s.a [id] 0 filters"));
}

TEST_F(BackendPushdown, KnowsWhatInMeans) {
  AnswerWith({arrow::field("c0", arrow::int64())}, {"[2]"});
  EXPECT_EQ(Text("SELECT id FROM warehouse.s.a WHERE id NOT IN (SELECT n FROM warehouse.s.b)"), "2");
  EXPECT_THAT(queries_, Contains(HasSubstr("join5")));
}

TEST_F(BackendPushdown, TakesNoAnswerOfAnotherType) {
  AnswerWith({arrow::field("c0", arrow::int32())}, {"[3]"});
  EXPECT_EQ(Text("SELECT count(*) FROM warehouse.s.a"), "3");
  EXPECT_THAT(info_.pushed, IsEmpty());
  EXPECT_THAT(info_.not_pushed, ElementsAre(HasSubstr("another type: INTEGER for BIGINT")));
}

TEST_F(BackendPushdown, IsTurnedOffByASetting) {
  AnswerWith({arrow::field("c0", arrow::int64())}, {"[77]"});
  EXPECT_EQ(Text("SELECT count(*) FROM warehouse.s.a"), "77");
  EXPECT_EQ(Text("SET use_pushdown = false"), "");
  EXPECT_EQ(Text("SELECT count(*) FROM warehouse.s.a"), "3");
}

}  // namespace

}  // namespace hyprstream::engine
