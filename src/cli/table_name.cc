#include "cli/table_name.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include <utility>

namespace hyprstream::cli {

arrow::Result<std::vector<std::string>> ParseTableName(std::string_view text) {
  std::vector<std::string> parts(1);
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '"' && quoted && text.substr(at + 1).starts_with('"')) {
      parts.back() += c;
      ++at;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == '.' && !quoted) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  bool good = !quoted && parts.size() <= 2;
  for (const std::string& part : parts) good = good && !part.empty();
  if (good) return parts;
  return arrow::Status::Invalid(
      "'", text, "' is no table's name; write NAME or SCHEMA.NAME, each in \"double quotes\" ", "when it holds a dot");
}

}  // namespace hyprstream::cli
