#include "cli/sql_command.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>

#include "cli/interrupt_watch.h"
#include "cli/server_link.h"
#include "cli/sql_shell.h"
#include "cli/statement_runner.h"
#include "cli/statement_splitter.h"

namespace hyprstream::cli {
namespace {

arrow::Result<std::string> ReadScript(const std::string& file) {
  std::ostringstream text;
  if (file == "-") {
    text << std::cin.rdbuf();
    return std::move(text).str();
  }
  errno = 0;
  std::ifstream in(file);
  if (!in) return arrow::Status::IOError("Cannot read ", file, ": ", std::strerror(errno));
  text << in.rdbuf();
  return std::move(text).str();
}

arrow::Status RunText(StatementRunner& runner, std::string_view text) {
  StatementSplitter splitter;
  splitter.Add(text);
  while (const auto statement = splitter.Next()) ARROW_RETURN_NOT_OK(runner.Run(*statement));
  const std::string rest = splitter.TakeRest();
  return rest.empty() ? arrow::Status::OK() : runner.Run(rest);
}

arrow::Status RunScripts(StatementRunner& runner, const config::SqlCommand& command) {
  for (const std::string& text : command.statements) ARROW_RETURN_NOT_OK(RunText(runner, text));
  std::string file = command.file;
  if (file.empty() && command.statements.empty()) file = "-";
  if (file.empty()) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(const std::string script, ReadScript(file));
  return RunText(runner, script);
}

arrow::Status RunCommand(const config::SqlCommand& command) {
  const bool on_terminal = isatty(STDOUT_FILENO) == 1;
  const bool shell = command.statements.empty() && command.file.empty() && isatty(STDIN_FILENO) == 1;
  if (shell) BlockInterrupts();
  ARROW_ASSIGN_OR_RAISE(const auto link, ServerLink::Open(command.client));
  StatementRunner runner(*link, {.format = command.format, .interactive = on_terminal});
  if (!shell) return RunScripts(runner, command);
  ARROW_RETURN_NOT_OK(runner.Tables().status());  // says at once when nobody answers
  SqlShell(runner).Run(command.history_file);
  return arrow::Status::OK();
}

}  // namespace

int RunSql(const config::SqlCommand& command) {
  const arrow::Status status = RunCommand(command);
  if (status.ok()) return 0;
  std::fprintf(stderr, "hyprstream: %s\n", OneLine(status).c_str());
  return 1;
}

}  // namespace hyprstream::cli
