// Queries as statements of each dialect; what is refused; and that docs/backends.md says the same of it as the code.
#include "backend/remote_statement.h"

#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>

namespace hyprstream::backend {
namespace {

using ::testing::HasSubstr;
using Kind = RemoteRelation::Kind;

class NoRows : public TableSource {
 public:
  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const ScanRequest&) const override {
    return arrow::Status::NotImplemented("no rows");
  }

 private:
  std::shared_ptr<arrow::Schema> schema_ = arrow::schema({});
};

RemoteExpression Column(int column, std::shared_ptr<arrow::DataType> type) {
  return {.kind = RemoteExpression::Kind::kColumn, .type = std::move(type), .column = column};
}

RemoteExpression Literal(const std::shared_ptr<arrow::Scalar>& value) {
  return {.kind = RemoteExpression::Kind::kLiteral, .type = value->type, .value = value};
}

RemoteExpression Call(std::string function, std::shared_ptr<arrow::DataType> type,
                      std::vector<RemoteExpression> arguments) {
  return {.kind = RemoteExpression::Kind::kCall,
          .type = std::move(type),
          .function = std::move(function),
          .arguments = std::move(arguments)};
}

// Over the columns i (int64), s (text), o (handed on) and l (looked at value by value).
class RemoteStatement : public ::testing::Test {
 protected:
  RemoteStatement() {
    layout_.schema = arrow::schema({arrow::field("i", arrow::int64()), arrow::field("s", arrow::utf8()),
                                    arrow::field("o", arrow::binary()), arrow::field("l", arrow::int64())});
    layout_.columns = {{.name = "i",
                        .expression = "\"i\"",
                        .arriving = arrow::int64(),
                        .value = "\"i\"",
                        .computed = Comparable::kInteger},
                       {.name = "s",
                        .expression = "\"s\"",
                        .arriving = arrow::utf8(),
                        .value = "\"s\"",
                        .computed = Comparable::kText},
                       {.name = "o", .expression = "\"o\"", .arriving = arrow::binary(), .value = "\"o\""},
                       {.name = "l", .expression = "\"l\"", .arriving = arrow::int64()}};
    layout_.from = "t";
  }

  RemoteRelation Table(std::vector<int> columns) const {
    return {.kind = Kind::kTable, .table = table_, .columns = std::move(columns)};
  }
  static RemoteRelation Over(Kind kind, RemoteRelation input) {
    RemoteRelation relation{.kind = kind};
    relation.inputs.push_back(std::move(input));
    return relation;
  }
  // The statement, or why there is none.
  std::string Text(const QueryDialect& dialect, const RemoteRelation& query) const {
    const auto layout = LayoutOfQuery(
        dialect, query, [&](const TableSource& source) { return &source == table_.get() ? &layout_ : nullptr; });
    return layout.ok() ? layout->from : layout.status().ToString();
  }

  TableLayout layout_;
  const std::shared_ptr<NoRows> table_ = std::make_shared<NoRows>();
};

TEST_F(RemoteStatement, SaysJoinsAndAggregates) {
  RemoteRelation join{.kind = Kind::kJoin};
  join.inputs = {Table({0}), Table({0, 1})};
  join.conditions = {Call("=", arrow::boolean(), {Column(0, arrow::int64()), Column(1, arrow::int64())})};
  auto aggregate = Over(Kind::kAggregate, join);
  aggregate.expressions = {Column(2, arrow::utf8())};
  aggregate.aggregates = {
      {.function = "sum", .arguments = {Column(0, arrow::int64())}, .type = arrow::decimal128(38, 0)}};
  const std::string from =
      " FROM (SELECT q.c0 AS c0, r.c0 AS c1, r.c1 AS c2 FROM (SELECT \"i\" AS c0 FROM t) AS q INNER JOIN "
      "(SELECT \"i\" AS c0, \"s\" AS c1 FROM t) AS r ON (q.c0 = r.c0)) AS q GROUP BY 1) AS q";
  EXPECT_EQ(Text(PostgresQueries(), aggregate), "(SELECT q.c2 AS c0, (sum(q.c0))::numeric AS c1" + from);
  EXPECT_EQ(Text(SqliteQueries(), aggregate),
            "(SELECT q.c2 AS c0, (sum(q.c0 >> 32) || ':' || sum(q.c0 & 4294967295)) AS c1" + from);
}

TEST_F(RemoteStatement, PutsTextsInTheOrderOfTheirBytes) {
  auto top = Over(Kind::kTop, Table({1}));
  top.order = {{.by = Column(0, arrow::utf8()), .descending = true}};
  top.rows_max = 3;
  EXPECT_THAT(Text(PostgresQueries(), top), HasSubstr("ORDER BY (q.c0 COLLATE \"C\") DESC NULLS LAST LIMIT 3"));
  EXPECT_THAT(Text(SqliteQueries(), top), HasSubstr("ORDER BY q.c0 DESC NULLS LAST LIMIT 3"));
  auto filter = Over(Kind::kFilter, Table({1}));
  filter.conditions = {
      Call("<", arrow::boolean(), {Column(0, arrow::utf8()), Literal(std::make_shared<arrow::StringScalar>("it's"))})};
  EXPECT_THAT(Text(PostgresQueries(), filter), HasSubstr("WHERE ((q.c0 COLLATE \"C\") < 'it''s'::text)"));
}

TEST_F(RemoteStatement, RefusesWhatMayMeanSomethingElse) {
  auto like = Over(Kind::kFilter, Table({1}));
  like.conditions = {
      Call("~~", arrow::boolean(), {Column(0, arrow::utf8()), Literal(std::make_shared<arrow::StringScalar>("a%"))})};
  EXPECT_THAT(Text(PostgresQueries(), like), HasSubstr("LIKE 'a%'::text ESCAPE ''"));
  EXPECT_THAT(Text(SqliteQueries(), like), HasSubstr("~~ of text is not known to mean the same there"));

  EXPECT_THAT(Text(PostgresQueries(), Table({3})), HasSubstr("column l is looked at value by value"));
  auto of_handed_on = Over(Kind::kDistinct, Table({2}));
  EXPECT_THAT(Text(PostgresQueries(), of_handed_on), HasSubstr("DISTINCT of such values"));

  auto doubles = Over(Kind::kProject, Table({0}));
  doubles.expressions = {Literal(std::make_shared<arrow::DoubleScalar>(0.1))};
  EXPECT_THAT(Text(PostgresQueries(), doubles), HasSubstr("'0.1'::float8"));
  EXPECT_THAT(Text(SqliteQueries(), doubles), HasSubstr("the constant 0.1"));

  auto narrowed = Over(Kind::kProject, Table({0}));
  narrowed.expressions = {Call("cast", arrow::int32(), {Column(0, arrow::int64())})};
  EXPECT_THAT(Text(PostgresQueries(), narrowed), HasSubstr("a cast of int64 to int32"));

  const RemoteRelation foreign{.kind = Kind::kTable, .table = std::make_shared<NoRows>(), .columns = {0}};
  EXPECT_THAT(Text(PostgresQueries(), foreign), HasSubstr("is not read by this connection"));
}

// The engine's own types are said in full, and a function is sent with the arguments that are known of it.
TEST_F(RemoteStatement, SaysDuckdbsTypes) {
  auto constants = Over(Kind::kProject, Table({0}));
  constants.expressions = {Literal(std::make_shared<arrow::UInt64Scalar>(1)),
                           Literal(arrow::MakeNullScalar(arrow::decimal128(9, 2))),
                           Call("cast", arrow::decimal128(38, 0), {Column(0, arrow::int64())}),
                           Call("cast", arrow::utf8(), {Column(0, arrow::int64())})};
  EXPECT_THAT(Text(DuckdbQueries(), constants),
              HasSubstr("SELECT ((1)::UBIGINT)::UBIGINT AS c0, ((NULL)::DECIMAL(9,2))::DECIMAL(9,2) AS c1, "
                        "((q.c0)::DECIMAL(38,0))::DECIMAL(38,0) AS c2, ((q.c0)::VARCHAR)::VARCHAR AS c3"));
  auto trimmed = Over(Kind::kProject, Table({1}));
  trimmed.expressions = {Call("trim", arrow::utf8(), {Column(0, arrow::utf8())})};
  EXPECT_THAT(Text(DuckdbQueries(), trimmed), HasSubstr("(trim(q.c0))::VARCHAR"));
  trimmed.expressions[0].arguments.push_back(Literal(std::make_shared<arrow::StringScalar>("x")));
  EXPECT_THAT(Text(DuckdbQueries(), trimmed), HasSubstr("trim with 2 arguments of text is not known"));
  auto narrowed = Over(Kind::kProject, Table({0}));
  narrowed.expressions = {Call("cast", arrow::uint64(), {Column(0, arrow::int64())})};
  EXPECT_THAT(Text(DuckdbQueries(), narrowed), HasSubstr("a cast of int64 to uint64"));
}

// Where SQLite's sum of 64 bits would stop, and where the halves of the sum are only to be handed on.
TEST_F(RemoteStatement, SqlitesSumsAreOnlySelected) {
  auto aggregate = Over(Kind::kAggregate, Table({0}));
  aggregate.aggregates = {
      {.function = "sum", .arguments = {Column(0, arrow::int64())}, .type = arrow::decimal128(38, 0)}};
  auto filter = Over(Kind::kFilter, aggregate);
  filter.conditions = {Call("is not distinct from", arrow::boolean(),
                            {Column(0, arrow::decimal128(38, 0)), Column(0, arrow::decimal128(38, 0))})};
  EXPECT_THAT(Text(SqliteQueries(), filter), HasSubstr("only handed on"));
  EXPECT_THAT(Text(PostgresQueries(), filter), HasSubstr("IS NOT DISTINCT FROM"));
}

// `| construct | PostgreSQL | SQLite | DuckDB |` under "What is pushed down".
TEST(QueryDialects, AreAsDocumented) {
  std::map<std::string, std::vector<std::string>> documented;
  std::ifstream document(std::string(HYPRSTREAM_DOCS) + "/backends.md");
  bool inside = false;
  for (std::string line; std::getline(document, line);) {
    if (line.starts_with("#")) inside = line == "## What is pushed down";
    if (!inside || !line.starts_with("| `")) continue;
    std::vector<std::string> cells;
    for (std::size_t at = 1; at < line.size();) {
      const auto end = line.find('|', at);
      auto cell = line.substr(at, end - at);
      cell.erase(0, cell.find_first_not_of(' '));
      cell.erase(cell.find_last_not_of(' ') + 1);
      cells.push_back(cell);
      at = end + 1;
    }
    ASSERT_EQ(cells.size(), 4U) << line;
    documented[cells[0].substr(1, cells[0].size() - 2)] = {cells.begin() + 1, cells.end()};
  }
  std::map<std::string, std::vector<std::string>> known;
  const std::vector<const QueryDialect*> dialects = {&PostgresQueries(), &SqliteQueries(), &DuckdbQueries()};
  for (std::size_t i = 0; i < dialects.size(); ++i) {
    for (const auto& capability : dialects[i]->capabilities()) {
      auto& types = known[std::string(capability.construct)];
      types.resize(dialects.size());
      types[i] += (types[i].empty() ? "" : " ") + std::string(capability.types);
    }
  }
  EXPECT_EQ(documented, known);
}

}  // namespace
}  // namespace hyprstream::backend
