#include "cli/sql_shell.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstdio>

#include "base/nearest_name.h"
#include "cli/interrupt_watch.h"
#include "cli/server_link.h"
#include "cli/statement_runner.h"

namespace hyprstream::cli {
namespace {

constexpr std::array kKeywords = {
    "SELECT",    "FROM",     "WHERE",  "GROUP BY", "ORDER BY",    "HAVING",  "LIMIT",        "OFFSET", "JOIN",
    "LEFT",      "USING",    "WITH",   "CREATE",   "TABLE",       "VIEW",    "MATERIALIZED", "INSERT", "INTO",
    "VALUES",    "UPDATE",   "SET",    "DELETE",   "DROP",        "ALTER",   "BEGIN",        "COMMIT", "ROLLBACK",
    "EXPLAIN",   "DESCRIBE", "SHOW",   "INTERVAL", "DISTINCT",    "BETWEEN", "INTERSECT",    "UNION",  "EXCEPT",
    "TIMESTAMP", "VARCHAR",  "DOUBLE", "BIGINT",   "time_bucket", "count",   "COALESCE",     "EXISTS", "RETURNING"};
const std::vector<std::string> kDotCommands = {".help", ".quit", ".schema", ".tables", ".timing"};

constexpr const char* kHelp =
    "Statements end with a semicolon and may have several lines; Tab completes, Ctrl-C drops the line or cancels\n"
    "the running statement, Ctrl-D leaves.\n"
    "  .tables          tables and views\n"
    "  .schema [TABLE]  columns and their types; without a name, of all tables\n"
    "  .timing on|off   the time that a statement took\n"
    "  .help            this text\n"
    "  .quit            leave\n";

void Complain(const arrow::Status& status) { std::fprintf(stderr, "%s\n", PlainMessage(status).c_str()); }

bool StartsLike(std::string_view word, std::string_view start) {
  return word.size() >= start.size() && std::ranges::equal(word.substr(0, start.size()), start, [](char a, char b) {
           return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
         });
}

// No history keeps what may hold a password: an ATTACH, or whatever speaks of one.
bool MayHoldPassword(std::string_view text) {
  return std::ranges::any_of(std::array<std::string_view, 3>{"attach", "password", "secret"}, [&](auto word) {
    return !std::ranges::search(text, word, {}, [](unsigned char c) { return std::tolower(c); }).empty();
  });
}

std::string_view Trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

}  // namespace

void SqlShell::Run(const std::string& history_file) {
  const auto editor = LineEditor::Make(history_file, [this](std::string_view word) { return Complete(word); });
  std::printf(".help tells what there is besides SQL; .quit leaves.\n");
  while (true) {
    const LineEditor::Input input = editor->Read(splitter_.IsInside() ? "       ...> " : "hyprstream> ");
    if (input.outcome == LineEditor::Outcome::kEnd) break;
    if (input.outcome == LineEditor::Outcome::kInterrupted) {
      splitter_.Clear();
      entry_.clear();
    } else if (!TakeLine(*editor, input.line)) {
      return;
    }
  }
  std::printf("\n");
}

bool SqlShell::TakeLine(LineEditor& editor, const std::string& line) {
  const std::string_view trimmed = Trimmed(line);
  if (!splitter_.IsInside()) {
    entry_.clear();
    splitter_.Clear();
    if (trimmed.empty()) return true;
    if (trimmed.starts_with('.')) {
      editor.Remember(std::string(trimmed));
      return RunDotCommand(trimmed);
    }
  }
  entry_ += line;
  splitter_.Add(line);
  while (const auto statement = splitter_.Next()) {
    if (!entry_.empty() && !MayHoldPassword(entry_)) editor.Remember(std::string(Trimmed(entry_)));
    entry_.clear();
    RunStatement(*statement);
  }
  return true;
}

bool SqlShell::RunDotCommand(std::string_view line) {
  const std::size_t blank = line.find(' ');
  const std::string name(line.substr(0, blank));
  const std::string argument(blank == std::string_view::npos ? std::string_view() : Trimmed(line.substr(blank)));
  arrow::Status status;
  if (name == ".quit" || name == ".exit") return false;
  if (name == ".help") {
    std::fputs(kHelp, stdout);
  } else if (name == ".tables") {
    status = ShowTables();
  } else if (name == ".schema") {
    status = ShowSchema(argument);
  } else if (name == ".timing" && (argument == "on" || argument == "off")) {
    timing_ = argument == "on";
  } else if (name == ".timing") {
    status = arrow::Status::Invalid("Write .timing on, or .timing off");
  } else {
    status = arrow::Status::Invalid("Unknown command ", name, DidYouMean(name, kDotCommands), "; see .help");
  }
  if (!status.ok()) Complain(status);
  return true;
}

void SqlShell::RunStatement(const std::string& sql) {
  const auto start = std::chrono::steady_clock::now();
  arrow::Status status;
  {
    const InterruptWatch watch([this] { runner_.Cancel(); });
    status = runner_.Run(sql);
  }
  tables_known_ = false;
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  if (!status.ok()) {
    Complain(status);
  } else if (timing_) {
    std::printf("%.1f ms\n", took.count());
  }
}

arrow::Status SqlShell::ShowTables() {
  ARROW_ASSIGN_OR_RAISE(const auto tables, runner_.Tables());
  for (const auto& table : tables) {
    std::printf("%s%s%s\n", table.schema.c_str(), table.schema.empty() ? "" : ".", table.name.c_str());
  }
  return arrow::Status::OK();
}

arrow::Status SqlShell::ShowSchema(const std::string& table) {
  if (table.empty()) {
    ARROW_ASSIGN_OR_RAISE(const auto tables, runner_.Tables());
    for (const auto& each : tables) {
      const std::string full = each.schema.empty() ? each.name : each.schema + "." + each.name;
      std::printf("%s\n", full.c_str());
      ARROW_RETURN_NOT_OK(ShowSchema(full));
    }
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(const auto schema, runner_.SchemaOf(table));
  if (schema == nullptr) return arrow::Status::KeyError("Unknown table: ", table, "; see .tables");
  for (const auto& field : schema->fields()) {
    std::printf("  %-30s %s%s\n", field->name().c_str(), field->type()->ToString().c_str(),
                field->nullable() ? "" : " not null");
  }
  return arrow::Status::OK();
}

std::vector<std::string> SqlShell::Complete(std::string_view word) {
  std::vector<std::string> candidates;
  if (word.starts_with('.')) {
    std::ranges::copy_if(kDotCommands, std::back_inserter(candidates),
                         [&](const std::string& command) { return StartsLike(command, word); });
    return candidates;
  }
  if (!tables_known_) {
    tables_.clear();
    const auto tables = runner_.Tables();
    if (tables.ok()) {
      for (const auto& table : *tables) {
        tables_.push_back(table.name);
        if (!table.schema.empty()) tables_.push_back(table.schema + "." + table.name);
      }
    }
    tables_known_ = true;
  }
  std::ranges::copy_if(tables_, std::back_inserter(candidates),
                       [&](const std::string& table) { return StartsLike(table, word); });
  for (const char* keyword : kKeywords) {
    if (!word.empty() && StartsLike(keyword, word)) candidates.emplace_back(keyword);
  }
  std::ranges::sort(candidates);
  candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
  return candidates;
}

}  // namespace hyprstream::cli
