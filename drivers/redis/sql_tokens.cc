#include "sql_tokens.h"

#include "failure.h"

namespace adbc_redis::sql {
namespace {

bool IsDigit(char letter) { return letter >= '0' && letter <= '9'; }
bool StartsWord(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || letter == '_' ||
         static_cast<unsigned char>(letter) >= 0x80;
}
char Lower(char letter) { return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter; }

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  arrow::Result<std::vector<Token>> All() {
    std::vector<Token> tokens;
    while (true) {
      ARROW_RETURN_NOT_OK(SkipBlanks());
      ARROW_ASSIGN_OR_RAISE(Token token, Next());
      tokens.push_back(std::move(token));
      if (tokens.back().kind == Token::Kind::kEnd) return tokens;
    }
  }

 private:
  char At(size_t ahead = 0) const { return next_ + ahead < text_.size() ? text_[next_ + ahead] : '\0'; }

  arrow::Status Unfinished(std::string_view what, size_t start) const {
    return Fail(ADBC_STATUS_INVALID_ARGUMENT,
                "The " + std::string(what) + " at position " + std::to_string(start + 1) + " does not end");
  }

  arrow::Status SkipBlanks() {
    while (next_ < text_.size()) {
      const size_t start = next_;
      if (At() == ' ' || At() == '\t' || At() == '\n' || At() == '\r') {
        ++next_;
      } else if (At() == '-' && At(1) == '-') {
        while (next_ < text_.size() && At() != '\n') ++next_;
      } else if (At() == '/' && At(1) == '*') {
        const size_t end = text_.find("*/", next_ + 2);
        if (end == std::string_view::npos) return Unfinished("comment", start);
        next_ = end + 2;
      } else {
        break;
      }
    }
    return arrow::Status::OK();
  }

  arrow::Result<Token> Next() {
    const char first = At();
    if (next_ >= text_.size()) return Token{.kind = Token::Kind::kEnd, .text = "", .position = next_};
    if ((first == 'x' || first == 'X') && At(1) == '\'') return Bytes();
    if (StartsWord(first)) return Word();
    if (IsDigit(first) || (first == '.' && IsDigit(At(1)))) return Number();
    if (first == '\'') return Quoted(Token::Kind::kString, "string");
    if (first == '"') return Quoted(Token::Kind::kQuotedName, "quoted name");
    if (first == '$' && IsDigit(At(1))) return NumberedParameter();
    if (first == '?') return Take(Token::Kind::kParameter, 1);
    const bool pair = (first == '<' && (At(1) == '=' || At(1) == '>')) || (first == '>' && At(1) == '=') ||
                      (first == '!' && At(1) == '=') || (first == ':' && At(1) == ':');
    return Take(Token::Kind::kSymbol, pair ? 2 : 1);
  }

  Token Take(Token::Kind kind, size_t length) {
    Token token{.kind = kind, .text = std::string(text_.substr(next_, length)), .position = next_};
    next_ += length;
    return token;
  }

  Token Word() {
    size_t length = 1;
    while (StartsWord(At(length)) || IsDigit(At(length)) || At(length) == '$') ++length;
    Token token = Take(Token::Kind::kWord, length);
    for (char& letter : token.text) letter = Lower(letter);
    return token;
  }

  Token Number() {
    size_t length = 0;
    while (IsDigit(At(length)) || At(length) == '.') ++length;
    if (At(length) == 'e' || At(length) == 'E') {
      const size_t sign = At(length + 1) == '+' || At(length + 1) == '-' ? 1 : 0;
      if (IsDigit(At(length + 1 + sign))) {
        length += 1 + sign;
        while (IsDigit(At(length))) ++length;
      }
    }
    return Take(Token::Kind::kNumber, length);
  }

  Token NumberedParameter() {
    size_t length = 1;
    while (IsDigit(At(length))) ++length;
    return Take(Token::Kind::kParameter, length);
  }

  arrow::Result<Token> Quoted(Token::Kind kind, std::string_view what) {
    const char quote = At();
    Token token{.kind = kind, .text = "", .position = next_++};
    while (next_ < text_.size()) {
      if (At() != quote) {
        token.text += text_[next_++];
      } else if (At(1) == quote) {
        token.text += quote;
        next_ += 2;
      } else {
        ++next_;
        return token;
      }
    }
    return Unfinished(what, token.position);
  }

  arrow::Result<Token> Bytes() {
    ++next_;
    ARROW_ASSIGN_OR_RAISE(Token token, Quoted(Token::Kind::kBytes, "x'…' literal"));
    const std::string digits = std::move(token.text);
    token.text.clear();
    const auto value = [](char letter) {
      if (IsDigit(letter)) return letter - '0';
      const char lower = Lower(letter);
      return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
    };
    for (size_t i = 0; i < digits.size(); i += 2) {
      const int low = i + 1 < digits.size() ? value(digits[i + 1]) : -1;
      if (value(digits[i]) < 0 || low < 0) {
        return Fail(ADBC_STATUS_INVALID_ARGUMENT, "x'…' at position " + std::to_string(token.position) +
                                                      " needs an even number of hexadecimal digits");
      }
      token.text += static_cast<char>(value(digits[i]) * 16 + low);
    }
    return token;
  }

  std::string_view text_;
  size_t next_ = 0;
};

}  // namespace

arrow::Result<std::vector<Token>> Tokenize(std::string_view text) { return Reader(text).All(); }

}  // namespace adbc_redis::sql
