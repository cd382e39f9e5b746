#include "engine/attach_grammar_internal.h"

#include <arrow/result.h>

#include <algorithm>
#include <duckdb/parser/parser.hpp>
#include <utility>
#include <vector>

#include "core/table_ref.h"
#include "engine/statement_options_internal.h"

namespace hyprstream::engine {

namespace {

constexpr const char* kAttachForm = "ATTACH '<uri>' AS name (TYPE adbc, DRIVER 'postgresql', ...)";
constexpr const char* kOnlyBackends =
    "ATTACH is not allowed for database files and other types: it names a database behind an ADBC driver, "
    "ATTACH '<uri>' AS name (TYPE adbc, DRIVER 'postgresql', ...)";

class AttachStatement : public Statement {
 public:
  explicit AttachStatement(AttachBackend what)
      : what_(std::move(what)), text_("ATTACH '***' AS " + QuoteIdentifier(what_.name) + " (TYPE adbc, ***)") {}
  StatementKind kind() const override { return StatementKind::kAttachBackend; }
  const std::string& text() const override { return text_; }
  int parameter_count() const override { return 0; }
  const std::string& target() const override { return what_.name; }
  const AttachBackend* attach_backend() const override { return &what_; }

 private:
  AttachBackend what_;
  std::string text_;
};

class DetachStatement : public Statement {
 public:
  explicit DetachStatement(DetachBackend what)
      : what_(std::move(what)), text_("DETACH " + QuoteIdentifier(what_.name)) {}
  StatementKind kind() const override { return StatementKind::kDetachBackend; }
  const std::string& text() const override { return text_; }
  int parameter_count() const override { return 0; }
  const std::string& target() const override { return what_.name; }
  const DetachBackend* detach_backend() const override { return &what_; }

 private:
  DetachBackend what_;
  std::string text_;
};

class RefreshStatement : public Statement {
 public:
  explicit RefreshStatement(RefreshBackend what)
      : what_(std::move(what)), text_("REFRESH BACKEND " + QuoteIdentifier(what_.name)) {}
  StatementKind kind() const override { return StatementKind::kRefreshBackend; }
  const std::string& text() const override { return text_; }
  int parameter_count() const override { return 0; }
  const std::string& target() const override { return what_.name; }
  const RefreshBackend* refresh_backend() const override { return &what_; }

 private:
  RefreshBackend what_;
  std::string text_;
};

class ForbiddenAttach : public Statement {
 public:
  StatementKind kind() const override { return StatementKind::kForbidden; }
  const std::string& text() const override { return text_; }
  int parameter_count() const override { return 0; }
  const std::string& target() const override { return advice_; }

 private:
  const std::string text_ = "ATTACH '***'";
  const std::string advice_ = kOnlyBackends;
};

// Walks the tokens of one statement.
class AttachParser {
 public:
  AttachParser(const std::string& sql, const Tokens& tokens, std::size_t begin)
      : sql_(sql), tokens_(tokens), at_(begin) {}

  arrow::Result<BackendStatement> Parse() {
    const auto first = at_++;
    ARROW_ASSIGN_OR_RAISE(auto statement, IsWord(tokens_[first], "attach")   ? ParseAttach()
                                          : IsWord(tokens_[first], "detach") ? ParseDetach()
                                                                             : ParseRefresh());
    return BackendStatement{.statement = std::move(statement), .end = at_};
  }

 private:
  bool TakeWord(std::string_view word) {
    if (!IsWord(tokens_[at_], word)) return false;
    ++at_;
    return true;
  }
  bool TakeSymbol(std::string_view symbol) {
    if (!IsSymbol(tokens_[at_], symbol)) return false;
    ++at_;
    return true;
  }
  bool AtEnd() const { return EndsStatement(tokens_[at_]); }
  bool AtQuoted() const { return tokens_[at_].text.starts_with('"'); }

  arrow::Status Expected(const std::string& what) const {
    return arrow::Status::Invalid("Expected ", what, " at ", PlaceOf(sql_, tokens_[at_].offset),
                                  "; the form is: ", kAttachForm, kNotShown);
  }

  arrow::Result<std::string> TakeName(const std::string& what) {
    using duckdb::TokenType;
    const auto& token = tokens_[at_];
    if (AtEnd() || (token.type != TokenType::IDENTIFIER && token.type != TokenType::KEYWORD)) return Expected(what);
    std::string name = token.text;
    if (AtQuoted()) {
      name.clear();
      for (std::size_t i = 1; i + 1 < token.text.size(); ++i) {
        name.push_back(token.text[i]);
        if (token.text[i] == '"') ++i;  // doubled
      }
    }
    if (name.empty()) return Expected(what);
    ++at_;
    return name;
  }

  // A literal, or a bare word; whatever else stands there is not looked into.
  arrow::Result<std::string> TakeValue(const std::string& what) {
    const auto begin = at_;
    const auto ends = [](const auto& token) {
      return IsSymbol(token, ",") || IsSymbol(token, "(") || IsSymbol(token, ")") || IsWord(token, "as");
    };
    while (!AtEnd() && !ends(tokens_[at_])) ++at_;
    if (at_ == begin) return Expected(what);
    const auto& last = tokens_[at_ - 1];
    const auto text = sql_.substr(tokens_[begin].offset, last.offset + last.length - tokens_[begin].offset);
    duckdb::vector<duckdb::unique_ptr<duckdb::ParsedExpression>> values;
    try {
      values = duckdb::Parser::GetBuiltinParser().ParseExpressionList(text);
    } catch (const std::exception&) {
      values.clear();
    }
    auto value = OptionText("option", values.size() == 1 ? values[0].get() : nullptr);
    if (value.ok()) return value;
    at_ = begin;
    return Expected(what);
  }

  arrow::Result<std::shared_ptr<const Statement>> ParseAttach() {
    AttachBackend attach;
    TakeWord("database");
    if (TakeWord("if")) {
      if (!TakeWord("not") || !TakeWord("exists")) return Expected("IF NOT EXISTS");
      attach.if_not_exists = true;
    }
    if (IsWord(tokens_[at_], "or") || IsWord(tokens_[at_], "to")) return Other();
    ARROW_ASSIGN_OR_RAISE(attach.uri, TakeValue("the URI, a text in single quotes,"));
    if (!TakeWord("as")) return AtEnd() || IsSymbol(tokens_[at_], "(") ? Other() : Expected("AS and a name");
    ARROW_ASSIGN_OR_RAISE(const auto name, TakeName("the backend's name"));
    attach.name = FoldIdentifier(name);
    std::string type;
    if (TakeSymbol("(")) {
      do {
        ARROW_RETURN_NOT_OK(ParseOption(attach, type));
      } while (TakeSymbol(","));
      if (!TakeSymbol(")")) return Expected("a comma or ) after an option");
    }
    if (!AtEnd()) return Expected("the end of the statement");
    if (FoldIdentifier(type) != "adbc") return Other();
    return std::make_shared<AttachStatement>(std::move(attach));
  }

  arrow::Status ParseOption(AttachBackend& attach, std::string& type) {
    AttachBackend::Option option{.name = {}, .quoted = AtQuoted(), .value = "true"};
    ARROW_ASSIGN_OR_RAISE(option.name, TakeName("an option's name"));
    if (!option.quoted) option.name = FoldIdentifier(option.name);
    TakeSymbol("=");
    if (!IsSymbol(tokens_[at_], ",") && !IsSymbol(tokens_[at_], ")")) {
      ARROW_ASSIGN_OR_RAISE(option.value, TakeValue("an option's value, a text in single quotes or a number,"));
    }
    if (!option.quoted && option.name == "type") {
      type = std::move(option.value);
      return arrow::Status::OK();
    }
    const bool twice = std::ranges::any_of(
        attach.options, [&](const auto& other) { return other.name == option.name && other.quoted == option.quoted; });
    if (twice) return Expected("each option once, but one is given twice");
    attach.options.push_back(std::move(option));
    return arrow::Status::OK();
  }

  // Not a backend's.
  arrow::Result<std::shared_ptr<const Statement>> Other() {
    while (!AtEnd()) ++at_;
    return std::make_shared<ForbiddenAttach>();
  }

  arrow::Result<std::shared_ptr<const Statement>> ParseDetach() {
    DetachBackend detach;
    TakeWord("database");
    if (TakeWord("if")) {
      if (!TakeWord("exists")) return arrow::Status::Invalid("The form is: DETACH [IF EXISTS] name");
      detach.if_exists = true;
    }
    ARROW_ASSIGN_OR_RAISE(detach.name, TakeBackend("DETACH [IF EXISTS] name"));
    return std::make_shared<DetachStatement>(std::move(detach));
  }

  arrow::Result<std::shared_ptr<const Statement>> ParseRefresh() {
    ++at_;
    ARROW_ASSIGN_OR_RAISE(auto name, TakeBackend("REFRESH BACKEND name"));
    return std::make_shared<RefreshStatement>(RefreshBackend{.name = std::move(name)});
  }

  // The last of its statement, folded.
  arrow::Result<std::string> TakeBackend(const char* form) {
    const auto name = TakeName("a name");
    if (!name.ok() || !AtEnd()) {
      return arrow::Status::Invalid("Expected the name of a backend, and no more, at ",
                                    PlaceOf(sql_, tokens_[at_].offset), "; the form is: ", form);
    }
    return FoldIdentifier(*name);
  }

  const std::string& sql_;
  const Tokens& tokens_;
  std::size_t at_;
};

}  // namespace

bool StartsBackendStatement(const Tokens& tokens, std::size_t begin) {
  const bool refresh =
      IsWord(tokens[begin], "refresh") && begin + 1 < tokens.size() && IsWord(tokens[begin + 1], "backend");
  return refresh || IsWord(tokens[begin], "attach") || IsWord(tokens[begin], "detach");
}

arrow::Result<BackendStatement> ParseBackendStatement(const std::string& sql, const Tokens& tokens, std::size_t begin) {
  return AttachParser(sql, tokens, begin).Parse();
}

bool MayNameSecrets(const Tokens& tokens) {
  return std::ranges::any_of(tokens,
                             [](const auto& token) { return IsWord(token, "attach") || IsWord(token, "secret"); });
}

bool MayNameSecrets(std::string_view sql) {
  const auto folded = FoldIdentifier(sql);
  return folded.contains("attach") || folded.contains("secret");
}

}  // namespace hyprstream::engine
