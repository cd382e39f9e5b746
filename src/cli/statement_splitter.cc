#include "cli/statement_splitter.h"

#include <cctype>
#include <cstddef>
#include <utility>

namespace hyprstream::cli {
namespace {

constexpr std::size_t kOpen = std::string_view::npos;

bool IsWordCharacter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

// Each Skip* gets the position of an opening and gives the position after the end, or kOpen when that is still to come.
std::size_t SkipQuoted(std::string_view text, std::size_t at, bool backslashes) {
  const char quote = text[at];
  for (++at; at < text.size(); ++at) {
    if (backslashes && text[at] == '\\') {
      ++at;
    } else if (text[at] == quote) {
      if (at + 1 >= text.size() || text[at + 1] != quote) return at + 1;
      ++at;
    }
  }
  return kOpen;
}

std::size_t SkipLineComment(std::string_view text, std::size_t at) {
  const std::size_t end = text.find('\n', at);
  return end == std::string_view::npos ? kOpen : end + 1;
}

std::size_t SkipBlockComment(std::string_view text, std::size_t at) {
  int depth = 0;
  while (at + 1 < text.size()) {
    const std::string_view two = text.substr(at, 2);
    if (two == "/*") ++depth;
    if (two == "*/") --depth;
    at += two == "/*" || two == "*/" ? 2 : 1;
    if (depth == 0) return at;
  }
  return kOpen;
}

// `$$ ... $$` or `$tag$ ... $tag$`; a dollar that opens nothing is one character.
std::size_t SkipDollarQuoted(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  while (end < text.size() && IsWordCharacter(text[end])) ++end;
  const bool opens =
      end < text.size() && text[end] == '$' && std::isdigit(static_cast<unsigned char>(text[at + 1])) == 0;
  if (!opens) return at + 1;
  const std::string_view tag = text.substr(at, end - at + 1);
  const std::size_t close = text.find(tag, end + 1);
  return close == std::string_view::npos ? kOpen : close + tag.size();
}

bool StartsEscapeString(std::string_view text, std::size_t quote) {
  return quote > 0 && (text[quote - 1] == 'e' || text[quote - 1] == 'E') &&
         (quote == 1 || !IsWordCharacter(text[quote - 2]));
}

// Past the quote or comment that begins at `at`, or past the one character there.
std::size_t SkipOne(std::string_view text, std::size_t at) {
  const char c = text[at];
  const std::string_view two = text.substr(at, 2);
  if (c == '\'') return SkipQuoted(text, at, StartsEscapeString(text, at));
  if (c == '"') return SkipQuoted(text, at, false);
  if (two == "--") return SkipLineComment(text, at);
  if (two == "/*") return SkipBlockComment(text, at);
  if (c == '$' && (at == 0 || !IsWordCharacter(text[at - 1]))) return SkipDollarQuoted(text, at);
  return at + 1;
}

// Without blanks and comments at either end (comments only in front).
std::string Trimmed(std::string_view text) {
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::string_view two = text.substr(begin, 2);
    if (std::isspace(static_cast<unsigned char>(text[begin])) != 0) {
      ++begin;
    } else if (two == "--" || two == "/*") {
      begin = SkipOne(text, begin);
      if (begin == kOpen) return {};
    } else {
      break;
    }
  }
  std::size_t end = text.size();
  while (end > begin && std::isspace(static_cast<unsigned char>(text[end - 1])) != 0) --end;
  return std::string(text.substr(begin, end - begin));
}

}  // namespace

std::optional<std::string> StatementSplitter::Next() {
  std::size_t at = begin_;
  while (at < text_.size()) {
    if (text_[at] == ';') {
      std::string statement = Trimmed(std::string_view(text_).substr(begin_, at - begin_));
      begin_ = ++at;
      if (!statement.empty()) return statement;
      continue;
    }
    at = SkipOne(text_, at);
    if (at == kOpen) break;
  }
  text_.erase(0, std::exchange(begin_, 0));
  return std::nullopt;
}

std::string StatementSplitter::TakeRest() {
  std::string rest = Trimmed(pending());
  Clear();
  return rest;
}

bool StatementSplitter::IsInside() const { return !Trimmed(pending()).empty() || pending().contains("/*"); }

void StatementSplitter::Clear() {
  text_.clear();
  begin_ = 0;
}

}  // namespace hyprstream::cli
