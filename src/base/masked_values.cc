#include "base/masked_values.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>

namespace hyprstream {
namespace {

constexpr std::string_view kMask = "\u2026";

bool IsWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The word before `at`, blanks between them left out; empty after any other sign.
std::string_view WordBefore(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end > 0 && text[end - 1] == ' ') --end;
  std::size_t begin = end;
  while (begin > 0 && IsWord(text[begin - 1])) --begin;
  return text.substr(begin, end - begin);
}

// In the engine's texts a quoted name follows what it names; a bare `near "..."` or `key "..."` quotes values.
bool AnnouncesName(std::string_view word) {
  static constexpr std::array<std::string_view, 20> kNouns = {
      "alias", "catalog", "collation", "column", "columns",  "constraint", "database", "field",   "function", "index",
      "macro", "mean",    "name",      "named",  "relation", "schema",     "sequence", "setting", "table",    "view"};
  std::string folded(word);
  std::ranges::transform(folded, folded.begin(), [](unsigned char c) { return std::tolower(c); });
  return std::ranges::find(kNouns, folded) != kNouns.end();
}

// An apostrophe inside a word (can't) quotes nothing.
bool IsApostrophe(std::string_view text, std::size_t at) {
  return at > 0 && IsWord(text[at - 1]) && at + 1 < text.size() && IsWord(text[at + 1]);
}

bool Opens(std::string_view text, std::size_t at) { return at == 0 || !IsWord(text[at - 1]); }

// The last quote that can end what is opened at `at`; the text's end when there is none.
std::size_t LastQuote(std::string_view text, std::size_t at) {
  for (std::size_t end = text.size(); --end > at;) {
    if (text[end] == text[at] && (text[at] == '"' || !IsApostrophe(text, end))) return end;
  }
  return text.size();
}

// What follows a colon in a text that begins with a small letter is the value itself (regular expressions, dates).
std::string_view WithoutTail(std::string_view text, std::string& tail) {
  if (text.empty() || std::islower(static_cast<unsigned char>(text[0])) == 0) return text;
  const std::size_t colon = text.find(": ");
  if (colon == std::string_view::npos) return text;
  tail = kMask;
  return text.substr(0, colon + 2);
}

// `(2000000000 * 2)`: operands of a calculation; `(keep_rows = false)` is none.
std::size_t EndOfCalculation(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  if (end < text.size() && text[end] == '-') ++end;
  if (end >= text.size() || !IsDigit(text[end])) return at;
  const std::size_t close = text.find(')', end);
  if (close == std::string_view::npos) return at;
  const auto inside = text.substr(at, close - at);
  return inside.find_first_of("*+-/%") == std::string_view::npos ? at : close;
}

// Copies or masks what begins at `at`; gives the position after it.
std::size_t Take(std::string_view text, std::size_t at, std::string& out) {
  const char c = text[at];
  if (c == '\'' && Opens(text, at)) {
    const std::size_t end = LastQuote(text, at);
    out.append("'").append(kMask).append("'");
    return std::min(end + 1, text.size());
  }
  if (c == '"') {
    const std::size_t name_end = text.find('"', at + 1);
    if (AnnouncesName(WordBefore(text, at)) && name_end != std::string_view::npos) {
      out += text.substr(at, name_end + 1 - at);
      return name_end + 1;
    }
    out.append("\"").append(kMask).append("\"");
    return std::min(LastQuote(text, at) + 1, text.size());
  }
  if ((IsDigit(c) || c == '-') && (at == 0 || text[at - 1] == ' ') && WordBefore(text, at) == "value") {
    out += kMask;
    return std::min(text.find(' ', at), text.size());
  }
  if (c == '(') {
    if (const std::size_t end = EndOfCalculation(text, at); end > at) {
      out.append("(").append(kMask);
      return end;
    }
  }
  out += c;
  return at + 1;
}

}  // namespace

std::string MaskValues(std::string_view text) {
  std::string tail;
  text = WithoutTail(text, tail);
  std::string out;
  for (std::size_t at = 0; at < text.size();) at = Take(text, at, out);
  return out + tail;
}

}  // namespace hyprstream
