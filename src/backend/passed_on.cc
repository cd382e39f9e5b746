#include "backend/passed_on.h"

#include <arrow/status.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace hyprstream::backend {

std::string FirstWord(std::string_view statement) {
  for (std::size_t begin = 0;;) {
    begin = std::min(statement.find_first_not_of(" \t\n\f\r", begin), statement.size());
    statement.remove_prefix(begin);
    const bool line = statement.starts_with("--");
    if (!line && !statement.starts_with("/*")) break;
    const auto end = line ? statement.find('\n') : statement.find("*/", 2);
    if (end == std::string_view::npos) return {};
    begin = end + (line ? 1 : 2);
  }
  std::string word;
  for (const char c : statement) {
    if (!std::isalpha(static_cast<unsigned char>(c))) break;
    word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return word;
}

namespace {

bool IsOfWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$'; }

// The statement without what is surely quoted. Databases differ in what a backslash, a dollar, a bracket, a backtick or
// a comment does to a quote, so that with one of them nothing is.
std::string Unquoted(std::string_view statement) {
  std::string rest;
  const bool doubtful = statement.find_first_of("\\$#`[") != std::string_view::npos || statement.contains("--") ||
                        statement.contains("/*");
  for (std::size_t i = 0; i < statement.size(); ++i) {
    const char c = statement[i];
    rest += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (doubtful || (c != '\'' && c != '"')) continue;
    // A doubled quote is two pieces beside each other.
    const auto end = statement.find(c, i + 1);
    if (end != std::string_view::npos) i = end;
  }
  return rest;
}

// Words with which a statement that begins to read does more in some database: SELECT … INTO, SELECT … FOR UPDATE, a
// second statement without a semicolon between, EXPLAIN ANALYZE by another name.
std::string WordThatWrites(const std::string& unquoted, bool shows) {
  static constexpr std::array<std::string_view, 12> kWriting = {"into",     "insert", "update",  "delete",
                                                                "merge",    "drop",   "alter",   "create",
                                                                "truncate", "exec",   "execute", "analyze"};
  for (std::size_t i = 0; i < unquoted.size();) {
    std::size_t end = i;
    while (end < unquoted.size() && IsOfWord(unquoted[end])) ++end;
    const auto word = unquoted.substr(i, end - i);
    // Some databases take `1INTO` for two words.
    const bool number = !word.empty() && (std::isdigit(static_cast<unsigned char>(word[0])) || word[0] == '$');
    const auto* writes = std::ranges::find_if(
        kWriting, [&](std::string_view writing) { return number ? word.ends_with(writing) : word == writing; });
    const bool told = shows && word == "create";  // SHOW CREATE TABLE
    if (!told && writes != kWriting.end()) return std::string(*writes);
    i = end + 1;
  }
  return {};
}

}  // namespace

arrow::Status CheckReadsOnce(std::string_view statement) {
  static constexpr std::array<std::string_view, 5> kReading = {"select", "values", "show", "describe", "table"};
  // Where a comment ends is another place in each database: they nest in some, and `\r` ends a line in some.
  if (statement.substr(std::min(statement.find_first_not_of(" \t\n\f\r"), statement.size())).find_first_of("-/#") ==
      0) {
    return arrow::Status::Invalid("a statement begins with its first word here, and not with a comment (leave it out)");
  }
  // WITH and EXPLAIN may write.
  const std::string first = FirstWord(statement);
  if (std::ranges::find(kReading, first) == kReading.end()) {
    return arrow::Status::Invalid(
        "a statement begins with SELECT, VALUES, SHOW, DESCRIBE or TABLE here: it is there to read (write a WITH as "
        "SELECT * FROM (WITH ...) AS q)");
  }
  const auto semicolon = statement.find(';');
  if (statement.find_first_not_of("; \t\n\f\r", std::min(semicolon, statement.size())) != std::string_view::npos) {
    return arrow::Status::Invalid(
        "a statement has no ';' but at its end here: more than one statement would be passed on");
  }
  const std::string unquoted = Unquoted(statement);
  for (auto at = unquoted.find('\r'); at != std::string::npos; at = unquoted.find('\r', at + 1)) {
    if (unquoted.compare(at, 2, "\r\n") == 0) continue;
    return arrow::Status::Invalid("a statement has no carriage return without a new line here (leave it out)");
  }
  if (unquoted.contains("/*!") || unquoted.contains("/*m!")) {
    return arrow::Status::Invalid("a statement has no comment that is run (/*! ... */) here (leave it out)");
  }
  const auto writes = WordThatWrites(unquoted, first == "show");
  if (!writes.empty()) {
    return arrow::Status::Invalid("a statement does not have the word ", writes,
                                  " here: it is there to read (quote it where it is a name, and leave out comments)");
  }
  return arrow::Status::OK();
}

}  // namespace hyprstream::backend
