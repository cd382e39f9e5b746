#include "engine/materialized_view_grammar_internal.h"

#include <arrow/result.h>

#include <duckdb/parser/keyword_helper.hpp>
#include <duckdb/parser/parser.hpp>
#include <duckdb/parser/qualified_name.hpp>
#include <duckdb/parser/sql_statement.hpp>
#include <utility>
#include <vector>

#include "engine/error_internal.h"
#include "engine/statement_options_internal.h"

namespace hyprstream::engine {

namespace {

constexpr const char* kCreateForm =
    "CREATE [OR REPLACE] MATERIALIZED VIEW [IF NOT EXISTS] name [WITH (option = value, ...)] AS SELECT ...";
constexpr const char* kDropForm = "DROP MATERIALIZED VIEW [IF EXISTS] name [CASCADE | RESTRICT]";
constexpr const char* kAlterForm =
    "ALTER MATERIALIZED VIEW [IF EXISTS] name SET (option = value, ...), or RESET (option, ...)";
constexpr const char* kRefreshForm = "REFRESH MATERIALIZED VIEW name [WINDOW 'from' TO 'to']";

constexpr const char* kInsertForm = "INSERT INTO states('view') SELECT ...";

// Walks the tokens of one statement.
class Cursor {
 public:
  Cursor(const std::string& sql, const Tokens& tokens, std::size_t begin, const char* form)
      : sql_(sql), tokens_(tokens), at_(begin), form_(form) {}

  const duckdb::MatcherToken& token() const { return tokens_[at_]; }
  std::size_t position() const { return at_; }
  bool AtEnd() const { return EndsStatement(token()); }
  void Next() { ++at_; }

  bool TakeWord(std::string_view word) {
    if (!IsWord(token(), word)) return false;
    Next();
    return true;
  }
  bool TakeWords(std::initializer_list<std::string_view> words) {
    std::size_t at = at_;
    for (const auto word : words) {
      if (!IsWord(tokens_[at], word)) return false;
      ++at;
    }
    at_ = at;
    return true;
  }
  bool TakeSymbol(std::string_view symbol) {
    if (!IsSymbol(token(), symbol)) return false;
    Next();
    return true;
  }

  // The text from token `from` up to, not including, the current token; without what trails the last of them.
  std::string TextFrom(std::size_t from) const {
    if (from >= at_) return {};
    const auto begin = tokens_[from].offset;
    return sql_.substr(begin, tokens_[at_ - 1].offset + tokens_[at_ - 1].length - begin);
  }

  arrow::Status Expected(const std::string& what) const {
    const std::string found = AtEnd() ? "the statement ends" : "there is " + CutText(token().text, 80);
    return arrow::Status::Invalid("Expected ", what, " but ", found, " at ", PlaceOf(sql_, token().offset),
                                  "; the form is: ", form_);
  }

  // A name, quoted or not; a reserved word has to be quoted.
  arrow::Result<std::string> TakeName(const std::string& what) {
    using duckdb::TokenType;
    const auto& text = token().text;
    const bool quoted = !text.empty() && text.front() == '"';
    const bool word = token().type == TokenType::IDENTIFIER || token().type == TokenType::KEYWORD;
    if (!word ||
        (!quoted && duckdb::KeywordHelper::KeywordCategoryType(text) == duckdb::KeywordCategory::KEYWORD_RESERVED)) {
      return Expected(what);
    }
    std::string name = text;
    if (quoted) {
      name.clear();
      for (std::size_t i = 1; i + 1 < text.size(); ++i) {
        name.push_back(text[i]);
        if (text[i] == '"') ++i;  // doubled
      }
    }
    if (name.empty()) return Expected(what);
    Next();
    return name;
  }

 private:
  const std::string& sql_;
  const Tokens& tokens_;
  std::size_t at_;
  const char* form_;
};

arrow::Result<TableRef> TakeViewName(Cursor& cursor, bool* schema_given) {
  ARROW_ASSIGN_OR_RAISE(auto first, cursor.TakeName("the view's name"));
  TableRef view{.schema = "main", .name = std::move(first)};
  *schema_given = cursor.TakeSymbol(".");
  if (*schema_given) {
    ARROW_ASSIGN_OR_RAISE(auto second, cursor.TakeName("the view's name"));
    view = {.schema = std::move(view.name), .name = std::move(second)};
  }
  if (IsSymbol(cursor.token(), ".")) {
    return arrow::Status::Invalid("A materialized view is named by [schema.]name, without a database");
  }
  return view;
}

// The tokens of one value: up to the comma or bracket that closes it.
void SkipValue(Cursor& cursor) {
  int depth = 0;
  while (!cursor.AtEnd()) {
    const auto& token = cursor.token();
    if (depth == 0 && (IsSymbol(token, ",") || IsSymbol(token, ")"))) return;
    if (IsSymbol(token, "(") || IsSymbol(token, "[") || IsSymbol(token, "{")) ++depth;
    if (IsSymbol(token, ")") || IsSymbol(token, "]") || IsSymbol(token, "}")) --depth;
    cursor.Next();
  }
}

arrow::Result<std::string> TakeOptionValue(Cursor& cursor, const std::string& name) {
  if (!cursor.TakeSymbol("=")) return cursor.Expected("= after option " + name);
  const auto begin = cursor.position();
  SkipValue(cursor);
  const auto text = cursor.TextFrom(begin);
  if (text.empty()) return cursor.Expected("a value for option " + name);
  duckdb::vector<duckdb::unique_ptr<duckdb::ParsedExpression>> values;
  try {
    values = duckdb::Parser::GetBuiltinParser().ParseExpressionList(text);
  } catch (const duckdb::Exception&) {
    values.clear();  // OptionText says what is wanted
  }
  return OptionText(name, values.size() == 1 ? values[0].get() : nullptr);
}

// After the word that they follow.
arrow::Result<Options> TakeOptions(Cursor& cursor, const std::string& after) {
  Options options;
  if (!cursor.TakeSymbol("(")) return cursor.Expected("( after " + after);
  do {
    ARROW_ASSIGN_OR_RAISE(const auto written, cursor.TakeName("an option's name"));
    const auto name = FoldIdentifier(written);
    ARROW_ASSIGN_OR_RAISE(auto value, TakeOptionValue(cursor, name));
    if (!options.emplace(name, std::move(value)).second) {
      return arrow::Status::Invalid("Option ", name, " is given twice");
    }
  } while (cursor.TakeSymbol(","));
  if (!cursor.TakeSymbol(")")) return cursor.Expected(") after the options");
  return options;
}

arrow::Result<std::string> TakeSelect(Cursor& cursor) {
  const auto begin = cursor.position();
  while (!cursor.AtEnd()) cursor.Next();
  auto select = cursor.TextFrom(begin);
  if (select.empty()) return cursor.Expected("a SELECT");
  auto parser = duckdb::Parser::GetBuiltinParser();
  parser.ParseQuery(select);
  if (parser.statements.size() != 1 || parser.statements[0]->type != duckdb::StatementType::SELECT_STATEMENT) {
    return arrow::Status::Invalid("A materialized view is defined by one SELECT after AS");
  }
  if (!parser.statements[0]->named_param_map.empty()) {
    return arrow::Status::Invalid("A materialized view's SELECT takes no parameters; write the values out");
  }
  return select;
}

arrow::Result<CreateMaterializedView> ParseCreate(Cursor& cursor) {
  CreateMaterializedView create;
  cursor.TakeWord("create");
  create.or_replace = cursor.TakeWords({"or", "replace"});
  cursor.TakeWords({"materialized", "view"});
  create.if_not_exists = cursor.TakeWords({"if", "not", "exists"});
  if (create.or_replace && create.if_not_exists) {
    return arrow::Status::Invalid("OR REPLACE and IF NOT EXISTS exclude each other; leave one out");
  }
  ARROW_ASSIGN_OR_RAISE(create.view, TakeViewName(cursor, &create.schema_given));
  if (cursor.TakeWord("with")) {
    ARROW_ASSIGN_OR_RAISE(create.options, TakeOptions(cursor, "WITH"));
  }
  if (!cursor.TakeWord("as")) return cursor.Expected("AS and a SELECT");
  ARROW_ASSIGN_OR_RAISE(create.select, TakeSelect(cursor));
  return create;
}

arrow::Result<DropMaterializedView> ParseDrop(Cursor& cursor) {
  DropMaterializedView drop;
  cursor.TakeWords({"drop", "materialized", "view"});
  drop.if_exists = cursor.TakeWords({"if", "exists"});
  ARROW_ASSIGN_OR_RAISE(drop.view, TakeViewName(cursor, &drop.schema_given));
  drop.cascade = cursor.TakeWord("cascade");
  if (!drop.cascade) cursor.TakeWord("restrict");
  if (!cursor.AtEnd()) return cursor.Expected("CASCADE, RESTRICT or the end");
  return drop;
}

arrow::Result<AlterMaterializedView> ParseAlter(Cursor& cursor) {
  AlterMaterializedView alter;
  cursor.TakeWords({"alter", "materialized", "view"});
  alter.if_exists = cursor.TakeWords({"if", "exists"});
  ARROW_ASSIGN_OR_RAISE(alter.view, TakeViewName(cursor, &alter.schema_given));
  if (cursor.TakeWord("set")) {
    ARROW_ASSIGN_OR_RAISE(alter.set, TakeOptions(cursor, "SET"));
  } else if (cursor.TakeWord("reset")) {
    if (!cursor.TakeSymbol("(")) return cursor.Expected("( after RESET");
    do {
      ARROW_ASSIGN_OR_RAISE(const auto name, cursor.TakeName("an option's name"));
      alter.reset.push_back(FoldIdentifier(name));
    } while (cursor.TakeSymbol(","));
    if (!cursor.TakeSymbol(")")) return cursor.Expected(") after the options");
  } else {
    return cursor.Expected("SET or RESET");
  }
  if (!cursor.AtEnd()) return cursor.Expected("the end");
  return alter;
}

// The value of a literal, which may have its type before it: expressions would have to pass the gate.
arrow::Result<std::string> TakeTime(Cursor& cursor, const std::string& what) {
  for (const auto* type : {"timestamp", "timestamptz", "date"}) {
    if (cursor.TakeWord(type)) break;
  }
  const auto begin = cursor.position();
  if (cursor.token().type != duckdb::TokenType::STRING_LITERAL) return cursor.Expected(what);
  cursor.Next();
  const auto values = duckdb::Parser::GetBuiltinParser().ParseExpressionList(cursor.TextFrom(begin));
  return OptionText("WINDOW", values.size() == 1 ? values[0].get() : nullptr);
}

arrow::Result<RefreshMaterializedView> ParseRefresh(Cursor& cursor) {
  RefreshMaterializedView refresh;
  cursor.TakeWords({"refresh", "materialized", "view"});
  ARROW_ASSIGN_OR_RAISE(refresh.view, TakeViewName(cursor, &refresh.schema_given));
  if (cursor.TakeWord("window")) {
    RefreshMaterializedView::Range range;
    cursor.TakeWord("from");
    ARROW_ASSIGN_OR_RAISE(range.from, TakeTime(cursor, "the time of the first window, such as '2026-03-02 10:00'"));
    cursor.TakeWord("to");
    ARROW_ASSIGN_OR_RAISE(range.to, TakeTime(cursor, "the time to end before, such as '2026-03-02 11:00'"));
    refresh.windows = std::move(range);
  }
  if (!cursor.AtEnd()) return cursor.Expected("WINDOW or the end");
  return refresh;
}

arrow::Result<MaterializedViewStatement> ParseInsertStates(Cursor& cursor) {
  InsertStates insert;
  cursor.TakeWords({"insert", "into", "states"});
  cursor.TakeSymbol("(");
  const auto begin = cursor.position();
  cursor.Next();
  const auto values = duckdb::Parser::GetBuiltinParser().ParseExpressionList(cursor.TextFrom(begin));
  ARROW_ASSIGN_OR_RAISE(const auto name, OptionText("states", values.size() == 1 ? values[0].get() : nullptr));
  const auto qualified = duckdb::QualifiedName::Parse(name);
  insert.schema_given = !qualified.Schema().empty();
  insert.view = {.schema = insert.schema_given ? qualified.Schema().GetIdentifierName() : "main",
                 .name = qualified.Name().GetIdentifierName()};
  if (!cursor.TakeSymbol(")")) return cursor.Expected(") after the view's name");
  ARROW_ASSIGN_OR_RAISE(auto select, TakeSelect(cursor));
  return MaterializedViewStatement{.what = std::move(insert), .rows_sql = std::move(select), .end = cursor.position()};
}

}  // namespace

bool StartsMaterializedView(const Tokens& tokens, std::size_t begin) {
  const auto is = [&](std::size_t at, std::string_view word) { return at < tokens.size() && IsWord(tokens[at], word); };
  if (is(begin, "insert")) {  // DuckDB knows no table that is called
    return is(begin + 1, "into") && is(begin + 2, "states") && begin + 4 < tokens.size() &&
           IsSymbol(tokens[begin + 3], "(") && tokens[begin + 4].type == duckdb::TokenType::STRING_LITERAL;
  }
  std::size_t at = begin + 1;
  if (is(begin, "create")) {
    if (is(at, "or") && is(at + 1, "replace")) at += 2;
  } else if (!is(begin, "drop") && !is(begin, "alter") && !is(begin, "refresh")) {
    return false;
  }
  return is(at, "materialized") && is(at + 1, "view");
}

arrow::Result<MaterializedViewStatement> ParseMaterializedView(const std::string& sql, const Tokens& tokens,
                                                               std::size_t begin) {
  const auto parse = [&](const char* form, auto parser) -> arrow::Result<MaterializedViewStatement> {
    Cursor cursor(sql, tokens, begin, form);
    ARROW_ASSIGN_OR_RAISE(auto what, parser(cursor));
    return MaterializedViewStatement{.what = std::move(what), .rows_sql = {}, .end = cursor.position()};
  };
  if (IsWord(tokens[begin], "create")) return parse(kCreateForm, ParseCreate);
  if (IsWord(tokens[begin], "alter")) return parse(kAlterForm, ParseAlter);
  if (IsWord(tokens[begin], "refresh")) return parse(kRefreshForm, ParseRefresh);
  if (IsWord(tokens[begin], "insert")) {
    Cursor cursor(sql, tokens, begin, kInsertForm);
    return ParseInsertStates(cursor);
  }
  return parse(kDropForm, ParseDrop);
}

}  // namespace hyprstream::engine
