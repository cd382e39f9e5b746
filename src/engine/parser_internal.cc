#include "engine/parser_internal.h"

#include <arrow/result.h>

#include <algorithm>
#include <cstdlib>
#include <duckdb/parser/expression/constant_expression.hpp>
#include <duckdb/parser/parsed_data/create_table_info.hpp>
#include <duckdb/parser/parser.hpp>
#include <duckdb/parser/statement/create_statement.hpp>
#include <duckdb/parser/statement/explain_statement.hpp>
#include <duckdb/parser/statement/set_statement.hpp>
#include <duckdb/parser/token_iterator.hpp>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "engine/attach_grammar_internal.h"
#include "engine/error_internal.h"
#include "engine/guard_internal.h"
#include "engine/materialized_view_grammar_internal.h"
#include "engine/statement_kind_internal.h"
#include "engine/statement_options_internal.h"
#include "engine/tokens_internal.h"
#include "engine/window_tables_internal.h"

namespace hyprstream::engine {

namespace {

using SqlPointer = duckdb::unique_ptr<duckdb::SQLStatement>;

// A statement that DuckDB runs.
class DuckStatement : public Statement {
 public:
  DuckStatement(SqlPointer sql, StatementClass kind, std::optional<CreateTableOptions> options)
      : sql_(std::move(sql)), class_(std::move(kind)), options_(std::move(options)) {}

  StatementKind kind() const override { return class_.kind; }
  const std::string& text() const override { return sql_->query; }
  int parameter_count() const override { return static_cast<int>(sql_->named_param_map.size()); }
  const std::string& target() const override { return class_.target; }
  const CreateTableOptions* table_options() const override { return options_ ? &*options_ : nullptr; }
  const duckdb::SQLStatement* sql() const { return sql_.get(); }

 private:
  SqlPointer sql_;
  StatementClass class_;
  std::optional<CreateTableOptions> options_;
};

// A statement that we run.
class OwnStatement : public Statement {
 public:
  OwnStatement(std::string text, MaterializedViewStatement parsed, std::shared_ptr<const Statement> rows)
      : text_(std::move(text)), what_(std::move(parsed.what)) {
    if (auto* insert = std::get_if<InsertStates>(&what_)) insert->rows = std::move(rows);
    target_ = drop_view() ? drop_view()->view.name : "";
  }

  StatementKind kind() const override {
    if (create_view() != nullptr) return StatementKind::kCreateMaterializedView;
    if (insert_states() != nullptr) return StatementKind::kInsertStates;
    if (alter_view() != nullptr) return StatementKind::kAlterMaterializedView;
    return refresh_view() ? StatementKind::kRefreshMaterializedView : StatementKind::kDropMaterializedView;
  }
  const std::string& text() const override { return text_; }
  int parameter_count() const override { return 0; }
  const std::string& target() const override { return target_; }
  const CreateMaterializedView* create_view() const override { return std::get_if<CreateMaterializedView>(&what_); }
  const DropMaterializedView* drop_view() const override { return std::get_if<DropMaterializedView>(&what_); }
  const AlterMaterializedView* alter_view() const override { return std::get_if<AlterMaterializedView>(&what_); }
  const InsertStates* insert_states() const override { return std::get_if<InsertStates>(&what_); }
  const RefreshMaterializedView* refresh_view() const override { return std::get_if<RefreshMaterializedView>(&what_); }

 private:
  std::string text_;
  std::string target_;
  decltype(MaterializedViewStatement::what) what_;
};

using StatementPointer = std::shared_ptr<const Statement>;

// What a CREATE TABLE says in WITH; takes it off the tree, because DuckDB's binder refuses options it does not know.
arrow::Result<std::optional<CreateTableOptions>> TakeTableOptions(duckdb::SQLStatement& statement) {
  if (statement.type != duckdb::StatementType::CREATE_STATEMENT) return std::nullopt;
  auto& create = *statement.Cast<duckdb::CreateStatement>().info;
  if (create.type != duckdb::CatalogType::TABLE_ENTRY) return std::nullopt;
  auto& info = create.Cast<duckdb::CreateTableInfo>();
  if (info.options.empty()) return std::nullopt;
  if (info.temporary) {
    return arrow::Status::Invalid("A temporary table takes no options; leave out WITH (...) or TEMPORARY");
  }
  const auto& name = info.GetQualifiedName();
  CreateTableOptions options;
  options.table.name = name.Name().GetIdentifierName();
  options.schema_given = !name.Schema().empty();
  if (options.schema_given) options.table.schema = name.Schema().GetIdentifierName();
  options.if_not_exists = info.on_conflict == duckdb::OnCreateConflict::IGNORE_ON_CONFLICT;
  options.or_replace = info.on_conflict == duckdb::OnCreateConflict::REPLACE_ON_CONFLICT;
  for (const auto& [option, value] : info.options) {
    const auto folded = FoldIdentifier(option);
    ARROW_ASSIGN_OR_RAISE(options.options[folded], OptionText(folded, value.get()));
  }
  info.options.clear();
  return options;
}

// EXPLAIN ANALYZE runs what it explains. A SELECT that writes through a CTE is the gate's to refuse.
arrow::Status CheckExplain(const duckdb::SQLStatement& statement) {
  if (statement.type != duckdb::StatementType::EXPLAIN_STATEMENT) return arrow::Status::OK();
  const auto& explain = statement.Cast<duckdb::ExplainStatement>();
  if (explain.explain_type != duckdb::ExplainType::EXPLAIN_ANALYZE) return arrow::Status::OK();
  if (explain.stmt->type == duckdb::StatementType::SELECT_STATEMENT) return arrow::Status::OK();
  return arrow::Status::Invalid("EXPLAIN ANALYZE runs its statement and is for queries only; use EXPLAIN");
}

// DuckDB's default is the zone that the machine is in.
void WriteOutReset(SqlPointer& statement) {
  if (statement->type != duckdb::StatementType::SET_STATEMENT) return;
  const auto& set = statement->Cast<duckdb::SetStatement>();
  if (set.set_type != duckdb::SetType::RESET || set.name != duckdb::Identifier("TimeZone")) return;
  auto utc =
      duckdb::make_uniq<duckdb::SetVariableStatement>(set.name, duckdb::ConstantExpression::String("UTC"), set.scope);
  utc->query = statement->query;
  utc->stmt_location = statement->stmt_location;
  statement = std::move(utc);
}

// Parses one text, statement by statement.
class TextParser {
 public:
  TextParser(std::string sql, const ParseLimits& limits) : sql_(std::move(sql)), tokens_(Tokenize(sql_)) {
    options_.max_expression_depth = static_cast<duckdb::idx_t>(std::max(1, limits.expression_depth_max));
    own_functions_ = limits.own_functions;
  }

  arrow::Result<std::vector<StatementPointer>> Parse(int depth_max) {
    ARROW_RETURN_NOT_OK(CheckBounds(sql_, tokens_, depth_max));
    if (!own_functions_) ARROW_RETURN_NOT_OK(CheckFunctions(sql_, tokens_));
    std::vector<StatementPointer> statements;
    duckdb::Parser parser(options_);
    duckdb::TokenIterator iterator(duckdb::make_uniq<Tokens>(tokens_));  // a copy: the matcher re-types what it tries
    while (!iterator.AtEnd()) {
      ARROW_ASSIGN_OR_RAISE(auto statement, ParseOne(parser, iterator));
      if (statement != nullptr) statements.push_back(std::move(statement));
    }
    if (statements.empty()) return arrow::Status::Invalid("There is no statement in the text");
    return statements;
  }

 private:
  // Null when there were only separators.
  arrow::Result<StatementPointer> ParseOne(duckdb::Parser& parser, duckdb::TokenIterator& iterator) {
    while (!iterator.AtEnd() && EndsStatement(tokens_[iterator.Position()])) iterator.Advance();
    if (iterator.AtEnd()) return nullptr;
    const auto begin = iterator.Position();
    try {
      if (StartsMaterializedView(tokens_, begin)) return ParseOwn(iterator);
      if (StartsBackendStatement(tokens_, begin)) {
        ARROW_ASSIGN_OR_RAISE(auto parsed, ParseBackendStatement(sql_, tokens_, begin));
        iterator.SetPosition(parsed.end);
        return std::move(parsed.statement);
      }
      const bool use = IsWord(tokens_[begin], "use");
      auto parsed = parser.ParseTopLevelStatement(iterator);
      if (!parsed) return nullptr;
      parsed->query = TextOf(begin, iterator.Position());
      parsed->stmt_location = duckdb::QueryLocation(0, parsed->query.size());
      return Finish(std::move(parsed), use);
    } catch (const duckdb::Exception& error) {
      return Refusal(duckdb::ErrorData(error));
    }
  }

  arrow::Result<StatementPointer> ParseOwn(duckdb::TokenIterator& iterator) {
    const auto begin = iterator.Position();
    ARROW_ASSIGN_OR_RAISE(auto parsed, ParseMaterializedView(sql_, tokens_, begin));
    const auto end = parsed.end;
    iterator.SetPosition(end);
    StatementPointer rows;
    if (!parsed.rows_sql.empty()) {
      auto parser = duckdb::Parser(options_);
      parser.ParseQuery(parsed.rows_sql);
      parser.statements.at(0)->query = parsed.rows_sql;
      ARROW_ASSIGN_OR_RAISE(rows, Finish(std::move(parser.statements.at(0)), false));
    }
    return std::make_shared<OwnStatement>(TextOf(begin, end), std::move(parsed), std::move(rows));
  }

  static arrow::Result<StatementPointer> Finish(SqlPointer parsed, bool use) {
    ARROW_RETURN_NOT_OK(CheckExplain(*parsed));
    WriteOutReset(parsed);
    WriteOutWindowTables(*parsed);
    ARROW_ASSIGN_OR_RAISE(auto options, TakeTableOptions(*parsed));
    auto kind = Classify(*parsed, use);
    return std::make_shared<DuckStatement>(std::move(parsed), std::move(kind), std::move(options));
  }

  // The statement's text: from its first token to its last, without the terminator.
  std::string TextOf(std::size_t begin, std::size_t end) const {
    while (end > begin && EndsStatement(tokens_[end - 1])) --end;
    if (end == begin) return {};
    const auto& last = tokens_[end - 1];
    return sql_.substr(tokens_[begin].offset, last.offset + last.length - tokens_[begin].offset);
  }

  // DuckDB's error with its place in the text. What may hold a password is not shown.
  arrow::Status Refusal(const duckdb::ErrorData& error) const {
    const auto status = StatusFrom(error);
    const auto found = error.ExtraInfo().find("position");
    std::string place;
    if (found != error.ExtraInfo().end()) {
      place = " at " + PlaceOf(sql_, static_cast<std::size_t>(std::strtoull(found->second.c_str(), nullptr, 10)));
    }
    if (MayNameSecrets(tokens_)) {
      return status.WithMessage("Syntax error", place, kNotShown);
    }
    return status.WithMessage(CutText(status.message(), 400), place);
  }

  std::string sql_;
  Tokens tokens_;
  bool own_functions_ = false;
  duckdb::ParserOptions options_ = duckdb::ParserOptions::Builtin();
};

}  // namespace

arrow::Result<std::vector<std::shared_ptr<const Statement>>> ParseStatements(std::string_view sql,
                                                                             const ParseLimits& limits) {
  if (sql.size() > limits.sql_bytes_max) {
    return arrow::Status::Invalid("The SQL text has ", sql.size(), " bytes; at most ", limits.sql_bytes_max,
                                  " are taken. Bind values as parameters, or ingest rows instead of writing them out");
  }
  return Guard([&]() -> arrow::Result<std::vector<std::shared_ptr<const Statement>>> {
    try {
      return TextParser(duckdb::Parser::NormalizeSQLString(std::string(sql)), limits)
          .Parse(limits.expression_depth_max);
    } catch (const duckdb::Exception&) {  // the tokens are not even told apart, and the error shows where
      if (!MayNameSecrets(sql)) throw;
      return arrow::Status::Invalid("Syntax error, such as a quote that is not closed", kNotShown);
    }
  });
}

duckdb::unique_ptr<duckdb::SQLStatement> CopySql(const Statement& statement) {
  const auto* duck = dynamic_cast<const DuckStatement*>(&statement);
  if (duck == nullptr) throw duckdb::InternalException("not a statement for DuckDB");
  return duck->sql()->Copy();
}

}  // namespace hyprstream::engine
