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

arrow::Status CheckReadsOnce(std::string_view statement) {
  static constexpr std::array<std::string_view, 5> kReading = {"select", "values", "show", "describe", "table"};
  // WITH and EXPLAIN may write.
  if (std::ranges::find(kReading, FirstWord(statement)) == kReading.end()) {
    return arrow::Status::Invalid(
        "a statement begins with SELECT, VALUES, SHOW, DESCRIBE or TABLE here: it is there to read (write a WITH as "
        "SELECT * FROM (WITH ...) AS q)");
  }
  const auto semicolon = statement.find(';');
  if (statement.find_first_not_of("; \t\n\f\r", std::min(semicolon, statement.size())) != std::string_view::npos) {
    return arrow::Status::Invalid(
        "a statement has no ';' but at its end here: more than one statement would be passed on");
  }
  return arrow::Status::OK();
}

}  // namespace hyprstream::backend
