// The interactive shell: reads lines, runs statements and dot commands, shows errors and goes on.
//
// Thread safety: one thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/line_editor.h"
#include "cli/statement_splitter.h"

namespace arrow {
class Status;
}

namespace hyprstream::cli {

class StatementRunner;

class SqlShell {
 public:
  explicit SqlShell(StatementRunner& runner) : runner_(runner) {}

  void Run(const std::string& history_file);  // until .quit or the end of input

  // Words that begin like `word`, without regard to case: keywords, dot commands and tables.
  std::vector<std::string> Complete(std::string_view word);

 private:
  // False to leave.
  bool TakeLine(LineEditor& editor, const std::string& line);
  bool RunDotCommand(std::string_view line);
  void RunStatement(const std::string& sql);
  arrow::Status ShowTables();
  arrow::Status ShowSchema(const std::string& table);

  StatementRunner& runner_;
  StatementSplitter splitter_;
  std::string entry_;  // what was typed for the statement so far
  std::vector<std::string> tables_;
  bool tables_known_ = false;
  bool timing_ = true;
};

}  // namespace hyprstream::cli
