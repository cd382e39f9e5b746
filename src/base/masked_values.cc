#include "base/masked_values.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <utility>

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

std::string Folded(std::string_view word) {
  std::string folded(word);
  std::ranges::transform(folded, folded.begin(), [](unsigned char c) { return std::tolower(c); });
  return folded;
}

// In the engine's texts a quoted name follows what it names; a bare `near "..."` or `key "..."` quotes values.
bool AnnouncesName(std::string_view word) {
  static constexpr std::array<std::string_view, 20> kNouns = {
      "alias", "catalog", "collation", "column", "columns",  "constraint", "database", "field",   "function", "index",
      "macro", "mean",    "name",      "named",  "relation", "schema",     "sequence", "setting", "table",    "view"};
  return std::ranges::find(kNouns, Folded(word)) != kNouns.end();
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

bool Contains(std::string_view text, std::string_view words) { return text.find(words) != std::string_view::npos; }

// Is what follows `head` and a colon the value itself? So it is in a text that begins with a small letter (regular
// expressions, dates), and after words about reading or converting one.
bool AnnouncesValue(std::string_view head) {
  static constexpr std::array<std::string_view, 9> kWords = {"parse", "parsing", "convert", "conversion", "cast",
                                                             "Cast",  "nvalid",  "range",   "Malformed"};
  return std::ranges::any_of(kWords, [head](std::string_view word) { return Contains(head, word); });
}

std::string WithoutTail(std::string text) {
  constexpr std::string_view kColon = ": ";
  const bool small = !text.empty() && std::islower(static_cast<unsigned char>(text[0])) != 0;
  std::size_t begin = 0;
  for (auto at = text.find(kColon); at != std::string::npos; at = text.find(kColon, begin)) {
    const auto head = std::string_view(text).substr(begin, at - begin);
    begin = at + kColon.size();
    if (small || AnnouncesValue(head)) return text.substr(0, begin).append(kMask);
  }
  return text;
}

// Names that a statement gives as texts, and values that the engine does not quote, follow these words.
std::string WithoutUnquoted(std::string text) {
  static constexpr std::array<std::string_view, 4> kBefore = {"Aggregate Function with name ", "Sequence with name ",
                                                              "got the string ", "format specifier "};
  for (const auto words : kBefore) {
    const auto found = text.find(words);
    if (found == std::string::npos) continue;
    const auto begin = found + words.size();
    const auto end = text.rfind(" does not exist");
    const bool named = end != std::string::npos && end >= begin;
    text.replace(begin, named ? end - begin : std::string::npos, kMask);
  }
  return text;
}

// `(2000000000 * 2)`: operands of a calculation; `(keep_rows = false)` is none.
std::size_t EndOfCalculation(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  if (end < text.size() && text[end] == '-') ++end;
  if (end >= text.size() || !IsDigit(text[end])) return at;
  const std::size_t close = text.find(')', end);
  if (close == std::string_view::npos) return at;
  const auto inside = text.substr(at, close - at);
  return inside.find_first_of("*+-/%<>") == std::string_view::npos ? at : close;
}

// A number after a word that says that it is a value, among the operands of an overflow, or one that is no count: a
// date, a time, a number with a point.
bool IsValue(std::string_view text, std::size_t at) {
  static constexpr std::array<std::string_view, 4> kWords = {"value", "number", "index", "codepoint"};
  if ((!IsDigit(text[at]) && text[at] != '-') || (at > 0 && text[at - 1] != ' ')) return false;
  if (std::ranges::find(kWords, Folded(WordBefore(text, at))) != kWords.end()) return true;
  if (Contains(text.substr(0, at), "Overflow in ")) return true;
  const auto number = text.substr(at, text.find(' ', at) - at);
  for (std::size_t i = 1; i + 1 < number.size(); ++i) {
    if (IsDigit(number[i - 1]) && !IsWord(number[i]) && (IsDigit(number[i + 1]) || number[i + 1] == '-')) return true;
  }
  return false;
}

// Past the value at `at`, of whatever type, if the engine says with which one a cast has failed; else `at`.
std::size_t EndOfCastValue(std::string_view text, std::size_t at) {
  constexpr std::string_view kWith = "with value ";
  if (at < kWith.size() || text.substr(at - kWith.size(), kWith.size()) != kWith) return at;
  return std::min(text.rfind(" can't be cast"), text.size());
}

// Copies or masks what begins at `at`; gives the position after it.
std::size_t Take(std::string_view text, std::size_t at, std::string& out) {
  const char c = text[at];
  if (const std::size_t end = EndOfCastValue(text, at); end > at && c != '\'') {
    out += kMask;
    return end;
  }
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
  if (IsValue(text, at)) {
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
  std::string out;
  for (std::size_t at = 0; at < text.size();) at = Take(text, at, out);
  // The further lines quote texts as they are. A quoted value may have lines of its own, so it is masked before.
  out.erase(std::min(out.find('\n'), out.size()));
  return WithoutTail(WithoutUnquoted(std::move(out)));
}

}  // namespace hyprstream
